/** Looks up jobs with published ports and their replicas. A burst of requests asks the database once. */
import { type AttemptState, FogError, type HealthReport, isLongRunning, type Job, type PortSpec } from '@fog/contract';
import { PROXY_LIMITS } from '../limits.ts';
import type { Caller } from '../service.ts';
import type { Database, Reader } from '../store/database.ts';
import { readJob } from '../store/job-queries.ts';
import { IS_LIVE } from '../store/live-attempts.ts';
import type { Replica } from './replicas.ts';

export interface ServiceJob {
  job: Job;
  /** Attempts that may be alive, by partition. */
  replicas: Replica[];
}

export class ServiceJobs {
  readonly #database: Pick<Database, 'read'>;
  readonly #now: () => number;
  readonly #known = new Map<string, { readAt: number; service: Promise<ServiceJob | null> }>();

  /** `now` is monotonic, in milliseconds. */
  constructor(database: Pick<Database, 'read'>, now: () => number = () => performance.now()) {
    this.#database = database;
    this.#now = now;
  }

  /** To a submitter, jobs of others do not exist: throws `not-found`. */
  async find(caller: Caller, id: string): Promise<ServiceJob> {
    const service = await this.#read(id);
    if (service === null || (caller.scope !== 'admin' && service.job.submitter !== caller.principal)) {
      throw new FogError('not-found', `there is no job ${id}`, { hint: 'fog job ls' });
    }
    return service;
  }

  /** What is known of it was wrong. */
  forget(id: string): void {
    this.#known.delete(id);
  }

  #read(id: string): Promise<ServiceJob | null> {
    const known = this.#known.get(id);
    if (known !== undefined && this.#now() - known.readAt < PROXY_LIMITS.cacheMilliseconds) return known.service;
    const service = readServiceJob(this.#database.read, id);
    service.catch(() => this.#known.delete(id));
    const oldest = this.#known.keys().next();
    if (this.#known.size >= PROXY_LIMITS.cachedJobs && !oldest.done) this.#known.delete(oldest.value);
    this.#known.delete(id);
    this.#known.set(id, { readAt: this.#now(), service });
    return service;
  }
}

/** Throws `not-found` for a port that the job does not publish, `conflict` for a job without an address any more. */
export function publishedPort({ job }: ServiceJob, name: string): PortSpec {
  const { ports = [] } = job.spec.spec.task;
  const port = ports.find((published) => published.name === name);
  if (port === undefined) {
    const names = ports.map((published) => published.name).join(', ');
    const hint = isLongRunning(job.spec)
      ? `it publishes ${names === '' ? 'none' : names}`
      : 'only services publish ports';
    throw new FogError('not-found', `job ${job.id} publishes no port "${name}"`, { hint });
  }
  if (job.endedAt !== null) throw new FogError('conflict', `job ${job.id} has ended: it is ${job.state}`);
  return port;
}

async function readServiceJob(reader: Reader, id: string): Promise<ServiceJob | null> {
  const job = await readJob(reader, id);
  if (job === null) return null;
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
  const replicas = rows.map((row): Replica => {
    const { partition, fence, coordinator, url } = row;
    return {
      partition,
      fence,
      state: row.state as AttemptState,
      node: row.node_id,
      nodeState: row.node_state,
      health: row.health === null ? null : (JSON.parse(row.health) as HealthReport),
      coordinator: coordinator === null || url === null ? null : { id: coordinator, url },
    };
  });
  return { job, replicas };
}
