/** The rows of stake that an event names, loaded: what was loaded or changed before is not loaded again. */
import {
  keyOf,
  ROUNDS,
  type RowChange,
  type RowNeed,
  rowsNeeded,
  rowsNeededAt,
  type StakingEvent,
  StakingState,
  type TableName,
} from '@fog/economy/staking';
import type { Reader } from '../../store/database.ts';
import { loadStakeRows } from '../../store/stake-rows.ts';

export class LoadedStake {
  readonly state = new StakingState();
  readonly #reader: Reader;
  readonly #known = new Set<string>();

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** All rows that these events work on, in as few statements as one event takes. */
  async load(events: readonly StakingEvent[], now: number): Promise<void> {
    for (let round = 0; round < ROUNDS; round += 1) {
      const needs = events.flatMap((event) => [...rowsNeededAt(event, now), ...rowsNeeded(event, this.state)]);
      const wanted = needs.filter((need) => !this.#known.has(nameOfNeed(need)));
      if (wanted.length === 0) return;
      for (const need of wanted) this.#known.add(nameOfNeed(need));
      await this.#loadAll(new Map(wanted.map((need) => [nameOfNeed(need), need])));
    }
  }

  apply(changes: readonly RowChange[]): void {
    for (const { table, validator, key } of changes) this.#known.add(nameOfRow(table, validator, key));
    this.state.apply(changes);
  }

  async #loadAll(wanted: ReadonlyMap<string, RowNeed>): Promise<void> {
    for (const [table, needs] of Map.groupBy(wanted.values(), (need) => need.table)) {
      const asked = new Set(needs.filter(({ key }) => key !== null).map(nameOfNeed));
      for (const row of await loadStakeRows(this.#reader, table, needs)) {
        const name = nameOfRow(table, row.validator, keyOf(table, row));
        // Of those that lie beside others that were asked for, some may have changed since.
        if (!asked.has(name) && this.#known.has(name)) continue;
        this.#known.add(name);
        this.state.put(table, row);
      }
    }
  }
}

function nameOfNeed({ table, validator, key, since }: RowNeed): string {
  return key === null ? `${table}\n${validator}\n since ${since}` : nameOfRow(table, validator, key);
}

function nameOfRow(table: TableName, validator: string, key: string): string {
  return `${table}\n${validator}\n${key}`;
}
