import { type Kysely, SqliteAdapter, sql } from 'kysely';
import { runStatements } from './run-statements.ts';

/**
 * What a lease binds of the stake of its payee, and nothing in those that were made before. What is audited is only ever
 * added to from now on.
 */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
  const isSqlite = database.getExecutor().adapter instanceof SqliteAdapter;
  for (const guard of isSqlite ? SQLITE_GUARDS : POSTGRES_GUARDS) await sql.raw(guard).execute(database);
}

const STATEMENTS = [
  'ALTER TABLE attempts ADD COLUMN bond BIGINT',
  `CREATE INDEX attempts_bonded ON attempts (payee, bond) WHERE bond IS NOT NULL
    AND state IN ('leased', 'preparing', 'running', 'suspended', 'uploading', 'committed', 'lost')`,
];

const SQLITE_GUARDS = ['UPDATE', 'DELETE'].map(
  (change) => `CREATE TRIGGER dao_audit_no_${change.toLowerCase()} BEFORE ${change} ON dao_audit
    BEGIN SELECT RAISE(ABORT, 'dao_audit is only ever added to'); END`,
);

/** The function is that of the ledger's tables. */
const POSTGRES_GUARDS = [
  `CREATE TRIGGER dao_audit_no_change BEFORE UPDATE OR DELETE ON dao_audit
    FOR EACH ROW EXECUTE FUNCTION ledger_refuses()`,
  `CREATE TRIGGER dao_audit_no_truncate BEFORE TRUNCATE ON dao_audit
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuses()`,
];
