/** What a step of `verifyTask` does to the tasks and attempts of a turn, and whom it tells. */
import { type AttemptName, FAILURE_REASONS, type JobSpec, type ResultVerdict, type RuntimeName } from '@fog/contract';
import {
  type JudgedSpotCheck,
  type KnownAnswer,
  knownAnswerOf,
  type TaskReference,
  type TaskVerificationState,
  type Verdict,
  type VerificationAction,
  type VerificationStep,
} from '@fog/verification';
import { type Requirements, requirementsOf } from '../requirements.ts';
import { attemptName } from '../turn-names.ts';
import type { TurnAttempt, TurnContext, TurnTask } from '../turn-records.ts';
import type { TurnSteps } from '../turn-steps.ts';
import { evidenceOfStep, type NodeEvidence } from './evidence.ts';
import { revealPatience } from './patience.ts';
import type { VerificationRecord } from './record.ts';

export interface Judgement {
  node: string;
  runtime: RuntimeName;
  verdict: Verdict;
  task: TaskReference;
  /** What it says of the node and its owner; null where nothing follows. */
  evidence: NodeEvidence | null;
}

export interface NewAnswer {
  answer: KnownAnswer;
  runtime: RuntimeName;
  /** Of its job: who may be asked. */
  requirements: Requirements;
}

/** What a node has said to a known answer. */
export interface CheckedAnswer {
  /** The hidden one. */
  job: string;
  runtime: RuntimeName;
  digest: string;
  /** Of the job that the answer is from. */
  submitter: string;
}

/** What came of that. */
export interface CheckOutcome {
  /** The hidden one. */
  job: string;
  partition: number;
  verdict: JudgedSpotCheck['verdict'];
  expected: string;
  /** Who has made the answer, or was asked for it. */
  owners: readonly string[];
  prefixes: readonly string[];
}

export class StepEffects {
  readonly judged: Judgement[] = [];
  /** Results that are asked for. */
  readonly reveals: { node: string; attempt: AttemptName }[] = [];
  readonly accepted: { by: string; results: number }[] = [];
  /** Tasks on which credible nodes agreed. */
  readonly answers: NewAnswer[] = [];
  /** What nodes have said to known answers, by hidden job. */
  readonly checked: CheckedAnswer[] = [];
  readonly #context: TurnContext;
  readonly #steps: TurnSteps;

  constructor(context: TurnContext, steps: TurnSteps) {
    this.#context = context;
    this.#steps = steps;
  }

  /** First: what was found wrong goes before another result takes its place. */
  judge(task: TurnTask, before: TaskVerificationState, { state, actions, verdicts }: VerificationStep): void {
    if (verdicts.length === 0) return;
    const acceptedFence = actions.find((action) => action.kind === 'accept')?.fence ?? null;
    const { runtime } = this.#context.specOf(task.job).spec.task;
    const evidence = this.#evidence(task, before, { state, verdicts });
    for (const [index, { fence, nodeId, verdict }] of verdicts.entries()) {
      const known = verdict as ResultVerdict;
      const { job, partition } = task;
      const told = { node: nodeId, runtime, verdict: known, task: { job, partition } };
      this.judged.push({ ...told, evidence: evidence[index] ?? null });
      this.#steps.judge(task, fence, known);
      this.#steps.event(job, { type: 'attempt.judged', partition, fence, node: nodeId, verdict: known });
      const attempt = this.#attempt(task, fence);
      if (attempt === undefined || fence === acceptedFence) continue;
      if (verdict === 'valid') this.#steps.move(attempt, 'confirm');
      else if (verdict === 'invalid') this.#steps.move(attempt, 'refute');
      else if (verdict === 'inconclusive') this.#steps.move(attempt, 'doubt');
      else if (verdict === 'withheld') this.#withheld(attempt);
    }
  }

  #evidence(
    task: TurnTask,
    before: TaskVerificationState,
    { state: after, verdicts }: Pick<VerificationStep, 'state' | 'verdicts'>,
  ): (NodeEvidence | null)[] {
    const { specOf, submitterOf, isCheck, valuesOf } = this.#context;
    const { job } = task;
    const results = verdicts.map(({ fence, verdict }) => {
      return { attempt: this.#attempt(task, fence), verdict: verdict as ResultVerdict };
    });
    return evidenceOfStep({
      spec: specOf(job),
      submitter: submitterOf(job),
      ...{ before, after, verdicts },
      values: valuesOf(job, results),
      isCheck: isCheck(job),
    });
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
      case 'compare': // the sweep of due tasks reads what the state waits for
    }
  }

  #open(
    task: TurnTask,
    record: VerificationRecord,
    { round, fences }: Extract<VerificationAction, { kind: 'open-commitments' }>,
  ): void {
    const due = this.#context.now + revealPatience(this.#context.specOf(task.job));
    record.reveals.push({ round, due });
    for (const fence of fences) {
      const attempt = this.#attempt(task, fence);
      if (attempt !== undefined) this.reveals.push({ node: attempt.node, attempt: attemptName(attempt) });
    }
  }

  #accept(
    task: TurnTask,
    state: TaskVerificationState,
    { fence, isCorrection }: Extract<VerificationAction, { kind: 'accept' }>,
  ): void {
    const { accepted, replicas } = state;
    const attempt = this.#attempt(task, fence);
    if (attempt === undefined || accepted === null || !this.#steps.move(attempt, 'accept')) return;
    const { job, partition } = task;
    this.#steps.accepted(task, attempt);
    if (isCorrection) return;
    const { runtime } = this.#context.specOf(job).spec.task;
    if (this.#context.isCheck(job)) {
      const submitter = this.#context.submitterOf(job);
      return void this.checked.push({ job, runtime, digest: accepted.digest, submitter });
    }
    const answer = mayBeKnown(this.#context.specOf(job)) ? knownAnswerOf({ job, partition }, state) : null;
    if (answer !== null) {
      const requirements = requirementsOf(this.#context.specOf(job), this.#context.submitterOf(job));
      this.answers.push({ answer, runtime, requirements });
    }
    const results = Math.max(1, replicas.length);
    this.accepted.push({ by: accepted.by, results });
    this.#steps.event(job, { type: 'task.verified', partition, by: accepted.by, results });
  }

  #attempt(task: TurnTask, fence: number): TurnAttempt | undefined {
    return this.#steps.rows.attemptsOf(task).find((attempt) => attempt.fence === fence);
  }
}

/** Answers that depend on nothing but the specification: programs that are given secrets or a network may know more. */
function mayBeKnown({ spec: { task, verification } }: JobSpec): boolean {
  const hasSecrets =
    task.docker?.credentials !== undefined || Object.values(task.env).some((value) => typeof value !== 'string');
  const isExact = verification?.compare === 'exact';
  return isExact && verification.spotChecks > 0 && !hasSecrets && task.network === 'none';
}
