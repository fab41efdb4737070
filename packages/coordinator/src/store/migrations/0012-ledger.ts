import { type Kysely, SqliteAdapter, sql } from 'kysely';
import { runStatements } from './run-statements.ts';

/**
 * The ledger of money. Column meanings: ../tables.ts; layouts of bytes: ../../settlement/records.ts.
 *
 * Amounts and ids lie in fixed places of `body`, as bytes: PostgreSQL has no unsigned integers of 128 bits, SQLite none
 * beyond 63. A column for each field would be read by nobody but the ledger, and binding 14 values a row in place of 5 took
 * longer (a settlement of two transfers on SQLite, 40,000 rows there, before the commit: 28 µs against 17). Hexadecimal
 * text in place of bytes took a fifth longer, and 80 % more disk.
 *
 * Balances are appended, one row for each account that a batch has changed, and name the rows that changed it: that is
 * the history of balances and the index of an account's transfers at once. With 800,000 rows there it took 4 µs a
 * settlement; a balance that is updated in place, with two index entries a transfer beside it, 9 µs and had no history.
 */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
  const isSqlite = database.getExecutor().adapter instanceof SqliteAdapter;
  const guards = isSqlite ? APPENDED.flatMap(sqliteGuards) : [POSTGRES_REFUSAL, ...APPENDED.flatMap(postgresGuards)];
  for (const guard of guards) await sql.raw(guard).execute(database);
  const never = Buffer.alloc(8);
  await sql`INSERT INTO ledger_clock (id, sequence, batch, timestamp, expired_until, expired_sequence)
    VALUES (1, 0, 0, ${never}, ${never}, 0)`.execute(database);
}

const STATEMENTS = [
  `CREATE TABLE ledger_clock (
    id INTEGER PRIMARY KEY, sequence BIGINT NOT NULL, batch BIGINT NOT NULL, timestamp BYTES NOT NULL,
    expired_until BYTES NOT NULL, expired_sequence BIGINT NOT NULL, CHECK (id = 1))`,
  'CREATE TABLE ledger_accounts (sequence ROW_NUMBER PRIMARY KEY, id BYTES NOT NULL UNIQUE, body BYTES NOT NULL)',
  `CREATE TABLE ledger_transfers (
    sequence ROW_NUMBER PRIMARY KEY, id BYTES NOT NULL UNIQUE, body BYTES NOT NULL, pending_id BYTES, expires_at BYTES)`,
  // At most one post or void of a pending transfer, whatever the code does.
  'CREATE UNIQUE INDEX ledger_resolutions ON ledger_transfers (pending_id) WHERE pending_id IS NOT NULL',
  'CREATE INDEX ledger_timeouts ON ledger_transfers (expires_at, sequence) WHERE expires_at IS NOT NULL',
  'CREATE TABLE ledger_expiries (sequence ROW_NUMBER PRIMARY KEY, id BYTES NOT NULL UNIQUE, body BYTES NOT NULL)',
  'CREATE TABLE ledger_failures (sequence ROW_NUMBER PRIMARY KEY, id BYTES NOT NULL UNIQUE)',
  `CREATE TABLE ledger_balances (
    account BIGINT NOT NULL, sequence BIGINT NOT NULL, body BYTES NOT NULL, entries BYTES NOT NULL,
    PRIMARY KEY (account, sequence)) ORDERED_BY_KEY`,
  `CREATE TABLE ledger_batches (
    number ROW_NUMBER PRIMARY KEY, first_sequence BIGINT NOT NULL, last_sequence BIGINT NOT NULL,
    written_at BIGINT NOT NULL)`,
  `CREATE TABLE ledger_seals (
    batch ROW_NUMBER PRIMARY KEY, hash BYTES NOT NULL, checks BYTES NOT NULL, sealed_at BIGINT NOT NULL)`,
  'CREATE TABLE ledger_sealer (id INTEGER PRIMARY KEY, coordinator_id TEXT NOT NULL, until BIGINT NOT NULL, CHECK (id = 1))',
];

/** What is never changed and never removed. */
const APPENDED = [
  'ledger_accounts',
  'ledger_transfers',
  'ledger_expiries',
  'ledger_failures',
  'ledger_balances',
  'ledger_batches',
  'ledger_seals',
];

function sqliteGuards(table: string): string[] {
  return ['UPDATE', 'DELETE'].map(
    (change) => `CREATE TRIGGER ${table}_no_${change.toLowerCase()} BEFORE ${change} ON ${table}
      BEGIN SELECT RAISE(ABORT, '${table} is only ever added to'); END`,
  );
}

const POSTGRES_REFUSAL = `CREATE FUNCTION ledger_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME; END $$`;

function postgresGuards(table: string): string[] {
  return [
    `CREATE TRIGGER ${table}_no_change BEFORE UPDATE OR DELETE ON ${table}
      FOR EACH ROW EXECUTE FUNCTION ledger_refuses()`,
    `CREATE TRIGGER ${table}_no_truncate BEFORE TRUNCATE ON ${table}
      FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuses()`,
  ];
}
