/**
 * Jobs that wait for other jobs.
 *
 *     waits = 1, no tasks -> all that it needs has completed: ready, its tasks are inserted
 *                         -> one of them did not complete:    closed with `dependency-failed`
 *
 * A job that waits has no tasks, so nothing of it can be claimed, and suspending, cancelling or expiring it is as of any
 * other. It is decided under the lock of its row. Who hears of an end looks at once; what got lost, a sweep finds.
 */
import { counted, FogError, type JobEventData, type JobState } from '@fog/contract';
import { sql } from 'kysely';
import type { Bus } from '../bus.ts';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { Database, Reader, Writer } from '../store/database.ts';
import {
  countWaiting,
  endedAmong,
  type NeededJob,
  readDecidable,
  readNeeded,
  waitingFor,
} from '../store/dependency-rows.ts';
import { rowLock, saveJobs } from '../store/turn-rows.ts';
import type { Jobs } from './jobs.ts';

export interface DependenciesDependencies {
  database: Database;
  bus: Bus;
  jobs: Pick<Jobs, 'spreadOut' | 'finishClosing'>;
  now: () => number;
  warn: (message: string, data: Record<string, unknown>) => void;
}

export class Dependencies {
  readonly #dependencies: DependenciesDependencies;
  /** Jobs that others wait for which were submitted here: those of others the sweep finds. */
  readonly #needed = new Set<string>();
  /** Of these, those of which something was heard. */
  readonly #heard = new Set<string>();
  #looking: Promise<void> | null = null;
  /** What goes on besides. */
  readonly #working = new Set<Promise<void>>();

  constructor(dependencies: DependenciesDependencies) {
    this.#dependencies = dependencies;
    dependencies.bus.subscribe((hint) => {
      if (hint.kind !== 'streams' || this.#needed.size === 0) return;
      for (const id of hint.ids) if (this.#needed.has(id)) this.#heard.add(id);
      this.#lookSoon();
    });
  }

  /** The job has been submitted here, and waits. */
  follow(jobId: string, needed: readonly string[]): void {
    for (const id of needed) {
      const oldest = this.#needed.values().next();
      if (this.#needed.size >= DISPATCH_LIMITS.waitingJobs && !oldest.done) this.#needed.delete(oldest.value);
      this.#needed.add(id);
    }
    // What it needs may have ended meanwhile.
    this.#quietly(this.#decide(jobId));
  }

  /** Decides on all jobs whose wait is over; what a crash or a lost hint has left. */
  async look(): Promise<void> {
    const { database } = this.#dependencies;
    for (const id of await readDecidable(database.read, DISPATCH_LIMITS.sweepRows)) await this.#decide(id);
  }

  /** Resolves when what was heard of has been looked at, and what is ready has its tasks. */
  async settled(): Promise<void> {
    while (this.#looking !== null || this.#working.size > 0) await Promise.all([this.#looking, ...this.#working]);
  }

  #lookSoon(): void {
    if (this.#heard.size === 0 || this.#looking !== null) return;
    this.#looking = this.#lookAtHeard()
      .catch((error: unknown) => this.#warn(error))
      .finally(() => {
        this.#looking = null;
        this.#lookSoon();
      });
  }

  async #lookAtHeard(): Promise<void> {
    const { database } = this.#dependencies;
    const ids = [...this.#heard].slice(0, DISPATCH_LIMITS.dependencyLooks);
    for (const id of ids) this.#heard.delete(id);
    const ended = await endedAmong(database.read, ids);
    if (ended.length === 0) return;
    for (const id of await waitingFor(database.read, ended, DISPATCH_LIMITS.sweepRows)) await this.#decide(id);
    for (const id of ended) this.#needed.delete(id);
  }

  async #decide(jobId: string): Promise<void> {
    const { database, bus, jobs } = this.#dependencies;
    const fate = await database.write((writer) => this.#decideUnderLock(writer, jobId));
    if (fate === 'waits') return;
    bus.publish({ kind: 'streams', ids: [jobId] });
    if (fate === 'ready') this.#quietly(jobs.spreadOut(jobId));
    else await jobs.finishClosing(jobId);
  }

  async #decideUnderLock(writer: Writer, jobId: string): Promise<'waits' | 'ready' | 'closed'> {
    const { database, now } = this.#dependencies;
    const { rows } = await sql<{ id: string }>`
      SELECT id FROM jobs WHERE id = ${jobId} AND waits = 1 AND ended_at IS NULL AND closing IS NULL
      ${rowLock(database.engine, 'FOR UPDATE')}`.execute(writer);
    if (rows.length === 0) return 'waits';
    const fate = fateOf(await readNeeded(writer, jobId));
    if (fate === 'waits') return 'waits';
    const change =
      fate === 'ready' ? { ready_at: now() } : { closing: 'dependency-failed' as const, closed_by: fate.failed };
    await writer
      .updateTable('jobs')
      .set({ waits: 0, ...change })
      .where('id', '=', jobId)
      .execute();
    if (fate !== 'ready') return 'closed';
    const data: JobEventData = { type: 'job.ready' };
    await saveJobs(writer, new Map(), new Map([[jobId, [{ kind: 'event', data }]]]), now());
    return 'ready';
  }

  #quietly(work: Promise<void>): void {
    const working = work.catch((error: unknown) => this.#warn(error)).finally(() => this.#working.delete(working));
    this.#working.add(working);
  }

  /** The sweep tries it again. */
  #warn(error: unknown): void {
    this.#dependencies.warn('a look at jobs that wait for others failed', { error: String(error) });
  }
}

const NEVER_COMPLETES: readonly (JobState | null)[] = ['failed', 'cancelled', 'expired', null];

/** What becomes of a job that needs these. Pure. */
export function fateOf(needed: readonly NeededJob[]): 'waits' | 'ready' | { failed: string } {
  const failed = needed.find(({ state }) => NEVER_COMPLETES.includes(state));
  if (failed !== undefined) return { failed: failed.id };
  return needed.every(({ state }) => state === 'completed') ? 'ready' : 'waits';
}

/** Why a job cannot wait for these, or null. To a submitter, jobs of others do not exist. */
export async function dependencyFault(
  reader: Reader,
  submitter: string,
  needed: readonly string[],
): Promise<FogError | null> {
  if (needed.length === 0) return null;
  if ((await countWaiting(reader)) >= DISPATCH_LIMITS.waitingJobs) {
    const most = counted(DISPATCH_LIMITS.waitingJobs, 'job');
    return new FogError('too-many-requests', `${most} wait for others already`, { hint: 'submit it later' });
  }
  const rows = await reader
    .selectFrom('jobs')
    .select(['id', 'deployment'])
    .where('id', 'in', [...needed])
    .where('submitter', '=', submitter)
    .where('purpose', '=', 'user')
    .execute();
  const known = new Map(rows.map(({ id, deployment }) => [id, deployment]));
  const faults = needed.flatMap((id, index) => {
    const deployment = known.get(id);
    if (deployment === null) return [];
    const message =
      deployment === undefined
        ? `you have no job ${id}`
        : `job ${id} runs a revision of the deployment ${deployment}, which has no end`;
    return [{ path: `spec.dependsOn[${index}]`, code: 'invalid' as const, message }];
  });
  const [first] = faults;
  if (first === undefined) return null;
  return new FogError('invalid-spec', `${first.path}: ${first.message}`, { details: { faults }, hint: 'fog job ls' });
}

/** What a job waits for, in words. */
export function neededText(needed: readonly NeededJob[]): string {
  const open = needed.filter(({ state }) => state !== 'completed');
  const some = open.slice(0, 3).map(({ id, state }) => `${id} (${state ?? 'gone'})`);
  const more = open.length > some.length ? ` and ${open.length - some.length} more` : '';
  return `it waits until ${some.join(', ')}${more} ${open.length === 1 ? 'has' : 'have'} completed`;
}
