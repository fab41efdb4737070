/**
 * Runs the optimiser in a thread of its own, so that nothing waits for it but who asked. The thread is started when it is
 * needed, or may be soon, and ends when it was not for a while: it takes some 40 MB.
 */
import { Worker } from 'node:worker_threads';
import { FogError, type ProblemDocument } from '@fog/contract';
import type { BatchRequest, BatchResult } from '@fog/scheduler/placement';
import { PLACEMENT_LIMITS } from '../../limits.ts';

export interface PlanOrder {
  request: BatchRequest;
  seed: number;
  /** How long the search may take. */
  milliseconds: number;
}

export type PlanAnswer = { result: BatchResult } | { problem: ProblemDocument };

export class PlanThread {
  #worker: Worker | null = null;
  /** The order that is worked on, and those behind it. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #idle: NodeJS.Timeout | undefined;

  /**
   * Resolves with the plan. Throws what the optimiser does; `too-many-requests` while too many wait, `unavailable` where
   * the thread ends.
   */
  async run(order: PlanOrder): Promise<BatchResult> {
    if (this.#waiting >= PLACEMENT_LIMITS.waitingPlans) {
      throw new FogError('too-many-requests', 'too many plans are being made at this moment', {
        hint: 'try again in a few seconds',
        retryable: true,
      });
    }
    this.#waiting += 1;
    const run = this.#last.then(() => this.#ask(order));
    this.#last = run.catch(() => undefined);
    try {
      return await run;
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#restLater();
    }
  }

  /** Plans may be asked for soon: the thread is started, so that it is ready by then. */
  prepare(): void {
    if (this.#worker !== null) return;
    this.#start();
    this.#restLater();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  #ask(order: PlanOrder): Promise<BatchResult> {
    clearTimeout(this.#idle);
    const worker = this.#worker ?? this.#start();
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer);
        worker.off('message', onAnswer).off('error', onError).off('exit', onExit);
      };
      const fail = (error: FogError) => {
        end();
        if (this.#worker === worker) this.#worker = null;
        void worker.terminate();
        reject(error);
      };
      const onAnswer = (answer: PlanAnswer) => {
        end();
        if ('result' in answer) resolve(answer.result);
        else reject(FogError.fromProblem(answer.problem, 'a plan could not be made'));
      };
      const onError = (error: unknown) => fail(FogError.from(error));
      const onExit = () => fail(new FogError('unavailable', 'the thread that makes plans has ended'));
      const timer = setTimeout(
        () => fail(new FogError('unavailable', 'a plan took too long')),
        order.milliseconds + PLACEMENT_LIMITS.planOverrunMilliseconds,
      );
      worker.on('message', onAnswer).on('error', onError).on('exit', onExit);
      worker.postMessage(order);
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL('./plan-worker.ts', import.meta.url));
    worker.unref();
    // What fails while nothing is asked of it concerns nobody: the next order starts another.
    worker.on('error', () => undefined);
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null;
    });
    this.#worker = worker;
    return worker;
  }

  #restLater(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.stop(), PLACEMENT_LIMITS.planThreadIdleMilliseconds);
    this.#idle.unref();
  }
}
