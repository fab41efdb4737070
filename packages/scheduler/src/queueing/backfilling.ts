/**
 * Which waiting jobs start now on P processors: in their order, as long as they fit; then, around the first that does not
 * fit, whatever cannot delay it.
 *
 * EASY (Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995): the first job that does not fit, the head, gets a
 * reservation: the earliest time at which enough processors are free if everything runs as long as it requested. Others
 * may start if they end by then, or if they use only processors that are spare even then.
 */
import type { RigidJob, RunningJob } from './rigid-job.ts';

export const BACKFILL_RULES = ['none', 'ends-before', 'easy'] as const;
/** `ends-before` knows no spare processors, and the end has to be earlier than the reservation. */
export type BackfillRule = (typeof BACKFILL_RULES)[number];

export interface Reservation {
  jobId: string;
  /** When the head starts at the latest, by requested times. */
  startSeconds: number;
  /** Processors that stay free at that time when the head has started. */
  spareProcessors: number;
}

export interface StartGate<Job> {
  /** What it refuses neither starts nor holds up others. */
  admits(job: Job): boolean;
  /** Called for each start, before anything else is asked. */
  started(job: Job): void;
}

export interface StartQuestion<Job extends RigidJob> {
  nowSeconds: number;
  totalProcessors: number;
  freeProcessors: number;
  /** The first is served first. */
  waiting: readonly Job[];
  running: readonly RunningJob[];
  /** The order in which gaps are filled; without it that of `waiting`. */
  backfillOrder?: readonly Job[] | undefined;
  rule: BackfillRule;
  /** What stands in the way of jobs besides processors, a quota say. */
  gate?: StartGate<Job> | undefined;
  /** The head of an earlier decision: it goes first, and except with `easy` its reservation stands as it was. */
  kept?: Reservation | null | undefined;
}

export interface StartDecision<Job extends RigidJob> {
  /** In the order in which they take their processors. */
  starts: { job: Job; isBackfilled: boolean }[];
  /** Of the head; null when nothing waits for processors. */
  reservation: Reservation | null;
  /** Those before the head that want more processors than there are. Nothing waits for them. */
  neverFit: Job[];
}

/** Decides in O(n) for n waiting and O(r log r) for r running jobs, without a change of what it is given. */
export function decideStarts<Job extends RigidJob>(question: StartQuestion<Job>): StartDecision<Job> {
  const { nowSeconds, totalProcessors, rule, gate, kept = null } = question;
  const starts: StartDecision<Job>['starts'] = [];
  const neverFit: Job[] = [];
  const done = new Set<string>();
  let free = question.freeProcessors;
  const start = (job: Job, isBackfilled: boolean) => {
    starts.push({ job, isBackfilled });
    done.add(job.id);
    free -= job.processors;
    gate?.started(job);
  };
  const isRefused = (job: Job) => gate !== undefined && !gate.admits(job);

  let head: Job | null = null;
  for (const job of keptFirst(question.waiting, kept)) {
    if (job.processors > totalProcessors) {
      neverFit.push(job);
    } else if (!isRefused(job)) {
      if (job.processors > free) {
        head = job;
        break;
      }
      start(job, false);
    }
  }
  if (head === null) return { starts, reservation: null, neverFit };

  const running = [...question.running, ...starts.map(({ job }) => asRunning(job, nowSeconds))];
  // Spare processors depend on what runs now.
  const isKept = kept?.jobId === head.id && rule !== 'easy';
  const reservation = isKept ? kept : reserve(head, { nowSeconds, free, running });
  if (rule === 'none') return { starts, reservation, neverFit };

  let spare = rule === 'easy' ? reservation.spareProcessors : 0;
  for (const job of question.backfillOrder ?? question.waiting) {
    if (free === 0) break;
    if (job.processors > free || job.id === head.id || done.has(job.id)) continue;
    const ends = nowSeconds + job.requestedSeconds;
    const isInTime = rule === 'easy' ? ends <= reservation.startSeconds : ends < reservation.startSeconds;
    if (!isInTime && job.processors > spare) continue;
    if (isRefused(job)) continue;
    if (!isInTime) spare -= job.processors;
    start(job, true);
  }
  return { starts, reservation: { ...reservation, spareProcessors: spare }, neverFit };
}

/** A head that is kept stays the first, whatever came since. */
function* keptFirst<Job extends RigidJob>(waiting: readonly Job[], kept: Reservation | null): Iterable<Job> {
  const head = kept === null ? undefined : waiting.find(({ id }) => id === kept.jobId);
  if (head !== undefined) yield head;
  for (const job of waiting) if (job !== head) yield job;
}

/** The earliest time at which the job fits when everything runs as long as it requested. */
export function reserve(
  { id, processors }: Pick<RigidJob, 'id' | 'processors'>,
  { nowSeconds, free, running }: { nowSeconds: number; free: number; running: readonly RunningJob[] },
): Reservation {
  let available = free;
  let startSeconds = nowSeconds;
  for (const job of running.toSorted((a, b) => a.expectedEndSeconds - b.expectedEndSeconds)) {
    const endSeconds = Math.max(nowSeconds, job.expectedEndSeconds);
    // What else ends at the very time of the start is there for it, too.
    if (available >= processors && endSeconds > startSeconds) break;
    available += job.processors;
    startSeconds = endSeconds;
  }
  if (available < processors) startSeconds = Number.POSITIVE_INFINITY;
  return { jobId: id, startSeconds, spareProcessors: Math.max(0, available - processors) };
}

function asRunning({ id, processors, requestedSeconds }: RigidJob, nowSeconds: number): RunningJob {
  return { id, processors, expectedEndSeconds: nowSeconds + requestedSeconds };
}
