/**
 * Group commit: one transaction at a time, and into it goes everything that waits.
 *
 *     idle --write()--> gathering --next turn of the event loop--> committing --> idle | gathering
 *
 * A sync of the disk costs as much for a thousand changes as for one, so the store's throughput under load is set by
 * how much waits while the previous transaction is on its way.
 */
import { FogError } from '@fog/contract';
import type { Kysely } from 'kysely';
import type { Writer } from './database.ts';
import { holdsClock } from './ledger-rows.ts';
import type { Tables } from './tables.ts';

interface Waiting {
  kind: 'submit' | null;
  work: (writer: Writer) => Promise<unknown>;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

/** PostgreSQL's way of saying "again": serialisation failure and deadlock. */
const TRY_AGAIN = ['40001', '40P01'];
const TRIES = 5;
const POSTGRES_DISK_FULL = '53100';
const SQLITE_FULL = 13;
/** Bounds how long one transaction keeps the locks and the event loop. */
const MOST_WORKS = 500;

export class GroupCommit {
  readonly #database: Kysely<Tables>;
  /** Several may hold locks at a time, and wait for each other. */
  readonly #isShared: boolean;
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(database: Kysely<Tables>, { isShared }: { isShared: boolean }) {
    this.#database = database;
    this.#isShared = isShared;
  }

  write<Result>(work: (writer: Writer) => Promise<Result>, kind: 'submit' | null = null): Promise<Result> {
    if (this.#closed) return Promise.reject(new Error('the database is closed'));
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ kind, work, resolve: resolve as (result: unknown) => void, reject });
      this.#running ??= this.#run();
    });
  }

  /** Commits what waits and takes nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    // The rest of this turn of the event loop may have more to write.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MOST_WORKS);
      await this.#commit(batch);
      if (this.#waiting.length > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#running = null;
  }

  async #commit(batch: Waiting[]): Promise<void> {
    try {
      const results = await this.#transaction(batch);
      results.forEach((result, index) => {
        batch[index]?.resolve(result);
      });
      this.#waiting.unshift(...batch.slice(results.length));
    } catch (error) {
      if (batch.length === 1) {
        batch[0]?.reject(error);
        return;
      }
      for (const waiting of batch) await this.#commit([waiting]);
    }
  }

  /** Answers the results of as many of the works as were committed: all, or those up to the one that took the ledger. */
  async #transaction(batch: Waiting[]): Promise<unknown[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#database.transaction().execute(async (writer) => {
          const results: unknown[] = [];
          for (const [index, waiting] of batch.entries()) {
            const isAlike = waiting.kind === 'submit' && batch[index - 1]?.kind === 'submit';
            if (this.#isShared && !isAlike && holdsClock(writer)) break;
            results.push(await waiting.work(writer));
          }
          return results;
        });
      } catch (error) {
        const { code, errcode } = error as { code?: unknown; errcode?: unknown };
        if (code === POSTGRES_DISK_FULL || errcode === SQLITE_FULL) throw diskFull(error);
        if (tries >= TRIES || typeof code !== 'string' || !TRY_AGAIN.includes(code)) throw error;
      }
    }
  }
}

function diskFull(cause: unknown): FogError {
  return new FogError('storage-full', 'the disk of the database is full', {
    cause,
    hint: 'free space on the disk of the coordinator',
  });
}
