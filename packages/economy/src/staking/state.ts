/**
 * Rows in memory: all of them, or those that an operation names. Operations write into a draft; only one that ends well
 * is taken over, so a refused operation changes nothing.
 */
import { keyOf, type StakingTables, TABLE_NAMES, type TableName } from './rows.ts';

export interface RowChange<Table extends TableName = TableName> {
  table: Table;
  validator: string;
  key: string;
  /** Null: it is no more. */
  row: StakingTables[Table] | null;
}

/** What an operation works on. A row is never changed, only put anew. */
export interface Rows {
  get<Table extends TableName>(table: Table, validator: string, key?: string): StakingTables[Table] | undefined;
  /** All rows of a validator, in no order. */
  of<Table extends TableName>(table: Table, validator: string): StakingTables[Table][];
  put<Table extends TableName>(table: Table, row: StakingTables[Table]): void;
  remove<Table extends TableName>(table: Table, row: StakingTables[Table]): void;
}

type Stored = Map<string, Map<string, unknown>>;

export class StakingState implements Rows {
  readonly #tables = new Map<TableName, Stored>(TABLE_NAMES.map((table) => [table, new Map()]));

  get<Table extends TableName>(table: Table, validator: string, key = ''): StakingTables[Table] | undefined {
    return this.#stored(table).get(validator)?.get(key) as StakingTables[Table] | undefined;
  }

  of<Table extends TableName>(table: Table, validator: string): StakingTables[Table][] {
    return [...(this.#stored(table).get(validator)?.values() ?? [])] as StakingTables[Table][];
  }

  *all<Table extends TableName>(table: Table): IterableIterator<StakingTables[Table]> {
    for (const rows of this.#stored(table).values()) yield* rows.values() as IterableIterator<StakingTables[Table]>;
  }

  put<Table extends TableName>(table: Table, row: StakingTables[Table]): void {
    this.apply([{ table, validator: row.validator, key: keyOf(table, row), row }]);
  }

  remove<Table extends TableName>(table: Table, row: StakingTables[Table]): void {
    this.apply([{ table, validator: row.validator, key: keyOf(table, row), row: null }]);
  }

  apply(changes: Iterable<RowChange>): void {
    for (const { table, validator, key, row } of changes) {
      const stored = this.#stored(table);
      const rows = stored.get(validator);
      if (row === null) {
        rows?.delete(key);
        if (rows?.size === 0) stored.delete(validator);
      } else if (rows === undefined) stored.set(validator, new Map([[key, row]]));
      else rows.set(key, row);
    }
  }

  #stored(table: TableName): Stored {
    return this.#tables.get(table) as Stored;
  }
}

/** What an operation has written so far, over the rows that were there. */
export class Draft implements Rows {
  readonly #below: Rows;
  readonly #changes = new Map<string, RowChange>();

  constructor(below: Rows) {
    this.#below = below;
  }

  get<Table extends TableName>(table: Table, validator: string, key = ''): StakingTables[Table] | undefined {
    const change = this.#changes.get(changeKey(table, validator, key)) as RowChange<Table> | undefined;
    return change === undefined ? this.#below.get(table, validator, key) : (change.row ?? undefined);
  }

  of<Table extends TableName>(table: Table, validator: string): StakingTables[Table][] {
    const rows = new Map(this.#below.of(table, validator).map((row) => [keyOf(table, row), row]));
    for (const change of this.#changes.values()) {
      if (change.table !== table || change.validator !== validator) continue;
      if (change.row === null) rows.delete(change.key);
      else rows.set(change.key, change.row as StakingTables[Table]);
    }
    return [...rows.values()];
  }

  put<Table extends TableName>(table: Table, row: StakingTables[Table]): void {
    this.#write({ table, validator: row.validator, key: keyOf(table, row), row });
  }

  remove<Table extends TableName>(table: Table, row: StakingTables[Table]): void {
    this.#write({ table, validator: row.validator, key: keyOf(table, row), row: null });
  }

  changes(): RowChange[] {
    return [...this.#changes.values()];
  }

  #write(change: RowChange): void {
    this.#changes.set(changeKey(change.table, change.validator, change.key), change);
  }
}

function changeKey(table: TableName, validator: string, key: string): string {
  return `${table}\n${validator}\n${key}`;
}
