/**
 * How an attempt comes to go on elsewhere: the checkpoints it leaves, and when it gives up its place.
 *
 *     before its program has begun   suspended, told to leave, or drained: it gives up at once, nothing is lost
 *     running                        a checkpoint each period, and when it is suspended
 *       node is drained              with checkpoints: SIGTERM at once, killed after `grace`
 *       told to leave                the same; without checkpoints killed at once
 *       suspended                    frozen; killed when it may not keep its place any longer
 *     ended                          told to end, or with code 85: it yields, with a last checkpoint
 *
 * An attempt that cannot be frozen runs on while its job is suspended. Who runs it asks `watch` now and then.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AttemptReport,
  type Checkpoint,
  type DepartureReason,
  type FailureReason,
  YIELD_REASONS,
  type YieldReason,
} from '@fog/contract';
import type { AttemptOutcome, RunningAttempt } from '@fog/runtimes';
import { AttemptFailure } from './attempt-failure.ts';
import type { AttemptCheckpoints } from './checkpoints.ts';
import { AGENT_LIMITS } from './limits.ts';
import { Suspension } from './suspension.ts';

export interface MigrationDependencies {
  /** Null where the specification has none. */
  checkpoints: AttemptCheckpoints | null;
  running(): RunningAttempt | null;
  report(report: AttemptReport): void;
  /** For the author of the job, in the log of the attempt. */
  note(text: string): void;
  /** The program goes on after a suspension. */
  resumed(): void;
  /** Monotonic, in milliseconds. */
  now(): number;
}

/** The attempt is to be ended; with `yields` that is no failure. */
export interface Departure {
  reason: FailureReason;
  message: string;
  yields: YieldReason | null;
}

const STUCK: Departure = {
  reason: 'sandbox',
  message: 'the program was frozen and could not be woken',
  yields: null,
};

/** By which a program asks to be started again from its checkpoint; ERESTART, as in HTCondor. */
const CHECKPOINT_EXIT_CODE = 85;

export class Migration {
  readonly #dependencies: MigrationDependencies;
  readonly #suspension: Suspension;
  #phase: 'before' | 'running' | 'ended' = 'before';
  /** Known once it has ended. */
  #hasBegun = false;
  #nextCheckpointMilliseconds = Number.POSITIVE_INFINITY;
  /** How long a suspended attempt keeps its place. */
  #keepUntilMilliseconds = Number.POSITIVE_INFINITY;
  /** Why it is to leave, before long. */
  #leaving: 'drained' | DepartureReason | null = null;
  #isStuck = false;
  #killMilliseconds = Number.POSITIVE_INFINITY;
  #taking: Promise<void> | null = null;
  readonly #abort = new AbortController();
  #reportedManifest: string | null = null;
  #notedText = '';

  constructor(dependencies: MigrationDependencies) {
    this.#dependencies = dependencies;
    this.#suspension = new Suspension({
      running: () => (this.#phase === 'running' ? dependencies.running() : null),
      suspended: () => this.#suspended(),
      resumed: () => {
        dependencies.report({ event: 'resume' });
        dependencies.resumed();
      },
      runsOn: () => this.#note('the node cannot suspend it, so it runs on'),
      stuck: () => {
        this.#isStuck = true;
      },
    });
  }

  get isSuspended(): boolean {
    return this.#suspension.isSuspended;
  }

  suspend(keepLeaseMilliseconds: number): void {
    this.#keepUntilMilliseconds = this.#dependencies.now() + keepLeaseMilliseconds;
    // An order is repeated for as long as it is not followed.
    this.#suspension.suspend();
  }

  resume(): void {
    this.#keepUntilMilliseconds = Number.POSITIVE_INFINITY;
    this.#suspension.resume();
  }

  /** The node is drained. An attempt without checkpoints may go on until the node's deadline. */
  drain(): void {
    if (this.#dependencies.checkpoints !== null) this.#beginToLeave('drained');
  }

  /**
   * The coordinator wants its place. Answers why it is to be ended at once, or null where it has time for a checkpoint,
   * or has run.
   */
  leave(reason: DepartureReason, graceMilliseconds: number): Departure | null {
    this.#beginToLeave(reason, graceMilliseconds);
    return this.watch(this.#dependencies.now());
  }

  /** The program runs. */
  began(): void {
    if (this.#phase !== 'before') return;
    this.#phase = 'running';
    const every = this.#dependencies.checkpoints?.everyMilliseconds ?? null;
    if (every !== null) this.#nextCheckpointMilliseconds = this.#dependencies.now() + every;
    this.#suspension.follow();
  }

  /** Takes the checkpoint that is due, if any. Answers why the attempt is to be ended, or null. */
  watch(nowMilliseconds: number): Departure | null {
    if (this.#phase === 'ended') return null;
    if (this.#isStuck) return STUCK;
    if (this.#phase === 'before') {
      if (this.#leaving !== null) return departure(this.#leaving);
      return this.#suspension.isOrdered ? departure('suspended') : null;
    }
    // A program that stands still does not hear of it, and its checkpoint is taken.
    if (this.#leaving !== null && (this.isSuspended || nowMilliseconds >= this.#killMilliseconds))
      return departure(this.#leaving);
    if (this.isSuspended) return nowMilliseconds >= this.#keepUntilMilliseconds ? departure('suspended') : null;
    if (nowMilliseconds >= this.#nextCheckpointMilliseconds) this.#periodIsOver(nowMilliseconds);
    return null;
  }

  /**
   * The program has ended. Answers why the attempt yields, or null where its outcome is what counts. `told` is why it
   * was killed here, if that was to yield.
   */
  yieldAfter(outcome: AttemptOutcome, told: Departure | null): YieldReason | null {
    this.#hasBegun = this.#phase === 'running';
    this.#phase = 'ended';
    this.#abort.abort(new AttemptFailure('cancelled', 'the program has ended'));
    if (outcome.status === 'succeeded') return null;
    // It may have been faster than the kill, with whatever code.
    if (told !== null) return outcome.reason === told.reason || outcome.reason === 'exit-code' ? told.yields : null;
    if (!this.#hasBegun || this.#dependencies.checkpoints === null || outcome.reason !== 'exit-code') return null;
    if (outcome.exitCode === CHECKPOINT_EXIT_CODE) return 'exit-85';
    return this.#leaving;
  }

  /**
   * The checkpoint that a yielding attempt leaves. Null where there is none: then the next attempt goes on from the one
   * before. Throws `AttemptFailure` for a program that has asked for it and left none, and what `signal` aborts with.
   */
  async lastCheckpoint(reason: YieldReason, signal: AbortSignal): Promise<Checkpoint | null> {
    const { checkpoints } = this.#dependencies;
    if (checkpoints === null || !this.#hasBegun) return null;
    await this.#taking;
    try {
      const checkpoint = await takeStable(checkpoints, signal);
      if (checkpoint === null && reason === 'exit-85') {
        throw new AttemptFailure('output-missing', 'the program ended with code 85 and left nothing in /checkpoint');
      }
      return checkpoint;
    } catch (error) {
      signal.throwIfAborted();
      if (reason === 'exit-85') throw error;
      this.#note(`no checkpoint could be taken, the one before stands: ${(error as Error).message}`);
      return null;
    }
  }

  #beginToLeave(reason: 'drained' | DepartureReason, mostMilliseconds = Number.POSITIVE_INFINITY): void {
    const { checkpoints, now, running } = this.#dependencies;
    if (this.#leaving !== null) return;
    this.#leaving = reason;
    if (this.#phase !== 'running') return;
    this.#killMilliseconds = now() + Math.min(checkpoints?.graceMilliseconds ?? 0, mostMilliseconds);
    if (checkpoints !== null) void running()?.terminate?.();
  }

  #suspended(): void {
    this.#dependencies.report({ event: 'suspend' });
    // One that is under way was begun before the program stood still.
    if (this.#taking === null) this.#take();
    else void this.#taking.then(() => this.#take());
  }

  #periodIsOver(nowMilliseconds: number): void {
    const every = this.#dependencies.checkpoints?.everyMilliseconds ?? Number.POSITIVE_INFINITY;
    // What came due while the last was taken is left out.
    const missed = Math.floor((nowMilliseconds - this.#nextCheckpointMilliseconds) / every);
    this.#nextCheckpointMilliseconds += (missed + 1) * every;
    this.#take();
  }

  /** Never two at a time. */
  #take(): void {
    const { checkpoints } = this.#dependencies;
    if (checkpoints === null || this.#taking !== null || this.#phase !== 'running') return;
    this.#taking = this.#takeAndReport(checkpoints).finally(() => {
      this.#taking = null;
    });
  }

  async #takeAndReport(checkpoints: AttemptCheckpoints): Promise<void> {
    const { signal } = this.#abort;
    try {
      const checkpoint = await checkpoints.take((copy) => this.#suspension.hold(copy), signal);
      if (checkpoint === null || signal.aborted || checkpoint.manifest === this.#reportedManifest) return;
      this.#reportedManifest = checkpoint.manifest;
      this.#dependencies.report({ event: 'checkpoint', ...checkpoint });
    } catch (error) {
      if (!signal.aborted) this.#note(`a checkpoint was left out: ${(error as Error).message}`);
    }
  }

  /** The same thing again and again is said once. */
  #note(text: string): void {
    if (text === this.#notedText) return;
    this.#notedText = text;
    this.#dependencies.note(text);
  }
}

/** The program is gone, but the last of its container may be dying yet. */
async function takeStable(checkpoints: AttemptCheckpoints, signal: AbortSignal): Promise<Checkpoint | null> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await checkpoints.take((copy) => copy(false), signal);
    } catch (error) {
      const isChanging = error instanceof AttemptFailure && error.reason === 'sandbox';
      if (!isChanging || tries === AGENT_LIMITS.lastCheckpointTries) throw error;
    }
    await sleep(AGENT_LIMITS.lastCheckpointPauseMilliseconds, undefined, { signal });
  }
}

function departure(yields: 'drained' | 'suspended' | DepartureReason): Departure {
  return { reason: 'drained', message: YIELD_REASONS[yields], yields };
}
