/**
 * `fog node join`: this computer becomes a node.
 *
 * It runs until it is drained or stopped. `fog up` starts its nodes with this command as well, under FOG_SUPERVISED:
 * then the parent alone decides about the end, over the channel between the two, and a parent that died counts as
 * one that said stop.
 */
import { join, resolve } from 'node:path';
import type { RunningAgent } from '@fog/agent';
import { FogError, parseDuration } from '@fog/contract';
import { defaultDataDirectory, findCoordinator, readEndpoint } from '@fog/sdk';
import type { Command } from 'commander';
import { EXIT, errorExitCode } from '../exit-code.ts';
import { readGivenFile } from '../given-files.ts';
import { CLI_LIMITS } from '../limits.ts';
import { configFileOf, readSettings } from '../settings-files.ts';
import { onStopSignals } from '../signals.ts';
import { note, type Terminal, writeJson } from '../terminal.ts';
import { labelOption, listOption, wholeNumber, withJson } from './command-context.ts';

interface JoinOptions {
  token?: string;
  tokenFile?: string;
  data?: string;
  config?: string;
  name?: string;
  label?: Record<string, string>;
  slots?: number;
  cpu?: number;
  memory?: string;
  accept?: string[];
  trust?: string[];
  price?: number;
  idleWatts?: number;
  busyWatts?: number;
  verbose?: boolean;
  json?: boolean;
}

const HELP = `
URL may be left out for the fog that "fog up" runs on this computer.
The token is needed once. --token-file and FOG_TOKEN keep it out of the list of processes.
SIGTERM drains: what runs may finish within agent.drainDeadline. Ctrl-C drains for a few seconds; a second one stops
at once.

Example:
  $ fog node join https://fog.example.org:7070 --token-file token.txt --label room=attic --slots 2`;

export function addJoinCommand(node: Command, terminal: Terminal): void {
  const command = node
    .command('join [url]')
    .description('join this computer to a fog and run its jobs')
    .option('--token <token>', 'join token (FOG_TOKEN)')
    .option('--token-file <file>', 'read the token from this file')
    .option('--data <dir>', 'data folder of this node; default: "node" in the data folder of fog')
    .option('--config <file>', 'settings, table [agent]; default: config.toml in the data folder of this node')
    .option('--name <name>', 'name of the node; default: the host name')
    .option('--label <key=value>', 'label for placement constraints, repeatable', labelOption)
    .option('--slots <n>', 'attempts at a time', wholeNumber(1))
    .option('--cpu <n>', 'processors to offer', Number)
    .option('--memory <quantity>', 'memory to offer, such as 4Gi')
    .option('--accept <principal>', 'run jobs of this principal only, repeatable', listOption)
    .option('--trust <principal>', 'run scripts of this principal in v8 without a sandbox, repeatable', listOption)
    .option(
      '--price <micro-fog>',
      'least for a slice: one processor, 2 GiB, 5 minutes; default: 0, the posted price',
      wholeNumber(0),
    )
    .option('--idle-watts <n>', 'power of this computer while nothing runs', Number)
    .option('--busy-watts <n>', 'and with all processors at work', Number)
    .option('--verbose', 'log everything')
    .addHelpText('after', HELP);
  withJson(command).action(async (url: string | undefined, options: JoinOptions) => {
    terminal.exitCode = await joinFog(terminal, url, options);
  });
}

async function joinFog(terminal: Terminal, url: string | undefined, options: JoinOptions): Promise<number> {
  const fogData = defaultDataDirectory(terminal.environment);
  const dataDirectory =
    options.data === undefined ? join(fogData, 'node') : resolve(terminal.workingDirectory, options.data);
  const configFile =
    options.config === undefined ? configFileOf(dataDirectory) : resolve(terminal.workingDirectory, options.config);
  const { settings } = await readSettings('agent', terminal, configFile, {
    name: options.name,
    labels: options.label,
    slots: options.slots,
    cpu: options.cpu,
    memory: options.memory,
    accept: options.accept,
    trusted: options.trust,
    price: options.price,
    idleWatts: options.idleWatts,
    busyWatts: options.busyWatts,
  });
  const coordinator = await findJoin(terminal, url, options, fogData);
  const isSupervised = terminal.environment.FOG_SUPERVISED !== undefined && process.send !== undefined;
  const { startAgent } = await import('@fog/agent');
  const agent = await startAgent({
    dataDirectory,
    url: coordinator.url,
    ...(coordinator.token === undefined ? {} : { token: coordinator.token }),
    settings,
    log: (level, message, data) => {
      if (level === 'info' && !options.verbose) return;
      const rest = data === undefined ? '' : ` ${JSON.stringify(data)}`;
      void note(terminal, `${level}: ${message}${rest}`);
    },
  });
  using _supervision = isSupervised ? obeyParent(agent) : obeySignals(terminal, agent, settings.drainDeadline);
  tellWhenConnected(terminal, agent, coordinator.url, isSupervised, options.json === true);
  const { reason, error } = await agent.closed;
  if (reason === 'refused') {
    throw error ?? new FogError('forbidden', `${coordinator.url} refused this node`);
  }
  if (!isSupervised && !options.json) await note(terminal, `node ${agent.name} is ${reason}`);
  return error === undefined ? EXIT.ok : errorExitCode(error);
}

/** The address and, as far as there is one, a token: a node that is known needs none. */
async function findJoin(
  terminal: Terminal,
  url: string | undefined,
  options: JoinOptions,
  fogData: string,
): Promise<{ url: string; token: string | undefined }> {
  const fromFile =
    options.tokenFile === undefined ? undefined : (await readGivenFile(terminal, options.tokenFile)).trim();
  const token = options.token ?? fromFile ?? (terminal.environment.FOG_TOKEN || undefined);
  if (url !== undefined && token === undefined) {
    const endpoint = await readEndpoint(fogData);
    if (endpoint?.url !== url) return { url, token: undefined };
  }
  return findCoordinator({ url, token, dataDirectory: fogData, environment: terminal.environment });
}

function tellWhenConnected(
  terminal: Terminal,
  agent: RunningAgent,
  url: string,
  isSupervised: boolean,
  asJson: boolean,
): void {
  const tell = async () => {
    await agent.connected();
    if (isSupervised) process.send?.({ type: 'connected', id: agent.nodeId, name: agent.name });
    else if (asJson) await writeJson(terminal, { id: agent.nodeId, name: agent.name, url });
    else await note(terminal, `node ${agent.name} (${agent.nodeId}) is connected to ${url}; Ctrl-C drains it`);
  };
  tell().catch(() => undefined); // it ended before it was connected: `closed` tells why
}

function obeySignals(terminal: Terminal, agent: RunningAgent, drainDeadline: string): Disposable {
  return onStopSignals((signal, count) => {
    if (count > 1) void agent.stop();
    else {
      const deadline = signal === 'SIGINT' ? CLI_LIMITS.interruptDrainMilliseconds : parseDuration(drainDeadline);
      void note(terminal, 'draining; once more stops at once');
      void agent.drain(deadline);
    }
  });
}

function obeyParent(agent: RunningAgent): Disposable {
  const stop = () => void agent.stop();
  const onMessage = (message: unknown) => {
    // What can go on elsewhere, or later, gets a moment to say so.
    if ((message as { type?: unknown } | null)?.type === 'stop') void agent.drain(CLI_LIMITS.stopDrainMilliseconds);
  };
  const ignore = () => undefined;
  process.on('message', onMessage);
  process.on('disconnect', stop);
  process.on('SIGINT', ignore);
  process.on('SIGTERM', stop);
  return {
    [Symbol.dispose]() {
      process.off('message', onMessage);
      process.off('disconnect', stop);
      process.off('SIGINT', ignore);
      process.off('SIGTERM', stop);
      process.channel?.unref();
    },
  };
}
