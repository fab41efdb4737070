/**
 * Many rows in one statement: `FROM (VALUES (?, ?), …)`, which SQLite and PostgreSQL spell alike.
 *
 * The text of a statement depends on the number of its rows alone, rounded up to a power of two and padded with
 * nulls, so that few texts exist and prepared statements are found again. Measured against one JSON parameter with
 * json_each: half the time on SQLite. Joins are written `ROWS AS k CROSS JOIN t WHERE …`, which makes SQLite look up a
 * row of the table for each of ours, and not the other way round.
 */
import { CompiledQuery, PostgresAdapter } from 'kysely';
import type { Reader } from './database.ts';

export type ColumnKind = 'text' | 'bigint' | 'integer';

export interface BulkStatement {
  /** SQL around the rows; `ROWS` stands for them, e.g. `SELECT … FROM ROWS AS d JOIN …`. */
  text: string;
  columns: Readonly<Record<string, ColumnKind>>;
  /** Added at the end on PostgreSQL; SQLite has one writer and no row locks. */
  lock?: 'FOR UPDATE OF t';
}

type Value = string | number | null;

/** SQLite takes 32,766 parameters a statement, PostgreSQL 65,535. */
const MOST_PARAMETERS = 32_000;
const KINDS: Record<ColumnKind, string> = { text: 'TEXT', bigint: 'BIGINT', integer: 'INTEGER' };

/**
 * Runs the statement for all rows, in as few pieces as the engines allow. A row is an array in the order of
 * `columns`; its first column must not be null.
 */
export async function runBulk<Result>(
  database: Reader,
  statement: BulkStatement,
  rows: readonly (readonly Value[])[],
): Promise<Result[]> {
  const isPostgres = database.getExecutor().adapter instanceof PostgresAdapter;
  const width = Object.keys(statement.columns).length;
  const most = 2 ** Math.floor(Math.log2(MOST_PARAMETERS / width));
  const results: Result[] = [];
  for (let start = 0; start < rows.length; start += most) {
    const piece = rows.slice(start, start + most);
    const height = 2 ** Math.ceil(Math.log2(piece.length));
    const parameters: Value[] = new Array(height * width).fill(null);
    let next = 0;
    for (const row of piece) for (const value of row) parameters[next++] = value;
    const query = CompiledQuery.raw(bulkText(isPostgres, statement, height), parameters);
    const result = await database.executeQuery<Result>(query);
    results.push(...result.rows);
  }
  return results;
}

const texts = new WeakMap<BulkStatement, Map<string, string>>();

function bulkText(isPostgres: boolean, statement: BulkStatement, height: number): string {
  let known = texts.get(statement);
  if (known === undefined) {
    known = new Map();
    texts.set(statement, known);
  }
  const key = `${isPostgres} ${height}`;
  let text = known.get(key);
  if (text === undefined) {
    text = statement.text.replace('ROWS', () => rowsText(isPostgres, statement.columns, height));
    if (isPostgres && statement.lock !== undefined) text += ` ${statement.lock}`;
    known.set(key, text);
  }
  return text;
}

/** The first row tells PostgreSQL the types; the padding is left out by its null in the first column. */
function rowsText(isPostgres: boolean, columns: BulkStatement['columns'], height: number): string {
  let next = 0;
  const placeholder = () => {
    next += 1;
    return isPostgres ? `$${next}` : '?';
  };
  const kinds = Object.values(columns);
  const lines = Array.from({ length: height }, (_, row) => {
    const fields = kinds.map((kind) => (row === 0 ? `CAST(${placeholder()} AS ${KINDS[kind]})` : placeholder()));
    return `(${fields.join(',')})`;
  });
  const names = Object.keys(columns).map((name, index) => `column${index + 1} AS ${name}`);
  return `(SELECT ${names.join(', ')} FROM (VALUES ${lines.join(',')}) AS v WHERE column1 IS NOT NULL)`;
}
