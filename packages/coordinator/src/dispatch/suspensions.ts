/**
 * Suspending jobs and tasks, and letting them go on.
 *
 *     jobs.suspended_at says what is asked of a job; suspension_due is 1 until all its tasks have heard of it.
 *
 * Tasks are reached in steps through the dispatcher, which parks those that wait and tells the nodes of those that run.
 * What a crash leaves half done is continued by the sweep. What a node, or another coordinator, did not hear is
 * repeated: by a hint at once, by a sweep after a while.
 */
import { FogError, type JobEventData, type TaskState } from '@fog/contract';
import { sql } from 'kysely';
import type { Bus } from '../bus.ts';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { Database, Writer } from '../store/database.ts';
import { unheededSuspensions } from '../store/suspension-rows.ts';
import { rowLock, saveJobs } from '../store/turn-rows.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { JobCache } from './job-cache.ts';
import { sendSuspensions } from './orders.ts';
import { suspensionOrder } from './turn-suspensions.ts';

export interface SuspensionsDependencies {
  database: Database;
  dispatcher: Dispatcher;
  bus: Bus;
  jobCache: JobCache;
  now: () => number;
}

const LIVE: TaskState[] = ['queued', 'scheduled', 'running'];

export class Suspensions {
  readonly #dependencies: SuspensionsDependencies;
  /** Jobs whose tasks this process is reaching. */
  readonly #spreading = new Map<string, Promise<void>>();

  constructor(dependencies: SuspensionsDependencies) {
    this.#dependencies = dependencies;
    dependencies.bus.subscribe((hint) => {
      // What gets lost here is found by the sweep.
      if (hint.kind === 'suspension') this.remind(hint.job).catch(() => undefined);
    });
  }

  /**
   * Suspends a job, or one task of it, or lets it go on. Resolves when all its tasks have been reached; asking twice
   * changes nothing. Throws `not-found` for a task that does not exist, and `conflict` for what has ended.
   */
  async change(
    jobId: string,
    request: { suspend: boolean; partition?: number | undefined; by: string },
  ): Promise<void> {
    const { suspend, partition, by } = request;
    if (partition !== undefined) return await this.#changeTask(jobId, partition, suspend, by);
    const isLive = await this.#dependencies.database.write((writer) => this.#mark(writer, jobId, suspend, by));
    if (!isLive) throw ended(`job ${jobId}`);
    this.#dependencies.bus.publish({ kind: 'streams', ids: [jobId] });
    await this.#spread(jobId);
  }

  /** Goes on with what was left half done. */
  async finish(): Promise<void> {
    const rows = await this.#dependencies.database.read
      .selectFrom('jobs')
      .select('id')
      .where('suspension_due', '=', 1)
      .limit(DISPATCH_LIMITS.sweepRows)
      .execute();
    for (const { id } of rows) await this.#spread(id);
  }

  /** Tells the nodes of this coordinator again what they have not done yet; of one job, or of all. */
  async remind(jobId: string | null): Promise<void> {
    const { database, dispatcher, jobCache, bus, now } = this.#dependencies;
    const rows = await unheededSuspensions(database.read, jobId);
    const held = rows.filter((row) => dispatcher.sessions.get(row.node)?.needsOf(row) !== undefined);
    await jobCache.load(database.read, new Set(held.map(({ job }) => job)));
    const orders = held.map((row) => suspensionOrder(row, row, jobCache.get(row.job).spec, now()));
    sendSuspensions(orders, dispatcher.sessions, bus);
  }

  /** Answers false when the job has ended or is being closed. */
  async #mark(writer: Writer, jobId: string, suspend: boolean, by: string): Promise<boolean> {
    const { database, now } = this.#dependencies;
    // Locked, since another coordinator may be ending the job: nothing follows the end of its stream.
    const { rows } = await sql<{ suspended_at: number | null }>`
      SELECT suspended_at FROM jobs WHERE id = ${jobId} AND ended_at IS NULL AND closing IS NULL
      ${rowLock(database.engine, 'FOR UPDATE')}`.execute(writer);
    const [job] = rows;
    if (job === undefined) return false;
    // What is asked of a job is asked of all its tasks, also of those that were asked for by themselves.
    await writer
      .updateTable('jobs')
      .set({ suspended_at: suspend ? (job.suspended_at ?? now()) : null, suspension_due: 1 })
      .where('id', '=', jobId)
      .execute();
    if ((job.suspended_at !== null) === suspend) return true;
    const data: JobEventData = { type: suspend ? 'job.suspended' : 'job.resumed', by };
    await saveJobs(writer, new Map(), new Map([[jobId, [{ kind: 'event', data }]]]), now());
    return true;
  }

  /** One after another, so that whoever asks last finds what was asked for before done or overtaken. */
  async #spread(jobId: string): Promise<void> {
    const before = this.#spreading.get(jobId) ?? Promise.resolve();
    const running = before
      .catch(() => undefined)
      .then(() => this.#reachTasks(jobId))
      .finally(() => {
        if (this.#spreading.get(jobId) === running) this.#spreading.delete(jobId);
      });
    this.#spreading.set(jobId, running);
    await running;
  }

  async #reachTasks(jobId: string): Promise<void> {
    const { database, dispatcher } = this.#dependencies;
    let last: boolean | null = null;
    for (;;) {
      const job = await database.read
        .selectFrom('jobs')
        .select(['suspended_at', 'suspension_due'])
        .where('id', '=', jobId)
        .executeTakeFirst();
      if (job === undefined) return;
      const suspend = job.suspended_at !== null;
      // Another coordinator may have asked for the opposite, and be done with it, while the last step was under way.
      if (job.suspension_due === 0 && (last === null || last === suspend)) return;
      const rows = await database.read
        .selectFrom('tasks')
        .select(['partition', 'fence'])
        .where('job_id', '=', jobId)
        .where('state', 'in', LIVE)
        .where('suspended_at', suspend ? 'is' : 'is not', null)
        .orderBy('partition')
        .limit(DISPATCH_LIMITS.jobStep)
        .execute();
      last = suspend;
      if (rows.length === 0) {
        await this.#reachedAll(jobId, job.suspended_at);
        continue;
      }
      const kind = suspend ? 'suspend' : 'unsuspend';
      dispatcher.take(...rows.map((row) => ({ kind, name: { job: jobId, ...row }, by: null }) as const));
      await dispatcher.settled();
    }
  }

  /** Unless something else was asked for meanwhile. */
  async #reachedAll(jobId: string, suspendedAt: number | null): Promise<void> {
    await this.#dependencies.database.write((writer) =>
      writer
        .updateTable('jobs')
        .set({ suspension_due: 0 })
        .where('id', '=', jobId)
        .where('suspended_at', suspendedAt === null ? 'is' : '=', suspendedAt)
        .execute(),
    );
  }

  async #changeTask(jobId: string, partition: number, suspend: boolean, by: string): Promise<void> {
    const { database, dispatcher } = this.#dependencies;
    await this.#spreading.get(jobId);
    const task = await database.read
      .selectFrom('tasks')
      .select(['state', 'fence'])
      .where('job_id', '=', jobId)
      .where('partition', '=', partition)
      .executeTakeFirst();
    if (task === undefined) throw new FogError('not-found', `job ${jobId} has no task ${partition}`);
    if (!LIVE.some((state) => state === task.state)) throw ended(`task ${partition} of job ${jobId}`);
    const name = { job: jobId, partition, fence: task.fence };
    dispatcher.take({ kind: suspend ? 'suspend' : 'unsuspend', name, by });
    await dispatcher.settled();
  }
}

function ended(what: string): FogError {
  return new FogError('conflict', `${what} has ended: there is nothing left to suspend or to resume`);
}
