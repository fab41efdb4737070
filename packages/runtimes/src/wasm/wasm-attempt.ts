/**
 * One attempt as the runtime sees it.
 *
 *     waiting (for a child) -> preparing -> running -> delivering -> ended
 *         \_________ kill, timeout, death of the child ___/
 *
 * While it runs it can be paused: its process is stopped, and the limit of the job stands still.
 *
 * The limit of the job counts in `running` alone; preparing and delivering have one of their own.
 */
import type { FailureReason, UsageSample } from '@fog/contract';
import { type ChildEnd, type ChildLease, type ChildPool, isRefusal } from '../child-pool.ts';
import type { ChildFrame } from '../child-process.ts';
import { WASM_LIMITS } from '../limits.ts';
import { startLongTimer } from '../long-timer.ts';
import { engineSample, freezeTree } from '../process/process-tree.ts';
import { RunClock } from '../run-clock.ts';
import type {
  AttemptHost,
  AttemptOutcome,
  AttemptOutput,
  AttemptRequest,
  AttemptUsage,
  RunningAttempt,
} from '../runtime.ts';
import { cacheKey } from './module-cache.ts';
import { OutputReceiver, ProtocolError } from './output-receiver.ts';
import type { WasmChild } from './pool.ts';
import { type ChildRequest, type ChildResult, type EndMessage, FROM_CHILD, TO_CHILD } from './protocol.ts';

export interface WasmAttemptDependencies {
  request: AttemptRequest;
  host: AttemptHost;
  pool: ChildPool<WasmChild>;
  scratchDirectory: string;
  engine: string;
  /** 32 bytes, hexadecimal. */
  randomKey: string;
}

type Failure = Extract<ChildResult, { status: 'failed' }>;

/** How long an outcome waits for the confirmation that a killed process is gone. */
const KILL_CONFIRMATION_MILLISECONDS = 50;

export class WasmAttempt implements RunningAttempt {
  readonly outcome: Promise<AttemptOutcome>;
  readonly #dependencies: WasmAttemptDependencies;
  readonly #receiver: OutputReceiver;
  readonly #resolve: (outcome: AttemptOutcome) => void;
  #phase: 'waiting' | 'preparing' | 'running' | 'delivering' | 'ended' = 'waiting';
  #lease: ChildLease<WasmChild> | null = null;
  #child: WasmChild | null = null;
  #cancelTimer = (): void => {};
  readonly #clock: RunClock;
  #isPaused = false;
  #wallMilliseconds: number | null = null;

  constructor(dependencies: WasmAttemptDependencies) {
    this.#dependencies = dependencies;
    this.#receiver = new OutputReceiver(dependencies.request, dependencies.scratchDirectory);
    const { runMilliseconds } = dependencies.request.limits;
    const message = `The program ran longer than its limit of ${runMilliseconds} ms.`;
    this.#clock = new RunClock(runMilliseconds, () => {
      this.#fail({ status: 'failed', reason: 'timeout', message, exitCode: null });
    });
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
  }

  /** Called once. */
  run(): void {
    const { pool, request } = this.#dependencies;
    if (request.program.runtime !== 'wasm') throw new TypeError('checked by the runtime');
    const key = cacheKey(request.program.moduleDigest, request.program.meter === 'fuel');
    // A child that has compiled this module is best; then one with few others, so that they spread over the pool.
    this.#lease = pool.lease((child) => (child.modules.has(key) ? 1 : -child.modules.size));
    void this.#lease.child.then((child) => {
      if (isRefusal(child)) {
        this.#fail({ status: 'failed', reason: 'sandbox', message: child.message, exitCode: null });
      } else if (this.#phase === 'ended') pool.release(child, { reuse: true });
      else this.#begin(child);
    });
  }

  kill(reason: FailureReason, message: string): void {
    this.#fail({ status: 'failed', reason, message, exitCode: null });
  }

  async sample(): Promise<UsageSample | null> {
    return this.#child === null ? null : engineSample(this.#child.pid, this.#child.cpuMillisecondsBefore);
  }

  async pause(): Promise<boolean> {
    if (this.#phase !== 'running' || !freezeTree(this.#child?.pid, true)) return false;
    this.#isPaused = true;
    this.#clock.pause();
    return true;
  }

  async resume(): Promise<boolean> {
    if (this.#phase !== 'running' || !freezeTree(this.#child?.pid, false)) return false;
    this.#isPaused = false;
    this.#clock.resume();
    return true;
  }

  #begin(child: WasmChild): void {
    this.#child = child;
    this.#phase = 'preparing';
    child.attempts += 1;
    child.onFrame((frame) => this.#receive(frame, child));
    void child.ended.then((end) => this.#childEnded(end));
    const message = 'The module was not ready to run within the limit of the node.';
    this.#setTimer(WASM_LIMITS.prepareMilliseconds, {
      status: 'failed',
      reason: 'invalid-module',
      message,
      exitCode: null,
    });
    const { request } = this.#dependencies;
    child.cork();
    child.send(TO_CHILD.request, Buffer.from(JSON.stringify(this.#childRequest())));
    if (request.stdin !== null && 'data' in request.stdin) child.send(TO_CHILD.standardInput, request.stdin.data);
    child.send(TO_CHILD.go, new Uint8Array(0));
    child.uncork();
  }

  #childRequest(): ChildRequest {
    const { request, randomKey } = this.#dependencies;
    if (request.program.runtime !== 'wasm') throw new TypeError('checked by the runtime');
    const environment = {
      ...request.env,
      FOG_PARTITION_INDEX: String(request.partition.index),
      FOG_PARTITION_COUNT: String(request.partition.count),
    };
    return {
      modulePath: request.program.modulePath,
      moduleDigest: request.program.moduleDigest,
      isMetered: request.program.meter === 'fuel',
      args: request.args,
      environment: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
      standardInputPath: request.stdin !== null && 'hostPath' in request.stdin ? request.stdin.hostPath : null,
      inputs: request.inputs,
      outputs: request.outputs,
      limits: request.limits,
      randomKey,
      submittedAtMilliseconds: request.submittedAtMilliseconds,
    };
  }

  /** Throws for what a sound child cannot have sent; the child is then killed. */
  #receive({ kind, body }: ChildFrame, child: WasmChild): Promise<void> | undefined {
    if (this.#phase === 'ended') return undefined;
    if (this.#phase === 'delivering') {
      if (kind === FROM_CHILD.content) return this.#receiver.content(body);
      if (kind === FROM_CHILD.file) return this.#receiver.file(parse(body));
    }
    this.#receiveMessage({ kind, body }, child);
    return undefined;
  }

  #receiveMessage({ kind, body }: ChildFrame, child: WasmChild): void {
    const { host } = this.#dependencies;
    if (kind === FROM_CHILD.end) this.#end(parse(body), child);
    else if (this.#phase === 'preparing' && kind === FROM_CHILD.started) this.#started();
    else if (this.#phase === 'running' && kind === FROM_CHILD.stdout) host.log('stdout', body);
    else if (this.#phase === 'running' && kind === FROM_CHILD.stderr) host.log('stderr', body);
    else if (this.#phase === 'running' && kind === FROM_CHILD.ran) this.#ran(parse(body));
    else if (this.#phase === 'delivering' && kind === FROM_CHILD.output) this.#receiver.output(parse(body));
    else throw new ProtocolError(`kind ${kind} in ${this.#phase}`);
  }

  #started(): void {
    this.#phase = 'running';
    this.#cancelTimer();
    this.#clock.start();
    this.#dependencies.host.started();
  }

  #ran({ wallMilliseconds }: { wallMilliseconds: unknown }): void {
    this.#clock.stop();
    this.#wake();
    const elapsed = this.#clock.elapsedMilliseconds;
    // The child's own measure leaves out the way of the messages; it is believed as far as it is possible.
    this.#wallMilliseconds = Math.min(finite(wallMilliseconds) ?? elapsed, elapsed);
    this.#phase = 'delivering';
    const message = 'The outputs could not be taken from the sandbox in time.';
    this.#setTimer(WASM_LIMITS.deliverMilliseconds, { status: 'failed', reason: 'sandbox', message, exitCode: null });
  }

  #end(end: EndMessage, child: WasmChild): void {
    const usage: AttemptUsage = {
      wallMilliseconds: this.#wallMilliseconds ?? 0,
      cpuMilliseconds: finite(end.attemptCpuMilliseconds),
      peakMemoryBytes: finite(end.peakMemoryBytes),
      ...fuelOf(end.fuel),
    };
    child.cpuMillisecondsBefore = finite(end.cpuMilliseconds) ?? 0;
    child.modules = new Set(end.modules);
    const { result } = end;
    let outputs: AttemptOutput[] = [];
    if (result.status === 'succeeded') {
      if (this.#phase !== 'delivering') throw new ProtocolError('success without a run');
      outputs = this.#receiver.finish();
    }
    const reuse = end.residentBytes < WASM_LIMITS.idleResidentBytes && child.attempts < WASM_LIMITS.attemptsPerChild;
    this.#finishWith(child, { reuse });
    const { engine } = this.#dependencies;
    if (result.status === 'succeeded') this.#resolve({ status: 'succeeded', exitCode: 0, outputs, usage, engine });
    else void this.#receiver.discard().then(() => this.#resolve({ ...result, usage, engine }));
  }

  #childEnded({ signal, exitCode, diagnostic }: ChildEnd): void {
    const outOfMemory = /out of memory|allocation failed/i.test(diagnostic);
    if (outOfMemory) {
      const message = 'The program needed more memory for its tables or code than a sandbox has.';
      this.#fail({ status: 'failed', reason: 'oom', message, exitCode: null });
      return;
    }
    const how = signal === null ? `exit code ${exitCode ?? 'unknown'}` : `signal ${signal}`;
    this.#fail({ status: 'failed', reason: 'sandbox', message: `The sandbox process ended (${how}).`, exitCode: null });
  }

  /** Ends the attempt with a failure; the child, if there is one, is killed. The first failure stands. */
  #fail(failure: Failure): void {
    if (this.#phase === 'ended') return;
    const { engine } = this.#dependencies;
    const child = this.#child;
    const cpu = child?.cpuMilliseconds() ?? null;
    const usage: AttemptUsage = {
      wallMilliseconds: this.#wallMilliseconds ?? this.#clock.elapsedMilliseconds,
      cpuMilliseconds: child === null || cpu === null ? null : Math.max(0, cpu - child.cpuMillisecondsBefore),
      peakMemoryBytes: null,
    };
    this.#lease?.cancel();
    this.#finishWith(child, { reuse: false });
    void confirmed(child)
      .then(() => this.#receiver.discard())
      .then(() => this.#resolve({ ...failure, usage, engine }));
  }

  #finishWith(child: WasmChild | null, { reuse }: { reuse: boolean }): void {
    this.#phase = 'ended';
    this.#cancelTimer();
    this.#clock.stop();
    if (child === null) return;
    this.#wake();
    child.onFrame(null);
    this.#dependencies.pool.release(child, { reuse });
  }

  /** The program ended while it was being paused: what it left is to be delivered, and the next may have its process. */
  #wake(): void {
    if (this.#isPaused) freezeTree(this.#child?.pid, false);
    this.#isPaused = false;
  }

  #setTimer(milliseconds: number, failure: Failure): void {
    this.#cancelTimer();
    this.#cancelTimer = startLongTimer(milliseconds, () => this.#fail(failure));
  }
}

/** SIGKILL cannot be refused, so this only waits for a moment that the process is gone. */
async function confirmed(child: WasmChild | null): Promise<void> {
  if (child === null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, KILL_CONFIRMATION_MILLISECONDS);
  await Promise.race([child.ended, promise]);
  clearTimeout(timer);
}

function parse<Message>(body: Uint8Array): Message {
  return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
}

/** What is no count is none. */
function fuelOf(fuel: unknown): Pick<AttemptUsage, 'fuel'> {
  return Number.isSafeInteger(fuel) && (fuel as number) >= 0 ? { fuel: fuel as number } : {};
}

function finite(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}
