/**
 * `fog mix up`, from start to end.
 *
 *     lock the folder -> clear it -> network starts -> ready -> [signal] -> stopped
 *                                       ^-- first round failed: once more, with more time for it
 *
 * A second signal ends the process at once.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { networkIdOf } from '@fog/betanet';
import { FogError } from '@fog/contract';
import { lockFolder } from '@fog/contract/node';
import { EXIT } from '../exit-code.ts';
import { CLI_LIMITS } from '../limits.ts';
import { onStopSignals } from '../signals.ts';
import { note, type Terminal } from '../terminal.ts';
import { askStatus, type MixStatus, serveControl } from './control.ts';
import type { TestNetworkFolder } from './mix-folder.ts';
import { assertLayers, TestNetwork } from './test-network.ts';

export interface TestNetworkOptions {
  folder: TestNetworkFolder;
  layers: number;
  hops: number;
  isVerbose: boolean;
  /** Called once, when packets get through. */
  ready(status: MixStatus): Promise<void>;
}

/** Runs until a signal. Throws `invalid-request`, `data-directory`, `unavailable`, and what a node failed of. */
export async function runTestNetwork(terminal: Terminal, options: TestNetworkOptions): Promise<void> {
  assertLayers(options);
  const { folder } = options;
  using _lock = await lockOrNameUser(folder);
  const stop = Promise.withResolvers<void>();
  // A node can fail before anybody waits for it.
  stop.promise.catch(() => {});
  const stopping = new AbortController();
  using _signals = onStopSignals((_, count) => {
    if (count > 1) process.exit(EXIT.cancelled);
    stopping.abort();
    stop.resolve();
  });
  const failed = (error: FogError) => {
    stop.reject(error);
    stopping.abort();
  };
  const network = await startNetwork(terminal, options, stopping.signal, failed);
  if (network === null) return stop.promise;
  await using running = network;
  const status = () => statusOf(running, folder);
  await using _control = await serveControl(folder.socket, {
    status,
    find: (node, hash) => running.find(node, hash),
  });
  if (!stopping.signal.aborted) await options.ready(status());
  try {
    await stop.promise;
  } finally {
    await rm(folder.socket, { force: true });
  }
}

/** Null when a signal came first, or a node failed. */
async function startNetwork(
  terminal: Terminal,
  { folder, layers, hops, isVerbose }: TestNetworkOptions,
  signal: AbortSignal,
  failed: (error: FogError) => void,
): Promise<TestNetwork | null> {
  const times = [CLI_LIMITS.mixBootstrapMilliseconds, CLI_LIMITS.mixSlowBootstrapMilliseconds];
  for (const baseMilliseconds of times) {
    await clear(folder);
    const network = await TestNetwork.start({
      folder: folder.path,
      layers,
      hops,
      bootstrapMilliseconds: baseMilliseconds + layers * CLI_LIMITS.mixBootstrapPerLayerMilliseconds,
      log: (level, message, details) => {
        if (isVerbose) void note(terminal, `${level}: ${message} ${JSON.stringify(details)}`);
      },
      failed,
    });
    await writeFile(folder.genesis, `${JSON.stringify(network.genesis, null, 2)}\n`, { mode: 0o644 });
    if (await network.ready(signal)) return network;
    await network[Symbol.asyncDispose]();
    if (signal.aborted) return null;
    if (baseMilliseconds !== times.at(-1)) await note(terminal, 'this machine is busy: once more, with more time');
  }
  throw new FogError('unavailable', 'the network did not come up: its first consensus failed, or its links', {
    hint: 'try again when the machine is less busy; --verbose tells what happens',
  });
}

/** What an earlier network left. Its files are named one by one: the folder may be anybody's. */
async function clear({ path, genesis, socket }: TestNetworkFolder): Promise<void> {
  for (const left of [genesis, socket, join(path, 'authorities'), join(path, 'nodes')]) {
    await rm(left, { recursive: true, force: true });
  }
  await mkdir(path, { recursive: true, mode: 0o700 });
}

function statusOf({ genesis, nodes, authorities }: TestNetwork, folder: TestNetworkFolder): MixStatus {
  return {
    pid: process.pid,
    network: networkIdOf(genesis),
    layers: genesis.layers,
    genesis: folder.genesis,
    nodes: nodes.map((node) => node.status()),
    authorities: authorities.map((authority) => authority.status()),
  };
}

async function lockOrNameUser({ path, socket }: TestNetworkFolder): Promise<Disposable> {
  try {
    return lockFolder(path, 'mix-network');
  } catch (error) {
    if (!(error instanceof FogError) || error.details.inUse !== true) throw error;
    const running = await askStatus(socket).catch(() => null);
    const process = running === null ? 'it is just starting or stopping' : `process ${running.pid}`;
    throw new FogError('data-directory', `a test network runs in ${path} already (${process})`, {
      details: { pid: running?.pid ?? null },
      hint: 'use that one, stop it, or choose another folder with --data',
    });
  }
}
