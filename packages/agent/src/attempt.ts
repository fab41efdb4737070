import { createHash } from 'node:crypto';
import {
  type AttemptName,
  type AttemptReport,
  attemptKey,
  type Checkpoint,
  type FailureReason,
  type HeldAttempt,
  type LeaseGroup,
  policyIncludes,
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
import { z } from 'zod';
import { type Demand, limitsOf } from './admission.ts';
import { AttemptFailure } from './attempt-failure.ts';
import { attemptId } from './attempt-id.ts';
import type { AttemptCheckpoints } from './checkpoints.ts';
import { AGENT_LIMITS } from './limits.ts';
import { AttemptLog, type LogStream } from './logs.ts';
import { type Departure, Migration } from './migration.ts';
import { reportText, usageOf } from './reports.ts';
import { type MaskedStream, SecretMask } from './secret-mask.ts';
import type { StagedFiles } from './staging.ts';
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
const NO_USAGE: AttemptUsage = { wallMilliseconds: 0, cpuMilliseconds: null, peakMemoryBytes: null };

/**
 * One attempt on this node, from its lease to its report.
 *
 *     leased -> preparing -> running -> uploading -> ended: reported as succeeded, failed or yielded
 *        \__________\___________\___________\
 *                      stop(reason)          -> ended: reported as failed or yielded, or, when the coordinator
 *                                                      decided, silent
 *
 * Who runs it asks `deadlineFault` now and then and calls `stop` with the answer.
 */
export class Attempt {
  readonly name: AttemptName;
  readonly key: string;
  readonly demand: Demand;
  readonly migration: Migration;
  log = new AttemptLog();
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
  #usage: AttemptUsage = NO_USAGE;
  #engine = '';

  constructor(group: LeaseGroup, name: AttemptName, demand: Demand, dependencies: AttemptDependencies) {
    this.name = name;
    this.key = attemptKey(name);
    this.demand = demand;
    this.#group = group;
    this.#dependencies = dependencies;
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

  /** What it uses at this moment; null while it does not run, or where its engine does not tell. */
  async sample(): Promise<UsageSample | null> {
    return (await this.#running?.sample?.()) ?? null;
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
    this.log = new AttemptLog({ isTakenOver: true });
    if (hasSecrets(this.#group)) {
      this.log.append('stderr', Buffer.from(UNMASKED_NOTICE));
      this.log.end();
    }
    this.#running = (await runtime.adopt?.(request, this.#host())) ?? null;
    return this.#running !== null;
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
    this.#engine = outcome.engine;
    const outputs = outcome.status === 'succeeded' ? outcome.outputs : [];
    try {
      const yields = this.migration.yieldAfter(outcome, this.#departure());
      if (yields !== null) {
        this.#state = 'uploading';
        return { event: 'yield', reason: yields, checkpoint: await this.migration.lastCheckpoint(yields, signal) };
      }
      if (outcome.status === 'failed') throw new FailedRun(outcome.reason, outcome.message, outcome.exitCode);
      signal.throwIfAborted();
      this.#state = 'uploading';
      const bytes = outputs
        .flatMap((output) => output.files)
        .reduce((sum, file) => sum + contentBytes(file.content), 0);
      if (bytes > AGENT_LIMITS.directUploadBytes) report({ event: 'upload' });
      return { event: 'succeed', outputs: outputs.length === 0 ? [] : await upload(outputs, signal) };
    } finally {
      await discard(attemptId(this.name), outputs);
    }
  }

  /** Why it was told to yield, if it was. */
  #departure(): Departure | null {
    const { reason = 'drained', message = '', yields = null } = this.#stop ?? {};
    return yields === null ? null : { reason, message, yields };
  }

  async #execute(signal: AbortSignal): Promise<AttemptOutcome> {
    const { runtime, isStaged, stage, checkpoints, held, report } = this.#dependencies;
    this.#state = 'preparing';
    // Where nothing is fetched it would tell nobody anything.
    if (!isStaged() || checkpoints?.isRestored) report({ event: 'prepare' });
    const files = await stage(signal);
    try {
      const request = this.#request({ files, program: this.#program(), env: this.#environment() });
      await checkpoints?.prepare(signal);
      await held?.remember();
      signal.throwIfAborted();
      this.#state = 'running';
      this.#running = runtime.start(request, this.#host());
      return await this.#running.outcome;
    } catch (error) {
      if (error instanceof AttemptFailure) throw error;
      throw new AttemptFailure('sandbox', `the runtime broke: ${(error as Error).message}`, { cause: error });
    } finally {
      files.release();
    }
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
    const { job, partition } = this.name;
    const { task } = this.#group.spec.spec;
    const { program, env, files } = given;
    const { checkpoints } = this.#dependencies;
    return {
      attemptId: attemptId(this.name),
      program,
      args: task.args,
      env,
      stdin: files.stdin,
      inputs: files.inputs,
      outputs: task.outputs.map(({ name, path }) => ({ name, sandboxPath: path })),
      limits: limitsOf(this.demand),
      checkpoint: checkpoints === null ? null : { hostPath: checkpoints.hostPath },
      partition: { index: partition, count: this.#group.partitions },
      seed: createHash('sha256').update(`${job}/${partition}`).digest(),
      submittedAtMilliseconds: this.#group.submittedAtMilliseconds,
      trusted: policyIncludes(this.#dependencies.trusted, this.#group.submitter),
    };
  }

  /** With the credentials that its specification names. */
  #program(): Program {
    const { program } = this.#dependencies;
    const secret = this.#group.spec.spec.task.docker?.credentials?.secret;
    if (program.runtime !== 'docker' || secret === undefined) return program;
    return { ...program, credentials: readCredentials(secret, this.#group.secrets[secret]) };
  }

  /**
   * Equal for all attempts of a task, so that their results can be compared: no fence, no node. Only one with
   * checkpoints is told whether it goes on.
   */
  #environment(): Record<string, string> {
    const { secrets, spec, partitions } = this.#group;
    const { checkpoints } = this.#dependencies;
    const variables: Record<string, string> = {};
    for (const [name, value] of Object.entries(spec.spec.task.env)) {
      const text =
        typeof value === 'string' ? value : Object.hasOwn(secrets, value.secret) ? secrets[value.secret] : undefined;
      if (text === undefined)
        throw new AttemptFailure('input-missing', `the value of variable ${name}, a secret, was not delivered`);
      variables[name] = text;
    }
    return {
      ...variables,
      FOG_JOB_ID: this.name.job,
      FOG_PARTITION_INDEX: String(this.name.partition),
      FOG_PARTITION_COUNT: String(partitions),
      ...(checkpoints === null ? {} : { FOG_RESTORED: checkpoints.isRestored ? '1' : '0' }),
    };
  }

  #facts(): Pick<TerminalReport, 'usage' | 'engine' | 'logBytes'> {
    return { usage: usageOf(this.#usage), engine: this.#engine.slice(0, 64), logBytes: this.log.totalBytes };
  }

  /** A line of ours for the author of the job. */
  #note(text: string): void {
    this.log.append('stderr', Buffer.from(`[fog: ${this.#text(text)}]\n`));
    this.#dependencies.logged(this.log);
  }

  /** What looked like the beginning of a secret was none. */
  #endLog(): void {
    for (const stream of ['stdout', 'stderr'] as const) this.log.append(stream, this.#masked[stream].end());
    this.log.end();
  }

  /** Messages are written to disk: secrets are not. */
  #text(message: string): string {
    return reportText(message, this.#secrets);
  }
}

/** The log of an attempt that was taken over ends here: the values of its secrets are gone, and so cannot be masked. */
const UNMASKED_NOTICE = '[fog: the agent was started anew; what the program writes from here on is not shown]\n';

function hasSecrets({ spec }: LeaseGroup): boolean {
  const { env, docker } = spec.spec.task;
  return docker?.credentials !== undefined || Object.values(env).some((value) => typeof value !== 'string');
}

const credentialsSchema = z.object({ username: z.string(), password: z.string() });

function readCredentials(name: string, value: string | undefined): { username: string; password: string } {
  try {
    return credentialsSchema.parse(JSON.parse(value ?? ''));
  } catch {
    throw new AttemptFailure('input-missing', `the secret ${name} is not {"username": "...", "password": "..."}`);
  }
}

class FailedRun extends AttemptFailure {
  readonly exitCode: number | null;

  constructor(reason: FailureReason, message: string, exitCode: number | null) {
    super(reason, message);
    this.exitCode = exitCode;
  }
}

function failureOf(error: unknown): { reason: FailureReason; message: string } {
  if (error instanceof AttemptFailure) return error;
  return { reason: 'sandbox', message: `the node broke: ${error instanceof Error ? error.message : String(error)}` };
}
