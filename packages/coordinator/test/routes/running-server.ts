/** A server over the fake service, with a real store for tokens, secrets and blobs in a folder of its own. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FogError, type Scope } from '@fog/contract';
import { CREDIT_SCHEDULE } from '@fog/scheduler/queueing';
import type { FastifyInstance } from 'fastify';
import { bearerAuthentication } from '../../src/access/bearer.ts';
import type { Tls } from '../../src/access/certificate.ts';
import { SecretStore } from '../../src/access/secrets.ts';
import { TokenStore } from '../../src/access/tokens.ts';
import { type BlobStore, type BlobStoreDependencies, openBlobStore } from '../../src/blobs/blob-store.ts';
import { QuotaService } from '../../src/dispatch/queueing/quota-service.ts';
import { Quotas } from '../../src/dispatch/queueing/quotas.ts';
import type { Readiness } from '../../src/routes/health.ts';
import { createHttpMetrics } from '../../src/routes/metrics.ts';
import type { Logger } from '../../src/routes/problem.ts';
import { buildServer, type ServerDependencies } from '../../src/routes/server.ts';
import type { Database } from '../../src/store/database.ts';
import { openDatabase } from '../../src/store/open-database.ts';
import { FakeDeployments } from './fake-deployments.ts';
import { FakeService } from './fake-service.ts';

export const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface TestServer extends AsyncDisposable {
  server: FastifyInstance;
  service: FakeService;
  deployments: FakeDeployments;
  database: Database;
  tokens: TokenStore;
  blobs: BlobStore;
  directory: string;
  /** Lines of the log. */
  log: { fields: object; message: string }[];
  readiness: Readiness;
  /** Authorization header of a new token. */
  bearer(scope: Scope, principal?: string): Promise<string>;
  listen(): Promise<string>;
}

export interface TestServerOptions {
  blobs?: Partial<BlobStoreDependencies>;
  dependencies?: Partial<ServerDependencies>;
  tls?: Tls;
}

export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'fog-routes-'));
  const database = await openDatabase({ dataDirectory: directory });
  const service = new FakeService();
  const deployments = new FakeDeployments();
  const tokens = new TokenStore({ database, fingerprint: null });
  const log: TestServer['log'] = [];
  const note = (fields: object, message: string) => log.push({ fields, message });
  const logger: Logger = { info: note, warn: note, error: note };
  const blobs = await openBlobStore({
    directory: join(directory, 'blobs'),
    database,
    logger,
    blobBytes: 64 << 20,
    blobSpaceBytes: 256 << 20,
    keepMilliseconds: 7 * 86_400_000,
    freeDiskBytes: async () => 1e12,
    ...options.blobs,
  });
  const server = await buildServer({
    service,
    deployments,
    quotas: new QuotaService({
      database,
      dispatcher: { wake: () => undefined },
      quotas: new Quotas({ database, coordinatorId: 'c1' }),
      credits: () => CREDIT_SCHEDULE,
      now: Date.now,
    }),
    tokens,
    wallets: null,
    staking: null,
    dao: null,
    secrets: new SecretStore({ database, key: randomBytes(32) }),
    blobs,
    ports: { request: async () => Promise.reject(new FogError('not-found', 'no job publishes a port here')) },
    authenticate: bearerAuthentication({ tokens }),
    metrics: createHttpMetrics({ blobTotals: () => blobs.totals() }),
    logger,
    tls: options.tls ?? { kind: 'plain' },
    loopback: true,
    version: '0.1.0',
    ready: () => test.readiness,
    databaseAnswers: () => database.read.selectFrom('tokens').select('id').limit(1).execute(),
    ...options.dependencies,
  });
  const test: TestServer = {
    server,
    service,
    deployments,
    database,
    tokens,
    blobs,
    directory,
    log,
    readiness: { ready: true, nodes: 3 },
    async bearer(scope, principal) {
      return `Bearer ${(await tokens.create({ scope, principal })).token}`;
    },
    async listen() {
      await server.listen({ host: '127.0.0.1', port: 0 });
      const scheme = options.tls === undefined || options.tls.kind === 'plain' ? 'http' : 'https';
      return `${scheme}://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
    },
    async [Symbol.asyncDispose]() {
      server.server.closeAllConnections();
      await server.close();
      blobs.close();
      await database.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return test;
}
