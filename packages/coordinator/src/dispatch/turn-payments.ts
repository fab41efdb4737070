/** What a turn finds out that money follows from: which results count, and what ran when its job was cancelled. */
import type { ResultVerdict } from '@fog/contract';
import type { TurnAttempt, TurnTask } from './turn-records.ts';

export class TurnPayments {
  /** By task and fence. */
  readonly judged = new Map<TurnTask, Map<number, ResultVerdict>>();
  readonly cancelled = new Map<TurnTask, TurnAttempt[]>();

  /** A verdict stands above that the result was taken as it came. */
  judge(task: TurnTask, fence: number, verdict: ResultVerdict): void {
    const known = this.judged.getOrInsertComputed(task, () => new Map());
    if (verdict !== 'alone' || !known.has(fence)) known.set(fence, verdict);
  }

  /** Only what had been started has cost its node anything. */
  interrupted(task: TurnTask, attempt: TurnAttempt): void {
    if (attempt.startedAt === null) return;
    this.cancelled.getOrInsertComputed(task, () => []).push(attempt);
  }

  get isEmpty(): boolean {
    return this.judged.size === 0 && this.cancelled.size === 0;
  }
}
