/** A ledger in a database, with a clock that stands until it is moved. */
import { ACCOUNT_FLAGS, type NewTransfer, TRANSFER_FLAGS } from '@fog/economy/ledger';
import { sql } from 'kysely';
import { Sealer } from '../../src/settlement/sealing.ts';
import { type LedgerOutcome, type LedgerRequest, SqlLedger } from '../../src/settlement/sql-ledger.ts';
import type { Database } from '../../src/store/database.ts';
import { openDatabase } from '../../src/store/open-database.ts';
import type { Storage } from '../dispatch/fog-harness.ts';

export const ISSUANCE = 1n;
export const BUYER = 2n;
export const ESCROW = 3n;
export const PROVIDER = 4n;

export class LedgerScene implements AsyncDisposable {
  readonly database: Database;
  readonly ledger: SqlLedger;
  readonly sealer: Sealer;
  now = 1_700_000_000_000;

  private constructor(database: Database, name: string) {
    this.database = database;
    this.ledger = new SqlLedger(database.engine);
    this.sealer = new Sealer({ database, coordinatorId: name, now: () => this.now });
  }

  static async open(storage: Storage, name = 'one'): Promise<LedgerScene> {
    return new LedgerScene(await openDatabase(storage), name);
  }

  apply(request: LedgerRequest): Promise<LedgerOutcome> {
    this.now += 1;
    return this.database.write((writer) => this.ledger.apply(writer, request, this.now));
  }

  /** A history with rows of every kind: 4 accounts, money, two phases, a release, ids that are spent. */
  async live(): Promise<void> {
    await this.apply({
      accounts: [ISSUANCE, BUYER, ESCROW, PROVIDER].map(opening),
      transfers: [paying(10n, ISSUANCE, BUYER, 1000n)],
    });
    await this.apply({ transfers: [paying(11n, BUYER, ESCROW, 600n), paying(12n, BUYER, ESCROW, 5000n)] });
    await this.apply({
      transfers: [
        { ...paying(13n, ESCROW, PROVIDER, 100n), flags: TRANSFER_FLAGS.pending, timeoutSeconds: 1, userData64: 77n },
        { ...paying(14n, ESCROW, PROVIDER, 50n), flags: TRANSFER_FLAGS.pending, timeoutSeconds: 3600 },
        { ...paying(15n, ESCROW, PROVIDER, 40n), flags: TRANSFER_FLAGS.pending },
      ],
    });
    await this.apply({
      transfers: [{ ...paying(16n, 0n, 0n, 30n), pendingId: 15n, flags: TRANSFER_FLAGS.postPending }],
    });
    this.now += 2000;
    await this.ledger.sweepExpired(this.database, this.now);
    await this.apply({ transfers: [paying(17n, ESCROW, PROVIDER, 200n), paying(18n, ESCROW, PROVIDER, 7n)] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.close();
  }
}

export function opening(id: bigint) {
  return { id, ledger: 1, code: 10, flags: id === ISSUANCE ? 0 : ACCOUNT_FLAGS.debitsMustNotExceedCredits };
}

export function paying(id: bigint, debitAccount: bigint, creditAccount: bigint, amount: bigint): NewTransfer {
  return { id, debitAccount, creditAccount, amount, ledger: 1, code: 11 };
}

/** As somebody does who may do anything to the database. */
export async function tamper(database: Database, table: string, statement: string): Promise<void> {
  await database.write(async (writer) => {
    if (database.engine === 'postgres') await sql.raw(`ALTER TABLE ${table} DISABLE TRIGGER USER`).execute(writer);
    else
      for (const what of ['update', 'delete'])
        await sql.raw(`DROP TRIGGER IF EXISTS ${table}_no_${what}`).execute(writer);
    await sql.raw(statement).execute(writer);
    if (database.engine === 'postgres') await sql.raw(`ALTER TABLE ${table} ENABLE TRIGGER USER`).execute(writer);
  });
}
