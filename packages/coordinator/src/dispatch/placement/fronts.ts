/** Fronts as they are told to people: with the names of nodes, and how many tasks each gets. */
import { FogError, type Front, isLongRunning, parseJobSpec } from '@fog/contract';
import { PLACEMENT_LIMITS } from '../../limits.ts';
import type { Caller } from '../../service.ts';
import type { Dispatcher } from '../dispatcher.ts';
import { runKindOf } from '../job-cache.ts';
import { placementClass, requirementsOf } from '../requirements.ts';
import type { KeptFront } from './planner.ts';

/**
 * The trade-offs of a job that is not submitted, on the nodes of this coordinator as they are now. Throws `invalid-spec`,
 * `unavailable` where no node can take any of its tasks, and `invalid-request` for what is not chosen by trade-offs.
 */
export async function planFront(
  { dispatcher, now }: { dispatcher: Dispatcher; now: () => number },
  caller: Caller,
  {
    spec: document,
    milliseconds = PLACEMENT_LIMITS.frontMilliseconds,
  }: { spec: unknown; milliseconds?: number | undefined },
): Promise<Front> {
  const spec = parseJobSpec(document);
  if (spec.spec.type === 'ops' || isLongRunning(spec)) {
    throw new FogError('invalid-request', `the tasks of type: ${spec.spec.type} are not placed by trade-offs`, {
      hint: 'fog plan FILE tells where they would run',
    });
  }
  const placement = placementClass(requirementsOf(spec, caller.principal));
  const waiting = { placement, submittedAt: now(), kinds: [runKindOf(placement.requirements)] };
  const kept = await dispatcher.planner.frontOf(waiting, spec.spec.count, milliseconds);
  if (kept.picked === -1) {
    throw new FogError('unavailable', 'no connected node can take any of its tasks at this moment', {
      hint: 'fog plan FILE tells why',
      retryable: true,
    });
  }
  return frontFor(dispatcher, kept);
}

/** One that is kept: 0 is the newest of those that the caller may see. Throws `not-found`. */
export function keptFront(dispatcher: Dispatcher, caller: Caller, index: number): Front {
  const isVisible = ({ tenants }: KeptFront) =>
    caller.scope !== 'submit' || [...tenants].every((tenant) => tenant === caller.principal);
  const kept = dispatcher.planner.fronts.filter(isVisible)[index];
  if (kept !== undefined) return frontFor(dispatcher, kept);
  throw new FogError('not-found', `the coordinator keeps no front ${index}`, {
    hint: 'fog plan FILE --front computes one; batches of jobs with objectives leave theirs',
  });
}

function frontFor({ sessions }: Dispatcher, { computedAt, front, picked, stoppedBy }: KeptFront): Front {
  return {
    computedAt,
    objectives: front.objectives,
    tasks: front.tasks.length,
    stoppedBy,
    picked,
    points: front.points.map(({ values, violation, nodes }) => {
      const counts = new Map<number, number>();
      for (const node of nodes) if (node >= 0) counts.set(node, (counts.get(node) ?? 0) + 1);
      const byTasks = [...counts].sort((left, right) => right[1] - left[1] || left[0] - right[0]);
      return {
        values,
        violation,
        otherNodes: Math.max(0, byTasks.length - PLACEMENT_LIMITS.toldNodes),
        nodes: byTasks.slice(0, PLACEMENT_LIMITS.toldNodes).map(([node, tasks]) => {
          const id = front.nodes[node]?.id ?? '';
          return { id, name: sessions.get(id)?.description.name ?? id, tasks };
        }),
      };
    }),
  };
}
