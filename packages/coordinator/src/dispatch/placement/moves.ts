/**
 * Moves of running tasks. A task that has checkpoints, and whose job asks for an early end, goes on elsewhere when it is
 * expected to gain more by that than it costs: the work since its last checkpoint is done again, and the program is stopped
 * and started. Its node is told to give the place up (`departures`), and its next lease is for the target.
 */
import { type AttemptName, attemptKey } from '@fog/contract';
import { changedResources, type NodeOffer, scanNodes, type TaskToPlace } from '@fog/scheduler/placement';
import { PLACEMENT_LIMITS } from '../../limits.ts';
import type { Database } from '../../store/database.ts';
import { safeTimes } from '../../store/spot-rows.ts';
import type { Dispatcher } from '../dispatcher.ts';
import { type CachedJob, type JobCache, runKindsOf } from '../job-cache.ts';
import { placementClass, requirementsOf } from '../requirements.ts';
import type { AgentSession } from '../sessions.ts';

export interface MovesDependencies {
  database: Database;
  dispatcher: Pick<Dispatcher, 'sessions' | 'take'>;
  jobCache: JobCache;
  now: () => number;
}

/** A task that runs, and the nodes that it could run on, its own among them. */
export interface MovableTask {
  name: AttemptName;
  task: TaskToPlace;
  nodes: readonly NodeOffer[];
}

export interface Move {
  name: AttemptName;
  target: string;
}

/**
 * The moves that are worth it, one after the other, at most `most`; what one takes is not there for the next, and what it
 * gives up neither, since it is given up later. Pure.
 */
export function movesOf(tasks: readonly MovableTask[], most: number, now: number): Move[] {
  const taken = new Map<string, TaskToPlace['needs'][]>();
  const moves: Move[] = [];
  for (const { name, task, nodes } of tasks) {
    if (moves.length === most) break;
    const free = nodes.map((node) => {
      const needs = taken.get(node.id) ?? [];
      return { ...node, free: needs.reduce((left, each) => changedResources(left, each, -1), node.free) };
    });
    const fitting = free.filter(({ free: { milliCpu, memoryBytes } }) => milliCpu >= 0 && memoryBytes >= 0);
    // Where it runs it may stay, so there is always a best.
    const { node } = scanNodes(task, fitting, { by: 'weights', weights: { completionTime: 1 } }, now);
    const target = (fitting[node] as NodeOffer).id;
    if (target === task.running?.node) continue;
    moves.push({ name, target });
    taken.set(target, [...(taken.get(target) ?? []), task.needs]);
  }
  return moves;
}

export class Moves {
  readonly #dependencies: MovesDependencies;

  constructor(dependencies: MovesDependencies) {
    this.#dependencies = dependencies;
  }

  /** Tells the tasks to leave that would do better elsewhere. */
  async look(): Promise<void> {
    const { dispatcher, now } = this.#dependencies;
    if (!dispatcher.sessions.placer.isChoice()) return;
    const at = now();
    const tasks = await this.#movable(at);
    for (const { name, target } of movesOf(tasks, PLACEMENT_LIMITS.movesPerLook, at)) {
      dispatcher.take({ kind: 'yield', name, reason: 'moved', target });
    }
  }

  async #movable(at: number): Promise<MovableTask[]> {
    const { database, dispatcher, jobCache } = this.#dependencies;
    const running = [...dispatcher.sessions.all()].flatMap((session) => {
      return [...session.held.values()].flatMap(({ name, slots }) => {
        const job = jobCache.find(name.job);
        const isMovable = slots === 1 && job !== undefined && isWorthAsking(job) && session.takesWork();
        return isMovable && !session.departures.has(attemptKey(name)) ? [{ name, job, session }] : [];
      });
    });
    if (running.length === 0) return [];
    const looked = running.slice(0, PLACEMENT_LIMITS.movableTasks);
    const times = await safeTimes(
      database.read,
      looked.map(({ name }) => name),
    );
    const byKey = new Map(times.map((time) => [attemptKey(time.name), time]));
    return looked.flatMap((each) => {
      const time = byKey.get(attemptKey(each.name));
      const task = time === undefined ? null : this.#taskOf(each, time, at);
      return task === null ? [] : [task];
    });
  }

  #taskOf(
    { name, job, session }: { name: AttemptName; job: CachedJob; session: AgentSession },
    { startedAt, safeAt }: { startedAt: number | null; safeAt: number | null },
    at: number,
  ): MovableTask | null {
    const { placer } = this.#dependencies.dispatcher.sessions;
    // How much earlier attempts have done of the rest is not known; and what was moved once stays.
    if (name.fence > 1 || startedAt === null || at - startedAt < PLACEMENT_LIMITS.steadyMilliseconds) return null;
    const kinds = runKindsOf(job);
    if (!placer.runTimes.isKnown(kinds)) return null;
    const placement = placementClass(requirementsOf(job.spec, job.submitter));
    const task = placer.task({ placement, submittedAt: job.submittedAt, kinds });
    const speed = placer.runTimes.speedOf(session.nodeId);
    const remainingRunMilliseconds = Math.max(0, task.expectedRunMilliseconds - (at - startedAt) * speed);
    const nodes = placer.offersFor([placement], placer.valueOf({ placement, kinds }));
    if (!nodes.some(({ id }) => id === session.nodeId)) return null;
    const running = {
      node: session.nodeId,
      remainingMilliseconds: remainingRunMilliseconds / speed,
      restartMilliseconds: at - (safeAt ?? startedAt) + PLACEMENT_LIMITS.restartMilliseconds,
      remainingRunMilliseconds,
    };
    return { name, task: { ...task, id: attemptKey(name), running }, nodes };
  }
}

/** Of others a move would lose all that they have done, or gain nothing that was asked for. */
function isWorthAsking({ spec: { spec }, verification }: CachedJob): boolean {
  const asksForTime = (spec.objectives?.completionTime ?? 0) > 0;
  return spec.task.checkpoint !== undefined && asksForTime && verification === null && spec.type === 'batch';
}
