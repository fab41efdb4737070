/** A recorded workflow: tasks with their run times, and which needs which. */
import { FogError } from '@fog/contract';
import { topologicalOrder } from '../../queueing/graph/task-graph.ts';
import { WORKFLOW_LIMITS } from './limits.ts';

/** Tasks go by their index. */
export interface Workflow {
  taskIds: string[];
  runSeconds: Float64Array;
  /** By task: those that need its results, rising, each once. */
  successors: Uint32Array[];
  predecessorCounts: Uint32Array;
  /** Every task after all that it needs. */
  topological: Uint32Array;
  /** Tasks recorded with less than no time, which count as taking none. */
  correctedTasks: number;
}

export interface RecordedTask {
  id: string;
  runSeconds: number;
}

/** A dependency: `to` needs what `from` makes. */
export interface Dependency {
  from: string;
  to: string;
}

/**
 * `file` names the workflow in messages. Throws `invalid-request` for a workflow without tasks, an id that is there twice,
 * a run time that is negative or no number, a dependency of a task that is not there, and for tasks that need each other:
 * then `details.cycle` names them in order.
 */
export function workflowOf(
  tasks: readonly RecordedTask[],
  dependencies: readonly Dependency[],
  file: string,
): Workflow {
  const { tasks: mostTasks, dependencies: mostDependencies } = WORKFLOW_LIMITS;
  if (tasks.length === 0) throw refusal(file, 'there is no task', 'replay a workflow that ran');
  if (tasks.length > mostTasks) throw refusal(file, `${tasks.length} tasks`, `at most ${mostTasks} can be replayed`);
  if (dependencies.length > mostDependencies) {
    throw refusal(file, `${dependencies.length} dependencies`, `at most ${mostDependencies} can be replayed`);
  }
  const indices = new Map<string, number>();
  for (const [index, { id, runSeconds }] of tasks.entries()) {
    if (indices.has(id)) throw refusal(file, `task "${id}" is there twice`, 'give each task an id of its own');
    if (!Number.isFinite(runSeconds) || runSeconds < 0) {
      throw refusal(file, `task "${id}" ran for ${runSeconds} seconds`, 'a run time is a number from 0 on');
    }
    indices.set(id, index);
  }
  const indexOf = (id: string) => {
    const index = indices.get(id);
    if (index === undefined) throw refusal(file, `a dependency names "${id}"`, 'name tasks of the workflow');
    return index;
  };
  const following = tasks.map(() => new Set<number>());
  const predecessorCounts = new Uint32Array(tasks.length);
  for (const { from, to } of dependencies) {
    const successors = following[indexOf(from)] as Set<number>;
    const index = indexOf(to);
    if (successors.has(index)) continue;
    successors.add(index);
    predecessorCounts[index] = (predecessorCounts[index] as number) + 1;
  }
  const successors = following.map((of) => Uint32Array.from(of).sort());
  const taskIds = tasks.map(({ id }) => id);
  return {
    taskIds,
    runSeconds: Float64Array.from(tasks, ({ runSeconds }) => runSeconds),
    successors,
    predecessorCounts,
    topological: orderOf(taskIds, successors, file),
    correctedTasks: 0,
  };
}

export function refusal(file: string, what: string, hint: string, details: Record<string, unknown> = {}): FogError {
  return new FogError('invalid-request', `${file}: ${what}`, { details, hint });
}

function orderOf(taskIds: readonly string[], successors: readonly Uint32Array[], file: string): Uint32Array {
  const predecessors: number[][] = taskIds.map(() => []);
  for (const [task, following] of successors.entries()) {
    for (const next of following) (predecessors[next] as number[]).push(task);
  }
  try {
    return Uint32Array.from(
      topologicalOrder(taskIds, { predecessors, successors: successors.map((of) => Array.from(of)) }),
    );
  } catch (error) {
    if (!(error instanceof FogError)) throw error;
    throw refusal(file, error.message, 'take out one of these dependencies', error.details);
  }
}
