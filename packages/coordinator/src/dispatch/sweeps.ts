/**
 * What time alone makes due: retries, deadlines, lost nodes, half-done jobs, dead coordinators, old records.
 *
 * Each sweep reads what is due and hands it to the dispatcher or to the jobs, which decide under lock. A sweep that
 * fails is tried again at its next turn.
 */

import type { CreditSchedule } from '@fog/scheduler/queueing';
import { sql } from 'kysely';
import type { DeploymentLooks } from '../deployments/deployment-looks.ts';
import { cutHistory } from '../deployments/history.ts';
import { DEPLOYMENT_LIMITS, DISPATCH_LIMITS, PLACEMENT_LIMITS } from '../limits.ts';
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Database } from '../store/database.ts';
import type { DatabaseSpace } from '../store/database-space.ts';
import { IS_HELD } from '../store/live-attempts.ts';
import { rowLock } from '../store/turn-rows.ts';
import { mendTimes } from './clock-mending.ts';
import type { Dependencies } from './dependencies.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { JobCache } from './job-cache.ts';
import type { Jobs } from './jobs.ts';
import type { Listening } from './listening.ts';
import type { Moves } from './placement/moves.ts';
import type { PlacementClasses } from './placement-classes.ts';
import type { Preemption } from './preemption.ts';
import type { Quotas } from './queueing/quotas.ts';
import { type ServiceWaits, settleServiceLevels } from './queueing/service-waits.ts';
import { removeOld } from './retention.ts';
import type { Samples } from './samples.ts';
import type { Suspensions } from './suspensions.ts';
import type { ReadBlob } from './verification/comparisons.ts';
import { reverifyingHeads, tellDueVerifications } from './verification/due-tasks.ts';
import { askForResults, stopDecidedResults } from './verification/reveals.ts';

export interface SweepsDependencies {
  database: Database;
  dispatcher: Dispatcher;
  jobs: Jobs;
  suspensions: Pick<Suspensions, 'finish' | 'remind'>;
  dependencies: Pick<Dependencies, 'look'>;
  preemption: Pick<Preemption, 'look'>;
  moves: Pick<Moves, 'look'>;
  jobCache: JobCache;
  classes: PlacementClasses;
  samples: Pick<Samples, 'store'>;
  deployments: Pick<DeploymentLooks, 'lookAround'>;
  quotas: Pick<Quotas, 'load'>;
  serviceWaits: Pick<ServiceWaits, 'store'>;
  credits: () => CreditSchedule;
  space: Pick<DatabaseSpace, 'measure'>;
  coordinatorId: string;
  url: () => string;
  startedAt: number;
  listening: Listening;
  keepJobs: string;
  /** The bytes of a blob; null when it is not there, or larger. */
  readBlob: ReadBlob;
  /** Removes blobs that nothing refers to. */
  collectBlobs: () => Promise<void>;
  /** Those of other parts. */
  others: readonly Sweep[];
  /** Whether other coordinators share the database. */
  onPeers: (peers: number) => void;
  now: () => number;
  warn: (message: string, data: Record<string, unknown>) => void;
}

/**
 * Sets the state as well: while this coordinator was paused, or cut off from the database, another may have taken it
 * for dead and its nodes for silent.
 */
const SEE_NODES: BulkStatement = {
  text: `UPDATE nodes SET last_seen_at = d.at, state = 'connected', silent_since = NULL FROM ROWS AS d
    WHERE nodes.id = d.node AND nodes.session = d.session`,
  columns: { node: 'text', session: 'bigint', at: 'bigint' },
};

export interface Sweep {
  name: string;
  everyMilliseconds: number;
  run: () => Promise<void>;
}

export class Sweeps {
  readonly #dependencies: SweepsDependencies;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #running = new Set<Promise<void>>();
  #stopped = false;
  /** Sessions that the last look found in the database but not here. */
  #unheld: ReadonlySet<string> = new Set();
  /** Tasks waiting over all jobs, as of the last count. */
  queuedTasks = 0;

  constructor(dependencies: SweepsDependencies) {
    this.#dependencies = dependencies;
  }

  /** Takes stock once, so that what a crash left is known before the first agent connects, then starts the timers. */
  async start(): Promise<void> {
    await this.takeStock();
    for (const sweep of this.#sweeps()) this.#schedule(sweep);
  }

  async takeStock(): Promise<void> {
    await this.#beat();
    await this.#silenceOrphans();
    await this.#dependencies.quotas.load();
    await this.#lookIntoQueue();
  }

  /** Does once, one after the other, what the timers do at their times. */
  async sweepOnce(): Promise<void> {
    for (const sweep of this.#sweeps()) await sweep.run();
  }

  #sweeps(): Sweep[] {
    return [
      { name: 'retries', everyMilliseconds: DISPATCH_LIMITS.sweepMilliseconds, run: () => this.#unpark() },
      { name: 'queue deadlines', everyMilliseconds: 1000, run: () => this.#expireQueued() },
      { name: 'lost nodes', everyMilliseconds: 1000, run: () => this.#loseSilent() },
      { name: 'verification', everyMilliseconds: 1000, run: () => tellDueVerifications(this.#dependencies) },
      {
        name: 'results',
        everyMilliseconds: 5000,
        run: () => this.#tendResults(),
      },
      { name: 'total deadlines', everyMilliseconds: 1000, run: () => this.#expireJobs() },
      { name: 'unfinished jobs', everyMilliseconds: 2000, run: () => this.#finishJobs() },
      { name: 'waiting jobs', everyMilliseconds: 5000, run: () => this.#dependencies.dependencies.look() },
      { name: 'suspended jobs', everyMilliseconds: 2000, run: () => this.#dependencies.suspensions.finish() },
      { name: 'suspended attempts', everyMilliseconds: 10_000, run: () => this.#dependencies.suspensions.remind(null) },
      {
        name: 'preemption',
        everyMilliseconds: DISPATCH_LIMITS.sweepMilliseconds,
        run: () => this.#dependencies.preemption.look(),
      },
      {
        name: 'moves',
        everyMilliseconds: PLACEMENT_LIMITS.movesMilliseconds,
        run: () => this.#dependencies.moves.look(),
      },
      { name: 'coordinators', everyMilliseconds: 5000, run: () => this.#beat() },
      { name: 'orphans', everyMilliseconds: 5000, run: () => this.#silenceOrphans() },
      { name: 'unsent leases', everyMilliseconds: 10_000, run: () => this.#returnUnsent() },
      { name: 'clock', everyMilliseconds: 5000, run: () => mendTimes(this.#dependencies) },
      { name: 'database size', everyMilliseconds: 2000, run: () => this.#dependencies.space.measure() },
      { name: 'queue', everyMilliseconds: 5000, run: () => this.#lookIntoQueue() },
      {
        name: 'deployments',
        everyMilliseconds: DEPLOYMENT_LIMITS.lookMilliseconds,
        run: () => this.#dependencies.deployments.lookAround(),
      },
      { name: 'samples', everyMilliseconds: 1000, run: () => this.#dependencies.samples.store() },
      {
        name: 'quotas',
        everyMilliseconds: DISPATCH_LIMITS.quotaMilliseconds,
        run: () => this.#dependencies.quotas.load(),
      },
      { name: 'waits', everyMilliseconds: 1000, run: () => this.#dependencies.serviceWaits.store() },
      { name: 'service levels', everyMilliseconds: 60_000, run: () => settleServiceLevels(this.#dependencies) },
      { name: 'retention', everyMilliseconds: 60_000, run: () => removeOld(this.#dependencies) },
      { name: 'deployment history', everyMilliseconds: 60_000, run: () => cutHistory(this.#dependencies.database) },
      { name: 'blobs', everyMilliseconds: 600_000, run: () => this.#dependencies.collectBlobs() },
      ...this.#dependencies.others,
    ];
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.allSettled(this.#running);
  }

  #schedule(sweep: Sweep): void {
    let busy = false;
    const timer = setInterval(() => {
      if (busy || this.#stopped) return;
      busy = true;
      const running: Promise<void> = sweep
        .run()
        .catch((error: unknown) =>
          this.#dependencies.warn(`the sweep of ${sweep.name} failed`, { error: String(error) }),
        )
        .finally(() => {
          busy = false;
          this.#running.delete(running);
        });
      this.#running.add(running);
    }, sweep.everyMilliseconds);
    this.#timers.push(timer.unref());
  }

  /** Retries whose time has come go back into the queue. */
  async #unpark(): Promise<void> {
    const { database, dispatcher, now } = this.#dependencies;
    const due = await database.read
      .selectFrom('tasks')
      .select('partition')
      .where('state', '=', 'queued')
      .where('parked', '=', 1)
      .where('not_before', '<=', now())
      .limit(1)
      .executeTakeFirst();
    if (due === undefined) return;
    const rows = await database.write(async (writer) => {
      const { rows: moved } = await sql<{ class_id: string; rank: number; job_id: string }>`
        UPDATE tasks SET parked = 0, not_before = NULL WHERE (job_id, partition) IN (
          SELECT job_id, partition FROM tasks WHERE state = 'queued' AND parked = 1 AND not_before <= ${now()}
          ORDER BY not_before LIMIT ${sql.lit(DISPATCH_LIMITS.sweepRows)} ${rowLock(database.engine, 'FOR UPDATE SKIP LOCKED')})
        RETURNING class_id, rank, job_id`.execute(writer);
      return moved;
    });
    await this.#hint(rows.map((row) => ({ classId: row.class_id, rank: row.rank, job: row.job_id })));
    dispatcher.wake();
  }

  async #expireQueued(): Promise<void> {
    const { database, dispatcher, now } = this.#dependencies;
    const rows = await database.read
      .selectFrom('tasks')
      .select(['job_id', 'partition'])
      .where('state', '=', 'queued')
      .where('queue_deadline', '<=', now())
      .limit(DISPATCH_LIMITS.sweepRows)
      .execute();
    if (rows.length === 0) return;
    dispatcher.take(
      ...rows.map((row) => ({ kind: 'queue-deadline' as const, name: { job: row.job_id, partition: row.partition } })),
    );
    await dispatcher.settled();
  }

  /** Attempts on nodes that have been silent for longer than the job allows, while somebody listened. */
  async #loseSilent(): Promise<void> {
    const { database, dispatcher, jobCache, listening, coordinatorId, now } = this.#dependencies;
    const at = now();
    // Whom this coordinator has heard itself, it has missed since; others may not have come back yet.
    const heardFrom = (by: string | null) => (by === coordinatorId ? 0 : listening.since);
    const rows = await database.read
      .selectFrom('nodes')
      .innerJoin('attempts', 'attempts.node_id', 'nodes.id')
      .select(['attempts.job_id', 'attempts.partition', 'attempts.fence', 'attempts.state'])
      .select(['nodes.id', 'nodes.coordinator_id', 'nodes.silent_since'])
      .where('nodes.silent_since', 'is not', null)
      .where(IS_HELD)
      .execute();
    await jobCache.load(database.read, new Set(rows.map((row) => row.job_id)));
    const due = rows.filter(({ job_id: job, state, ...node }) => {
      const { lostAfterMilliseconds } = jobCache.get(job);
      const { committedSilenceMilliseconds } = DISPATCH_LIMITS;
      // What it had committed to is withheld then, which its node pays for.
      const isBlamed = state === 'committed';
      const patience = isBlamed ? Math.max(lostAfterMilliseconds, committedSilenceMilliseconds) : lostAfterMilliseconds;
      return Math.max(node.silent_since ?? at, heardFrom(node.coordinator_id)) + patience <= at;
    });
    if (due.length > 0) {
      dispatcher.take(
        ...due.map((row) => ({
          kind: 'lost' as const,
          name: { job: row.job_id, partition: row.partition, fence: row.fence },
          node: row.id,
        })),
      );
      await dispatcher.settled();
    }
    const longSilent = at - DISPATCH_LIMITS.nodeLostMilliseconds;
    const waiting = await database.read
      .selectFrom('nodes')
      .select(['id', 'coordinator_id'])
      .where('state', '=', 'unknown')
      .where('silent_since', '<=', longSilent)
      .execute();
    for (const { id } of waiting.filter((node) => heardFrom(node.coordinator_id) <= longSilent)) {
      await database.write((writer) =>
        writer
          .updateTable('nodes')
          .set({ state: 'lost' })
          .where('id', '=', id)
          .where('state', '=', 'unknown')
          .execute(),
      );
    }
  }

  async #tendResults(): Promise<void> {
    const { database, dispatcher } = this.#dependencies;
    await stopDecidedResults(database, dispatcher);
    await askForResults(database, dispatcher.sessions);
  }

  async #expireJobs(): Promise<void> {
    const { database, jobs, now } = this.#dependencies;
    const rows = await database.read
      .selectFrom('jobs')
      .select('id')
      .where('ended_at', 'is', null)
      .where('closing', 'is', null)
      .where('expires_at', '<=', now())
      .limit(DISPATCH_LIMITS.sweepRows)
      .execute();
    for (const { id } of rows) await jobs.close(id, 'total-timeout', null);
  }

  /** Jobs that a crash left half spread out or half closed. */
  async #finishJobs(): Promise<void> {
    const { database, jobs } = this.#dependencies;
    const { rows } = await sql<{ id: string; closing: string | null }>`
      SELECT id, closing FROM jobs WHERE ended_at IS NULL AND (closing IS NOT NULL OR (expanded < task_count AND waits = 0))
      LIMIT ${sql.lit(DISPATCH_LIMITS.sweepRows)}`.execute(database.read);
    for (const { id, closing } of rows) await (closing === null ? jobs.spreadOut(id) : jobs.finishClosing(id));
  }

  /** Says that this coordinator lives, and sees which others do. */
  async #beat(): Promise<void> {
    const { database, dispatcher, coordinatorId, url, startedAt, listening, now, onPeers } = this.#dependencies;
    const at = now();
    const nodes = [...dispatcher.sessions.all()].map((session) => [session.nodeId, session.session, at]);
    await database.write(async (writer) => {
      const row = { id: coordinatorId, url: url(), started_at: startedAt, seen_at: at };
      await writer
        .insertInto('coordinators')
        .values(row)
        .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
        .execute();
      await runBulk(writer, SEE_NODES, nodes);
    });
    const others = await database.read
      .selectFrom('coordinators')
      .select(['id', 'started_at', 'seen_at'])
      .where('id', '<>', coordinatorId)
      .where('seen_at', '>', at - DISPATCH_LIMITS.coordinatorSilenceMilliseconds)
      .execute();
    listening.see(others, at);
    onPeers(others.length);
  }

  /**
   * Nodes that the database takes for connected here, but whose session is not: storing their disconnection failed.
   * A session may be on its way for a moment, so it has to be missing twice.
   */
  async #silenceUnheld(at: number): Promise<void> {
    const { database, dispatcher, coordinatorId } = this.#dependencies;
    const rows = await database.read
      .selectFrom('nodes')
      .select(['id', 'session'])
      .where('state', '=', 'connected')
      .where('coordinator_id', '=', coordinatorId)
      .execute();
    const missing = rows.filter((row) => dispatcher.sessions.get(row.id)?.session !== row.session);
    const before = this.#unheld;
    this.#unheld = new Set(missing.map((row) => `${row.id} ${row.session}`));
    for (const { id, session } of missing) {
      if (!before.has(`${id} ${session}`)) continue;
      await database.write((writer) =>
        writer
          .updateTable('nodes')
          .set({ state: 'unknown', silent_since: at })
          .where('id', '=', id)
          .where('session', '=', session)
          .where('state', '=', 'connected')
          .execute(),
      );
    }
  }

  /**
   * Leases that are in the database and were never sent: the connection to PostgreSQL broke while it committed them, so
   * the turn counted as failed. SQLite leaves no doubt about a commit.
   */
  async #returnUnsent(): Promise<void> {
    const { database, dispatcher, coordinatorId, now } = this.#dependencies;
    if (database.engine === 'sqlite') return;
    const rows = await database.read
      .selectFrom('nodes')
      .innerJoin('attempts', 'attempts.node_id', 'nodes.id')
      .select(['attempts.job_id as job', 'attempts.partition', 'attempts.fence', 'nodes.id as node'])
      .where('nodes.coordinator_id', '=', coordinatorId)
      .where('nodes.state', '=', 'connected')
      .where(IS_HELD)
      .where('attempts.state', '=', 'leased')
      .where('attempts.leased_at', '<', now() - DISPATCH_LIMITS.unsentLeaseMilliseconds)
      .execute();
    const unsent = rows.filter(({ node, ...name }) => {
      const session = dispatcher.sessions.get(node);
      return session !== undefined && session.needsOf(name) === undefined;
    });
    dispatcher.take(...unsent.map(({ node: _, ...name }) => ({ kind: 'undelivered' as const, name })));
  }

  /** Nodes whose coordinator is gone have nobody to hear them. */
  async #silenceOrphans(): Promise<void> {
    const { database, coordinatorId, now } = this.#dependencies;
    const at = now();
    const isEmbedded = database.engine === 'sqlite';
    const silence = DISPATCH_LIMITS.coordinatorSilenceMilliseconds;
    await database.write(async (writer) => {
      // Seen in the future: the clock was set back since, and nobody can tell when that was.
      await sql`DELETE FROM coordinators WHERE id <> ${coordinatorId}
        AND (seen_at < ${at - silence} OR seen_at > ${at + silence} OR ${sql.lit(isEmbedded ? 1 : 0)} = 1)`.execute(
        writer,
      );
      await sql`UPDATE nodes SET state = 'unknown', silent_since = ${at}
        WHERE state = 'connected' AND silent_since IS NULL
        AND (coordinator_id IS NULL OR coordinator_id NOT IN (SELECT id FROM coordinators))`.execute(writer);
    });
    await this.#silenceUnheld(at);
  }

  /** Finds queued tasks that no hint tells of: after a start, and of other coordinators. One index seek a class. */
  async #lookIntoQueue(): Promise<void> {
    const { database, dispatcher } = this.#dependencies;
    const { rows } = await sql<{ class_id: string; rank: number; job_id: string }>`
      SELECT t.class_id, t.rank, t.job_id FROM placement_classes c JOIN tasks t
      ON t.class_id = c.id AND t.state = 'queued' AND t.parked = 0 AND (t.job_id, t.partition) = (
        SELECT job_id, partition FROM tasks WHERE class_id = c.id AND state = 'queued' AND parked = 0
        ORDER BY rank, job_id, partition LIMIT 1)`.execute(database.read);
    const again = await reverifyingHeads(database.read);
    await this.#hint([...rows, ...again].map((row) => ({ classId: row.class_id, rank: row.rank, job: row.job_id })));
    const { rows: counts } = await sql<{ queued: number | null }>`
      SELECT SUM(queued + CASE WHEN waits = 1 THEN task_count ELSE 0 END) AS queued FROM jobs WHERE ended_at IS NULL AND purpose = 'user'`.execute(
      database.read,
    );
    this.queuedTasks = Number(counts[0]?.queued ?? 0);
    dispatcher.wake();
  }

  async #hint(waiting: { classId: string; rank: number; job: string }[]): Promise<void> {
    const { database, dispatcher, classes } = this.#dependencies;
    const placements = await classes.load(database.read, [...new Set(waiting.map((entry) => entry.classId))]);
    const byId = new Map(placements.map((placement) => [placement.id, placement]));
    for (const { classId, rank, job } of waiting) {
      const placement = byId.get(classId);
      if (placement !== undefined) dispatcher.hints.add(placement, { rank, job });
    }
  }
}
