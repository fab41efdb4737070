/** Puts the parts of a node together. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type AgentSettings, FogError, type NodeDescription, parseBytes, parseToken } from '@fog/contract';
import type { TaskRuntime } from '@fog/runtimes';
import packageDescription from '../package.json' with { type: 'json' };
import { Agent, type RunningAgent } from './agent.ts';
import { BlobCache } from './blob-cache.ts';
import { type DataDirectory, emptyScratch, openDataDirectory, readPin } from './data-directory.ts';
import { HeldAttempts } from './held-attempts.ts';
import { loadIdentity } from './identity.ts';
import { Journal } from './journal.ts';
import { nodeCapacity, nodeLabels, nodeName, nodeOffer, readMachine } from './node-facts.ts';
import { RootCache } from './root-cache.ts';
import { createRuntimes, probeRuntimes } from './runtime-set.ts';
import { Sessions } from './sessions.ts';
import { Transfers } from './transfers.ts';

export type AgentLog = (level: 'info' | 'warn' | 'error', message: string, data?: Record<string, unknown>) => void;

export interface AgentOptions {
  /** Owned by this agent alone; created when absent. */
  dataDirectory: string;
  /** Of the coordinator, e.g. `https://fog.example:7070`. */
  url: string;
  /** Join token, needed once. It also carries the fingerprint of the coordinator's certificate. */
  token?: string;
  settings: AgentSettings;
  /** Instead of the engines of @fog/runtimes. Closed with the agent. */
  runtimes?: readonly TaskRuntime[];
  log?: AgentLog;
}

/**
 * Starts the node program. Resolves when the runtimes are probed and the first try to connect has ended, successful
 * or not; further tries follow for as long as the agent lives.
 *
 * Throws `data-directory` when the folder, the key or the journal cannot be used, `invalid-configuration`, and what
 * the coordinator refused the join with: `unauthenticated`, `forbidden`, `protocol-version`.
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const tokenFingerprint = options.token === undefined ? null : parseToken(options.token).fingerprint;
  checkUrl(options.url);
  const log = options.log ?? (() => {});
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.use(await openDataDirectory(options.dataDirectory));
  const identity = await loadIdentity(directory.path);
  const machine = readMachine();
  const capacity = nodeCapacity(options.settings, machine);
  const labels = nodeLabels(options.settings, machine);
  const sessions = new Sessions();
  const transfers = new Transfers({ session: (signal) => sessions.wait(signal), random: Math.random });
  const cache = await openCache(directory, options.settings, transfers);
  const roots = await openRoots(directory, options.settings, cache);
  const journal = await Journal.open(directory.journalPath, {
    onDurable: () => agent?.journalIsDurable(),
    onWriteError: (error) => log('error', 'the journal cannot be written; trying again', { error: String(error) }),
    onDamage: (entries) =>
      log('warn', 'the journal was damaged; another one goes on with what is readable', { entries }),
  });
  cleanup.defer(() => journal.close());
  const runtimes =
    options.runtimes ??
    createRuntimes(
      options.settings,
      {
        slots: capacity.slots,
        readablePaths: [cache.readableFolder],
        scratchDirectory: directory.scratchPath,
        nodeId: identity.nodeId,
      },
      directory.forwarderPath,
    );
  const reaping = runtimes.filter((runtime) => runtime.reap !== undefined).map(({ name }) => name);
  await emptyScratch(directory.scratchPath, reaping);
  await Promise.all(runtimes.map(({ name }) => mkdir(join(directory.scratchPath, name), { recursive: true })));
  cleanup.defer(async () => {
    await Promise.all(runtimes.map((runtime) => runtime.close()));
  });
  const node: NodeDescription = {
    name: nodeName(options.settings, machine),
    agentVersion: packageDescription.version,
    labels,
    capacity,
    runtimes: await probeRuntimes(runtimes),
    policy: { accept: options.settings.accept, trusted: options.settings.trusted },
    offer: nodeOffer(options.settings),
  };
  const agent: Agent | undefined = new Agent({
    url: options.url,
    joinToken: options.token?.trim(),
    fingerprint: tokenFingerprint ?? (await readPin(directory.path, options.url)),
    directory,
    identity,
    node,
    runtimes,
    sessions,
    transfers,
    cache,
    roots,
    journal,
    held: await HeldAttempts.open(directory.heldPath),
    log,
    release: cleanup.move(),
  });
  await agent.start();
  return agent;
}

function checkUrl(url: string): void {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return;
  throw new FogError('invalid-configuration', `"${url}" is not the address of a coordinator`, {
    hint: 'write http://host:port or https://host:port',
  });
}

async function openCache(directory: DataDirectory, settings: AgentSettings, transfers: Transfers): Promise<BlobCache> {
  const capacityBytes = parseBytes(settings.cache);
  return await usable(directory.cachePath, (path) => BlobCache.open({ directory: path, capacityBytes, transfers }));
}

async function openRoots(directory: DataDirectory, settings: AgentSettings, blobs: BlobCache): Promise<RootCache> {
  const capacityBytes = parseBytes(settings.roots);
  return await usable(directory.rootsPath, (path) => RootCache.open({ directory: path, capacityBytes, blobs }));
}

async function usable<T>(path: string, open: (path: string) => Promise<T>): Promise<T> {
  try {
    return await open(path);
  } catch (cause) {
    throw new FogError('data-directory', `cannot use ${path}: ${(cause as Error).message}`, { cause });
  }
}
