/** Work that waits for other work. */
import { FogError } from '@fog/contract';
import { topologicalOrder } from './graph/task-graph.ts';

export interface DependentWork {
  id: string;
  dependsOn: readonly string[];
}

/**
 * The work so that each piece comes after what it depends on. Throws `invalid-request` when pieces wait for each other
 * (`details.cycle` names them in order), when two have one id, and when one depends on what is neither here nor finished.
 */
export function dependencyOrder<Work extends DependentWork>(
  work: readonly Work[],
  finished: ReadonlySet<string>,
): Work[] {
  const indexOf = new Map(work.map(({ id }, index) => [id, index]));
  if (indexOf.size < work.length) {
    throw new FogError('invalid-request', 'two pieces of work have one id', { hint: 'give each its own' });
  }
  const predecessors: number[][] = work.map(() => []);
  const successors: number[][] = work.map(() => []);
  for (const [index, { id, dependsOn }] of work.entries()) {
    for (const needed of new Set(dependsOn)) {
      const before = indexOf.get(needed);
      if (finished.has(needed)) continue;
      if (before === undefined) {
        throw new FogError('invalid-request', `${id} depends on ${needed}, which there is not`, {
          details: { id, missing: needed },
          hint: 'submit both together, or the other one first',
        });
      }
      predecessors[index]?.push(before);
      successors[before]?.push(index);
    }
  }
  const order = topologicalOrder(
    work.map(({ id }) => id),
    { predecessors, successors },
  );
  return order.map((index) => work[index] as Work);
}

export function isReady({ dependsOn }: DependentWork, finished: ReadonlySet<string>): boolean {
  return dependsOn.every((id) => finished.has(id));
}
