/** Blobs between this node and the coordinator over a line that comes and goes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type FogClient, FogError } from '@fog/contract';
import { AttemptFailure } from './attempt-failure.ts';
import { fullJitterMilliseconds } from './backoff.ts';
import { AGENT_LIMITS } from './limits.ts';

export type BlobClient = Pick<FogClient, 'getBlob' | 'putBlob' | 'blobOffset'>;

/** One session with the coordinator: its client is authorised for as long as the session lasts. */
export interface BlobSession {
  client: BlobClient;
  /** Aborted when the session is over. */
  ended: AbortSignal;
}

export interface TransferDependencies {
  /** The present session, or the next one. Rejects only when `signal` is aborted. */
  session(signal: AbortSignal): Promise<BlobSession>;
  random(): number;
}

/** Runs transfers, a bounded number at a time, each repeated until it succeeds, cannot succeed, or is aborted. */
export class Transfers {
  readonly #dependencies: TransferDependencies;
  #free: number = AGENT_LIMITS.transfers;
  readonly #waiting = new Set<() => void>();

  constructor(dependencies: TransferDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * `once` does the transfer or what is left of it; `movedBytes` tells how far it is, so that a slow transfer over a
   * poor line is not given up while it moves. Failures without a session do not count. Throws what `once` threw when
   * another try is useless or too many failed, and the reason of `signal` when that is aborted.
   */
  async run<T>(
    once: (client: BlobClient, signal: AbortSignal) => Promise<T>,
    movedBytes: () => number,
    signal: AbortSignal,
    mostFailures: number = AGENT_LIMITS.transferFailures,
  ): Promise<T> {
    let failures = 0;
    let moved = movedBytes();
    for (;;) {
      const session = await this.#dependencies.session(signal);
      await this.#enter(signal);
      try {
        return await once(session.client, AbortSignal.any([signal, session.ended]));
      } catch (error) {
        signal.throwIfAborted();
        if (isFinal(error)) throw error;
        if (movedBytes() > moved) failures = 0;
        moved = movedBytes();
        if (!session.ended.aborted) failures += 1;
        if (failures >= mostFailures) throw error;
      } finally {
        this.#leave();
      }
      const { transferRetryFirstMilliseconds: first, transferRetryMostMilliseconds: most } = AGENT_LIMITS;
      await sleep(fullJitterMilliseconds(failures, first, most, this.#dependencies.random), undefined, { signal });
    }
  }

  /** The same, repeated however often it fails, as long as another try may help. */
  patient(): Pick<Transfers, 'run'> {
    return { run: (once, movedBytes, signal) => this.run(once, movedBytes, signal, Number.POSITIVE_INFINITY) };
  }

  async #enter(signal: AbortSignal): Promise<void> {
    while (this.#free === 0) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener('abort', wake);
      });
      if (signal.aborted) this.#wakeNext(); // the place that woke this one is for another
      signal.throwIfAborted();
    }
    this.#free -= 1;
  }

  #leave(): void {
    this.#free += 1;
    this.#wakeNext();
  }

  #wakeNext(): void {
    const [next] = this.#waiting;
    next?.();
  }
}

/** The token of a session that just ended is refused; the next session has another. */
function isFinal(error: unknown): boolean {
  if (error instanceof AttemptFailure) return true;
  if (!(error instanceof FogError)) return false;
  return !error.retryable && error.code !== 'unauthenticated' && error.code !== 'cancelled';
}

/** Runs `work` over all items, a few at a time. The first failure aborts the rest and is thrown when all have ended. */
export async function forEachAtOnce<Item>(
  items: Iterable<Item>,
  atOnce: number,
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const iterator = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let step = iterator.next(); step.done !== true && !either.aborted; step = iterator.next()) {
      await work(step.value, either);
    }
  };
  let first: { error: unknown } | null = null;
  const guarded = async (): Promise<void> => {
    try {
      await worker();
    } catch (error) {
      first ??= { error };
      failed.abort(error);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, guarded));
  signal.throwIfAborted();
  if (first !== null) throw (first as { error: unknown }).error;
}
