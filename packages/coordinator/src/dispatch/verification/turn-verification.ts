/**
 * The part of a turn that decides on verified tasks: carries what happens to their replicas to `verifyTask`, and what
 * follows to tasks and attempts. Pure, like the turn.
 *
 *     lease -> replica runs -> committed (its place is free) -> asked for -> revealed -> verdict
 *                 \_______________\______________________________\-> failed, lost, late: another replica
 *     no agreement, or nobody else to ask -> the task is leased to a trusted node, which decides
 *
 * A task that wants another replica is `queued` while others of it are alive; its class keeps it off their owners and
 * networks. A task that has been accepted stays `succeeded` while it is verified again, and is `reverifying` instead.
 * A trusted node that comes first runs the task as if nothing was verified: there is no record then.
 */
import {
  ATTEMPT_TRANSITIONS,
  type AttemptName,
  FAILURE_REASONS,
  type FailureReason,
  isTerminal,
  LIMITS,
  TASK_TRANSITIONS,
} from '@fog/contract';
import {
  isExcluded,
  mayRun,
  type NodeTrust,
  runningOf,
  TRUSTED_NODE,
  type VerificationEvent,
  type VerificationStep,
  verifyTask,
} from '@fog/verification';
import { DISPATCH_LIMITS } from '../../limits.ts';
import type { DispatcherInput } from '../inputs.ts';
import type { OwnerChange, TrustChange } from '../placement/learning.ts';
import { type PlacementClass, placementClass, type Requirements, requirementsOf } from '../requirements.ts';
import { attemptName, onAttempt } from '../turn-names.ts';
import type { FailureRecord, TurnAttempt, TurnContext, TurnTask } from '../turn-records.ts';
import type { TurnSteps } from '../turn-steps.ts';
import { beginToWant, commitPatience, grantMissedTime, isGivenUp, wantNoMore } from './patience.ts';
import {
  exclusionsFrom,
  isDecided,
  isOfProgram,
  keepsResults,
  newRecord,
  openFences,
  type ReplicaFailure,
  type VerificationRecord,
  wantsNode,
} from './record.ts';
import { digestOfOutputs, provenDigest, type Succeeded, type Witness } from './result-proof.ts';
import { type CheckOutcome, StepEffects } from './step-effects.ts';
import { withoutTrust } from './withdrawn-trust.ts';

/** Who a lease goes to. */
export interface LeaseHolder {
  nodeId: string;
  name: string;
  owner: string;
  prefix: string;
  trusted: boolean;
}

type DueInput = Extract<DispatcherInput, { kind: 'verification-due' }>;
type VerificationInput = DueInput | Extract<DispatcherInput, { kind: 'compared' }>;

export class TurnVerification {
  /** Tasks whose record, class or wish for a replica has changed. */
  readonly changed = new Set<TurnTask>();
  /** Attempts that have given up their places but not their outputs. */
  readonly committed: TurnAttempt[] = [];
  /** Classes that tasks of this turn were put into. */
  readonly classes = new Map<string, PlacementClass>();
  /** Nodes whose sessions take them for trusted, which they are no more. */
  readonly outdated = new Set<string>();
  /** What verification now knows of nodes; filled when it is saved. */
  readonly records: TrustChange[] = [];
  /** What is now known of their owners. */
  readonly owners: OwnerChange[] = [];
  /** What has come of checks; filled when it is saved. */
  readonly checks: CheckOutcome[] = [];
  readonly effects: StepEffects;
  readonly #context: TurnContext;
  readonly #steps: TurnSteps;

  constructor(context: TurnContext, steps: TurnSteps) {
    this.#context = context;
    this.#steps = steps;
    this.effects = new StepEffects(context, steps);
  }

  /**
   * A claim has given the task to this node. Answers how the node runs it, `plain` as if nothing was verified; null: it
   * must not get it. `trust`: what is known of the node in the runtime of the job.
   */
  leased(task: TurnTask, name: AttemptName, holder: LeaseHolder, trust: NodeTrust): 'plain' | 'verified' | null {
    const record = task.verification ?? newRecord();
    if (task.verification === null && holder.trusted) return this.#given(task, name, holder, 'plain');
    const { state } = record;
    if (state.phase === 'adjudicating') {
      if (!holder.trusted || record.adjudicator !== null) return null;
      record.adjudicator = name.fence;
      this.#given(task, name, holder, 'plain');
      this.#align(task, record);
      return 'plain';
    }
    if (!mayRun(state, holder) || isExcluded(holder, exclusionsFrom(record))) return null;
    task.verification = record;
    this.#given(task, name, holder, 'verified');
    const { nodeId, owner, prefix } = holder;
    const random = this.#context.random();
    const known = holder.trusted ? TRUSTED_NODE : trust;
    this.#tell(task, record, { kind: 'leased', fence: name.fence, nodeId, owner, prefix, trust: known, random });
    record.commitDue = this.#context.now + commitPatience(this.#context.specOf(task.job));
    return 'verified';
  }

  /** The node has run it and is bound to its result. */
  commit(task: TurnTask, attempt: TurnAttempt, commitment: string): void {
    const record = task.verification;
    if (record === null) return;
    const step = this.#step(task, record, { kind: 'committed', fence: attempt.fence, commitment });
    // A second commitment changes nothing, and one that is none is never opened.
    if (step === null || isRefused(step) || !this.#steps.move(attempt, 'commit')) return;
    this.committed.push(attempt);
    this.#steps.event(attempt.job, { type: 'task.committed', ...onAttempt(attempt, attempt.node) });
    this.#apply(task, record, step);
  }

  /**
   * Answers whether the attempt was leased on the word of a node that is trusted no more: then it ends as if it had never
   * been leased there, whatever it says.
   */
  mistrust(task: TurnTask, attempt: TurnAttempt, { isTrusted }: Witness): boolean {
    if (isTrusted || this.#context.policyOf(task.job) === null) return false;
    const record = task.verification;
    if (record !== null && record.adjudicator !== attempt.fence) return false;
    if (!this.#steps.move(attempt, 'fail')) return false;
    const { meaning: message } = FAILURE_REASONS['trust-withdrawn'];
    this.#steps.end(attempt, { reason: 'trust-withdrawn', message, exitCode: null });
    if (record !== null) {
      record.adjudicator = null;
      this.#align(task, record);
    } else if (this.#steps.isDecisive(task, attempt)) this.#steps.requeue(task, 0);
    return true;
  }

  /** The node shows its result. Answers false where nothing is verified. */
  show(task: TurnTask, attempt: TurnAttempt, report: Succeeded, witness: Witness): boolean {
    const record = task.verification;
    if (record === null) return false;
    if (isTerminal(ATTEMPT_TRANSITIONS, attempt.state)) return true;
    if (record.adjudicator === attempt.fence) this.#decide(task, record, attempt, report);
    else if (runningOf(record.state).some(({ fence }) => fence === attempt.fence)) {
      this.#reveal(task, record, attempt, report, witness);
    } else if (this.#steps.move(attempt, 'supersede')) this.#steps.superseded(attempt);
    return true;
  }

  /**
   * The attempt has ended without a result; `failure` is null when its node never had it. Answers false where nothing is
   * verified.
   */
  fail(task: TurnTask, attempt: TurnAttempt, failure: FailureRecord | null, pauseMilliseconds = 0): boolean {
    const record = task.verification;
    if (record === null) return false;
    if (record.adjudicator === attempt.fence) this.#adjudicatorFailed(task, record, failure, pauseMilliseconds);
    else this.#replicaFailed(task, record, attempt, failure, pauseMilliseconds);
    return true;
  }

  /** A lease that cannot be given for a reason of the job: no other node would fare better. */
  failLease(task: TurnTask, attempt: TurnAttempt, failure: FailureRecord): boolean {
    const record = task.verification;
    if (record === null) return false;
    if (isTerminal(TASK_TRANSITIONS, task.state)) return this.fail(task, attempt, failure);
    this.#programFailed(task, failure);
    return true;
  }

  /** The node is back with the attempt. Answers whether it shall go on. */
  resume(record: VerificationRecord, attempt: TurnAttempt): boolean {
    const { fence } = attempt;
    if (isTerminal(ATTEMPT_TRANSITIONS, attempt.state)) return false;
    const isReplica = runningOf(record.state).some((replica) => replica.fence === fence);
    if (isReplica || record.adjudicator === fence) {
      if (openFences(record).includes(fence))
        this.effects.reveals.push({ node: attempt.node, attempt: attemptName(attempt) });
      return true;
    }
    // Lost and replaced, or decided.
    if (this.#steps.move(attempt, 'supersede')) this.#steps.superseded(attempt);
    return false;
  }

  /** What a sweep has found: that the time of the task has come, or whether two of its results agree. */
  take(task: TurnTask | undefined, input: VerificationInput): void {
    const record = task?.verification;
    if (task === undefined || record == null) return;
    this.changed.add(task);
    if (input.kind === 'verification-due') return this.#due(task, record, input);
    const { left, right, agree } = input;
    this.#tell(task, record, { kind: 'compared', left, right, agree });
  }

  #due(task: TurnTask, record: VerificationRecord, { classId, isPlaceable }: DueInput): void {
    const { now, listeningSince } = this.#context;
    grantMissedTime(record, this.#context.specOf(task.job), listeningSince);
    if (record.state.phase === 'accepted') return void this.#tell(task, record, { kind: 'reopened' });
    if (record.commitDue !== null && record.commitDue <= now) {
      record.commitDue = null;
      this.#tell(task, record, { kind: 'deadline', round: record.state.round, of: 'commit' });
    }
    for (const { round } of record.reveals.filter(({ due }) => due <= now)) {
      this.#tell(task, record, { kind: 'deadline', round, of: 'reveal' });
    }
    if (record.placeDue === null || record.placeDue > now) return;
    const waited = now - (record.wantedSince ?? now);
    const isOverdue = keepsResults(record) && waited >= DISPATCH_LIMITS.roundPatienceMilliseconds;
    // It wants something else by now, which has not been looked for yet.
    if (task.classId !== classId) return;
    if (isGivenUp(record, isPlaceable, this.#context)) return this.#unplaceable(task, record);
    if (!isPlaceable) return;
    if (!isOverdue) return this.#align(task, record);
    // Shown without waiting for others, the results give their nodes room; then others are asked for again.
    record.wantedSince = null;
    this.#tell(task, record, { kind: 'unplaceable' });
  }

  /** The task has ended by its job. */
  close(task: TurnTask): void {
    if (task.verification !== null) this.changed.add(task);
  }

  #given(task: TurnTask, name: AttemptName, { nodeId, name: nodeName }: LeaseHolder, how: 'plain' | 'verified') {
    this.#steps.leased(name, { id: nodeId, name: nodeName }, !isTerminal(TASK_TRANSITIONS, task.state));
    return how;
  }

  /** A trusted node says what is right. */
  #decide(task: TurnTask, record: VerificationRecord, attempt: TurnAttempt, report: Succeeded): void {
    const digest = digestOfOutputs(this.#context.specOf(task.job).spec.task, report.outputs);
    if (digest === null) return this.#unproven(task, attempt, 'output-missing', 'the outputs are not those declared');
    this.#shown(attempt, report, digest);
    record.adjudicator = null;
    this.#tell(task, record, { kind: 'adjudicated', fence: attempt.fence, digest });
  }

  #reveal(task: TurnTask, record: VerificationRecord, attempt: TurnAttempt, report: Succeeded, witness: Witness): void {
    const digest = provenDigest(attempt, this.#context.specOf(task.job).spec.task, report, witness);
    const { fence } = attempt;
    if (!witness.isTrusted) record.state = withoutTrust(record.state, fence);
    const nonce = report.result?.nonce ?? '';
    const step = digest === null ? null : this.#step(task, record, { kind: 'revealed', fence, digest, nonce });
    if (step === null || isRefused(step) || digest === null) {
      // Its node is done with it, whatever it has shown.
      return this.#unproven(task, attempt, 'commitment-mismatch', FAILURE_REASONS['commitment-mismatch'].meaning);
    }
    this.#shown(attempt, report, digest);
    this.#apply(task, record, step);
  }

  #unproven(task: TurnTask, attempt: TurnAttempt, reason: FailureReason, message: string): void {
    const failure = { reason, message, exitCode: null };
    if (this.#steps.move(attempt, 'fail')) this.#steps.end(attempt, failure);
    this.fail(task, attempt, failure);
  }

  /** Ends the attempt as one whose result is known and not judged. */
  #shown(attempt: TurnAttempt, { outputs, engine, usage, result }: Succeeded, digest: string): void {
    if (!this.#steps.move(attempt, 'reveal')) return;
    const signed = result === undefined ? {} : { signature: result.signature };
    this.#steps.succeeded(attempt, { engine, usage, outputs, digest, ...signed });
    this.#steps.event(attempt.job, { type: 'task.revealed', ...onAttempt(attempt, attempt.node) });
  }

  #replicaFailed(
    task: TurnTask,
    record: VerificationRecord,
    attempt: TurnAttempt,
    failure: FailureRecord | null,
    pauseMilliseconds: number,
  ): void {
    const replica = runningOf(record.state).find(({ fence }) => fence === attempt.fence);
    if (replica === undefined) return;
    const { owner, prefix } = replica;
    const told: ReplicaFailure = {
      owner,
      prefix,
      reason: failure?.reason ?? null,
      exitCode: failure?.exitCode ?? null,
    };
    const isDecisive = replica.commitment === null && !isTerminal(TASK_TRANSITIONS, task.state);
    const alike = record.failures.filter((other) => isSeconded(other, told)).length + 1;
    const quorum = this.#context.policyOf(task.job)?.quorum ?? 1;
    if (failure !== null && isDecisive && isOfProgram(told) && alike >= quorum) {
      return this.#programFailed(task, failure);
    }
    record.failures.push(told);
    this.#tell(task, record, { kind: 'failed', fence: attempt.fence }, pauseMilliseconds);
  }

  #adjudicatorFailed(
    task: TurnTask,
    record: VerificationRecord,
    failure: FailureRecord | null,
    pauseMilliseconds: number,
  ): void {
    record.adjudicator = null;
    this.changed.add(task);
    const isAgain = isTerminal(TASK_TRANSITIONS, task.state);
    if (failure !== null && FAILURE_REASONS[failure.reason].blame === 'job' && !isAgain) {
      return this.#programFailed(task, failure);
    }
    task.nodeFailures += 1;
    this.#steps.changed(task);
    if (isAgain || task.nodeFailures >= LIMITS.nodeFailures) {
      this.#tell(task, record, { kind: 'adjudication-impossible' });
    } else this.#align(task, record, pauseMilliseconds);
  }

  /** The failure is the job's: what its author allows is spent, and another try starts from nothing. */
  #programFailed(task: TurnTask, { reason, message, exitCode }: FailureRecord): void {
    this.#steps.stopSiblings(task, null);
    for (const attempt of this.#steps.rows.attemptsOf(task)) this.#steps.move(attempt, 'doubt');
    task.verification = null;
    this.#place(task, {});
    if (task.state === 'queued') this.#steps.moveTask(task, 'resume');
    this.#steps.afterFailure(task, reason, message ?? '', exitCode);
  }

  /** Nobody is left to ask: a trusted node has to decide, or the failure of the only one who could be asked stands. */
  #unplaceable(task: TurnTask, record: VerificationRecord): void {
    record.wantedSince = null;
    const isCollecting = record.state.phase === 'collecting';
    const ofPrograms = record.failures.filter(isOfProgram);
    if (isCollecting && ofPrograms.length < record.failures.length) {
      // Those who failed by themselves may try again.
      record.failures = ofPrograms;
      return this.#align(task, record);
    }
    if (this.#tell(task, record, { kind: isCollecting ? 'unplaceable' : 'adjudication-impossible' })) return;
    const told = ofPrograms.at(-1);
    if (told?.reason == null) return this.#align(task, record);
    this.#programFailed(task, {
      reason: told.reason,
      exitCode: told.exitCode,
      message: 'no other node could be asked',
    });
  }

  #step(task: TurnTask, record: VerificationRecord, event: VerificationEvent): VerificationStep | null {
    const policy = this.#context.policyOf(task.job);
    return policy === null ? null : verifyTask(record.state, event, policy);
  }

  /** Answers whether anything follows. */
  #tell(task: TurnTask, record: VerificationRecord, event: VerificationEvent, pauseMilliseconds = 0): boolean {
    const step = this.#step(task, record, event);
    if (step !== null) this.#apply(task, record, step, pauseMilliseconds);
    return step !== null;
  }

  #apply(task: TurnTask, record: VerificationRecord, step: VerificationStep, pauseMilliseconds = 0): void {
    const before = record.state;
    record.state = step.state;
    if (step.state.round !== before.round) record.commitDue = null;
    if (step.state.phase !== before.phase) record.wantedSince = null;
    this.effects.judge(task, before, step);
    for (const action of step.actions) this.effects.carryOut(task, record, action);
    const awaited = new Set(runningOf(record.state).map(({ round }) => round));
    record.reveals = record.reveals.filter(({ round }) => !isDecided(record) && awaited.has(round));
    if (isDecided(record)) record.failures = [];
    this.#align(task, record, pauseMilliseconds);
  }

  /** Puts the task into the queue, with the class of what it wants, or takes it out. */
  #align(task: TurnTask, record: VerificationRecord, pauseMilliseconds = 0): void {
    this.changed.add(task);
    // A check is put to one node, once.
    const isWanting = wantsNode(record) && !this.#context.isCheck(task.job);
    if (wantsNode(record) && !isWanting && record.state.lastFence > 0) {
      return this.#steps.failTask(task, 'inconclusive', 'the check has ended without a result');
    }
    const { now } = this.#context;
    if (!isWanting) wantNoMore(record);
    else if (record.wantedSince === null) beginToWant(record, now);
    const isAgain = isTerminal(TASK_TRANSITIONS, task.state);
    task.reverifying = isAgain && isWanting;
    if (!isWanting) {
      if (task.state !== 'queued' || !this.#steps.moveTask(task, 'resume')) return;
      task.parked = false;
      task.notBefore = null;
      return;
    }
    const again = isAgain ? { reverify: true as const } : {};
    if (record.state.phase === 'adjudicating') this.#place(task, { ...again, trustedOnly: true });
    else {
      const excluded = exclusionsFrom(record);
      this.#place(task, { ...again, ...(excluded.owners.length > 0 ? { excluded } : {}) });
    }
    this.#steps.moveTask(task, 'requeue');
    task.parked = pauseMilliseconds > 0 && !isAgain;
    task.notBefore = task.parked ? now + pauseMilliseconds : null;
    this.#steps.changed(task);
    if (!task.parked) this.#steps.requeued(task);
  }

  #place(task: TurnTask, only: Pick<Requirements, 'excluded' | 'trustedOnly' | 'reverify'>): void {
    const base = requirementsOf(this.#context.specOf(task.job), this.#context.submitterOf(task.job));
    const placement = placementClass({ ...base, ...only });
    task.classId = placement.id;
    this.classes.set(placement.id, placement);
    this.changed.add(task);
  }
}

function isRefused({ actions }: VerificationStep): boolean {
  return actions.some(({ kind }) => kind === 'refuse');
}

function isSeconded(first: ReplicaFailure, second: ReplicaFailure): boolean {
  return (
    first.owner !== second.owner &&
    first.prefix !== second.prefix &&
    first.reason === second.reason &&
    first.exitCode === second.exitCode
  );
}
