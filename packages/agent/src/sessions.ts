/** Waiting for the next session with the coordinator. */
import type { BlobClient, BlobSession } from './transfers.ts';

/**
 *     absent -> present (opened) -> absent (lost) -> ...
 *                     ended: for good
 */
export class Sessions {
  #present: { session: BlobSession; abort: AbortController } | null = null;
  #next = Promise.withResolvers<BlobSession>();

  constructor() {
    this.#next.promise.catch(() => {}); // nobody may be waiting when it ends
  }

  opened(client: BlobClient): void {
    const abort = new AbortController();
    const session = { client, ended: abort.signal };
    this.#present = { session, abort };
    this.#next.resolve(session);
  }

  lost(reason: Error): void {
    if (this.#present === null) return;
    this.#present.abort.abort(reason);
    this.#present = null;
    this.#next = Promise.withResolvers();
    this.#next.promise.catch(() => {});
  }

  /** No session will follow: who waits is told so. */
  end(reason: Error): void {
    this.lost(reason);
    this.#next.reject(reason);
  }

  /** The present session, or the next. Throws the reason of `signal` when that is aborted first. */
  async wait(signal?: AbortSignal): Promise<BlobSession> {
    signal?.throwIfAborted();
    if (this.#present !== null) return this.#present.session;
    if (signal === undefined) return await this.#next.promise;
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort);
    try {
      return await Promise.race([this.#next.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}
