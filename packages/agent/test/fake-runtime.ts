/** A runtime whose attempts do what the test says. */
import type { FailureReason } from '@fog/contract';
import type {
  AttemptHost,
  AttemptOutcome,
  AttemptOutput,
  AttemptRequest,
  AttemptUsage,
  RunningAttempt,
  RuntimeProbe,
  TaskRuntime,
} from '@fog/runtimes';

const usage: AttemptUsage = { wallMilliseconds: 1, cpuMilliseconds: 1, peakMemoryBytes: 1024 };

export class FakeAttempt implements RunningAttempt {
  readonly request: AttemptRequest;
  readonly host: AttemptHost;
  readonly outcome: Promise<AttemptOutcome>;
  killed: FailureReason | null = null;
  connect?: NonNullable<RunningAttempt['connect']>;
  /** Whether its program can be frozen; then whether it is, and how often it was. */
  canPause = false;
  isPaused = false;
  pauses = 0;
  terminated = 0;
  readonly #settle: (outcome: AttemptOutcome) => void;

  constructor(request: AttemptRequest, host: AttemptHost) {
    this.request = request;
    this.host = host;
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.outcome = promise;
    this.#settle = resolve;
  }

  succeed(outputs: AttemptOutput[] = [], engine = 'fake'): void {
    this.#settle({ status: 'succeeded', exitCode: 0, outputs, usage, engine });
  }

  fail(reason: FailureReason, message: string, exitCode: number | null = null): void {
    this.#settle({ status: 'failed', reason, message, exitCode, usage, engine: 'fake' });
  }

  async terminate(): Promise<void> {
    this.terminated += 1;
  }

  async pause(): Promise<boolean> {
    if (!this.canPause) return false;
    this.isPaused = true;
    this.pauses += 1;
    return true;
  }

  async resume(): Promise<boolean> {
    this.isPaused = false;
    return this.canPause;
  }

  kill(reason: FailureReason, message: string): void {
    this.killed ??= reason;
    this.fail(reason, message);
  }
}

export class FakeRuntime implements TaskRuntime {
  readonly name: TaskRuntime['name'];
  readonly attempts: FakeAttempt[] = [];
  mostAtOnce = 0;
  closed = false;
  probed: RuntimeProbe = { available: true, version: 'fake 1', features: {} };
  refused: string | null = null;
  /** What an attempt does by itself. */
  behaviour: (attempt: FakeAttempt) => void = () => {};
  /** Its programs are about to begin, but do not. */
  isSlow = false;
  #running = 0;

  constructor(name: TaskRuntime['name'] = 'wasm') {
    this.name = name;
  }

  async probe(): Promise<RuntimeProbe> {
    return this.probed;
  }

  refusal(): string | null {
    return this.refused;
  }

  start(request: AttemptRequest, host: AttemptHost): RunningAttempt {
    const attempt = new FakeAttempt(request, host);
    this.attempts.push(attempt);
    this.#running += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#running);
    void attempt.outcome.then(() => {
      this.#running -= 1;
    });
    if (!this.isSlow) host.started();
    this.behaviour(attempt);
    return attempt;
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const attempt of this.attempts) attempt.kill('sandbox', 'the runtime is closed');
  }
}

/** One whose attempts outlive the agent. */
export class OutlivingRuntime extends FakeRuntime {
  /** Ids of attempts that an earlier agent has left running. */
  readonly left = new Set<string>();
  reaped = 0;

  async adopt(request: AttemptRequest, host: AttemptHost): Promise<RunningAttempt | null> {
    return this.left.delete(request.attemptId) ? this.start(request, host) : null;
  }

  async reap(): Promise<void> {
    this.reaped += 1;
  }
}
