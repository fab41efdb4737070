/** Replicas that failed on a node wait for their next one in a class that prefers others. */
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Writer } from '../store/database.ts';
import type { PlacementClasses } from './placement-classes.ts';
import type { Turn } from './turn.ts';

const MOVE_TO_CLASSES: BulkStatement = {
  text: `UPDATE tasks SET class_id = d.class_id FROM ROWS AS d
    WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition`,
  columns: { job_id: 'text', partition: 'integer', class_id: 'text' },
};

/** In the transaction of the turn, before its tasks are saved. Those of daemons are pinned and stay in their class. */
export async function avoidNodes(
  writer: Writer,
  classes: PlacementClasses,
  avoiding: Turn['avoiding'],
  now: number,
): Promise<void> {
  if (avoiding.length === 0) return;
  const before = await classes.load(writer, [...new Set(avoiding.map(({ task }) => task.classId))]);
  const byId = new Map(before.map((placement) => [placement.id, placement.requirements]));
  const moves = avoiding.flatMap(({ task, node }) => {
    const requirements = byId.get(task.classId);
    const isFree = requirements !== undefined && requirements.node === null;
    return isFree ? [{ task, requirements: { ...requirements, avoid: node } }] : [];
  });
  const after = await classes.store(
    writer,
    moves.map(({ requirements }) => requirements),
    now,
  );
  const rows = moves.map(({ task }, index) => {
    task.classId = after[index]?.id ?? task.classId;
    return [task.job, task.partition, task.classId];
  });
  await runBulk(writer, MOVE_TO_CLASSES, rows);
}
