/**
 * What the fog orders for its own sake is paid here: spot checks that were passed, results of a task that was verified
 * again when its cover had gone, and runs that have proven something. Each is paid because of one job, out of what is kept
 * of it. Records are read under the lock of its row.
 */
import {
  type Escrow,
  type EscrowRecord,
  type EscrowTransfer,
  NOTHING_PAID,
  type OversightWork,
  payOversight,
  pricesOf,
  type SettledLease,
  type TaskSettlement,
} from '@fog/economy/escrow';
import type { CachedJob, JobCache } from '../dispatch/job-cache.ts';
import type { Turn } from '../dispatch/turn.ts';
import type { TurnAttempt, TurnTask } from '../dispatch/turn-records.ts';
import type { CheckOutcome } from '../dispatch/verification/step-effects.ts';
import { isPriced, judgedResult } from './turn-settlement.ts';

/** A hidden run whose result counts, and the job that pays. */
export interface OverseenRun {
  task: TurnTask;
  /** Of the run. */
  job: CachedJob;
  attempt: TurnAttempt;
  payer: Escrow;
}

/** What is to be saved of a job and of a task, and to be moved. */
export interface OversightPayment {
  record: EscrowRecord;
  settlement: TaskSettlement;
  transfers: EscrowTransfer[];
}

/**
 * Makes the turn lock the rows of the jobs that pay for its checks together with those that it changes: whoever locked them
 * afterwards could wait for another coordinator that waits for this one.
 */
export function lockPayers({ verification, counts }: Pick<Turn, 'verification' | 'counts'>, jobs: JobCache): void {
  for (const { job, verdict } of verification.checks) {
    const by = jobs.get(job).oversight?.by;
    if (verdict === 'spot-check-passed' && by !== undefined) counts.getOrInsertComputed(by, () => ({}));
  }
}

/** Checks that were passed, as far as somebody pays for them. Their payers are loaded. */
export function passedChecks(
  checks: readonly CheckOutcome[],
  { rows, jobs }: { rows: Turn['rows']; jobs: JobCache },
): OverseenRun[] {
  return checks.flatMap(({ job: id, partition, verdict }) => {
    const [job, task] = [jobs.get(id), rows.task({ job: id, partition })];
    const payer = payerOf(job, jobs);
    const attempt = rows.attemptsOf({ job: id, partition }).find(({ fence }) => fence === task?.acceptedFence);
    if (verdict !== 'spot-check-passed' || payer === null || task === undefined || attempt === undefined) return [];
    return [{ task, job, attempt, payer }];
  });
}

/** The escrow that pays for a hidden run; null where there is none, or it has gone. Its job is loaded. */
export function payerOf({ oversight }: Pick<CachedJob, 'oversight'>, jobs: JobCache): Escrow | null {
  return oversight === null ? null : (jobs.find(oversight.by)?.payment ?? null);
}

/** Pays for a run what its node reports, as a job of one result would; no more than its share where others have one. */
export function payRun(
  { task, job, attempt, payer }: OverseenRun,
  record: EscrowRecord,
  settlement: TaskSettlement = NOTHING_PAID,
  most?: bigint,
): OversightPayment {
  if (!isPriced(attempt)) return { record, settlement, transfers: [] };
  const result = judgedResult(payer, job, attempt, { verdict: 'alone', trusted: new Set() });
  const [price = 0n] = pricesOf([result], payer.buyer, payer.terms);
  const work = workOf(task, attempt.fence, attempt.payee, price);
  return payOversight(payer, record, settlement, most === undefined ? work : { ...work, most });
}

/** Adds what is paid for results of a task that count although its cover has gone: it was verified again. */
export function payLateResults(
  escrow: Escrow,
  step: OversightPayment & { leases: readonly SettledLease[] },
  { task, job, attempts }: { task: TurnTask; job: CachedJob; attempts: readonly TurnAttempt[] },
): OversightPayment {
  const { leases } = step;
  if (!leases.some(({ outcome }) => isUncovered(outcome))) return step;
  const unpaid = new Set(leases.filter(({ outcome }) => isUncovered(outcome)).map(({ fence }) => fence));
  const late = attempts.filter((attempt) => unpaid.has(attempt.fence)).filter(isPriced);
  const trusted = new Set<string>();
  const results = late.map((attempt) => judgedResult(escrow, job, attempt, { verdict: 'valid', trusted }));
  const prices = pricesOf(results, escrow.buyer, escrow.terms);
  return results.reduce<OversightPayment>((paid, { fence, provider }, index) => {
    const work = workOf(task, fence, provider, prices[index] ?? 0n);
    const more = payOversight(escrow, paid.record, paid.settlement, work);
    return { ...more, transfers: [...paid.transfers, ...more.transfers] };
  }, step);
}

function isUncovered(outcome: SettledLease['outcome']): boolean {
  return outcome === 'escrow-closed' || outcome === 'cover-spent';
}

function workOf({ job, partition }: TurnTask, fence: number, provider: string, price: bigint): OversightWork {
  return { job, partition, fence, provider, price };
}
