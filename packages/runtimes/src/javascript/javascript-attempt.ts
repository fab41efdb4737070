/**
 * One attempt of a script.
 *
 *     waiting for a slot -> for a process -> preparing -> running -> settled
 *              \________________ kill() __________________/
 *
 * While it runs it can be paused: its process is stopped, and the limit of the job stands still.
 *
 * The process is killed for everything but an orderly end, so the outcome never waits for what the script does.
 */
import { createHash } from 'node:crypto';
import type { FailureReason, UsageSample } from '@fog/contract';
import type { ChildEnd } from '../child-pool.ts';
import type { ChildFrame } from '../child-process.ts';
import { JAVASCRIPT_LIMITS } from '../limits.ts';
import { startLongTimer } from '../long-timer.ts';
import { engineSample, freezeTree } from '../process/process-tree.ts';
import { RunClock } from '../run-clock.ts';
import type { AttemptHost, AttemptOutcome, AttemptRequest, JavascriptProgram, RunningAttempt } from '../runtime.ts';
import type { ChildKind, ChildShelf } from './child-shelf.ts';
import type { JavascriptEngine } from './engine-choice.ts';
import { ACORN_URL, type JavascriptChild } from './engine-processes.ts';
import { MemoryWatch } from './memory-watch.ts';
import { type ChildEnding, type ChildRequest, FROM_CHILD, parseEnding, TO_CHILD } from './protocol.ts';

export const RESULT_OUTPUT = 'result';

export type JavascriptRequest = AttemptRequest & { program: JavascriptProgram };

export interface JavascriptAttemptDependencies {
  request: JavascriptRequest;
  host: AttemptHost;
  engine: JavascriptEngine;
  kind: ChildKind;
  shelf: ChildShelf<JavascriptChild>;
  /** Called when the process of the attempt is free or gone: the next attempt may have its slot. */
  released(): void;
}

type Failure = { reason: FailureReason; message: string };

export class JavascriptAttempt implements RunningAttempt {
  readonly outcome: Promise<AttemptOutcome>;
  readonly #dependencies: JavascriptAttemptDependencies;
  readonly #settle: (outcome: AttemptOutcome) => void;
  readonly #result: Uint8Array[] = [];
  #resultBytes = 0;
  #child: JavascriptChild | null = null;
  #watch: MemoryWatch | null = null;
  #cancelTimer = (): void => {};
  /** Null until the script starts. */
  #clock: RunClock | null = null;
  #isPaused = false;
  #isSettled = false;

  constructor(dependencies: JavascriptAttemptDependencies) {
    this.#dependencies = dependencies;
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.outcome = promise;
    this.#settle = resolve;
  }

  /** The slot is free. */
  begin(): void {
    if (this.#isSettled) {
      this.#dependencies.released();
      return;
    }
    const { shelf, kind, request } = this.#dependencies;
    const child = shelf.take(kind, request.program.scriptPath);
    this.#child = child;
    void child.ended.then((end) => this.#childEnded(end));
    this.#limitTime(JAVASCRIPT_LIMITS.prepareMilliseconds, {
      reason: 'sandbox',
      message: `The script was not ready to run after ${JAVASCRIPT_LIMITS.prepareMilliseconds / 1000} s.`,
    });
    void child.ready.then(() => {
      if (!this.#isSettled) this.#send(child);
    });
  }

  async sample(): Promise<UsageSample | null> {
    return this.#watch === null ? null : engineSample(this.#child?.pid, this.#watch.earlierCpuMilliseconds);
  }

  async pause(): Promise<boolean> {
    if (this.#isSettled || this.#clock === null || !freezeTree(this.#child?.pid, true)) return false;
    this.#isPaused = true;
    this.#clock.pause();
    return true;
  }

  async resume(): Promise<boolean> {
    if (this.#isSettled || this.#clock === null || !freezeTree(this.#child?.pid, false)) return false;
    this.#isPaused = false;
    this.#clock.resume();
    return true;
  }

  kill(reason: FailureReason, message: string): void {
    this.#fail({ reason, message });
  }

  #send(child: JavascriptChild): void {
    const { request, host } = this.#dependencies;
    child.onFrame((frame) => {
      this.#receive(frame, host);
      return undefined;
    });
    child.cork();
    child.send(TO_CHILD.request, Buffer.from(JSON.stringify(childRequest(request))));
    if (request.stdin !== null && 'data' in request.stdin) child.send(TO_CHILD.standardInput, request.stdin.data);
    child.send(TO_CHILD.go, new Uint8Array(0));
    child.uncork();
  }

  #receive({ kind, body }: ChildFrame, host: AttemptHost): void {
    if (this.#isSettled) return;
    if (kind === FROM_CHILD.started) this.#started(host);
    else if (kind === FROM_CHILD.end) this.#ended(parseEnding(body));
    else if (this.#clock === null) throw new Error('a frame before the start');
    else if (kind === FROM_CHILD.stdout) host.log('stdout', body.slice());
    else if (kind === FROM_CHILD.stderr) host.log('stderr', body.slice());
    else if (kind === FROM_CHILD.progress) reportProgress(body, host);
    else if (kind === FROM_CHILD.result) this.#addResult(body);
  }

  #started(host: AttemptHost): void {
    if (this.#clock !== null || this.#child === null) return;
    const { limits } = this.#dependencies.request;
    this.#cancelTimer();
    const message = `The script ran longer than ${limits.runMilliseconds} ms.`;
    this.#clock = new RunClock(limits.runMilliseconds, () => this.#fail({ reason: 'timeout', message }));
    this.#clock.start();
    if (this.#child.pid !== undefined) {
      this.#watch = new MemoryWatch({
        pid: this.#child.pid,
        allowedBytes: limits.memoryBytes + JAVASCRIPT_LIMITS.residentSlackBytes,
        intervalMilliseconds: JAVASCRIPT_LIMITS.memoryPollMilliseconds,
        exceeded: () => this.#fail({ reason: 'oom', message: outOfMemoryMessage(limits.memoryBytes) }),
      });
    }
    host.started();
  }

  #addResult(body: Uint8Array): void {
    this.#resultBytes += body.length;
    const limit = this.#dependencies.request.limits.diskBytes;
    if (this.#resultBytes > limit) {
      this.#fail({ reason: 'output-too-large', message: tooLargeMessage(limit) });
    } else {
      this.#result.push(body.slice());
    }
  }

  #ended({ result, cpuMilliseconds, peakMemoryBytes, residentBytes }: ChildEnding): void {
    const child = this.#child;
    if (child !== null) child.residentBytes = residentBytes;
    const { request } = this.#dependencies;
    if (result.status === 'failed') {
      const message = result.reason === 'oom' ? outOfMemoryMessage(request.limits.memoryBytes) : result.message;
      this.#conclude({ reason: result.reason, message }, true, { cpuMilliseconds, peakMemoryBytes });
    } else if (this.#clock === null) {
      this.#fail({ reason: 'sandbox', message: 'The process of the engine reported a result before it started.' });
    } else {
      this.#conclude(result.hasResult ? Buffer.concat(this.#result) : null, true, { cpuMilliseconds, peakMemoryBytes });
    }
  }

  #childEnded({ exitCode, signal, diagnostic }: ChildEnd): void {
    const { memoryBytes } = this.#dependencies.request.limits;
    if (/out of memory|Allocation failed|OOM/.test(diagnostic)) {
      this.#fail({ reason: 'oom', message: outOfMemoryMessage(memoryBytes) });
      return;
    }
    const lastLine = diagnostic.trim().split('\n').at(-1) ?? '';
    const how = signal === null ? `exit code ${exitCode ?? 'unknown'}` : `signal ${signal}`;
    this.#fail({
      reason: 'sandbox',
      message: `The process of the engine ended by itself (${how})${lastLine === '' ? '' : `: ${lastLine.slice(0, 300)}`}`,
    });
  }

  #fail(failure: Failure): void {
    this.#conclude(failure, false, {
      cpuMilliseconds: this.#watch?.cpuMilliseconds ?? null,
      peakMemoryBytes: this.#watch?.peakMemoryBytes ?? null,
    });
  }

  #conclude(
    end: Failure | Uint8Array | null,
    wasOrderly: boolean,
    usage: { cpuMilliseconds: number | null; peakMemoryBytes: number | null },
  ): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#cancelTimer();
    this.#watch?.stop();
    this.#clock?.stop();
    const wallMilliseconds = this.#clock?.elapsedMilliseconds ?? 0;
    const common = { usage: { wallMilliseconds, ...usage }, engine: this.#dependencies.engine };
    this.#release(wasOrderly);
    if (end !== null && 'reason' in end) this.#settle({ status: 'failed', ...end, exitCode: null, ...common });
    else this.#settle({ status: 'succeeded', exitCode: 0, outputs: outputsOf(end), ...common });
  }

  #release(wasOrderly: boolean): void {
    const { shelf, kind, request, released } = this.#dependencies;
    const child = this.#child;
    // Without a process there is no slot yet either: begin() passes it on.
    if (child === null) return;
    // The script ended while it was being paused, and the next may have its process.
    if (this.#isPaused) freezeTree(child.pid, false);
    child.onFrame(null);
    child.scriptPath = request.program.scriptPath;
    child.attempts += 1;
    shelf.giveBack(child, kind, wasOrderly);
    if (wasOrderly) released();
    else void child.ended.then(released);
  }

  #limitTime(milliseconds: number, failure: Failure): void {
    this.#cancelTimer();
    this.#cancelTimer = startLongTimer(milliseconds, () => this.#fail(failure));
  }
}

function outputsOf(
  result: Uint8Array | null,
): { name: string; type: 'file'; files: { relativePath: string; content: { data: Uint8Array } }[] }[] {
  if (result === null) return [];
  return [{ name: RESULT_OUTPUT, type: 'file', files: [{ relativePath: '', content: { data: result } }] }];
}

function reportProgress(body: Uint8Array, host: AttemptHost): void {
  const { fraction, message } = JSON.parse(Buffer.from(body).toString('utf8')) as Record<string, unknown>;
  if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1)) throw new Error('a progress out of range');
  host.progress(fraction, typeof message === 'string' ? message.slice(0, JAVASCRIPT_LIMITS.messageBytes) : '');
}

function outOfMemoryMessage(memoryBytes: number): string {
  return `The script needed more than ${Math.ceil(memoryBytes / 2 ** 20)} MiB of memory.`;
}

/** A child tells the size too; this is for one that sends more than it may. */
function tooLargeMessage(limit: number): string {
  return `The result has more than ${limit} bytes, which is what resources.disk allows.`;
}

function childRequest(request: JavascriptRequest): ChildRequest {
  const { args, env, partition, inputs, submittedAtMilliseconds, limits, stdin, outputs } = request;
  const byPath = (a: { sandboxPath: string }, b: { sandboxPath: string }): number =>
    a.sandboxPath < b.sandboxPath ? -1 : a.sandboxPath > b.sandboxPath ? 1 : 0;
  return {
    scriptPath: request.program.scriptPath,
    acornUrl: ACORN_URL,
    inputs: inputs.map(({ sandboxPath, hostPath, bytes }) => ({ sandboxPath, hostPath, bytes })).sort(byPath),
    args,
    env,
    partition: { index: partition.index, count: partition.count },
    seedWords: seedWords(request.seed),
    submittedAtMilliseconds,
    diskBytes: limits.diskBytes,
    memoryBytes: limits.memoryBytes,
    runMilliseconds: limits.runMilliseconds,
    messageBytes: JAVASCRIPT_LIMITS.messageBytes,
    resultIsDeclared: outputs.some(({ name }) => name === RESULT_OUTPUT),
    hasStandardInput: stdin !== null,
    standardInputPath: stdin !== null && 'hostPath' in stdin ? stdin.hostPath : null,
  };
}

/** The state of the generator: 128 bits of SHA-256 over the seed, under a name of its own. */
function seedWords(seed: Uint8Array): number[] {
  const digest = createHash('sha256').update('fog javascript random\0').update(seed).digest();
  const words = [0, 4, 8, 12].map((offset) => digest.readUInt32LE(offset));
  return words.some((word) => word !== 0) ? words : [1, 0, 0, 0];
}
