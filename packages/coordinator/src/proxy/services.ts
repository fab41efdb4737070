/** Looks up services with published ports and their replicas. A burst of requests asks the database once. */
import {
  type AttemptState,
  FogError,
  type HealthReport,
  isLongRunning,
  type Job,
  LIMITS,
  type PortOwner,
  type PortSpec,
} from '@fog/contract';
import { sql } from 'kysely';
import { failureText } from '../dispatch/turn-records.ts';
import { PROXY_LIMITS } from '../limits.ts';
import type { Caller } from '../service.ts';
import type { Database, Reader } from '../store/database.ts';
import { readJob } from '../store/job-queries.ts';
import { IS_LIVE } from '../store/live-attempts.ts';
import type { Replica, ServiceTask } from './replicas.ts';

export interface Service {
  /** As messages name it. */
  title: string;
  /** Its job; of a deployment those of its revisions that have not ended, the newest first. */
  jobs: Job[];
  /** Attempts that may be alive, by partition. */
  replicas: Replica[];
  /** Its tasks that have not ended, by partition. */
  tasks: ServiceTask[];
}

export class Services {
  readonly #database: Pick<Database, 'read'>;
  readonly #now: () => number;
  readonly #known = new Map<string, { readAt: number; service: Promise<Service | null> }>();

  /** `now` is monotonic, in milliseconds. */
  constructor(database: Pick<Database, 'read'>, now: () => number = () => performance.now()) {
    this.#database = database;
    this.#now = now;
  }

  /** To a submitter, jobs of others do not exist, and deployments are the caller's own: throws `not-found`. */
  async find({ scope, principal }: Caller, owner: PortOwner): Promise<Service> {
    const service = await this.#read(owner, principal);
    const isForeign = scope !== 'admin' && service?.jobs.some(({ submitter }) => submitter !== principal);
    if (service === null || isForeign) {
      const hint = owner.kind === 'job' ? 'fog job ls' : 'fog rollout ls';
      throw new FogError('not-found', `there is no ${owner.kind} ${owner.id}`, { hint });
    }
    return service;
  }

  /** What is known of it was wrong. */
  forget(owner: PortOwner, { principal }: Caller): void {
    this.#known.delete(keyOf(owner, principal));
  }

  #read(owner: PortOwner, principal: string): Promise<Service | null> {
    const key = keyOf(owner, principal);
    const known = this.#known.get(key);
    if (known !== undefined && this.#now() - known.readAt < PROXY_LIMITS.cacheMilliseconds) return known.service;
    const service = readService(this.#database.read, owner, principal);
    service.catch(() => this.#known.delete(key));
    const oldest = this.#known.keys().next();
    if (this.#known.size >= PROXY_LIMITS.cachedJobs && !oldest.done) this.#known.delete(oldest.value);
    this.#known.delete(key);
    this.#known.set(key, { readAt: this.#now(), service });
    return service;
  }
}

function keyOf({ kind, id }: PortOwner, principal: string): string {
  return kind === 'job' ? id : `${principal} ${id}`;
}

/**
 * The port of this name in each job that publishes it, the newest first. Throws `not-found` where none does, `conflict`
 * for a job that has ended.
 */
export function publishedPorts({ title, jobs }: Service, name: string): Map<string, PortSpec> {
  const ports = jobs.map((job) => [job, job.spec.spec.task.ports?.find((port) => port.name === name)] as const);
  const published = new Map(ports.flatMap(([job, port]) => (port === undefined ? [] : [[job.id, port]])));
  const [newest] = jobs;
  if (published.size === 0) {
    const names = newest?.spec.spec.task.ports?.map((port) => port.name).join(', ') ?? '';
    const isService = newest !== undefined && isLongRunning(newest.spec);
    const hint = isService ? `it publishes ${names === '' ? 'none' : names}` : 'only services publish ports';
    throw new FogError('not-found', `${title} publishes no port "${name}"`, { hint });
  }
  if (newest !== undefined && newest.endedAt !== null) {
    throw new FogError('conflict', `${title} has ended: it is ${newest.state}`);
  }
  return published;
}

async function readService(reader: Reader, owner: PortOwner, principal: string): Promise<Service | null> {
  const ids = owner.kind === 'job' ? [owner.id] : await openRevisions(reader, principal, owner.id);
  const jobs = (await Promise.all(ids.map((id) => readJob(reader, id)))).filter((job) => job !== null);
  if (jobs.length === 0) return null;
  const replicas = await Promise.all(jobs.map(({ id }) => readReplicas(reader, id)));
  const tasks = await Promise.all(jobs.map(({ id }) => readTasks(reader, id)));
  return { title: `${owner.kind} ${owner.id}`, jobs, replicas: replicas.flat(), tasks: tasks.flat() };
}

/** Jobs of the revisions that may have replicas, the newest first. */
async function openRevisions(reader: Reader, principal: string, name: string): Promise<string[]> {
  const rows = await reader
    .selectFrom('deployment_revisions')
    .innerJoin('jobs', 'jobs.id', 'deployment_revisions.job_id')
    .select('jobs.id')
    .where('deployment_revisions.principal', '=', principal)
    .where('deployment_revisions.name', '=', name)
    .where('jobs.ended_at', 'is', null)
    .orderBy('revision', 'desc')
    .execute();
  return [...new Set(rows.map(({ id }) => id))];
}

async function readTasks(reader: Reader, id: string): Promise<ServiceTask[]> {
  const lastOutcome = sql<string | null>`CASE WHEN job_failures + node_failures > 0 THEN (
    SELECT o.outcome FROM attempts o WHERE o.job_id = tasks.job_id AND o.partition = tasks.partition
    AND o.outcome IS NOT NULL ORDER BY o.fence DESC LIMIT 1) END`;
  const rows = await reader
    .selectFrom('tasks')
    .select(['partition', 'state', 'parked', lastOutcome.as('last_outcome')])
    .where('job_id', '=', id)
    .where('state', 'in', ['queued', 'scheduled', 'running'])
    .orderBy('partition')
    .limit(LIMITS.replicas)
    .execute();
  return rows.map(({ partition, state, parked, last_outcome: outcome }) => {
    const waitsFor = state !== 'queued' ? null : parked === 1 ? 'pause' : 'node';
    return { job: id, partition, waitsFor, failure: failureText(outcome) };
  });
}

async function readReplicas(reader: Reader, id: string): Promise<Replica[]> {
  const rows = await reader
    .selectFrom('attempts')
    .leftJoin('nodes', 'nodes.id', 'attempts.node_id')
    .leftJoin('coordinators', 'coordinators.id', 'nodes.coordinator_id')
    .select(['attempts.partition', 'attempts.fence', 'attempts.state', 'attempts.node_id', 'attempts.health'])
    .select(['nodes.state as node_state', 'coordinators.id as coordinator', 'coordinators.url as url'])
    .where('attempts.job_id', '=', id)
    .where(IS_LIVE)
    .orderBy('attempts.partition')
    .orderBy('attempts.fence')
    .limit(PROXY_LIMITS.replicas)
    .execute();
  return rows.map((row): Replica => {
    const { partition, fence, coordinator, url } = row;
    return {
      job: id,
      partition,
      fence,
      state: row.state as AttemptState,
      node: row.node_id,
      nodeState: row.node_state,
      health: row.health === null ? null : (JSON.parse(row.health) as HealthReport),
      coordinator: coordinator === null || url === null ? null : { id: coordinator, url },
    };
  });
}
