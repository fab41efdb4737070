/** Submitting, spreading out and closing jobs. */
import {
  counted,
  FogError,
  isLongRunning,
  type JobEventData,
  type JobSpec,
  LIMITS,
  newId,
  parseDuration,
  parseJobSpec,
  type TaskState,
} from '@fog/contract';
import { sql } from 'kysely';
import { renewBlobs } from '../blobs/blob-rows.ts';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { Caller } from '../service.ts';
import type { PreparedPayment, Settlement } from '../settlement/settlement.ts';
import type { Database, Reader, Writer } from '../store/database.ts';
import { disguiseJob, insertJob, insertTasks } from '../store/insert-job.ts';
import { insertEvents, rowLock, saveJobs } from '../store/turn-rows.ts';
import { dependencyFault } from './dependencies.ts';
import type { Dispatcher } from './dispatcher.ts';
import { blobsOf } from './job-blobs.ts';
import { type JobCache, type LeaseTerms, secretsOf } from './job-cache.ts';
import type { Closing } from './job-progress.ts';
import type { PlacementClasses } from './placement-classes.ts';
import type { Quotas } from './queueing/quotas.ts';
import {
  hurdleOf,
  isVerified,
  type PlacementClass,
  type PlacementNode,
  placementClass,
  requirementsOf,
} from './requirements.ts';

export interface JobsDependencies {
  database: Database;
  dispatcher: Dispatcher;
  jobs: JobCache;
  classes: PlacementClasses;
  now: () => number;
  randomBytes: (count: number) => Uint8Array;
  /** How many more tasks may be queued. */
  queueRoom: () => number;
  quotas: Pick<Quotas, 'admit'>;
  /** Null where nobody pays. */
  settlement: Pick<Settlement, 'prepare'> | null;
  /** Why nothing more can be stored, or null. */
  storageFault: () => FogError | null;
  /** Names of the secrets that this principal has. */
  secretNames: (principal: string) => Promise<ReadonlySet<string>>;
  /** All nodes that are connected to any coordinator. */
  connectedNodes: () => Promise<PlacementNode[]>;
  /** Files of a folder manifest. Throws `blob-not-found`, and `invalid-request` when the blob is none. */
  readFolder: (digest: string) => Promise<readonly { digest: string }[]>;
  publishStreams: (ids: string[]) => void;
  /** The job is on disk, and waits for these. */
  waits: (jobId: string, needed: readonly string[]) => void;
}

/** With the classes of its tasks, where it was stored just now. */
export type Submitted = { jobId: string; classes?: readonly PlacementClass[] } | { fault: FogError };

export class Jobs {
  readonly #dependencies: JobsDependencies;
  /** Jobs that this process is spreading out or closing; whoever asks for the same waits for the same. */
  readonly #working = new Map<string, Promise<void>>();

  constructor(dependencies: JobsDependencies) {
    this.#dependencies = dependencies;
  }

  /** Answers the id of the job once it is on disk. The same idempotency key answers the same job. */
  async submit(caller: Caller, request: { spec: unknown; idempotencyKey?: string | undefined }): Promise<string> {
    const { database, dispatcher, quotas, now, randomBytes } = this.#dependencies;
    const spec = parseJobSpec(request.spec);
    if (isLongRunning(spec)) {
      throw new FogError('invalid-request', `a ${spec.spec.type} is deployed, it cannot be submitted as a job`, {
        hint: 'fog deploy FILE',
      });
    }
    // A repeated submit gets its job even when the queue is full by now, or a node or blob of it is gone.
    const earlier = await this.#earlier(database.read, spec, caller.principal, request.idempotencyKey ?? null);
    if (earlier !== null) return jobOf(earlier);
    const { principal } = caller;
    const pinned = spec.spec.type === 'ops' ? await this.#matchingNodes(spec, principal) : null;
    const folderEntries = await this.admit(spec, principal, pinned?.length ?? spec.spec.count);
    const id = newId('j', now(), randomBytes(9));
    const submission: Submission = {
      id,
      spec,
      submitter: principal,
      key: request.idempotencyKey ?? null,
      pinned,
      folderEntries,
      deployment: null,
      submittedAt: now(),
      // A random one, since what follows from the id would tell a repetition from the job itself.
      leaseTerms: isVerified(spec) ? leaseTermsOf(spec, randomBytes(9)) : null,
    };
    const rank = 100 - spec.spec.priority;
    const needed = spec.spec.dependsOn ?? [];
    let classes: readonly PlacementClass[] = [];
    const stored = database.write(async (writer) => {
      // In the transaction, or jobs that come together would go beyond it together.
      await quotas.admit(writer, principal, taskCountOf(submission));
      const outcome = await this.store(writer, submission);
      // The next turn, in this transaction or a later one, leases its first tasks. Only a stored job is hinted at: the
      // hint of a class that no node suits stays.
      classes = 'jobId' in outcome ? (outcome.classes ?? []) : [];
      if ('jobId' in outcome && outcome.jobId === id && needed.length === 0) {
        for (const placement of classes) dispatcher.hints.add(placement, { rank, job: id });
      }
      return outcome;
    }, 'submit');
    dispatcher.wake();
    const jobId = jobOf(await stored);
    if (jobId !== id) return jobId;
    this.#dependencies.classes.confirm(classes, submission.submittedAt);
    dispatcher.announce(classes.map((placement) => placement.id));
    this.#dependencies.publishStreams([id]);
    if (needed.length > 0) {
      this.#dependencies.waits(id, needed);
      return id;
    }
    // What fails of it here is done by the sweep of unfinished jobs.
    if (taskCountOf(submission) > DISPATCH_LIMITS.jobStep) this.spreadOut(id).catch(() => undefined);
    return id;
  }

  /**
   * Whether there is room for these tasks, and all that the specification names but its blobs. Answers the digests of
   * the files in its input folders. Throws `storage-full`, `invalid-spec`, `too-many-requests` or `blob-not-found`.
   */
  async admit(spec: JobSpec, principal: string, tasks: number): Promise<string[]> {
    const full = this.#dependencies.storageFault();
    if (full !== null) throw full;
    await this.#checkSecrets(spec, principal);
    const room = this.#dependencies.queueRoom();
    if (tasks > room) {
      throw new FogError('too-many-requests', `the queue has room for ${counted(room, 'more task')}`, {
        details: { room },
      });
    }
    await this.#dependencies.quotas.admit(this.#dependencies.database.read, principal, tasks);
    return await this.#folderEntries(spec);
  }

  /** Inserts the tasks of a large job step by step, so that nothing else waits for long. Goes on after a restart. */
  async spreadOut(jobId: string): Promise<void> {
    await this.#exclusively(jobId, async () => {
      const { database, dispatcher, classes } = this.#dependencies;
      for (;;) {
        const step = await database.write((writer) => this.#expand(writer, jobId));
        if (step === null) return;
        const [placement] = await classes.load(database.read, [step.classId]);
        if (placement !== undefined) dispatcher.hints.add(placement, { rank: step.rank, job: jobId });
        dispatcher.announce([step.classId]);
        dispatcher.wake();
        if (step.isWhole) return;
      }
    });
  }

  /** Marks the job and ends its tasks. Resolves when all have ended. */
  async close(jobId: string, why: 'cancelled' | 'total-timeout', by: string | null): Promise<void> {
    const { database } = this.#dependencies;
    await database.write((writer) =>
      writer
        .updateTable('jobs')
        .set({ closing: why, closed_by: by, waits: 0 })
        .where('id', '=', jobId)
        .where('ended_at', 'is', null)
        .where('closing', 'is', null)
        .execute(),
    );
    await this.finishClosing(jobId);
  }

  /** Ends what is left of a job that is being closed. */
  async finishClosing(jobId: string): Promise<void> {
    const { database, dispatcher } = this.#dependencies;
    await this.#exclusively(`close ${jobId}`, async () => {
      for (;;) {
        const job = await database.read
          .selectFrom('jobs')
          .select(['closing', 'ended_at', 'queued', 'scheduled', 'running'])
          .where('id', '=', jobId)
          .executeTakeFirst();
        if (job === undefined || job.closing === null || job.ended_at !== null) return;
        const why = job.closing as Closing;
        const rows = await database.read
          .selectFrom('tasks')
          .select(['partition', 'fence'])
          .where('job_id', '=', jobId)
          .where('state', 'in', ['queued', 'scheduled', 'running'] satisfies TaskState[])
          .orderBy('partition')
          .limit(DISPATCH_LIMITS.jobStep)
          .execute();
        if (rows.length === 0) await this.#endEmptyJob(jobId);
        else {
          dispatcher.take(
            ...rows.map(({ partition, fence }) => ({
              kind: 'close' as const,
              name: { job: jobId, partition, fence },
              why,
            })),
          );
        }
        await dispatcher.settled();
      }
    });
  }

  /** A job closed before any of its tasks existed has none to end it. */
  async #endEmptyJob(jobId: string): Promise<void> {
    const { database, now } = this.#dependencies;
    await database.write((writer) => saveJobs(writer, new Map([[jobId, {}]]), new Map(), now()));
    this.#dependencies.publishStreams([jobId]);
  }

  async #exclusively(key: string, work: () => Promise<void>): Promise<void> {
    const running = this.#working.get(key) ?? work().finally(() => this.#working.delete(key));
    this.#working.set(key, running);
    await running;
  }

  /** Stores the job with its first tasks; that of a deployment has none. The transaction may be rolled back. */
  async store(writer: Writer, submission: Submission): Promise<Submitted> {
    const { spec } = submission;
    const digests = [...blobsOf(spec), ...submission.folderEntries];
    const { blobRenewedMilliseconds: young } = DISPATCH_LIMITS;
    const missing = await renewBlobs(writer, digests, submission.submittedAt, young);
    if (missing.length > 0) {
      const fault = new FogError('blob-not-found', `the coordinator does not have ${missing.join(', ')}`, {
        details: { digests: missing },
        hint: 'upload it first: fog blob put FILE',
      });
      return { fault };
    }
    const { classes, jobs } = this.#dependencies;
    const { id, submitter, key, pinned, submittedAt } = submission;
    const needed = spec.spec.dependsOn ?? [];
    const fault = await dependencyFault(writer, submitter, needed);
    if (fault !== null) return { fault };
    const payment = await this.#payment(writer, submission);
    if (payment !== null && 'fault' in payment) return payment;
    const placements = await classes.store(writer, requirementsFor(submission, payment), submittedAt);
    const specText = JSON.stringify(spec);
    const taskCount = taskCountOf(submission);
    const classIds = placements.map((placement) => placement.id);
    const inserted = await insertJob(writer, {
      id,
      spec,
      specText,
      submitter,
      submittedAt,
      idempotencyKey: key,
      classes: pinned === null ? { all: classIds[0] as string } : { each: classIds },
      taskCount,
      blobs: blobsOf(spec),
      deployment: submission.deployment,
      needed,
      payment,
    });
    if (!inserted) return (await this.#earlier(writer, spec, submitter, key)) ?? { jobId: id };
    await payment?.carryOut();
    const { leaseTerms } = submission;
    if (leaseTerms !== null) await disguiseJob(writer, id, { purpose: 'user', leaseTerms });
    const classId = pinned === null ? (classIds[0] as string) : null;
    const paymentTerms = payment?.paymentTerms ?? null;
    jobs.add({ id, submitter, submittedAt, taskCount, classId, specText, leaseTerms, paymentTerms });
    return { jobId: id, classes: placements };
  }

  /** What pays for it, or why nothing does. */
  async #payment(writer: Writer, submission: Submission): Promise<PreparedPayment | { fault: FogError } | null> {
    const { settlement } = this.#dependencies;
    if (settlement === null) return null;
    const { id: job, spec, submitter: buyer, deployment } = submission;
    try {
      const tasks = Math.max(1, submission.replicas ?? taskCountOf(submission));
      return await settlement.prepare(writer, { job, spec, buyer, tasks, deployment });
    } catch (error) {
      if (error instanceof FogError && error.code !== 'internal') return { fault: error };
      throw error;
    }
  }

  /** The job that this key was used for: the same specification answers it, another one is a fault. */
  async #earlier(reader: Reader, spec: JobSpec, submitter: string, key: string | null): Promise<Submitted | null> {
    if (key === null) return null;
    const existing = await reader
      .selectFrom('jobs')
      .select(['id', 'spec'])
      .where('submitter', '=', submitter)
      .where('idempotency_key', '=', key)
      .executeTakeFirst();
    if (existing === undefined) return null;
    if (existing.spec === JSON.stringify(spec)) return { jobId: existing.id };
    const fault = new FogError(
      'idempotency-mismatch',
      `the idempotency key belongs to job ${existing.id}, which differs`,
      {
        details: { job: existing.id },
        hint: 'use a new key for a new job',
      },
    );
    return { fault };
  }

  /** Inserts the next tasks of a job. Answers null when all are there already, or none may be. */
  async #expand(writer: Writer, jobId: string): Promise<{ classId: string; rank: number; isWhole: boolean } | null> {
    const { database, now, jobs } = this.#dependencies;
    const { rows } = await sql<ExpandingJob>`
      SELECT rank, class_id, task_count, expanded, submitted_at, ready_at, closing, suspended_at, next_sequence FROM jobs
      WHERE id = ${jobId} AND waits = 0 ${rowLock(database.engine, 'FOR UPDATE')}`.execute(writer);
    const job = rows[0];
    if (job === undefined || job.class_id === null || job.closing !== null || job.expanded >= job.task_count)
      return null;
    await jobs.load(writer, [jobId]);
    const { class_id: classId, rank, expanded } = job;
    const end = Math.min(job.task_count, expanded + DISPATCH_LIMITS.jobStep);
    const isWhole = end === job.task_count;
    const queueTimeout = parseDuration(jobs.get(jobId).spec.spec.timeouts.queue);
    const suspendedAt = job.suspended_at;
    const deadline = suspendedAt === null ? (job.ready_at ?? job.submitted_at) + queueTimeout : null;
    await insertTasks(writer, { jobId, classId, rank, deadline, suspendedAt }, { from: expanded, to: end });
    await sql`UPDATE jobs SET expanded = ${sql.lit(end)}, queued = queued + ${sql.lit(end - expanded)},
        state = CASE WHEN state = 'pending' AND ${sql.lit(isWhole ? 1 : 0)} = 1 THEN 'queued' ELSE state END,
        next_sequence = next_sequence + ${sql.lit(isWhole ? 1 : 0)}
      WHERE id = ${jobId}`.execute(writer);
    if (isWhole) {
      const event: JobEventData = { type: 'job.queued', tasks: job.task_count };
      await insertEvents(writer, [[jobId, job.next_sequence, now(), JSON.stringify(event)]]);
    }
    return { classId, rank, isWhole };
  }

  /** Digests of the files in all input folders: the job needs them as much as the manifests that name them. */
  async #folderEntries(spec: JobSpec): Promise<string[]> {
    const folders = spec.spec.task.inputs.filter((input) => input.type === 'folder').map((input) => input.source);
    const digests = [...new Set(folders)];
    const manifests = await Promise.all(digests.map((digest) => this.#dependencies.readFolder(digest)));
    // Manifests name files alone, so there would be nothing at its path.
    const empty = digests.find((_, index) => manifests[index]?.length === 0);
    if (empty !== undefined) {
      const at = spec.spec.task.inputs.findIndex(({ source }) => source === empty);
      const fault = { path: `spec.task.inputs[${at}].source`, code: 'invalid' as const, message: 'is an empty folder' };
      throw new FogError('invalid-spec', `${fault.path}: ${fault.message}`, { details: { faults: [fault] } });
    }
    return manifests.flat().map((entry) => entry.digest);
  }

  async #checkSecrets(spec: JobSpec, principal: string): Promise<void> {
    const wanted = secretsOf(spec);
    if (wanted.length === 0) return;
    const known = await this.#dependencies.secretNames(principal);
    const faults = wanted
      .filter(({ secret }) => !known.has(secret))
      .map(({ path, secret }) => ({
        path,
        code: 'invalid' as const,
        message: `there is no secret "${secret}"`,
      }));
    if (faults.length === 0) return;
    throw new FogError('invalid-spec', `${faults[0]?.path}: ${faults[0]?.message}`, {
      details: { faults },
      hint: 'fog secret set NAME',
    });
  }

  async #matchingNodes(spec: JobSpec, principal: string): Promise<string[]> {
    const placement = placementClass(requirementsOf(spec, principal));
    const nodes = (await this.#dependencies.connectedNodes()).filter((node) => hurdleOf(placement, node) === null);
    if (nodes.length === 0) {
      throw new FogError('conflict', 'no connected node matches this ops job', { hint: 'fog plan FILE tells why' });
    }
    return nodes.slice(0, LIMITS.partitions).map((node) => node.id);
  }
}

export interface Submission {
  id: string;
  spec: JobSpec;
  submitter: string;
  key: string | null;
  /** The node of each task of an ops job; none for a deployment. */
  pinned: string[] | null;
  folderEntries: string[];
  /** Whose revision it is. */
  deployment: string | null;
  /** Of a deployment: those that are covered at first. */
  replicas?: number;
  submittedAt: number;
  /** JSON of LeaseTerms, where results are verified. */
  leaseTerms: string | null;
}

interface ExpandingJob {
  rank: number;
  class_id: string | null;
  task_count: number;
  expanded: number;
  submitted_at: number;
  ready_at: number | null;
  closing: string | null;
  suspended_at: number | null;
  next_sequence: number;
}

/** The id of the stored job. Throws what was wrong with it. */
export function jobOf(outcome: Submitted): string {
  if ('fault' in outcome) throw outcome.fault;
  return outcome.jobId;
}

function taskCountOf(submission: Submission): number {
  return submission.pinned?.length ?? submission.spec.spec.count;
}

function requirementsFor({ spec, submitter, pinned }: Submission, payment: Pick<PreparedPayment, 'bond'> | null) {
  const bound = payment?.bond ?? null;
  const bond = bound === null ? {} : { bond: bound.amount.toString(2).length };
  return (pinned ?? [null]).map((node) => ({ ...requirementsOf(spec, submitter, node), ...bond }));
}

function leaseTermsOf(spec: JobSpec, random: Uint8Array): string {
  const terms: LeaseTerms = { seed: Buffer.from(random).toString('hex'), partitions: spec.spec.count };
  return JSON.stringify(terms);
}
