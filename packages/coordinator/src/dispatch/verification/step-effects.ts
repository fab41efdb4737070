/** What a step of `verifyTask` does to the tasks and attempts of a turn, and whom it tells. */
import { type AttemptName, FAILURE_REASONS, parseDuration, type ResultVerdict, type RuntimeName } from '@fog/contract';
import type { TaskReference, TaskVerificationState, VerificationAction, VerificationVerdict } from '@fog/verification';
import { DISPATCH_LIMITS } from '../../limits.ts';
import { attemptName } from '../turn-names.ts';
import type { TurnAttempt, TurnContext, TurnTask } from '../turn-records.ts';
import type { TurnSteps } from '../turn-steps.ts';
import type { VerificationRecord } from './record.ts';

export interface Judgement {
  node: string;
  runtime: RuntimeName;
  verdict: ResultVerdict;
  task: TaskReference;
}

export class StepEffects {
  readonly judged: Judgement[] = [];
  /** Results that are asked for. */
  readonly reveals: { node: string; attempt: AttemptName }[] = [];
  readonly accepted: { by: string; results: number }[] = [];
  readonly #context: TurnContext;
  readonly #steps: TurnSteps;

  constructor(context: TurnContext, steps: TurnSteps) {
    this.#context = context;
    this.#steps = steps;
  }

  /** First: what was found wrong goes before another result takes its place. */
  judge(task: TurnTask, verdicts: readonly VerificationVerdict[], acceptedFence: number | null): void {
    const { runtime } = this.#context.specOf(task.job).spec.task;
    for (const { fence, nodeId, verdict } of verdicts) {
      const known = verdict as ResultVerdict;
      const { job, partition } = task;
      this.judged.push({ node: nodeId, runtime, verdict: known, task: { job, partition } });
      this.#steps.event(job, { type: 'attempt.judged', partition, fence, node: nodeId, verdict: known });
      const attempt = this.#attempt(task, fence);
      if (attempt === undefined || fence === acceptedFence) continue;
      if (verdict === 'valid') this.#steps.move(attempt, 'confirm');
      else if (verdict === 'invalid') this.#steps.move(attempt, 'refute');
      else if (verdict === 'inconclusive') this.#steps.move(attempt, 'doubt');
      else if (verdict === 'withheld') this.#withheld(attempt);
    }
  }

  /** Unless it has failed already, which is why it shows nothing. */
  #withheld(attempt: TurnAttempt): void {
    if (!this.#steps.move(attempt, 'fail')) return;
    this.#steps.end(attempt, { reason: 'withheld', message: FAILURE_REASONS.withheld.meaning, exitCode: null });
    this.#steps.stop(attempt, 'withheld');
  }

  carryOut(task: TurnTask, record: VerificationRecord, action: VerificationAction): void {
    switch (action.kind) {
      case 'open-commitments':
        return this.#open(task, record, action);
      case 'cancel':
        for (const fence of action.fences) {
          const attempt = this.#attempt(task, fence);
          if (attempt === undefined || !this.#steps.move(attempt, 'supersede')) continue;
          this.#steps.superseded(attempt);
          this.#steps.stop(attempt, 'superseded');
        }
        return;
      case 'accept':
        return this.#accept(task, record.state, action);
      case 'adjudicate':
        return this.#steps.event(task.job, { type: 'task.adjudicating', partition: task.partition });
      case 'fail': {
        const reason = action.reason === 'inconclusive' ? 'inconclusive' : 'too-many-node-failures';
        return this.#steps.failTask(task, reason, FAILURE_REASONS[reason].meaning);
      }
      case 'place-replicas': // what the state asks for is aligned afterwards
      case 'refuse': // the caller has seen it
      case 'compare': // no specification asks for a comparator
    }
  }

  #open(
    task: TurnTask,
    record: VerificationRecord,
    { round, fences }: Extract<VerificationAction, { kind: 'open-commitments' }>,
  ): void {
    const { lostAfter } = this.#context.specOf(task.job).spec.disconnect;
    const due = this.#context.now + parseDuration(lostAfter) + DISPATCH_LIMITS.revealMilliseconds;
    record.reveals.push({ round, due });
    for (const fence of fences) {
      const attempt = this.#attempt(task, fence);
      if (attempt !== undefined) this.reveals.push({ node: attempt.node, attempt: attemptName(attempt) });
    }
  }

  #accept(
    task: TurnTask,
    { accepted, replicas }: TaskVerificationState,
    { fence, isCorrection }: Extract<VerificationAction, { kind: 'accept' }>,
  ): void {
    const attempt = this.#attempt(task, fence);
    if (attempt === undefined || accepted === null || !this.#steps.move(attempt, 'accept')) return;
    const { job, partition } = task;
    const results = Math.max(1, replicas.length);
    this.#steps.accepted(task, attempt);
    if (isCorrection) return;
    this.accepted.push({ by: accepted.by, results });
    this.#steps.event(job, { type: 'task.verified', partition, by: accepted.by, results });
  }

  #attempt(task: TurnTask, fence: number): TurnAttempt | undefined {
    return this.#steps.rows.attemptsOf(task).find((attempt) => attempt.fence === fence);
  }
}
