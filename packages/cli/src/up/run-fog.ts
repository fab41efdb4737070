/**
 * Coordinator and nodes of `fog up`, from start to end.
 *
 *     coordinator starts -> nodes start -> ready -> [signal] -> nodes stop -> coordinator stops
 *
 * A signal during the start ends it at the next step; a second one ends the process at once, and the nodes with it,
 * because their channel closes.
 */
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { counted, type EffectiveSetting } from '@fog/contract';
import { spareMemory, startCoordinator } from '@fog/coordinator';
import { connectClient } from '@fog/sdk';
import { EXIT } from '../exit-code.ts';
import { CLI_LIMITS } from '../limits.ts';
import { configFileOf, readSettings } from '../settings-files.ts';
import { onStopSignals } from '../signals.ts';
import { note, type Terminal } from '../terminal.ts';
import { type ConnectedNode, NodeProcesses } from './node-processes.ts';
import { nodeShare } from './node-share.ts';
import { provideNodeToken } from './node-token.ts';
import { namingItsUser } from './running-fog.ts';

export interface FogPlan {
  nodes: number;
  dataDirectory: string;
  /** Settings of the coordinator from the command line; undefined ones count as absent. */
  flags: Record<string, unknown>;
  isVerbose: boolean;
  /** Called once, when everything runs. */
  ready(fog: RunningFog): Promise<void>;
}

export interface RunningFog {
  url: string;
  dataDirectory: string;
  nodes: ConnectedNode[];
}

/** Runs until a signal. Throws `port-taken`, `data-directory`, `unsupported-platform`, `invalid-configuration`. */
export async function runFog(terminal: Terminal, plan: FogPlan): Promise<void> {
  const stop = Promise.withResolvers<void>();
  const stopping = new AbortController();
  using _signals = onStopSignals((_, count) => {
    if (count > 1) process.exit(EXIT.cancelled);
    stopping.abort();
    stop.resolve();
  });
  const { dataDirectory } = plan;
  const configFile = configFileOf(dataDirectory);
  const { settings } = await readSettings('coordinator', terminal, configFile, plan.flags);
  const agent = await readSettings('agent', terminal, configFile, {});
  spareMemory();
  const coordinator = await startCoordinator({
    dataDirectory,
    settings,
    expectedNodes: plan.nodes,
    log: (level, message, data) => {
      if (level === 'info' && !plan.isVerbose) return;
      void note(terminal, `${level}: ${message}${data === undefined ? '' : ` ${JSON.stringify(data)}`}`);
    },
  }).catch(async (error: unknown) => {
    throw await namingItsUser(error, dataDirectory);
  });
  const tokenFile = join(dataDirectory, 'nodes', 'join.token');
  const nodes = new NodeProcesses({
    command: (number) =>
      nodeCommand(number, { plan, configFile, url: coordinator.url, tokenFile, agent: agent.effective }),
    environment: terminal.environment,
    tell: (name, line) => void note(terminal, `${name}: ${line}`),
  });
  try {
    const { url, adminToken: token, fingerprint } = coordinator;
    const client = await connectClient({ url, token, environment: {} });
    await provideNodeToken(tokenFile, { client, fingerprint, createToken: (input) => coordinator.createToken(input) });
    if (!stopping.signal.aborted) nodes.start(plan.nodes);
    const connected = await nodes.connected(CLI_LIMITS.connectMilliseconds, stopping.signal);
    if (!stopping.signal.aborted) {
      if (connected.length < plan.nodes) {
        await note(terminal, `${plan.nodes - connected.length} of ${counted(plan.nodes, 'node')} not connected yet`);
      }
      await plan.ready({ url, dataDirectory, nodes: connected });
    }
    await stop.promise;
  } finally {
    await nodes.stop(CLI_LIMITS.stopNodeMilliseconds);
    await within(coordinator.close(), CLI_LIMITS.stopCoordinatorMilliseconds);
  }
}

interface NodeCommandParts {
  plan: FogPlan;
  configFile: string;
  url: string;
  tokenFile: string;
  agent: readonly EffectiveSetting[];
}

/** The token goes by file: command lines are public. What the user set in [agent] is left to the node to read. */
function nodeCommand(number: number, { plan, configFile, url, tokenFile, agent }: NodeCommandParts) {
  const program = fileURLToPath(new URL('../../bin/fog.js', import.meta.url));
  const share = nodeShare({ cores: availableParallelism(), memoryBytes: totalmem() }, plan.nodes);
  const isSet = (key: string) =>
    agent.some((setting) => setting.key === `agent.${key}` && setting.origin !== 'default');
  const args = [
    ...['node', 'join', url, '--token-file', tokenFile, '--config', configFile],
    ...['--data', join(plan.dataDirectory, 'nodes', String(number)), '--name', `node-${number}`],
    ...(isSet('slots') ? [] : ['--slots', String(share.slots)]),
    ...(isSet('memory') ? [] : ['--memory', String(share.memoryBytes)]),
    ...(isSet('trusted') ? [] : ['--trust', 'admin']),
    ...(plan.isVerbose ? ['--verbose'] : []),
  ];
  return { file: process.execPath, args: [program, ...args] };
}

async function within(work: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
