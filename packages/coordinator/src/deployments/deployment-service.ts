/** Deployments as the API tells of them, and who may see and change whose. */
import {
  type Deployment,
  type DeploymentState,
  type DeploymentSummary,
  FogError,
  type Replica,
  type Revision,
  type RevisionState,
} from '@fog/contract';
import { decodeCursor, encodeCursor } from '../access/page-cursor.ts';
import type { JobCache } from '../dispatch/job-cache.ts';
import type { Caller, Page, PageRequest } from '../service.ts';
import type { Database, Reader } from '../store/database.ts';
import { type DeploymentKey, type ReplicaRow, type RevisionWithJob, readRevisions } from '../store/deployment-rows.ts';
import type { DeploymentRow } from '../store/tables.ts';
import { isAvailable } from './controller.ts';
import { type Deployments, requireDeployment } from './deployments.ts';
import { type Look, lastFailure, lookAt } from './look.ts';
import { readHealth } from './replica-condition.ts';

/** Names are per principal; without one it is that of the caller. */
export interface DeploymentRequest {
  name: string;
  principal?: string | undefined;
}

export interface GetRequest extends DeploymentRequest {
  /** `none` for those who ask again and again how far it is. Default: all. */
  replicas?: 'all' | 'none' | undefined;
}

/** Every method throws `FogError`. To a caller of scope `submit` deployments of others do not exist (`not-found`). */
export interface DeploymentService {
  deploy(caller: Caller, request: DeploymentRequest, spec: unknown): Promise<Deployment>;
  /** Those of a principal; a caller who sees everything and names none gets all. */
  list(caller: Caller, request: PageRequest & { principal?: string | undefined }): Promise<Page<DeploymentSummary>>;
  get(caller: Caller, request: GetRequest): Promise<Deployment>;
  revisions(caller: Caller, request: DeploymentRequest): Promise<{ items: Revision[] }>;
  scale(caller: Caller, request: DeploymentRequest, replicas: number): Promise<Deployment>;
  rollBack(caller: Caller, request: DeploymentRequest, revision: number | undefined): Promise<Deployment>;
  remove(caller: Caller, request: DeploymentRequest): Promise<void>;
}

export interface DeploymentServiceDependencies {
  database: Database;
  jobCache: JobCache;
  deployments: Deployments;
  /** Null where nobody pays. */
  periods: object | null;
  now: () => number;
}

export function createDeploymentService(dependencies: DeploymentServiceDependencies): DeploymentService {
  const { database, deployments } = dependencies;
  const get = async (caller: Caller, { replicas, ...request }: GetRequest) => {
    const key = keyOf(caller, request);
    return replicas === 'none' ? await readWithout(database.read, key) : await readWhole(dependencies, key);
  };
  return {
    async deploy(caller, request, spec) {
      await deployments.deploy(keyOf(caller, request), caller.principal, spec);
      return await get(caller, request);
    },
    list: (caller, request) => listDeployments(database.read, caller, request),
    get,
    async revisions(caller, request) {
      const key = keyOf(caller, request);
      await requireDeployment(database.read, key);
      return { items: (await readRevisions(database.read, key)).map(toRevision) };
    },
    async scale(caller, request, replicas) {
      await deployments.scale(keyOf(caller, request), replicas);
      return await get(caller, request);
    },
    async rollBack(caller, request, revision) {
      await deployments.rollBack(keyOf(caller, request), caller.principal, revision);
      return await get(caller, request);
    },
    remove: async (caller, request) => deployments.remove(keyOf(caller, request)),
  };
}

function keyOf({ scope, principal }: Caller, request: DeploymentRequest): DeploymentKey {
  const { name, principal: wanted = principal } = request;
  if (wanted === principal || scope === 'admin' || scope === 'read') return { principal: wanted, name };
  throw new FogError('not-found', `there is no deployment ${name} of ${wanted}`, { hint: 'fog rollout ls' });
}

async function listDeployments(
  reader: Reader,
  { scope, principal }: Caller,
  request: PageRequest & { principal?: string | undefined },
): Promise<Page<DeploymentSummary>> {
  const { cursor, limit } = request;
  const owner = scope === 'submit' ? principal : request.principal;
  const [, afterPrincipal, afterName] = /^(\S+) (\S+)$/.exec(decodeCursor(cursor, /^\S{1,63} \S{1,63}$/) ?? '') ?? [];
  let query = reader.selectFrom('deployments').selectAll().orderBy('principal').orderBy('name');
  if (owner !== undefined) query = query.where('principal', '=', owner);
  if (afterPrincipal !== undefined && afterName !== undefined) {
    query = query.where(({ eb, or, and }) =>
      or([
        eb('principal', '>', afterPrincipal),
        and([eb('principal', '=', afterPrincipal), eb('name', '>', afterName)]),
      ]),
    );
  }
  const rows = await query.limit(limit + 1).execute();
  const shown = rows.slice(0, limit);
  // A submitter who names another sees nothing of that one.
  const isOthers = scope === 'submit' && request.principal !== undefined && request.principal !== principal;
  if (isOthers) return { items: [], next: null };
  const last = shown.at(-1);
  const next = rows.length > limit && last !== undefined ? encodeCursor(`${last.principal} ${last.name}`) : null;
  return { items: shown.map(toSummary), next };
}

/** Without its replicas. */
async function readWithout(reader: Reader, key: DeploymentKey): Promise<Deployment> {
  const row = await requireDeployment(reader, key);
  return { ...toSummary(row), replicas: [], revisions: (await readRevisions(reader, key)).map(toRevision) };
}

async function readWhole(
  { database, jobCache: jobs, now, periods }: DeploymentServiceDependencies,
  key: DeploymentKey,
): Promise<Deployment> {
  const row = await requireDeployment(database.read, key);
  const looking = { jobs, nodes: async () => [], now: now(), lookingSince: 0, isPaid: periods !== null };
  const look = await lookAt(database.read, row, looking);
  const ids = [...new Set(look.replicas.flatMap(({ attempt }) => attempt?.node ?? []))];
  const nodes = ids.length === 0 ? [] : await nodeNames(database.read, ids);
  const names = new Map(nodes.map(({ id, name }) => [id, name]));
  return {
    ...toSummary(row),
    replicas: look.replicas.map((replica) => toReplica(look, replica, names, now())),
    revisions: look.revisions.map(toRevision),
  };
}

function nodeNames(reader: Reader, ids: readonly string[]) {
  return reader.selectFrom('nodes').select(['id', 'name']).where('id', 'in', ids).execute();
}

function toSummary(row: DeploymentRow): DeploymentSummary {
  const { name, principal, revision, wanted, ready, available, updated } = row;
  return {
    name,
    principal,
    type: row.type as DeploymentSummary['type'],
    state: row.state as DeploymentState,
    reason: row.reason ?? row.uncovered,
    revision,
    wanted,
    ready,
    available,
    updated,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function toRevision(row: RevisionWithJob): Revision {
  return {
    revision: row.revision,
    state: row.state as RevisionState,
    reason: row.reason,
    job: row.job_id,
    by: row.created_by,
    of: row.of_revision,
    createdAt: row.created_at,
    endedAt: row.ended_at,
  };
}

function toReplica(
  { view, revisions }: Look,
  replica: ReplicaRow,
  names: ReadonlyMap<string, string>,
  now: number,
): Replica {
  const { job, partition, state, condition, leaving, since, attempt, pinned } = replica;
  // While it waits for its next attempt, what the last one said of its health is of the past.
  const held = state === 'queued' ? null : attempt;
  const health = readHealth(held?.health ?? null);
  const node = held?.node ?? pinned;
  const said = health === null || health.status === 'healthy' ? '' : health.message;
  return {
    job,
    partition,
    revision: revisions.find((revision) => revision.job_id === job)?.revision ?? 1,
    state,
    ready: condition === 'ready' && !leaving,
    available: isAvailable(view, replica, now),
    leaving,
    since,
    nodeId: node,
    nodeName: node === null ? null : (names.get(node) ?? node),
    restarts: health?.restarts ?? 0,
    failures: replica.jobFailures + replica.nodeFailures,
    message: condition === 'ready' ? null : said || lastFailure(replica),
  };
}
