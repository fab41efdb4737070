/** Specifications of jobs, parsed once. They never change, so the cache is never wrong; it only forgets. */
import { isLongRunning, type JobSpec, parseDuration, type VerificationPolicy } from '@fog/contract';
import type { Escrow, Terms } from '@fog/economy/escrow';
import { SPOT_CHECK_POLICY } from '@fog/verification';
import { DISPATCH_LIMITS } from '../limits.ts';
import { bondOfJob, type JobBond, storedTerms } from '../settlement/job-terms.ts';
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Reader } from '../store/database.ts';
import { type Needs, type Requirements, requirementsOf } from './requirements.ts';

/** What the leases of a job say of it. Those of a check say what those of the job that it repeats have said. */
export interface LeaseTerms {
  /** What the random numbers of its tasks start from; null: the id of the job. */
  seed: string | null;
  partitions: number;
}

export interface CachedJob {
  id: string;
  submitter: string;
  submittedAt: number;
  taskCount: number;
  classId: string | null;
  spec: JobSpec;
  /** JSON of `spec`, as it travels in leases. */
  specText: string;
  needs: Needs;
  lostAfterMilliseconds: number;
  /** How long an attempt may take; `Infinity` for what is kept running. */
  attemptMilliseconds: number;
  /** How long a task may wait for its first node. */
  queueMilliseconds: number;
  /** Names of the secrets that the specification refers to. */
  secretNames: string[];
  /** Null where the first result counts. */
  verification: VerificationPolicy | null;
  /** Others may take the places of its attempts. */
  isSpot: boolean;
  /** A hidden run that is put to one node, once: of a known answer, or of a task whose results differ. */
  isCheck: boolean;
  /** Not a user's: in no list. */
  isHidden: boolean;
  terms: LeaseTerms;
  /** Who pays for it, on which terms; null where nobody does. */
  payment: Escrow | null;
  /** Of a hidden one: the job whose oversight pays for it, and its terms; null where nobody pays. */
  oversight: { by: string; terms: Terms } | null;
  /** What its leases bind; null where that is nothing. */
  bond: JobBond | null;
}

/** Secrets that a specification refers to, and where. */
export function secretsOf({ spec: { task } }: JobSpec): { path: string; secret: string }[] {
  const secrets = Object.entries(task.env).flatMap(([name, value]) =>
    typeof value === 'string' ? [] : [{ path: `spec.task.env.${name}.secret`, secret: value.secret }],
  );
  const credentials = task.docker?.credentials;
  if (credentials !== undefined)
    secrets.push({ path: 'spec.task.docker.credentials.secret', secret: credentials.secret });
  return secrets;
}

/** What the run times of its tasks are remembered by, the closest first. */
export function runKindsOf({ id, submitter, needs, spec }: CachedJob): string[] {
  return [id, runKindOf({ ...needs, submitter, runtime: spec.spec.task.runtime })];
}

export function runKindOf(kind: Pick<Requirements, 'submitter' | 'runtime' | 'milliCpu' | 'memoryBytes'>): string {
  return `${kind.submitter} ${kind.runtime} ${kind.milliCpu} ${kind.memoryBytes}`;
}

interface JobColumns {
  id: string;
  submitter: string;
  submitted_at: number;
  task_count: number;
  class_id: string | null;
  spec: string;
  purpose: string;
  lease_terms: string | null;
  payment_terms: string | null;
  oversight_by: string | null;
}

const LOAD_JOBS: BulkStatement = {
  text: 'SELECT j.id, j.submitter, j.submitted_at, j.task_count, j.class_id, j.spec, j.purpose, j.lease_terms, j.payment_terms, j.oversight_by FROM ROWS AS k CROSS JOIN jobs j WHERE j.id = k.id',
  columns: { id: 'text' },
};

type Derived =
  | 'spec'
  | 'needs'
  | 'lostAfterMilliseconds'
  | 'attemptMilliseconds'
  | 'queueMilliseconds'
  | 'secretNames'
  | 'verification'
  | 'isSpot'
  | 'isCheck'
  | 'isHidden'
  | 'terms'
  | 'payment'
  | 'oversight'
  | 'bond';
type StoredJob = Omit<CachedJob, Derived> & {
  purpose?: string;
  leaseTerms?: string | null;
  paymentTerms?: string | null;
  oversightBy?: string | null;
};

export class JobCache {
  readonly #jobs = new Map<string, CachedJob>();

  add({ purpose, leaseTerms, paymentTerms, oversightBy = null, ...job }: StoredJob): CachedJob {
    const spec = JSON.parse(job.specText) as JobSpec;
    const { verification } = spec.spec;
    const isCheck = purpose === 'check' || purpose === 'arbitration';
    const paid = storedTerms(paymentTerms ?? null);
    const policy = isCheck ? SPOT_CHECK_POLICY : verification?.mode === 'none' ? null : (verification ?? null);
    const { submitter } = job;
    const cached: CachedJob = {
      ...job,
      spec,
      needs: requirementsOf(spec, job.submitter),
      lostAfterMilliseconds: parseDuration(spec.spec.disconnect.lostAfter),
      attemptMilliseconds: isLongRunning(spec) ? Number.POSITIVE_INFINITY : parseDuration(spec.spec.timeouts.attempt),
      queueMilliseconds: parseDuration(spec.spec.timeouts.queue),
      secretNames: secretsOf(spec).map(({ secret }) => secret),
      verification: policy,
      isSpot: spec.spec.spot === true,
      isCheck,
      isHidden: purpose !== undefined && purpose !== 'user',
      terms: leaseTerms == null ? { seed: null, partitions: job.taskCount } : (JSON.parse(leaseTerms) as LeaseTerms),
      payment: paid === null || oversightBy !== null ? null : { job: job.id, buyer: submitter, terms: paid },
      oversight: paid === null || oversightBy === null ? null : { by: oversightBy, terms: paid },
      bond:
        paid === null || oversightBy !== null ? null : bondOfJob(paid, { submitter, isReplicated: policy !== null }),
    };
    const oldest = this.#jobs.keys().next();
    if (this.#jobs.size >= DISPATCH_LIMITS.cachedJobs && !oldest.done) this.#jobs.delete(oldest.value);
    this.#jobs.set(job.id, cached);
    return cached;
  }

  /** The job, which must have been loaded in this turn. */
  get(id: string): CachedJob {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new Error(`job ${id} is not loaded`);
    return job;
  }

  find(id: string): CachedJob | undefined {
    return this.#jobs.get(id);
  }

  /** Moves the job to the end of the line, so that what is loaded next does not push out what is needed now. */
  #touch(id: string): boolean {
    const job = this.#jobs.get(id);
    if (job === undefined) return false;
    this.#jobs.delete(id);
    this.#jobs.set(id, job);
    return true;
  }

  /** Makes sure that these jobs are there. Ids without a job are left out. */
  async load(reader: Reader, ids: Iterable<string>): Promise<void> {
    const missing = [...new Set(ids)].filter((id) => !this.#touch(id));
    if (missing.length === 0) return;
    const rows = await runBulk<JobColumns>(
      reader,
      LOAD_JOBS,
      missing.map((id) => [id]),
    );
    for (const row of rows) {
      this.add({
        id: row.id,
        submitter: row.submitter,
        submittedAt: row.submitted_at,
        taskCount: row.task_count,
        classId: row.class_id,
        specText: row.spec,
        purpose: row.purpose,
        leaseTerms: row.lease_terms,
        paymentTerms: row.payment_terms,
        oversightBy: row.oversight_by,
      });
    }
  }
}
