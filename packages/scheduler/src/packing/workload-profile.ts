/** Which tasks a cluster is to expect: what the policies that look ahead go by. */
import { FogError } from '@fog/contract';
import { PACKING_LIMITS } from './limits.ts';
import { assertTaskShape, type TaskShape } from './shapes.ts';

export interface ExpectedShape {
  /** Its memory is not looked at. */
  shape: TaskShape;
  /** Of all tasks that are expected, 0 to 1. */
  share: number;
}

/** Shares add up to 1. */
export type WorkloadProfile = readonly ExpectedShape[];

/** Of all tasks, those of rare shapes that a profile leaves out. */
const RARE_SHARE = 0.05;

/**
 * The most frequent shapes that make up at least 95 % of the tasks seen; memory is left out. Throws `invalid-request`
 * when that takes more shapes than the limit allows.
 */
export function profileOf(tasks: Iterable<TaskShape>): WorkloadProfile {
  const counts = new Map<string, { shape: TaskShape; count: number }>();
  let total = 0;
  for (const task of tasks) {
    assertTaskShape(task);
    const { cpuMilli, gpuCount, gpuMilli, gpuModels } = task;
    const key = `${cpuMilli} ${gpuCount} ${gpuMilli} ${gpuModels.join('|')}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { shape: { ...task, memoryMebibytes: 0 }, count: 1 });
    else known.count += 1;
    total += 1;
  }
  const byCount = [...counts.values()].sort(
    (left, right) => right.count - left.count || compareShapes(right.shape, left.shape),
  );
  const kept: typeof byCount = [];
  let covered = 0;
  for (const entry of byCount) {
    if (covered >= (1 - RARE_SHARE) * total) break;
    kept.push(entry);
    covered += entry.count;
  }
  if (kept.length > PACKING_LIMITS.profileShapes) {
    throw new FogError('invalid-request', `${kept.length} shapes of tasks`, {
      hint: `round what tasks ask for, so that ${PACKING_LIMITS.profileShapes} shapes tell most of them`,
    });
  }
  return kept.map(({ shape, count }) => ({ shape, share: count / covered }));
}

function compareShapes(left: TaskShape, right: TaskShape): number {
  const models = [left, right].map(({ gpuModels }) => gpuModels.join('|')) as [string, string];
  return (
    left.cpuMilli - right.cpuMilli ||
    left.gpuMilli - right.gpuMilli ||
    left.gpuCount - right.gpuCount ||
    Number(models[0] > models[1]) - Number(models[0] < models[1])
  );
}
