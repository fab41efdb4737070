/**
 * Worker threads for a run of the optimiser. Each makes a part of each generation; since every pair has random numbers of
 * its own, the run gives the same bytes with any number of them.
 */
import { Worker } from 'node:worker_threads';
import { FogError } from '@fog/contract';
import { assertWholeNumber } from '../checked-input.ts';
import { NSGA2_LIMITS } from '../limits.ts';
import type { SlotWorkers } from '../run.ts';
import type { Answer, Order, ProblemSource } from './messages.ts';

export type { ProblemSource } from './messages.ts';

/**
 * Starts threads, to be passed to one run after the other and disposed of in the end. Throws a `FogError`
 * (`invalid-configuration`) for a number of threads that makes no sense; what goes wrong in one of them rejects the run.
 */
export function startWorkers(count: number, source: ProblemSource): SlotWorkers & AsyncDisposable {
  assertWholeNumber('workers', count, 1, NSGA2_LIMITS.workers);
  const threads = Array.from({ length: count }, () => new Worker(new URL('./worker-program.ts', import.meta.url)));
  const share = (from: number, to: number, orderOf: (from: number, to: number) => Order) => {
    const each = Math.ceil((to - from) / count);
    const asked = threads.map((thread, at) => {
      const first = from + at * each;
      return first < to ? ask(thread, orderOf(first, Math.min(to, first + each))) : Promise.resolve();
    });
    return whenAll(asked);
  };
  return {
    begin: ({ settings, population }) =>
      whenAll(threads.map((thread) => ask(thread, { type: 'begin', source, settings, population }))),
    createIndividuals: (from, to) => share(from, to, (first, end) => ({ type: 'create', from: first, to: end })),
    breedPairs: (generation, from, to) =>
      share(from, to, (first, end) => ({ type: 'breed', generation, from: first, to: end })),
    async [Symbol.asyncDispose]() {
      await Promise.all(threads.map((thread) => thread.terminate()));
    },
  };
}

/** When all have answered: none writes to the population any more, even if one failed. */
async function whenAll(asked: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(asked)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function ask(thread: Worker, order: Order): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error: unknown): void => {
      thread.off('message', onAnswer).off('error', end).off('exit', onExit);
      if (error === null) resolve();
      else reject(FogError.from(error));
    };
    const onAnswer = ({ problem }: Answer): void =>
      end(problem === null ? null : FogError.fromProblem(problem, 'a worker of the optimiser failed'));
    const onExit = (): void =>
      end(new FogError('unavailable', 'a worker of the optimiser ended in the middle of a run'));
    thread.on('message', onAnswer).on('error', end).on('exit', onExit);
    thread.postMessage(order);
  });
}
