/** Tasks that wait for a node other than the last, or for a certain one, wait in a class of their own that says so. */
import { DISPATCH_LIMITS } from '../limits.ts';
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Writer } from '../store/database.ts';
import type { Hold } from './holds.ts';
import type { PlacementClasses } from './placement-classes.ts';
import { placementClass, type Requirements } from './requirements.ts';
import type { Turn } from './turn.ts';

const MOVE_TO_CLASSES: BulkStatement = {
  text: `UPDATE tasks SET class_id = d.class_id FROM ROWS AS d
    WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition`,
  columns: { job_id: 'text', partition: 'integer', class_id: 'text' },
};

/**
 * Replicas that failed on a node rather go to others, tasks that were moved rather to their target. In the transaction of
 * the turn, before its tasks are saved. Tasks that are pinned to a node stay in their class.
 */
export async function chooseClasses(
  writer: Writer,
  classes: PlacementClasses,
  { avoiding, suspensions: { preferring } }: Pick<Turn, 'avoiding' | 'suspensions'>,
  now: number,
): Promise<void> {
  const choices = [
    ...avoiding.map(({ task, node }) => ({ task, change: (old: Requirements) => avoidingNode(old, node) })),
    ...preferring.map(({ task, node }) => ({ task, change: (old: Requirements) => preferringNode(old, node) })),
  ];
  if (choices.length === 0) return;
  const before = await classes.load(writer, [...new Set(choices.map(({ task }) => task.classId))]);
  const byId = new Map(before.map((placement) => [placement.id, placement.requirements]));
  const moves = choices.flatMap(({ task, change }) => {
    const requirements = byId.get(task.classId);
    const isFree = requirements !== undefined && requirements.node === null;
    return isFree ? [{ task, requirements: change(requirements) }] : [];
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

/** Where the tasks go on that this turn has told to move. */
export async function roomsForMoves(writer: Writer, classes: PlacementClasses, turn: Turn): Promise<Hold[]> {
  const moves = turn.suspensions.departures.flatMap(({ task, target, until }) => {
    return target === null || task.verification !== null ? [] : [{ classId: task.classId, node: target, until }];
  });
  if (moves.length === 0) return [];
  const loaded = await classes.load(writer, [...new Set(moves.map(({ classId }) => classId))]);
  const byId = new Map(loaded.map((placement) => [placement.id, placement.requirements]));
  return moves.flatMap(({ classId, node, until }) => {
    const requirements = byId.get(classId);
    if (requirements === undefined || requirements.node !== null) return [];
    const placement = placementClass(preferringNode(requirements, node));
    // It waits for a moment if it has run for a moment.
    const slack = DISPATCH_LIMITS.yieldPauseMilliseconds + DISPATCH_LIMITS.sweepMilliseconds;
    return [{ node, classId: placement.id, needs: requirements, until: until + slack, isForMove: true }];
  });
}

function avoidingNode({ prefer: _, ...requirements }: Requirements, node: string): Requirements {
  return { ...requirements, avoid: node };
}

function preferringNode({ avoid: _, ...requirements }: Requirements, node: string): Requirements {
  return { ...requirements, prefer: node };
}
