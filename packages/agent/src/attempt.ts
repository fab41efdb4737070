import type { Duplex } from 'node:stream';
import {
  type AttemptName,
  type AttemptReport,
  attemptKey,
  type Checkpoint,
  type FailureReason,
  FogError,
  type HeldAttempt,
  isLongRunning,
  type LeaseGroup,
  LIMITS,
  type TaskOutput,
  type UsageSample,
  type YieldReason,
} from '@fog/contract';
import type {
  AttemptHost,
  AttemptOutcome,
  AttemptOutput,
  AttemptRequest,
  AttemptUsage,
  Program,
  RunningAttempt,
  TaskRuntime,
} from '@fog/runtimes';
import { type Demand, limitsOf } from './admission.ts';
import { AttemptFailure, FailedRun, failureOf } from './attempt-failure.ts';
import { attemptId } from './attempt-id.ts';
import { attemptRequest, environmentOf, hasSecrets, withCredentials } from './attempt-request.ts';
import type { AttemptCheckpoints } from './checkpoints.ts';
import { AGENT_LIMITS } from './limits.ts';
import { type AttemptLog, type LogStream, newAttemptLog } from './logs.ts';
import { type Departure, Migration } from './migration.ts';
import { NO_USAGE, reportText, usageOf } from './reports.ts';
import { restartPolicyOf } from './restart-policy.ts';
import type { BoundOutputs, BoundResult } from './result-commitment.ts';
import { type MaskedStream, SecretMask } from './secret-mask.ts';
import type { StagedFiles } from './staging.ts';
import { SupervisedRun, type SupervisedRunDependencies } from './supervised-run.ts';
import { contentBytes } from './uploads.ts';

export interface AttemptDependencies {
  runtime: Pick<TaskRuntime, 'start' | 'adopt'>;
  program: Program;
  /** Principals whose scripts are trusted like the owner's own. */
  trusted: readonly string[];
  isStaged(): boolean;
  stage(signal: AbortSignal): Promise<StagedFiles>;
  /** Null where the specification has none. */
  checkpoints: AttemptCheckpoints | null;
  upload(outputs: readonly AttemptOutput[], signal: AbortSignal): Promise<TaskOutput[]>;
  /** Of a verified attempt: binds the node to the outputs, and answers where they wait; null for others. */
  bind: ((outputs: readonly AttemptOutput[], signal: AbortSignal) => Promise<BoundOutputs>) | null;
  /** It has run, and takes up nothing but its outputs until it is asked for them. */
  committed(): void;
  /** Removes what the run left in the scratch folder. */
  discard(attemptId: string, outputs: readonly AttemptOutput[]): Promise<void>;
  /** Remembers an attempt that may outlive the agent, or forgets it; null where none does. */
  held: { remember(): Promise<void>; forget(): Promise<void> } | null;
  report(report: AttemptReport): void;
  /** The log has unsent bytes. */
  logged(log: AttemptLog): void;
  /** Monotonic, in milliseconds. */
  now(): number;
}

type State = Exclude<HeldAttempt['state'], 'reported'>;
type TerminalReport = Extract<AttemptReport, { event: 'succeed' | 'fail' | 'yield' }>;
/** How a run ends that has not failed. */
type Ending =
  | { event: 'succeed'; outputs: TaskOutput[] }
  | { event: 'yield'; reason: YieldReason; checkpoint: Checkpoint | null };

export interface StopOptions {
  isDecided?: boolean;
  yields?: YieldReason | null;
}

interface Stop {
  reason: FailureReason;
  message: string;
  /** The coordinator has decided already: nothing is reported. */
  isDecided: boolean;
  /** It gives up its place without having failed. */
  yields: YieldReason | null;
}

const NO_FILES: Omit<StagedFiles, 'release'> = { stdin: null, inputs: [] };

/**
 * One attempt on this node, from its lease to its report.
 *
 *     leased -> preparing -> running [-> committed: verified, until reveal()] -> uploading -> ended: reported as
 *        \__________\___________\___________\_______________________________________\        succeeded, failed or yielded
 *                      stop(reason)          -> ended: reported as failed or yielded, or, when the coordinator
 *                                                      decided, silent
 *
 * Who runs it asks `deadlineFault` now and then and calls `stop` with the answer.
 */
export class Attempt {
  readonly name: AttemptName;
  readonly key: string;
  /** What it takes up; less once it is committed. */
  demand: Demand;
  readonly migration: Migration;
  log: AttemptLog;
  readonly #group: LeaseGroup;
  readonly #dependencies: AttemptDependencies;
  readonly #abort = new AbortController();
  readonly #secrets: SecretMask;
  readonly #masked: Record<LogStream, MaskedStream>;
  #state: State = 'leased';
  #stop: Stop | null = null;
  #running: RunningAttempt | null = null;
  /** When the job's code started or last reported progress; null while it does not run. */
  #aliveMilliseconds: number | null = null;
  #progressSentMilliseconds = Number.NEGATIVE_INFINITY;
  /** Held for restarts of a run that was taken over. */
  #filesOfRestart: StagedFiles | null = null;
  #usage: AttemptUsage = NO_USAGE;
  #engine = '';
  #bound: BoundResult | null = null;
  readonly #asked = Promise.withResolvers<void>();

  constructor(group: LeaseGroup, name: AttemptName, demand: Demand, dependencies: AttemptDependencies) {
    this.name = name;
    this.key = attemptKey(name);
    this.demand = demand;
    this.#group = group;
    this.#dependencies = dependencies;
    this.log = newAttemptLog(group.spec, dependencies.now);
    this.#secrets = new SecretMask(Object.values(group.secrets));
    this.#masked = { stdout: this.#secrets.stream(), stderr: this.#secrets.stream() };
    this.migration = new Migration({
      checkpoints: dependencies.checkpoints,
      running: () => this.#running,
      report: (report) => dependencies.report(report),
      note: (text) => this.#note(text),
      resumed: () => {
        if (this.#aliveMilliseconds !== null) this.#aliveMilliseconds = dependencies.now();
      },
      now: () => dependencies.now(),
    });
  }

  get state(): State {
    return this.#state === 'running' && this.migration.isSuspended ? 'suspended' : this.#state;
  }

  /** It has been told to stop and holds its resources until it has. */
  get isStopping(): boolean {
    return this.#stop !== null;
  }

  get isDecided(): boolean {
    return this.#stop?.isDecided ?? false;
  }

  /** It has been told to stop, and may take a while to store its checkpoint. */
  get isYielding(): boolean {
    return this.#stop !== null && this.#stop.yields !== null;
  }

  /**
   * Ends it with this reason. Only the first call counts, unless that let it yield; and a decision of the coordinator
   * always silences it.
   */
  stop(reason: FailureReason, message: string, { isDecided = false, yields = null }: StopOptions = {}): void {
    if (this.#stop !== null && (!this.isYielding || yields !== null)) {
      this.#stop.isDecided ||= isDecided;
      return;
    }
    this.#stop = { reason, message, isDecided, yields };
    // What runs has a last checkpoint to store.
    if (yields === null || this.#running === null) this.#abort.abort(new AttemptFailure(reason, message));
    this.#running?.kill(reason, message);
  }

  /** The coordinator asks for the result that this attempt has committed to. */
  reveal(): void {
    if (this.#state === 'committed') this.#asked.resolve();
  }

  /** What it uses at this moment; null while it does not run, or where its engine does not tell. */
  async sample(): Promise<UsageSample | null> {
    return (await this.#running?.sample?.()) ?? null;
  }

  /** A connection to a port that its job publishes. Rejects with `not-found`, or `unavailable` while nobody listens there. */
  async connect(port: number): Promise<Duplex> {
    const { ports = [] } = this.#group.spec.spec.task;
    if (!ports.some((published) => published.port === port)) {
      throw new FogError('not-found', `the job does not publish port ${port}`);
    }
    if (this.#running?.connect === undefined) throw new FogError('unavailable', 'the attempt does not run');
    return await this.#running.connect(port);
  }

  /** What its own time limits say: a reason to stop it, or null. */
  deadlineFault(
    nowMilliseconds: number,
    contactMilliseconds: number,
  ): { reason: FailureReason; message: string; yields?: YieldReason | null } | null {
    const { stopWithoutContactMilliseconds: contact, heartbeatMilliseconds: heartbeat } = this.demand;
    if (nowMilliseconds - contactMilliseconds > contact) {
      return { reason: 'stopped-on-node', message: `no contact with the coordinator for ${contact} ms` };
    }
    if (
      heartbeat !== null &&
      !this.migration.isSuspended &&
      this.#aliveMilliseconds !== null &&
      nowMilliseconds - this.#aliveMilliseconds > heartbeat
    ) {
      return { reason: 'heartbeat-timeout', message: `no progress was reported for ${heartbeat} ms` };
    }
    return this.isStopping ? null : this.migration.watch(nowMilliseconds);
  }

  /** Takes over what an agent that died left running. Answers whether there was something; `run` then waits for its end. */
  async adopt(): Promise<boolean> {
    const { runtime, program } = this.#dependencies;
    // What it was started with is in it already, and what of it is secret is nowhere else.
    const request = this.#request({ files: NO_FILES, program, env: {} });
    this.#state = 'running';
    this.log = newAttemptLog(this.#group.spec, this.#dependencies.now, { isTakenOver: true });
    if (hasSecrets(this.#group)) this.log.endUnmasked();
    if (!isLongRunning(this.#group.spec)) {
      this.#running = (await runtime.adopt?.(request, this.#host())) ?? null;
      return this.#running !== null;
    }
    const startAnew = hasSecrets(this.#group) ? null : (host: AttemptHost) => this.#startAnew(host);
    const supervised = this.#supervised(startAnew, { isAdopted: true });
    const adopted = (await runtime.adopt?.(request, supervised.host)) ?? null;
    this.#running = adopted === null ? null : supervised.follow(adopted);
    return adopted !== null;
  }

  /** Runs it to its end. Resolves with what is to be reported, or null when nobody wants to know. Never rejects. */
  async run(): Promise<TerminalReport | null> {
    const { report, logged } = this.#dependencies;
    let ending: TerminalReport;
    try {
      const produced = await this.#produce();
      this.#endLog();
      ending = { ...produced, ...this.#facts() };
    } catch (error) {
      this.#endLog();
      ending = this.#failed(error);
    }
    if (!this.isDecided) {
      logged(this.log);
      report(ending);
    }
    await this.#dependencies.held?.forget();
    return this.isDecided ? null : ending;
  }

  /** Removes what is left of it on the disk; to be called after `run`. Never rejects. */
  async cleanUp(): Promise<void> {
    await this.#dependencies.checkpoints?.remove();
  }

  #failed(error: unknown): TerminalReport {
    const yields = this.#stop?.yields ?? null;
    if (yields !== null && !(error instanceof FailedRun)) {
      return { event: 'yield', reason: yields, checkpoint: null, ...this.#facts() };
    }
    const { reason, message } = yields === null ? (this.#stop ?? failureOf(error)) : failureOf(error);
    const exitCode = error instanceof FailedRun ? error.exitCode : null;
    return { event: 'fail', reason, message: this.#text(message), exitCode, ...this.#facts() };
  }

  async #produce(): Promise<Ending> {
    const { upload, discard, report } = this.#dependencies;
    const { signal } = this.#abort;
    signal.throwIfAborted();
    const outcome = await (this.#running?.outcome ?? this.#execute(signal));
    this.#running = null;
    this.#aliveMilliseconds = null;
    this.#usage = outcome.usage;
    this.#engine = outcome.engine.slice(0, LIMITS.engineBytes);
    let outputs: readonly AttemptOutput[] = outcome.status === 'succeeded' ? outcome.outputs : [];
    try {
      const yields = this.migration.yieldAfter(outcome, this.#departure());
      if (yields !== null) {
        this.#state = 'uploading';
        return { event: 'yield', reason: yields, checkpoint: await this.migration.lastCheckpoint(yields, signal) };
      }
      if (outcome.status === 'failed') throw new FailedRun(outcome.reason, outcome.message, outcome.exitCode);
      signal.throwIfAborted();
      outputs = await this.#commit(outputs, signal);
      this.#state = 'uploading';
      const bytes = outputs
        .flatMap((output) => output.files)
        .reduce((sum, file) => sum + contentBytes(file.content), 0);
      // Of a committed one the coordinator knows: it has asked.
      if (bytes > AGENT_LIMITS.directUploadBytes && this.#bound === null) report({ event: 'upload' });
      const stored = outputs.length === 0 ? [] : await upload(outputs, signal);
      return { event: 'succeed', outputs: stored, ...(this.#bound === null ? {} : { result: this.#bound.result }) };
    } finally {
      this.#filesOfRestart?.release();
      await discard(attemptId(this.name), outputs);
    }
  }

  /** Why it was told to yield, if it was. */
  #departure(): Departure | null {
    const { reason = 'drained', message = '', yields = null } = this.#stop ?? {};
    return yields === null ? null : { reason, message, yields };
  }

  /** Of a verified attempt: commits to its result and waits until it is asked for it. Answers where the outputs are. */
  async #commit(outputs: readonly AttemptOutput[], signal: AbortSignal): Promise<readonly AttemptOutput[]> {
    const { bind, committed, report, logged } = this.#dependencies;
    if (bind === null) return outputs;
    const bound = await bind(outputs, signal);
    this.#bound = bound.result;
    signal.throwIfAborted();
    this.#state = 'committed';
    this.#endLog();
    logged(this.log);
    report({ event: 'commit', commitment: this.#bound.commitment });
    committed();
    const stopped = Promise.withResolvers<never>();
    const stop = (): void => stopped.reject(signal.reason);
    signal.addEventListener('abort', stop);
    try {
      await Promise.race([this.#asked.promise, stopped.promise]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
    return bound.outputs;
  }

  async #execute(signal: AbortSignal): Promise<AttemptOutcome> {
    const { isStaged, stage, checkpoints, held, report } = this.#dependencies;
    this.#state = 'preparing';
    // Where nothing is fetched it would tell nobody anything.
    if (!isStaged() || checkpoints?.isRestored) report({ event: 'prepare' });
    const files = await stage(signal);
    try {
      const request = this.#wholeRequest(files);
      await checkpoints?.prepare(signal);
      await held?.remember();
      signal.throwIfAborted();
      this.#state = 'running';
      this.#running = this.#start(request);
      return await this.#running.outcome;
    } catch (error) {
      if (error instanceof AttemptFailure) throw error;
      throw new AttemptFailure('sandbox', `the runtime broke: ${(error as Error).message}`, { cause: error });
    } finally {
      files.release();
    }
  }

  /** The program of a service or daemon is kept running. */
  #start(request: AttemptRequest): RunningAttempt {
    const { runtime } = this.#dependencies;
    if (!isLongRunning(this.#group.spec)) return runtime.start(request, this.#host());
    const supervised = this.#supervised(async (host) => runtime.start(request, host));
    return supervised.follow(runtime.start(request, supervised.host));
  }

  /** What an earlier agent has started is started again from the beginning. */
  async #startAnew(host: AttemptHost): Promise<RunningAttempt> {
    const { runtime, stage } = this.#dependencies;
    this.#filesOfRestart ??= await stage(this.#abort.signal);
    const request = this.#wholeRequest(this.#filesOfRestart);
    return runtime.start(request, host);
  }

  #supervised(start: SupervisedRunDependencies['start'], { isAdopted = false } = {}): SupervisedRun {
    const { restart, task } = this.#group.spec.spec;
    return new SupervisedRun({
      restart: restartPolicyOf(restart),
      health: task.health ?? null,
      host: this.#host(),
      start,
      isAdopted,
      report: (health) => {
        if (this.isStopping) return;
        this.#dependencies.report({ event: 'health', ...health, message: this.#text(health.message) });
      },
    });
  }

  #host(): AttemptHost {
    const { now, report, logged } = this.#dependencies;
    return {
      started: () => {
        if (this.isStopping) return;
        this.#aliveMilliseconds = now();
        report({ event: 'start' });
        this.migration.began();
      },
      log: (stream: LogStream, data) => {
        this.log.append(stream, this.#masked[stream].push(data));
        logged(this.log);
      },
      progress: (fraction, message) => {
        if (this.isStopping) return;
        this.#aliveMilliseconds = now();
        if (now() - this.#progressSentMilliseconds < AGENT_LIMITS.progressMilliseconds) return;
        this.#progressSentMilliseconds = now();
        const share = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
        report({ event: 'progress', fraction: share, message: this.#text(message) });
      },
    };
  }

  #request(given: Pick<AttemptRequest, 'program' | 'env'> & { files: Omit<StagedFiles, 'release'> }): AttemptRequest {
    const { checkpoints, trusted } = this.#dependencies;
    return attemptRequest(this.#group, this.name, limitsOf(this.demand), { ...given, checkpoints, trusted });
  }

  /** What of it is secret included. Throws `AttemptFailure` where a secret was not delivered or is of the wrong form. */
  #wholeRequest(files: StagedFiles): AttemptRequest {
    const { checkpoints, program } = this.#dependencies;
    return this.#request({
      files,
      program: withCredentials(program, this.#group),
      env: environmentOf(this.#group, this.name, checkpoints),
    });
  }

  #facts(): Pick<TerminalReport, 'usage' | 'engine' | 'logBytes'> {
    return { usage: usageOf(this.#usage), engine: this.#engine, logBytes: this.log.totalBytes };
  }

  /** A line of ours for the author of the job. */
  #note(text: string): void {
    this.log.append('stderr', Buffer.from(`[fog: ${this.#text(text)}]\n`));
    this.#dependencies.logged(this.log);
  }

  /** What looked like the beginning of a secret was none. */
  #endLog(): void {
    if (this.log.isEnded) return;
    for (const stream of ['stdout', 'stderr'] as const) this.log.append(stream, this.#masked[stream].end());
    this.log.end();
  }

  /** Messages are written to disk: secrets are not. */
  #text(message: string): string {
    return reportText(message, this.#secrets);
  }
}
