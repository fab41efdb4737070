/** Repeats requests whose answer got lost, and only those that may be repeated safely. */
import { setTimeout as pause } from 'node:timers/promises';
import { FogError } from '@fog/contract';
import { SDK_LIMITS } from './limits.ts';

/**
 * Calls `request` until it answers, as long as its error says that the same call may succeed later.
 * `internal` is left out although it is retryable by its code: it is a fault of the coordinator, and repeating it
 * hides it. Throws the last error, or `cancelled` when `signal` aborts during a pause.
 */
export async function retried<Answer>(request: () => Promise<Answer>, signal?: AbortSignal): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request();
    } catch (error) {
      const fault = FogError.from(error);
      if (!fault.retryable || fault.code === 'internal' || attempt >= SDK_LIMITS.requestTries) throw fault;
      const longest = Math.min(
        SDK_LIMITS.requestPauseMilliseconds * 2 ** (attempt - 1),
        SDK_LIMITS.requestPauseLongestMilliseconds,
      );
      try {
        await pause(longest * (0.5 + Math.random() / 2), undefined, signal === undefined ? {} : { signal });
      } catch (cause) {
        throw new FogError('cancelled', 'the call was aborted', { cause });
      }
    }
  }
}

/** Throws `cancelled` when the signal has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new FogError('cancelled', `${what} was aborted`, { cause: signal.reason });
}

/**
 * Runs `work` on every item, at most `concurrency` at a time, and returns the answers in the order of the items.
 * After the first failure nothing new is begun; what runs is waited for, then the failure is thrown.
 */
export async function inParallel<Item, Answer>(
  items: readonly Item[],
  concurrency: number,
  work: (item: Item, index: number) => Promise<Answer>,
): Promise<Answer[]> {
  const answers = new Array<Answer>(items.length);
  let next = 0;
  let failure: { error: unknown } | null = null;
  const worker = async () => {
    while (next < items.length && failure === null) {
      const index = next;
      next += 1;
      try {
        answers[index] = await work(items[index] as Item, index);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  if (failure !== null) throw (failure as { error: unknown }).error;
  return answers;
}
