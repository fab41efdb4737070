/** The placement classes of the database, kept in memory by id. They never change. */
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Reader, Writer } from '../store/database.ts';
import { type PlacementClass, placementClass, type Requirements } from './requirements.ts';

const KEPT = 10_000;

const INSERT_CLASSES: BulkStatement = {
  text: `INSERT INTO placement_classes (id, requirements)
    SELECT DISTINCT id, requirements FROM ROWS AS d WHERE true ON CONFLICT DO NOTHING`,
  columns: { id: 'text', requirements: 'text' },
};

export class PlacementClasses {
  readonly #classes = new Map<string, PlacementClass>();
  /** Ids of classes whose rows are committed. */
  readonly #confirmed = new Set<string>();

  /** The class of these requirements, stored before a task refers to it. */
  async store(writer: Writer, requirements: readonly Requirements[]): Promise<PlacementClass[]> {
    const classes = requirements.map(placementClass);
    const unknown = classes.filter((placement) => !this.#confirmed.has(placement.id));
    const rows = unknown.map((placement) => [placement.id, JSON.stringify(placement.requirements)]);
    await runBulk(writer, INSERT_CLASSES, rows);
    return classes;
  }

  /** The transaction that stored these is committed: they need not be stored again. */
  confirm(classes: readonly PlacementClass[]): void {
    if (this.#confirmed.size > KEPT) this.#confirmed.clear();
    for (const placement of classes) this.#confirmed.add(placement.id);
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
