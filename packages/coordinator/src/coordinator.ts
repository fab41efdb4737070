/** Puts a coordinator together, starts it, and takes it apart again. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  AGENT_PATH,
  type CoordinatorSettings,
  type CreatedToken,
  ENDPOINT_FILE,
  type Endpoint,
  FogError,
  parseBytes,
  parseDuration,
  parseToken,
  type Scope,
} from '@fog/contract';
import { lockFolder } from '@fog/contract/node';
import type { FastifyInstance } from 'fastify';
import { WebSocketServer } from 'ws';
import manifest from '../package.json' with { type: 'json' };
import { bearerAuthentication } from './access/bearer.ts';
import { isLoopback, splitListen, tlsFor } from './access/certificate.ts';
import { loadSecretsKey, SecretStore } from './access/secrets.ts';
import { ensureAdminToken, TokenStore } from './access/tokens.ts';
import { openBlobStore } from './blobs/blob-store.ts';
import { BlobCollector } from './blobs/collect-blobs.ts';
import { type Bus, localBus, postgresBus } from './bus.ts';
import { createCoordinatorService } from './coordinator-service.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { JobCache } from './dispatch/job-cache.ts';
import { Jobs } from './dispatch/jobs.ts';
import { createDispatcherMetrics } from './dispatch/metrics.ts';
import { Nodes } from './dispatch/nodes.ts';
import { PlacementClasses } from './dispatch/placement-classes.ts';
import { Sweeps } from './dispatch/sweeps.ts';
import { AGENT_SOCKET_OPTIONS, serveAgent } from './link/agent-link.ts';
import { createHttpMetrics } from './routes/metrics.ts';
import type { Logger } from './routes/problem.ts';
import { buildServer } from './routes/server.ts';
import type { Caller, CoordinatorService } from './service.ts';
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
  createToken(request: { scope: Scope; principal?: string; expires?: string }): Promise<CreatedToken>;
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
  const now = options.now ?? Date.now;
  const startedAt = now();
  const logger = toLogger(options.log);
  const warn = (message: string, data: Record<string, unknown>) => logger.warn(data, message);
  const coordinatorId = `c${randomBytes(8).toString('hex')}`;
  const listen = splitListen(settings.listen);
  const tls = await tlsFor(settings, dataDirectory);
  const fingerprint = tls.kind === 'own' ? tls.fingerprint : null;
  const address = { url: '' };

  const tokens = new TokenStore({ database, fingerprint, now });
  const key = await loadSecretsKey({ dataDirectory, keyFile: settings.secretsKeyFile });
  const secrets = new SecretStore({ database, key, now });
  const blobs = await openBlobStore({
    directory: settings.blobDirectory ?? join(dataDirectory, 'blobs'),
    database,
    logger,
    blobBytes: parseBytes(settings.blobBytes),
    blobSpaceBytes: parseBytes(settings.blobSpace),
    keepMilliseconds: parseDuration(settings.keepBlobs),
    now,
  });
  const collector = new BlobCollector({ blobs, database, logger, now });
  const bus: Bus =
    settings.databaseUrl === undefined ? localBus() : await postgresBus(settings.databaseUrl, coordinatorId);
  const httpMetrics = createHttpMetrics({ blobTotals: () => blobs.totals() });
  const jobCache = new JobCache();
  const classes = new PlacementClasses();
  const heartbeatMilliseconds = parseDuration(settings.heartbeat);
  // The service exists a moment later than what reports about it.
  const later: { service?: CoordinatorService } = {};
  const status = () => (later.service as CoordinatorService).status();
  const dispatcher = new Dispatcher({
    database,
    bus,
    jobs: jobCache,
    classes,
    coordinatorId,
    version: manifest.version,
    heartbeatMilliseconds,
    logLimitBytes: parseBytes(settings.logBytes),
    now,
    random: Math.random,
    resolveSecrets: (principal, names) => secrets.resolve(principal, names),
    metrics: createDispatcherMetrics(httpMetrics.registry, status),
    warn,
  });
  const nodes = new Nodes({ database, dispatcher, bus, now });
  const capacity = { queueRoom: () => settings.queuedTasks };
  const jobs = new Jobs({
    database,
    dispatcher,
    jobs: jobCache,
    classes,
    now,
    randomBytes: (count) => randomBytes(count),
    queueRoom: () => capacity.queueRoom(),
    secretNames: async (principal) => secretNames(database, principal),
    connectedNodes: () => readPlacementNodes(database.read),
    readFolder: (digest) => blobs.readFolder(digest),
    publishStreams: (ids) => bus.publish({ kind: 'streams', ids }),
  });
  const sweeps = new Sweeps({
    database,
    dispatcher,
    jobs,
    jobCache,
    classes,
    coordinatorId,
    url: () => address.url,
    startedAt,
    keepJobs: settings.keepJobs,
    collectBlobs: async () => void (await collector.run()),
    onPeers: (peers) => bus.setPeers(peers),
    now,
    warn,
  });
  capacity.queueRoom = () => settings.queuedTasks - sweeps.queuedTasks;
  const service = createCoordinatorService({
    database,
    bus,
    dispatcher,
    jobs,
    jobCache,
    nodes,
    version: manifest.version,
    url: () => address.url,
    startedAt,
    blobTotals: () => blobs.totals(),
    databaseBytes: () => databaseBytes(database, dataDirectory),
  });
  later.service = service;
  const server = await buildServer({
    service,
    tokens,
    secrets,
    blobs,
    metrics: httpMetrics,
    logger,
    tls,
    version: manifest.version,
    authenticate: bearerAuthentication({
      tokens,
      authenticateBlobToken: (text) => authenticateBlobToken(database, text),
    }),
    databaseAnswers: () => database.read.selectFrom('coordinators').select('id').limit(1).execute(),
    ready: () => readiness(dispatcher.sessions.size, options.expectedNodes ?? 0),
    loopback: isLoopback(listen.host),
  });
  const agents = serveAgents(server, (socket) =>
    serveAgent(socket, {
      dispatcher,
      nodes,
      heartbeatMilliseconds,
      authenticateJoin: (token) => authenticateJoin(tokens, token),
      warn,
    }),
  );
  const adminToken = await ensureAdminToken(tokens, { dataDirectory, fingerprint });
  await sweeps.start();
  address.url = settings.publicUrl ?? (await listenOn(server, listen, tls.kind !== 'plain'));
  const endpointPath = join(dataDirectory, ENDPOINT_FILE);
  writeEndpoint(endpointPath, { url: localUrl(server, listen, tls.kind !== 'plain'), pid: process.pid, fingerprint });
  logger.info({ url: address.url }, 'the coordinator is listening');

  return {
    url: address.url,
    fingerprint,
    adminToken,
    connectedNodes: () => dispatcher.sessions.size,
    createToken: ({ scope, principal, expires }) =>
      tokens.create({ scope, principal, lifeMilliseconds: expires === undefined ? undefined : parseDuration(expires) }),
    async close() {
      rmSync(endpointPath, { force: true });
      await sweeps.stop();
      for (const client of agents.clients) client.close(1001, 'the coordinator is stopping');
      await server.close();
      for (const client of agents.clients) client.terminate();
      await dispatcher.settled();
      await dispatcher.stop();
      await bus.close();
      await database.close();
      lock[Symbol.dispose]();
    },
  };
}

/** Takes over WebSocket upgrades of the agents' path; others are refused. */
function serveAgents(server: FastifyInstance, serve: (socket: import('ws').WebSocket) => void): WebSocketServer {
  const sockets = new WebSocketServer({ noServer: true, clientTracking: true, ...AGENT_SOCKET_OPTIONS });
  server.server.on('upgrade', (request, socket, head) => {
    if (new URL(request.url ?? '/', 'http://coordinator').pathname !== AGENT_PATH) {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, serve);
  });
  return sockets;
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

function readiness(connected: number, expected: number) {
  if (connected >= expected) return { ready: true as const, nodes: connected };
  return { ready: false as const, reason: `${connected} of ${expected} nodes are connected` };
}

/** Principal of a token that nodes may join with. */
async function authenticateJoin(tokens: TokenStore, text: string): Promise<string> {
  parseToken(text);
  const caller = await tokens.authenticate(text);
  if (caller.scope === 'node' || caller.scope === 'admin') return caller.principal;
  throw new FogError('forbidden', `a token of scope ${caller.scope} cannot join nodes`, {
    hint: 'fog token create --scope node',
  });
}

/** The token that a node got with its welcome; good until its next session. */
async function authenticateBlobToken(database: Database, text: string): Promise<Caller> {
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
  return { scope: 'node', principal: row.owner };
}

async function secretNames(database: Database, principal: string): Promise<ReadonlySet<string>> {
  const rows = await database.read.selectFrom('secrets').select('name').where('principal', '=', principal).execute();
  return new Set(rows.map((row) => row.name));
}

/** Bytes of the SQLite files; null for PostgreSQL, which has tools of its own for that. */
async function databaseBytes(database: Database, directory: string): Promise<number | null> {
  if (database.engine === 'postgres') return null;
  const sizes = ['fog.sqlite', 'fog.sqlite-wal'].map((name) =>
    stat(join(directory, name)).then(
      (file) => file.size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

function toLogger(log: CoordinatorOptions['log']): Logger {
  const write = (level: 'info' | 'warn' | 'error') => (fields: object, message: string) =>
    log?.(level, message, { ...fields });
  return { info: write('info'), warn: write('warn'), error: write('error') };
}
