/**
 * One queue of rigid jobs: a policy puts it in order, lets jobs age, and fills gaps. A simulator and a live coordinator
 * ask this at every event, carry out what it answers, and keep its memory for the next question.
 */
import { type Aging, agedAreaScore, agedFirst, drainSeconds } from './aging.ts';
import {
  type BackfillRule,
  decideStarts,
  type Reservation,
  type StartDecision,
  type StartGate,
} from './backfilling.ts';
import { inOrder, JOB_SCORES, type JobScore } from './job-order.ts';
import type { RigidJob, RunningJob } from './rigid-job.ts';

export interface QueuePolicy {
  order: JobScore;
  backfill: BackfillRule;
  /** Of the gaps around the head; without it `order`. */
  backfillOrder?: JobScore;
  /** A head stays the first until it starts, even if others would now go before it. */
  keepsHead?: boolean;
  /** `gradual` takes the place of `order`. */
  aging: Aging | null;
}

/** What a decision leaves for the next one. Plain data. */
export interface QueueMemory {
  reservation: Reservation | null;
  /** The longest that it would have taken so far to work off all that was there. */
  longestDrainSeconds: number;
}

export const NO_MEMORY: QueueMemory = { reservation: null, longestDrainSeconds: 0 };

export interface QueueState<Job extends RigidJob> {
  nowSeconds: number;
  totalProcessors: number;
  freeProcessors: number;
  /** As they came: equal jobs keep this order. */
  waiting: readonly Job[];
  running: readonly RunningJob[];
  memory: QueueMemory;
  gate?: StartGate<Job>;
}

export interface QueueDecision<Job extends RigidJob> extends StartDecision<Job> {
  memory: QueueMemory;
}

/** By little slowdown, with no promise to large jobs: what the mean slowdown is best with. */
export const LEAST_SLOWDOWN_POLICY: QueuePolicy = {
  order: JOB_SCORES['least-slowdown'],
  backfill: 'easy',
  aging: null,
};

/** What a shared machine should run: short jobs first, while large ones wait little longer than in turn. */
export const AGING_POLICY: QueuePolicy = {
  order: JOB_SCORES['smallest-area'],
  backfill: 'easy',
  aging: { kind: 'gradual' },
};

/** First come, first served, with EASY backfilling. */
export const EASY_FCFS_POLICY: QueuePolicy = { order: JOB_SCORES.fcfs, backfill: 'easy', aging: null };

export function decideQueue<Job extends RigidJob>(policy: QueuePolicy, state: QueueState<Job>): QueueDecision<Job> {
  const { nowSeconds, waiting, memory } = state;
  const { aging } = policy;
  const longestDrainSeconds = Math.max(memory.longestDrainSeconds, drainSeconds(state));
  const ordered = (score: JobScore) => {
    if (aging?.kind === 'gradual') {
      return inOrder(waiting, (job) => agedAreaScore(job, nowSeconds, longestDrainSeconds), nowSeconds);
    }
    const byScore = inOrder(waiting, score, nowSeconds);
    if (aging === null) return byScore;
    return agedFirst({ asTheyCame: waiting, ordered: byScore }, nowSeconds, aging.boundSeconds);
  };
  const decision = decideStarts({
    ...state,
    waiting: ordered(policy.order),
    backfillOrder: policy.backfillOrder === undefined ? undefined : ordered(policy.backfillOrder),
    rule: policy.backfill,
    kept: policy.keepsHead === true ? memory.reservation : null,
  });
  return { ...decision, memory: { reservation: decision.reservation, longestDrainSeconds } };
}
