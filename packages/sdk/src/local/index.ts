/**
 * A fog inside this process, for tests: a coordinator on a free port and some nodes, with data in a temporary folder.
 *
 *     import { Fog } from '@fog/sdk/local';
 *     await using fog = await Fog.local();
 *     const squares = await fog.map([1, 2, 3], (x) => x * x);
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgent } from '@fog/agent';
import { FogError, loadSettings } from '@fog/contract';
import { startCoordinator } from '@fog/coordinator';
import { connectClient } from '../connection.ts';
import { Fog as ConnectedFog } from '../fog.ts';

export * from '../index.ts';

export interface LocalFogOptions {
  /** Default 2. */
  nodes?: number | undefined;
  /** Tasks at a time on each node. Default 1. */
  slots?: number | undefined;
  /** Labels of every node. */
  labels?: Record<string, string> | undefined;
  /** Whose scripts run in v8 without a sandbox. Default: those of this program. */
  trusted?: string[] | undefined;
  /** Kept at the end. Default: a temporary folder, removed at the end. */
  dataDirectory?: string | undefined;
  /** Further settings of the coordinator, as in the table `[coordinator]` of config.toml. */
  coordinator?: Record<string, unknown> | undefined;
  /** Further settings of every node, as in the table `[agent]`. */
  agent?: Record<string, unknown> | undefined;
  log?: ((level: 'info' | 'warn' | 'error', message: string, data?: Record<string, unknown>) => void) | undefined;
}

type Coordinator = Awaited<ReturnType<typeof startCoordinator>>;
type Agent = Awaited<ReturnType<typeof startAgent>>;
const CONNECT_MILLISECONDS = 30_000;

export class LocalFog extends ConnectedFog implements AsyncDisposable {
  readonly url: string;
  readonly dataDirectory: string;
  /** Names, in the order of their start. */
  readonly nodes: readonly string[];
  readonly #parts: LocalParts;

  constructor(client: ConnectedFog['client'], parts: LocalParts) {
    super(client);
    this.url = client.url;
    this.dataDirectory = parts.dataDirectory;
    this.nodes = parts.agents.map((agent) => agent.name);
    this.#parts = parts;
  }

  /** A token of the given scope, to act as somebody else. */
  async createToken(scope: 'admin' | 'submit' | 'node' | 'read', principal?: string): Promise<string> {
    const input = principal === undefined ? { scope } : { scope, principal };
    return ((await this.#parts.coordinator?.createToken(input)) ?? { token: '' }).token;
  }

  /** Stops the nodes, then the coordinator; idempotent. */
  close(): Promise<void> {
    return stopParts(this.#parts);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** As the `Fog` of `@fog/sdk`, and able to start one of its own. */
export class Fog extends ConnectedFog {
  /** Starts a fog; ready when all its nodes are connected. Throws what the coordinator or a node cannot do. */
  static local(options: LocalFogOptions = {}): Promise<LocalFog> {
    return startLocalFog(options);
  }
}

interface LocalParts {
  dataDirectory: string;
  isTemporary: boolean;
  coordinator: Coordinator | null;
  agents: Agent[];
}

async function startLocalFog(options: LocalFogOptions): Promise<LocalFog> {
  const nodes = options.nodes ?? 2;
  const isTemporary = options.dataDirectory === undefined;
  const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'fog-local-')));
  const parts: LocalParts = { dataDirectory, isTemporary, coordinator: null, agents: [] };
  const log = options.log === undefined ? {} : { log: options.log };
  try {
    const coordinator = await startCoordinator({
      dataDirectory: join(dataDirectory, 'coordinator'),
      settings: coordinatorSettings(options),
      expectedNodes: nodes,
      ...log,
    });
    parts.coordinator = coordinator;
    const { token } = await coordinator.createToken({ scope: 'node', principal: 'admin', trusted: true });
    for (let number = 1; number <= nodes; number += 1) {
      const agent = await startAgent({
        dataDirectory: join(dataDirectory, `node-${number}`),
        url: coordinator.url,
        token,
        settings: agentSettings(options, `node-${number}`),
        ...log,
      });
      parts.agents.push(agent);
    }
    const limit = AbortSignal.timeout(CONNECT_MILLISECONDS);
    await Promise.all(parts.agents.map((agent) => connectedOrClosed(agent, limit)));
    const { url, adminToken } = coordinator;
    return new LocalFog(await connectClient({ url, token: adminToken, environment: {} }), parts);
  } catch (error) {
    await stopParts(parts).catch(() => undefined);
    throw error;
  }
}

function coordinatorSettings(options: LocalFogOptions) {
  const flags = { listen: '127.0.0.1:0', ...options.coordinator };
  return loadSettings('coordinator', { environment: {}, flags }).settings;
}

function agentSettings(options: LocalFogOptions, name: string) {
  const flags = {
    name,
    slots: options.slots ?? 1,
    labels: options.labels,
    trusted: options.trusted ?? ['admin'],
    ...options.agent,
  };
  return loadSettings('agent', { environment: {}, flags }).settings;
}

/** A node that is refused never connects: its reason is worth more than a time limit. */
async function connectedOrClosed(agent: Agent, limit: AbortSignal): Promise<void> {
  const closed = agent.closed.then(({ reason, error }) => {
    throw error ?? new FogError('unavailable', `node ${agent.name} ended: ${reason}`);
  });
  closed.catch(() => undefined);
  await Promise.race([agent.connected(limit), closed]);
}

async function stopParts(parts: LocalParts): Promise<void> {
  const agents = parts.agents.splice(0);
  await Promise.allSettled(agents.map((agent) => agent.stop()));
  const { coordinator } = parts;
  parts.coordinator = null;
  await coordinator?.close();
  if (parts.isTemporary) await rm(parts.dataDirectory, { recursive: true, force: true });
}
