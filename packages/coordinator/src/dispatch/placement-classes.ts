/** The placement classes of the database, kept in memory by id. They never change. */
import { DISPATCH_LIMITS } from '../limits.ts';
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Reader, Writer } from '../store/database.ts';
import { type PlacementClass, placementClass, type Requirements } from './requirements.ts';

const KEPT = 10_000;

const INSERT_CLASSES: BulkStatement = {
  text: `INSERT INTO placement_classes (id, requirements, used_at)
    SELECT DISTINCT id, requirements, used_at FROM ROWS AS d WHERE true
    ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at`,
  columns: { id: 'text', requirements: 'text', used_at: 'bigint' },
};

export class PlacementClasses {
  readonly #classes = new Map<string, PlacementClass>();
  /** Until when the rows of classes need not be stored again: they are committed, and say that they are in use. */
  readonly #confirmed = new Map<string, number>();

  /** The class of these requirements, stored before a task refers to it. */
  async store(writer: Writer, requirements: readonly Requirements[], now: number): Promise<PlacementClass[]> {
    const classes = requirements.map(placementClass);
    const stale = classes.filter(({ id }) => !((this.#confirmed.get(id) ?? 0) > now));
    const rows = stale.map((placement) => [placement.id, JSON.stringify(placement.requirements), now]);
    await runBulk(writer, INSERT_CLASSES, rows);
    return classes;
  }

  /** The transaction that stored these is committed: they need not be stored again. */
  confirm(classes: readonly PlacementClass[], storedAt: number): void {
    if (this.#confirmed.size > KEPT) this.#confirmed.clear();
    const until = storedAt + DISPATCH_LIMITS.classConfirmedMilliseconds;
    for (const { id } of classes) if (!((this.#confirmed.get(id) ?? 0) > storedAt)) this.#confirmed.set(id, until);
  }

  async load(reader: Reader, ids: readonly string[]): Promise<PlacementClass[]> {
    const missing = ids.filter((id) => !this.#classes.has(id));
    if (missing.length > 0) {
      const rows = await reader.selectFrom('placement_classes').selectAll().where('id', 'in', missing).execute();
      for (const row of rows) this.#keep(placementClass(JSON.parse(row.requirements) as Requirements));
    }
    return ids.flatMap((id) => this.#classes.get(id) ?? []);
  }

  #keep(placement: PlacementClass): void {
    const oldest = this.#classes.keys().next();
    if (this.#classes.size >= KEPT && !oldest.done) this.#classes.delete(oldest.value);
    this.#classes.set(placement.id, placement);
  }
}
