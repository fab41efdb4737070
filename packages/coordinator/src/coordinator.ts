/** Puts a coordinator together, starts it, and takes it apart again. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type CoordinatorSettings,
  type CreatedToken,
  counted,
  ENDPOINT_FILE,
  type Endpoint,
  FogError,
  parseBytes,
  parseDuration,
  type Scope,
  type Status,
} from '@fog/contract';
import { isLoopback, lockFolder } from '@fog/contract/node';
import type { FastifyInstance } from 'fastify';
import manifest from '../package.json' with { type: 'json' };
import { type Authenticate, bearerAuthentication, bearerToken } from './access/bearer.ts';
import { splitListen, tlsFor } from './access/certificate.ts';
import { loadSecretsKey, SecretStore } from './access/secrets.ts';
import { ensureAdminToken, TokenStore } from './access/tokens.ts';
import { openBlobStore } from './blobs/blob-store.ts';
import { BlobCollector } from './blobs/collect-blobs.ts';
import { createCoordinatorService } from './coordinator-service.ts';
import { openBus, openJobs, openSpace } from './core-parts.ts';
import { assembleDeployments } from './deployments/assemble.ts';
import { registerDeploymentGauges } from './deployments/metrics.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { JobCache } from './dispatch/job-cache.ts';
import { Listening } from './dispatch/listening.ts';
import { createDispatcherMetrics, createQueueWaits } from './dispatch/metrics.ts';
import { Nodes } from './dispatch/nodes.ts';
import { followOwners } from './dispatch/owner-reputations.ts';
import { Moves } from './dispatch/placement/moves.ts';
import { PlacementClasses } from './dispatch/placement-classes.ts';
import { Preemption } from './dispatch/preemption.ts';
import { openQueueing } from './dispatch/queueing/queueing.ts';
import { QuotaService } from './dispatch/queueing/quota-service.ts';
import { Samples } from './dispatch/samples.ts';
import { Suspensions } from './dispatch/suspensions.ts';
import { Sweeps } from './dispatch/sweeps.ts';
import { DISPATCH_LIMITS } from './limits.ts';
import { serveAgent } from './link/agent-link.ts';
import { serveUpgrades } from './link/upgrades.ts';
import { PortProxy } from './proxy/port-proxy.ts';
import { Services } from './proxy/services.ts';
import { Tunnels } from './proxy/tunnels.ts';
import { createHttpMetrics, registerTunnelGauge } from './routes/metrics.ts';
import type { Logger } from './routes/problem.ts';
import { buildServer } from './routes/server.ts';
import type { Caller, CoordinatorService } from './service.ts';
import { assembleEconomy, assembleWindingUp } from './settlement/assemble.ts';
import type { Database } from './store/database.ts';
import { readPlacementNodes } from './store/node-queries.ts';
import { openDatabase } from './store/open-database.ts';

export interface CoordinatorOptions {
  /** Made when absent (0700). One coordinator a folder. */
  dataDirectory: string;
  settings: CoordinatorSettings;
  /** Ready (`/readyz`) when this many nodes are connected. */
  expectedNodes?: number;
  log?: (level: 'info' | 'warn' | 'error', message: string, data?: Record<string, unknown>) => void;
  /** Milliseconds since 1970; replaced in tests. */
  now?: () => number;
}

export interface RunningCoordinator {
  url: string;
  /** SHA-256 of its own certificate; null where it has none. */
  fingerprint: string | null;
  adminToken: string;
  connectedNodes(): number;
  createToken(request: {
    scope: Scope;
    principal?: string;
    expires?: string;
    /** Nodes that join with it are trusted. */
    trusted?: boolean;
  }): Promise<CreatedToken>;
  close(): Promise<void>;
}

/**
 * Starts a coordinator and writes DATA/endpoint.json and DATA/admin.token.
 * Throws `port-taken`, `data-directory`, `invalid-configuration` or, for PostgreSQL, `unavailable`.
 */
export async function startCoordinator(options: CoordinatorOptions): Promise<RunningCoordinator> {
  const lock = lockFolder(options.dataDirectory, 'coordinator');
  let database: Database | undefined;
  try {
    database = await openDatabase({ dataDirectory: options.dataDirectory, url: options.settings.databaseUrl });
    return await assemble(options, database, lock);
  } catch (error) {
    await database?.close();
    lock[Symbol.dispose]();
    throw error;
  }
}

async function assemble(
  options: CoordinatorOptions,
  database: Database,
  lock: Disposable,
): Promise<RunningCoordinator> {
  const { dataDirectory, settings } = options;
  const logger = toLogger(options.log);
  const now = options.now ?? Date.now;
  const tls = await tlsFor(settings, dataDirectory);
  const fingerprint = tls.kind === 'own' ? tls.fingerprint : null;
  const stores = await openStores({ options, database, logger, now, fingerprint });
  const address = { url: '' };
  const core = await assembleCore({ options, database, logger, now, stores, url: () => address.url });
  const listen = splitListen(settings.listen);
  const authenticate = bearerAuthentication({
    tokens: stores.tokens,
    authenticateBlobToken: async (text) => (await authenticateSession(database, text)).caller,
  });
  const { tunnels, ports } = openPorts(core, database, authenticate);
  const server = await buildServer({
    ...core.outside,
    tokens: stores.tokens,
    secrets: stores.secrets,
    blobs: stores.blobs,
    ports,
    metrics: core.httpMetrics,
    logger,
    tls,
    version: manifest.version,
    authenticate,
    databaseAnswers: () => database.read.selectFrom('coordinators').select('id').limit(1).execute(),
    ready: () => readiness(core.dispatcher.sessions.size, options.expectedNodes ?? 0, core.space.fault()),
    loopback: isLoopback(listen.host),
  });
  const sockets = serveUpgrades(server.server, {
    serveAgent: (socket, address) =>
      serveAgent(socket, {
        address,
        dispatcher: core.dispatcher,
        nodes: core.nodes,
        samples: core.samples,
        heartbeatMilliseconds: parseDuration(settings.heartbeat),
        authenticateJoin: (token) => stores.tokens.authenticateJoin(token),
        warn: core.warn,
      }),
    authenticateNode: async (authorization) => (await authenticateSession(database, bearerToken(authorization))).nodeId,
    tunnels,
    ports,
  });
  const adminToken = await ensureAdminToken(stores.tokens, { dataDirectory, fingerprint });
  await core.money.begin();
  await core.sweeps.start();
  const isSecure = tls.kind !== 'plain';
  const reachedAt = await listenOn(server, listen, isSecure);
  address.url = settings.publicUrl ?? reachedAt;
  const endpointPath = join(dataDirectory, ENDPOINT_FILE);
  writeEndpoint(endpointPath, { url: reachedAt, pid: process.pid, fingerprint });
  logger.info({ url: address.url }, 'the coordinator is listening');
  return {
    url: address.url,
    fingerprint,
    adminToken,
    connectedNodes: () => core.dispatcher.sessions.size,
    createToken: ({ scope, principal, expires, trusted }) => {
      const lifeMilliseconds = expires === undefined ? undefined : parseDuration(expires);
      return stores.tokens.create({ scope, principal, lifeMilliseconds, trusted: trusted ?? false });
    },
    async close() {
      rmSync(endpointPath, { force: true });
      const { stopMilliseconds } = DISPATCH_LIMITS;
      await within(stopMilliseconds, Promise.all([core.sweeps.stop(), core.nodes.stop()]));
      for (const client of sockets.agents.clients) client.close(1001, 'the coordinator is stopping');
      sockets.endTunnels();
      await server.close();
      for (const client of sockets.agents.clients) client.terminate();
      await within(stopMilliseconds, core.dispatcher.settled());
      await within(stopMilliseconds, core.dispatcher.stop());
      await within(stopMilliseconds, core.bus.close());
      await within(stopMilliseconds, database.close());
      lock[Symbol.dispose]();
    },
  };
}

/** Waits for a step of the shutdown, but not longer: a database that does not answer must not keep the process. */
async function within(milliseconds: number, step: Promise<unknown>): Promise<void> {
  const settled = step.catch(() => undefined);
  const timer = new AbortController();
  await Promise.race([settled, delay(milliseconds, undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
}

interface Basis {
  options: CoordinatorOptions;
  database: Database;
  logger: Logger;
  now: () => number;
}
type Stores = Awaited<ReturnType<typeof openStores>>;

/** Tokens, secrets and blobs. */
async function openStores({ options, database, logger, now, fingerprint }: Basis & { fingerprint: string | null }) {
  const { dataDirectory, settings } = options;
  const key = await loadSecretsKey({ dataDirectory, keyFile: settings.secretsKeyFile });
  const blobs = await openBlobStore({
    directory: settings.blobDirectory ?? join(dataDirectory, 'blobs'),
    database,
    logger,
    blobBytes: parseBytes(settings.blobBytes),
    blobSpaceBytes: parseBytes(settings.blobSpace),
    keepMilliseconds: parseDuration(settings.keepBlobs),
    now,
  });
  return {
    tokens: new TokenStore({ database, fingerprint, now }),
    secrets: new SecretStore({ database, key, now }),
    blobs,
    collector: new BlobCollector({ blobs, database, logger, now }),
  };
}

/** What every agent is told. */
function welcomeOf({ heartbeat, blobBytes }: CoordinatorOptions['settings']) {
  return {
    coordinatorVersion: manifest.version,
    heartbeatMilliseconds: parseDuration(heartbeat),
    blobBytes: parseBytes(blobBytes),
  };
}

function warnBy(logger: Logger): (message: string, data: Record<string, unknown>) => void {
  return (message, data) => logger.warn(data, message);
}

/** The dispatcher with what it works on. `status`: of the whole, once that is there. */
async function assembleDispatch({
  options,
  database,
  now,
  logger,
  stores,
  status,
}: Basis & { stores: Stores; status: () => Promise<Status> }) {
  const { settings } = options;
  const startedAt = now();
  const coordinatorId = `c${randomBytes(8).toString('hex')}`;
  const bus = await openBus(settings.databaseUrl, coordinatorId);
  const httpMetrics = createHttpMetrics({ blobTotals: () => stores.blobs.totals() });
  const listening = new Listening(startedAt);
  const warn = warnBy(logger);
  const basis = { database, bus, jobs: new JobCache(), classes: new PlacementClasses(), coordinatorId, now, warn };
  const isAlone = isLoopback(splitListen(settings.listen).host) && settings.publicUrl === undefined;
  const moneyParts = { ...basis, settings, isAlone, registry: httpMetrics.registry };
  const economy = assembleEconomy(moneyParts);
  const money = economy ?? assembleWindingUp(moneyParts);
  const queueing = openQueueing(basis, settings.agingBound, createQueueWaits(httpMetrics.registry), economy?.credits);
  const dispatcher = new Dispatcher({
    ...basis,
    ...queueing,
    settlement: money.settlement,
    welcome: welcomeOf(settings),
    listening,
    logLimitBytes: parseBytes(settings.logBytes),
    random: unforeseeable,
    resolveSecrets: (principal, names) => stores.secrets.resolve(principal, names),
    metrics: createDispatcherMetrics(httpMetrics.registry, status),
  });
  economy?.tellPlacer(dispatcher.sessions.placer);
  economy?.arbitrate(dispatcher, basis);
  const space = await openSpace(database, options, httpMetrics.registry);
  return { basis, startedAt, httpMetrics, listening, economy, money, queueing, dispatcher, space };
}

/** The dispatcher with everything around it, and the service in front. */
async function assembleCore({ url, ...given }: Basis & { stores: Stores; url: () => string }) {
  const { options, database, now, stores } = given;
  const { settings } = options;
  const { blobs, collector } = stores;
  const dispatch = await assembleDispatch({ ...given, status: () => service.status() });
  const { basis, startedAt, httpMetrics, listening, economy, money, queueing, dispatcher, space } = dispatch;
  const { bus, jobs: jobCache, coordinatorId, warn } = basis;
  const { quotas } = queueing;
  const nodes = new Nodes({ ...basis, dispatcher });
  const allNodes = () => readPlacementNodes(database.read);
  const samples = new Samples(database, now);
  const queueRoom = () => settings.queuedTasks - sweeps.queuedTasks;
  const parts = { ...basis, dispatcher, queueRoom, quotas, space, stores, allNodes, httpMetrics };
  const { jobs, dependencies } = openJobs({ ...parts, settlement: economy?.settlement ?? null });
  const suspensions = new Suspensions({ ...basis, dispatcher, jobCache });
  const periods = economy?.periods ?? null;
  const placed = { ...basis, dispatcher, jobs, jobCache, allNodes, queueRoom };
  const deployments = assembleDeployments({ ...placed, periods, randomBytes });
  registerDeploymentGauges(httpMetrics.registry, database);
  const sweeps = new Sweeps({
    ...basis,
    ...queueing,
    dispatcher,
    jobs,
    suspensions,
    dependencies,
    preemption: new Preemption({ ...basis, dispatcher }),
    moves: new Moves({ ...basis, dispatcher, jobCache }),
    jobCache,
    samples,
    deployments: deployments.looks,
    space,
    url,
    startedAt,
    listening,
    keepJobs: settings.keepJobs,
    others: [followOwners({ ...basis, dispatcher }), ...money.sweeps],
    readBlob: (digest, mostBytes) => blobs.readSmall(digest, mostBytes),
    collectBlobs: async () => void (await collector.run()),
    onPeers: (peers) => bus.setPeers(peers),
  });
  const service: CoordinatorService = createCoordinatorService({
    ...basis,
    dispatcher,
    jobs,
    suspensions,
    jobCache,
    nodes,
    quotas,
    settlement: economy?.settlement ?? null,
    version: manifest.version,
    url,
    startedAt,
    blobTotals: () => blobs.totals(),
    space,
  });
  const outside = {
    service,
    deployments: deployments.service,
    wallets: economy?.wallets ?? null,
    staking: economy?.staking ?? null,
    dao: economy?.governance.dao ?? null,
    quotas: new QuotaService({ ...basis, ...queueing, dispatcher }),
  };
  return { bus, dispatcher, nodes, samples, space, sweeps, money, outside, httpMetrics, coordinatorId, warn };
}

/** In [0, 1). Nodes must not be able to foresee whether they run a task alone. */
function unforeseeable(): number {
  return randomBytes(6).readUIntBE(0, 6) / 2 ** 48;
}

/** The way to published ports. */
function openPorts(
  { dispatcher, coordinatorId, httpMetrics }: Awaited<ReturnType<typeof assembleCore>>,
  database: Database,
  authenticate: Authenticate,
) {
  const { sessions } = dispatcher;
  const tunnels = new Tunnels({ send: (node, frame) => sessions.get(node)?.link.send(frame) ?? false });
  registerTunnelGauge(httpMetrics.registry, tunnels);
  const isHere = (node: string) => sessions.get(node) !== undefined;
  const services = new Services(database);
  return { tunnels, ports: new PortProxy({ authenticate, services, tunnels, isHere, coordinatorId }) };
}

async function listenOn(
  server: FastifyInstance,
  listen: { host: string; port: number },
  isSecure: boolean,
): Promise<string> {
  try {
    await server.listen({ host: listen.host, port: listen.port });
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code === 'EADDRINUSE') {
      throw new FogError('port-taken', `port ${listen.port} on ${listen.host} is already in use`, {
        cause,
        hint: 'choose another with --listen HOST:PORT, or port 0 for any',
      });
    }
    throw new FogError(
      'invalid-configuration',
      `cannot listen on ${listen.host}:${listen.port}: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  return localUrl(server, listen, isSecure);
}

/** Where programs on this machine reach the server. */
function localUrl(server: FastifyInstance, listen: { host: string }, isSecure: boolean): string {
  const { port } = server.server.address() as AddressInfo;
  const isEverywhere = listen.host === '0.0.0.0' || listen.host === '::';
  const host = isEverywhere ? '127.0.0.1' : listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return `${isSecure ? 'https' : 'http'}://${host}:${port}`;
}

function writeEndpoint(path: string, endpoint: Endpoint): void {
  writeFileSync(path, `${JSON.stringify(endpoint)}\n`, { mode: 0o600 });
}

function readiness(connected: number, expected: number, storageFault: FogError | null) {
  if (storageFault !== null) return { ready: false as const, reason: storageFault.message };
  if (connected >= expected) return { ready: true as const, nodes: connected };
  return { ready: false as const, reason: `${connected} of ${counted(expected, 'node')} connected` };
}

/** The token that a node got with its welcome; good until its next session. */
async function authenticateSession(database: Database, text: string): Promise<{ nodeId: string; caller: Caller }> {
  const nodeId = /^fogblob_(n[0-9a-f]{32})_/.exec(text)?.[1] ?? '';
  const row = await database.read
    .selectFrom('nodes')
    .select(['blob_token_hash', 'owner'])
    .where('id', '=', nodeId)
    .executeTakeFirst();
  const presented = createHash('sha256').update(text).digest();
  const expected = Buffer.from(row?.blob_token_hash ?? '', 'hex');
  if (row === undefined || expected.length !== presented.length || !timingSafeEqual(expected, presented)) {
    throw new FogError('unauthenticated', 'the token is not that of a session');
  }
  return { nodeId, caller: { scope: 'node', principal: row.owner } };
}

function toLogger(log: CoordinatorOptions['log']): Logger {
  const write = (level: 'info' | 'warn' | 'error') => (fields: object, message: string) =>
    log?.(level, message, { ...fields });
  return { info: write('info'), warn: write('warn'), error: write('error') };
}
