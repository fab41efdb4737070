/**
 * One database, two engines, one code path.
 *
 * Reads go wherever they are made. Every write goes through the writer, which commits whatever is waiting in one
 * transaction (group commit): a promise of `write` is fulfilled only after its transaction is on disk.
 */
import type { Kysely, Transaction } from 'kysely';
import type { Tables } from './tables.ts';

export type Reader = Kysely<Tables>;
export type Writer = Transaction<Tables>;

export interface Database {
  readonly engine: 'sqlite' | 'postgres';
  readonly read: Reader;
  /**
   * Runs `work` inside the next transaction, together with the work of others. If any of it throws, everything is
   * rolled back and each work is run again in a transaction of its own, so `work` must have no other effects than
   * its statements and its return value.
   *
   * On PostgreSQL a transaction ends with the work that takes the clock of the ledger: whatever came behind it would
   * lock rows that another coordinator may hold that waits for the clock. Works of `kind` submit lock nothing that
   * others wait with, and share one: but for a class or a blob that is new to two coordinators in the same moment,
   * which costs one of them another try.
   */
  write<Result>(work: (writer: Writer) => Promise<Result>, kind?: 'submit'): Promise<Result>;
  close(): Promise<void>;
}
