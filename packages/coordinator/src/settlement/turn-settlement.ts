/** What a turn has found out of one task, as `@fog/economy/escrow` wants it told. Pure. */
import type { ResultVerdict } from '@fog/contract';
import {
  type CancelledLease,
  type Escrow,
  type EscrowRecord,
  type JudgedResult,
  type LeasePrice,
  PAID_VERDICTS,
  pricesOf,
  type SettlementStep,
  settleCancelled,
  settleTask,
  type TaskSettlement,
  type Terms,
} from '@fog/economy/escrow';
import type { CachedJob } from '../dispatch/job-cache.ts';
import type { JudgedAttempt, OutcomeRecord, TurnAttempt, TurnTask } from '../dispatch/turn-records.ts';
import { costOf, quoteOf } from './job-terms.ts';

export interface TurnTaskPayments {
  task: TurnTask;
  job: CachedJob;
  verdicts: ReadonlyMap<number, ResultVerdict>;
  cancelled: readonly TurnAttempt[];
  /** All that the turn knows of the task. */
  attempts: readonly TurnAttempt[];
  /** Ids of nodes whose word is taken for what fuel was used. */
  trusted: ReadonlySet<string>;
  now: number;
}

/** Attempts whose lease named no price, from before the fog asked for money, are not paid. */
export function settleTurnTask(
  escrow: Escrow,
  record: EscrowRecord,
  settlement: TaskSettlement,
  payments: TurnTaskPayments,
): SettlementStep {
  const { task, job, verdicts, cancelled, attempts, trusted, now } = payments;
  const { partition } = task;
  const results = attempts.flatMap((attempt) => {
    const verdict = verdicts.get(attempt.fence);
    return verdict === undefined || !isPriced(attempt)
      ? []
      : [judgedResult(escrow, job, attempt, { verdict, trusted })];
  });
  const step = settleTask(escrow, record, settlement, { partition, results });
  if (cancelled.length === 0) return step;
  const leases = cancelled.filter(isPriced).map((attempt) => cancelledLease(escrow, job, attempt, now));
  if (leases.length === 0) return step;
  const after = settleCancelled(escrow, step.record, step.settlement, { partition, leases });
  return { ...after, transfers: [...step.transfers, ...after.transfers], leases: [...step.leases, ...after.leases] };
}

/**
 * What was at risk with each of these results of one task: what the terms of the job charge for it, or where it is not
 * paid what they charge for the others, or else its quote. 0 where nobody pays.
 */
export function valuesAtRisk(job: CachedJob, judged: readonly JudgedAttempt[]): bigint[] {
  const { payment } = job;
  if (payment === null) return judged.map(() => 0n);
  const results = judged.map(({ attempt, verdict }) =>
    attempt === undefined || !isPriced(attempt)
      ? null
      : judgedResult(payment, job, attempt, { verdict, trusted: NOBODY }),
  );
  const counting = results.filter((result) => result !== null).filter(({ verdict }) => PAID_VERDICTS.includes(verdict));
  const charged = pricesOf(counting, payment.buyer, payment.terms);
  const prices = new Map<JudgedResult, bigint>(counting.map((result, index) => [result, charged[index] ?? 0n]));
  const ofOthers = charged.reduce((most, price) => (price > most ? price : most), 0n);
  return results.map((result) => {
    if (result === null) return 0n;
    return prices.get(result) ?? (ofOthers > 0n ? ofOthers : result.price.quote);
  });
}

const NOBODY: ReadonlySet<string> = new Set();

type PricedAttempt = TurnAttempt & { price: number; payee: string };

export function isPriced(attempt: TurnAttempt): attempt is PricedAttempt {
  return attempt.price !== null && attempt.payee !== null;
}

/** The last one of each job: most of its attempts have the same. */
const quotes = new WeakMap<CachedJob, { price: number; quote: LeasePrice }>();

function keptQuote(price: number, job: CachedJob, terms: Terms): LeasePrice {
  const known = quotes.get(job);
  if (known?.price === price) return known.quote;
  const quote = quoteOf(price, job, terms);
  quotes.set(job, { price, quote });
  return quote;
}

export function judgedResult(
  escrow: Escrow,
  job: CachedJob,
  attempt: PricedAttempt,
  { verdict, trusted }: { verdict: ResultVerdict; trusted: ReadonlySet<string> },
): JudgedResult {
  const { fence, node, price, payee, outcome, used } = attempt;
  const usage = used ?? (JSON.parse(outcome ?? '{}') as OutcomeRecord).usage;
  return {
    fence,
    provider: payee,
    isTrusted: trusted.has(node),
    price: keptQuote(price, job, escrow.terms),
    // An agent without a meter reports none.
    fuel: usage?.fuel === undefined ? null : BigInt(usage.fuel),
    costMicroFog: usage === undefined ? null : costOf(price, job.needs, usage.wallMilliseconds),
    verdict,
  };
}

function cancelledLease(escrow: Escrow, job: CachedJob, attempt: PricedAttempt, now: number): CancelledLease {
  const { fence, payee, price, startedAt } = attempt;
  return {
    fence,
    provider: payee,
    price: keptQuote(price, job, escrow.terms),
    ranMilliseconds: Math.max(0, Math.round(now - (startedAt ?? now))),
    expectedMilliseconds: Math.max(1, Math.round(job.attemptMilliseconds)),
  };
}
