import {
  counted,
  type FailureReason,
  FogError,
  formatDuration,
  type HealthReport,
  type HealthSpec,
  type UsageSample,
} from '@fog/contract';
import {
  type AttemptHost,
  type AttemptOutcome,
  type AttemptUsage,
  type LongTimerDependencies,
  PROCESS_TIMER,
  type RunningAttempt,
  startLongTimer,
} from '@fog/runtimes';
import { AttemptFailure } from './attempt-failure.ts';
import { adoptedHealth, type HealthState, healthPolicyOf, startedHealth } from './health.ts';
import { checkHealth } from './health-check.ts';
import { HealthWatch } from './health-watch.ts';
import { AGENT_LIMITS } from './limits.ts';
import { isRestartable, type RestartPolicy, restartsAfter } from './restart-policy.ts';
import { NO_SAMPLE, sumOfRuns, sumOfSamples } from './run-totals.ts';

export interface SupervisedRunDependencies {
  restart: RestartPolicy;
  health: HealthSpec | null;
  /** Of the attempt; it sees one run that goes on. */
  host: AttemptHost;
  /** Starts the program in a fresh sandbox; null where what it needs is gone. Rejects with `AttemptFailure`. */
  start: ((host: AttemptHost) => Promise<RunningAttempt>) | null;
  report(health: HealthReport): void;
  /** Whether the first run is one that an agent before this one has started. */
  isAdopted: boolean;
}

interface End {
  reason: FailureReason;
  message: string;
  exitCode: number | null;
}

/**
 * The program of a service or daemon, kept running on this node: to the attempt it is one run.
 *
 *     running --the program ends, or is found unhealthy--> pausing --delay--> running, in a fresh sandbox
 *        |                      \ it was restarted too often    \
 *        +---------- kill() ------\-----------------------------\--> ended: the outcome, always a failure
 */
export class SupervisedRun implements RunningAttempt {
  readonly outcome: Promise<AttemptOutcome>;
  /** What every run is started with. */
  readonly host: AttemptHost;
  readonly #dependencies: SupervisedRunDependencies;
  readonly #timer: LongTimerDependencies;
  readonly #resolve: (outcome: AttemptOutcome) => void;
  readonly #killed = Promise.withResolvers<void>();
  #kill: End | null = null;
  #run: RunningAttempt | null = null;
  #watch: HealthWatch | null = null;
  /** Moments of the restarts that count. */
  #restarts: number[] = [];
  #restartCount = 0;
  #hasStarted = false;
  #isAtLineStart = true;
  #reported: Pick<HealthReport, 'status' | 'restarts'> | null = null;
  /** Of the runs before this one. */
  #usage: AttemptUsage = { wallMilliseconds: 0, cpuMilliseconds: null, peakMemoryBytes: null };
  #sampleBefore: UsageSample = NO_SAMPLE;
  /** The last one of this run. */
  #sample: UsageSample = NO_SAMPLE;

  constructor(dependencies: SupervisedRunDependencies, timer: LongTimerDependencies = PROCESS_TIMER) {
    this.#dependencies = dependencies;
    this.#timer = timer;
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
    this.host = {
      started: () => this.#started(),
      log: (stream, data) => {
        if (stream === 'stderr' && data.length > 0) this.#isAtLineStart = data.at(-1) === LINE_FEED;
        dependencies.host.log(stream, data);
      },
      progress: (fraction, message) => dependencies.host.progress(fraction, message),
    };
  }

  /** Goes on with a run that was started, or taken over, with `host`. Called once. */
  follow(run: RunningAttempt): this {
    this.#run = run;
    void this.#keepRunning(run).then(this.#resolve);
    return this;
  }

  kill(reason: FailureReason, message: string): void {
    if (this.#kill !== null) return;
    this.#kill = { reason, message, exitCode: null };
    this.#watch?.stop();
    this.#killed.resolve();
    this.#run?.kill(reason, message);
  }

  async sample(): Promise<UsageSample | null> {
    const run = this.#run;
    const sample = (await run?.sample?.()) ?? null;
    if (sample === null || run !== this.#run) return null;
    this.#sample = sample;
    return sumOfSamples(this.#sampleBefore, sample);
  }

  /** What is frozen cannot answer, so it is not asked. Between two runs there is nothing to freeze. */
  async pause(): Promise<boolean> {
    const watch = this.#watch;
    watch?.pause();
    const isFrozen = (await this.#run?.pause?.()) ?? false;
    if (!isFrozen) watch?.resume();
    return isFrozen;
  }

  async resume(): Promise<boolean> {
    const isThawed = (await this.#run?.resume?.()) ?? false;
    if (isThawed) this.#watch?.resume();
    return isThawed;
  }

  async connect(port: number) {
    if (this.#run?.connect === undefined) throw new FogError('unavailable', 'The program does not run.');
    return await this.#run.connect(port);
  }

  async exec(command: readonly string[], timeoutMilliseconds: number) {
    if (this.#run?.exec === undefined) throw new FogError('unavailable', 'The program does not run.');
    return await this.#run.exec(command, timeoutMilliseconds);
  }

  async #keepRunning(first: RunningAttempt): Promise<AttemptOutcome> {
    const { restart, start } = this.#dependencies;
    for (let run = first; ; ) {
      const outcome = await run.outcome;
      this.#runEnded(outcome);
      const end = endOf(outcome);
      if (this.#kill !== null) return this.#finally(this.#kill, outcome.engine);
      const restarts = restartsAfter(restart, this.#restarts, end.reason, this.#timer.now());
      if (start === null || restarts === null) return this.#finally(this.#lastEnd(end), outcome.engine);
      this.#restarts = restarts;
      this.#restartCount += 1;
      this.#announce(end);
      // The next run has the same name on this machine.
      await Promise.race([run.cleaned, this.#killed.promise]);
      await this.#pause(restart.delayMilliseconds);
      const kill = this.#killAsOfNow();
      if (kill !== null) return this.#finally(kill, outcome.engine);
      try {
        run = await start(this.host);
      } catch (error) {
        return this.#finally(this.#killAsOfNow() ?? failureOf(error), outcome.engine);
      }
      this.#run = run;
      const killMeanwhile = this.#killAsOfNow();
      if (killMeanwhile !== null) run.kill(killMeanwhile.reason, killMeanwhile.message);
    }
  }

  /** A look at what may have changed during a wait. */
  #killAsOfNow(): End | null {
    return this.#kill;
  }

  #started(): void {
    const { health, host, isAdopted } = this.#dependencies;
    if (!this.#hasStarted) host.started();
    const isTakenOver = isAdopted && !this.#hasStarted;
    this.#hasStarted = true;
    if (this.#kill !== null) return;
    if (health === null) {
      if (this.#restartCount > 0) this.#report('healthy', '');
      return;
    }
    const policy = healthPolicyOf(health);
    this.#watch = new HealthWatch(isTakenOver ? adoptedHealth() : startedHealth(this.#timer.now()), {
      policy,
      check: () => checkHealth(health, this, policy.timeoutMilliseconds),
      // While it is starting, too: what the first check found may be all that is known when an update is given up.
      // But of a run that was taken over the coordinator knows better.
      checked: (state) => {
        if (state.status !== 'starting' || !isTakenOver) this.#checked(state);
      },
      timer: this.#timer,
    });
  }

  #checked({ status, message, failures }: HealthState): void {
    this.#report(status, message);
    if (status !== 'unhealthy') return;
    this.#run?.kill('unhealthy', `Its health check failed ${counted(failures, 'time')} in a row: ${message}`);
  }

  #runEnded({ usage }: AttemptOutcome): void {
    this.#watch?.stop();
    this.#watch = null;
    this.#run = null;
    this.#usage = sumOfRuns(this.#usage, usage);
    const { cpuMilliseconds } = this.#usage;
    this.#sampleBefore = { ...sumOfSamples(this.#sampleBefore, this.#sample), cpuMilliseconds };
    this.#sample = NO_SAMPLE;
  }

  #announce({ message }: End): void {
    this.#report('starting', message);
    const why = message.replace(/\s+/g, ' ').slice(0, AGENT_LIMITS.healthMessageCharacters);
    const line = `[fog: restart ${this.#restartCount}: ${why}]\n`;
    this.host.log('stderr', Buffer.from(this.#isAtLineStart ? line : `\n${line}`));
  }

  /** Only what changes is told: each report is written to disk. */
  #report(status: HealthReport['status'], message: string): void {
    const restarts = this.#restartCount;
    if (this.#reported?.status === status && this.#reported.restarts === restarts) return;
    this.#reported = { status, restarts };
    this.#dependencies.report({ status, message, restarts });
  }

  /** Resolves when the time is over, or it was killed. */
  async #pause(milliseconds: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const cancel = startLongTimer(milliseconds, over.resolve, this.#timer);
    await Promise.race([over.promise, this.#killed.promise]);
    cancel();
  }

  /** With why it is not restarted once more. */
  #lastEnd(end: End): End {
    const { restart, start } = this.#dependencies;
    if (!isRestartable(end.reason)) return end;
    const why =
      start === null
        ? 'The agent was started anew, and its secrets are gone.'
        : `${restart.attempts} restarts within ${formatDuration(restart.withinMilliseconds)} are allowed on one node.`;
    return { ...end, message: `${end.message} ${why}` };
  }

  #finally(end: End, engine: string): AttemptOutcome {
    return { status: 'failed', ...end, usage: this.#usage, engine };
  }
}

const LINE_FEED = 0x0a;

/** A program that is to be kept running has failed, whatever its exit code. */
function endOf(outcome: AttemptOutcome): End {
  if (outcome.status === 'succeeded') return { reason: 'ended', message: 'The program ended.', exitCode: 0 };
  return { reason: outcome.reason, message: outcome.message, exitCode: outcome.exitCode };
}

function failureOf(error: unknown): End {
  if (error instanceof AttemptFailure) return { reason: error.reason, message: error.message, exitCode: null };
  return { reason: 'sandbox', message: `The runtime broke: ${(error as Error).message}.`, exitCode: null };
}
