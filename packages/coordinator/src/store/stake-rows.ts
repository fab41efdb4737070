/**
 * The rows of `@fog/economy/staking` as they lie in the database: a table for each of its tables, a column for each
 * field. Statements are made of `ROW_FIELDS` and `ROW_KEYS`, so that a field is named in one place.
 */
import {
  type FieldKind,
  ROW_FIELDS,
  ROW_KEYS,
  type RowChange,
  type RowNeed,
  type StakingTables,
  TABLE_NAMES,
  type TableName,
} from '@fog/economy/staking';
import { type BulkStatement, type BulkValue, type ColumnKind, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';

/** Names that SQL keeps for itself. */
const COLUMN_NAMES: Readonly<Record<string, string>> = { to: 'target', references: 'reference_count' };

interface TableStatements {
  table: string;
  /** In the order of the columns. */
  fields: readonly (readonly [field: string, column: string, kind: FieldKind])[];
  one: BulkStatement;
  /** All of a validator that left no earlier than a time; only where there is such a column. */
  since: BulkStatement;
  save: BulkStatement;
  remove: BulkStatement;
}

const STATEMENTS = Object.fromEntries(TABLE_NAMES.map((name) => [name, statementsOf(name)])) as Record<
  TableName,
  TableStatements
>;

function statementsOf(name: TableName): TableStatements {
  const table = `stake_${snakeCase(name)}`;
  const fields = Object.entries(ROW_FIELDS[name] as Readonly<Record<string, FieldKind>>).map(
    ([field, kind]) => [field, columnOf(field), kind] as const,
  );
  const columns = Object.fromEntries(fields.map(([, column, kind]) => [column, columnKind(kind)]));
  const keys = ['validator', ...(ROW_KEYS[name] as readonly string[]).map(columnOf)];
  const keyColumns = Object.fromEntries(keys.map((key) => [key, columns[key] as ColumnKind]));
  const all = Object.keys(columns).join(', ');
  const others = Object.keys(columns).filter((column) => !keys.includes(column));
  const isKey = keys.map((key) => `t.${key} = k.${key}`).join(' AND ');
  const select = `SELECT t.* FROM ROWS AS k CROSS JOIN ${table} t WHERE`;
  return {
    table,
    fields,
    one: { text: `${select} ${isKey}`, columns: keyColumns },
    since: {
      text: `${select} t.validator = k.validator AND t.left_at >= k.since`,
      columns: { validator: 'text', since: 'bigint' },
    },
    save: {
      text: `INSERT INTO ${table} (${all}) SELECT ${all} FROM ROWS AS d WHERE true ON CONFLICT (${keys.join(', ')})
        DO UPDATE SET ${others.map((column) => `${column} = excluded.${column}`).join(', ')}`,
      columns,
    },
    remove: {
      text: `DELETE FROM ${table} WHERE (${keys.join(', ')}) IN (SELECT ${keys.join(', ')} FROM ROWS AS d)`,
      columns: keyColumns,
    },
  };
}

function columnOf(field: string): string {
  return COLUMN_NAMES[field] ?? snakeCase(field);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function columnKind(kind: FieldKind): ColumnKind {
  return kind === 'count' || kind === 'number' ? 'bigint' : 'text';
}

type SqlRow = Readonly<Record<string, string | number>>;

export function stakeRowOf<Table extends TableName>(table: Table, row: SqlRow): StakingTables[Table] {
  const fields = STATEMENTS[table].fields.map(([field, column, kind]) => {
    const value = row[column] as string | number;
    return [field, kind === 'amount' ? BigInt(value) : value];
  });
  return Object.fromEntries(fields) as StakingTables[Table];
}

/** Those of the needed rows of one table that are there. */
export async function loadStakeRows<Table extends TableName>(
  reader: Reader,
  table: Table,
  needs: readonly Omit<RowNeed, 'table'>[],
): Promise<StakingTables[Table][]> {
  const { one, since } = STATEMENTS[table];
  const single = needs.flatMap(({ validator, key }) => (key === null ? [] : [keyValues(table, validator, key)]));
  const several = needs.flatMap((need) => (need.key === null ? [[need.validator, need.since ?? 0]] : []));
  const rows = [...(await runBulk<SqlRow>(reader, one, single)), ...(await runBulk<SqlRow>(reader, since, several))];
  return rows.map((row) => stakeRowOf(table, row));
}

/** Writes what has changed; one change a row. */
export async function saveStakeRows(writer: Writer, changes: Iterable<RowChange>): Promise<void> {
  const byTable = Map.groupBy(changes, ({ table }) => table);
  for (const table of TABLE_NAMES) {
    const changed = byTable.get(table) ?? [];
    const { fields, save, remove } = STATEMENTS[table];
    const removed = changed.filter(({ row }) => row === null);
    await runBulk(
      writer,
      remove,
      removed.map(({ validator, key }) => keyValues(table, validator, key)),
    );
    const saved = changed.flatMap(({ row }) => (row === null ? [] : [row as unknown as Record<string, unknown>]));
    await runBulk(
      writer,
      save,
      saved.map((row) => fields.map(([field]) => sqlValue(row[field] as string | number | bigint))),
    );
  }
}

function sqlValue(value: string | number | bigint): BulkValue {
  return typeof value === 'bigint' ? String(value) : value;
}

/** Of a key as `rowKey` makes it: each part in a column of its own. */
function keyValues(table: TableName, validator: string, key: string): BulkValue[] {
  const fields = ROW_KEYS[table] as readonly string[];
  const kinds = ROW_FIELDS[table] as Readonly<Record<string, FieldKind>>;
  const parts = fields.length === 0 ? [] : key.split('\n');
  return [
    validator,
    ...parts.map((part, index) =>
      columnKind(kinds[fields[index] as string] as FieldKind) === 'bigint' ? Number(part) : part,
    ),
  ];
}
