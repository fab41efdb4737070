/**
 * Many rows in one statement.
 *
 * `ROWS` in a statement stands for a derived table with the given columns. SQLite gets `(VALUES (?, ?), …)`, with the
 * number of rows rounded up to a power of two and padded with nulls, so that few texts exist and prepared statements
 * are found again. PostgreSQL gets one array a column, `unnest($1, $2)`: planning thousands of parameters costs it
 * more than running them. A column of bytes that are all of one length comes in one piece, which PostgreSQL cuts up: as
 * elements of an array they would be written, escaped and read as hexadecimal text. No other statement but locks and the
 * schema differs between the engines.
 *
 * Joins are written `ROWS AS k CROSS JOIN t WHERE …`, which makes SQLite look up a row of the table for each of ours,
 * and not the other way round.
 */
import { CompiledQuery, PostgresAdapter } from 'kysely';
import type { Reader } from './database.ts';

export type ColumnKind = 'text' | 'bigint' | 'integer' | 'bytea';

export interface BulkStatement {
  /** SQL around the rows, e.g. `UPDATE t SET a = d.a FROM ROWS AS d WHERE t.id = d.id`. */
  text: string;
  columns: Readonly<Record<string, ColumnKind>>;
  /** Columns of bytes, none of them null, with the length that all of their values have. */
  lengths?: Readonly<Record<string, number>>;
  /** Added at the end on PostgreSQL; SQLite has one writer and no row locks. */
  lock?: 'FOR UPDATE OF t' | 'FOR SHARE OF t';
}

export type BulkValue = string | number | Uint8Array | null;

/** SQLite takes 32,766 parameters a statement. */
const MOST_PARAMETERS = 32_000;

/**
 * Runs the statement for all rows, in as few pieces as the engine allows. A row is an array in the order of
 * `columns`; its first column must not be null.
 */
export async function runBulk<Result>(
  database: Reader,
  statement: BulkStatement,
  rows: readonly (readonly BulkValue[])[],
): Promise<Result[]> {
  if (rows.length === 0) return [];
  if (database.getExecutor().adapter instanceof PostgresAdapter) return runPostgres(database, statement, rows);
  const width = Object.keys(statement.columns).length;
  const most = 2 ** Math.floor(Math.log2(MOST_PARAMETERS / width));
  const results: Result[] = [];
  for (let start = 0; start < rows.length; start += most) {
    results.push(...(await runSqlite<Result>(database, statement, rows.slice(start, start + most))));
  }
  return results;
}

async function runSqlite<Result>(
  database: Reader,
  statement: BulkStatement,
  rows: readonly (readonly BulkValue[])[],
): Promise<Result[]> {
  const width = Object.keys(statement.columns).length;
  const height = 2 ** Math.ceil(Math.log2(rows.length));
  const parameters: BulkValue[] = new Array(height * width).fill(null);
  let next = 0;
  for (const row of rows) for (const value of row) parameters[next++] = value;
  const text = keptText(statement, height, () => {
    const line = `(${new Array(width).fill('?').join(',')})`;
    return derivedTable(statement, `(VALUES ${new Array(height).fill(line).join(',')}) AS v WHERE column1 IS NOT NULL`);
  });
  return (await database.executeQuery<Result>(CompiledQuery.raw(text, parameters))).rows;
}

async function runPostgres<Result>(
  database: Reader,
  statement: BulkStatement,
  rows: readonly (readonly BulkValue[])[],
): Promise<Result[]> {
  const parameters = Object.keys(statement.columns).map((name, column) => {
    const length = statement.lengths?.[name];
    return length === undefined ? rows.map((row) => row[column] ?? null) : inOnePiece(rows, column, length);
  });
  const text = keptText(statement, 0, () => {
    const filled = derivedTable(statement, postgresRows(statement));
    return statement.lock === undefined ? filled : `${filled} ${statement.lock}`;
  });
  return (await database.executeQuery<Result>(CompiledQuery.raw(text, parameters))).rows;
}

function inOnePiece(rows: readonly (readonly BulkValue[])[], column: number, length: number): Buffer {
  const piece = Buffer.allocUnsafe(rows.length * length);
  rows.forEach((row, index) => {
    const value = row[column] as Uint8Array;
    if (value.length !== length) throw new Error(`column ${column} has ${value.length} bytes in place of ${length}`);
    piece.set(value, index * length);
  });
  return piece;
}

function postgresRows({ columns, lengths = {} }: BulkStatement): string {
  const arrays: string[] = [];
  const listed: string[] = [];
  const values: string[] = [];
  Object.entries(columns).forEach(([name, kind], index) => {
    const [parameter, column, length] = [`$${index + 1}`, `column${index + 1}`, lengths[name]];
    if (length === undefined) {
      arrays.push(`CAST(${parameter} AS ${kind}[])`);
      listed.push(column);
      values.push(column);
    } else {
      const from = `CAST((place - 1) * ${length} + 1 AS integer)`;
      values.push(`substring(CAST(${parameter} AS bytea) FROM ${from} FOR ${length}) AS ${column}`);
    }
  });
  if (arrays.length === values.length) return `unnest(${arrays.join(', ')}) AS v(${listed.join(', ')})`;
  const places =
    arrays.length === 0
      ? `generate_series(1, length(CAST($1 AS bytea)) / ${Object.values(lengths)[0]}) AS l(place)`
      : `unnest(${arrays.join(', ')}) WITH ORDINALITY AS l(${listed.join(', ')}, place)`;
  return `(SELECT ${values.join(', ')} FROM ${places}) AS v`;
}

function derivedTable(statement: BulkStatement, source: string): string {
  const names = Object.keys(statement.columns).map((name, index) => `column${index + 1} AS ${name}`);
  return statement.text.replace('ROWS', () => `(SELECT ${names.join(', ')} FROM ${source})`);
}

/** Texts by statement and number of rows; 0 is PostgreSQL's, which serves any number. */
const texts = new WeakMap<BulkStatement, Map<number, string>>();

function keptText(statement: BulkStatement, height: number, make: () => string): string {
  const known = texts.getOrInsertComputed(statement, () => new Map<number, string>());
  return known.getOrInsertComputed(height, make);
}

/** What PostgreSQL says of all statements behind one that has failed: nothing of why. */
const FAILED_BEFORE = '25P02';

/**
 * Waits for statements that were handed over together. All have ended when it returns or throws: none may run on after
 * a rollback. Throws the fault that made others fail, whichever of them was handed over first: it says whether to try again.
 */
export async function allOf<Results extends readonly Promise<unknown>[]>(
  statements: readonly [...Results],
): Promise<{ [Index in keyof Results]: Awaited<Results[Index]> }> {
  const settled = await Promise.allSettled(statements);
  const reasons = settled.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  if (reasons.length > 0) throw reasons.find((reason) => !followsAnother(reason)) ?? reasons[0];
  return settled.map((outcome) => (outcome as PromiseFulfilledResult<unknown>).value) as never;
}

function followsAnother(reason: unknown): boolean {
  return (reason as { code?: unknown } | null)?.code === FAILED_BEFORE;
}

/**
 * Hands over the statements of two, one beside the other: `first` begins, and waits for what `second` answers where it
 * needs it. Both have ended when it returns or throws.
 */
export async function beside<Answer>(
  first: (answer: Promise<Answer>) => Promise<unknown>,
  second: () => Promise<Answer>,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  // It may never come to where it waits.
  promise.catch(() => undefined);
  const began = first(promise);
  const answered = second();
  answered.then(resolve, reject);
  const [answer] = await allOf([answered, began]);
  return answer;
}
