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

  /** The class of these requirements, stored before a task refers to it. */
  async store(writer: Writer, requirements: readonly Requirements[]): Promise<PlacementClass[]> {
    const classes = requirements.map(placementClass);
    const rows = classes.map((placement) => [placement.id, JSON.stringify(placement.requirements)]);
    await runBulk(writer, INSERT_CLASSES, rows);
    return classes;
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
