/**
 * Places batches: tasks of several kinds that wait at the same time and whose jobs ask for the same objectives.
 *
 *     several classes wait --> held, while a plan is made --plan, or no time left--> placed by it --> as single tasks
 *
 * Tasks of one class are alike, and the best nodes for them are found at once. Where classes compete for nodes, the
 * optimiser looks for a good compromise in a thread of its own. Its plan says how many tasks of which class go to which
 * node; in the turn that carries it out, each of these places holds only if the node is still there under the same
 * session, suits, and has room. What does not hold, or was not planned, is placed like any other task.
 */
import { LIMITS, type ObjectiveName, type ObjectiveWeights, type PlacementReason } from '@fog/contract';
import {
  applyPlan,
  type BatchResult,
  type PairEstimate,
  type TaskToPlace,
  type TradeOffs,
} from '@fog/scheduler/placement';
import { PLACEMENT_LIMITS } from '../../limits.ts';
import type { PlacementClass } from '../requirements.ts';
import { expectedOf } from './node-offers.ts';
import type { Place, PlaceRequest, Placer } from './placer.ts';
import type { PlanThread } from './plan-thread.ts';

/** A class that may have tasks waiting, and what is known of them. */
export type WaitingClass = Omit<PlaceRequest, 'most' | 'taken' | 'now'>;

/** A front that a batch was placed from, or that was asked for. */
export interface KeptFront {
  computedAt: number;
  front: TradeOffs;
  /** Index of the point that was carried out; -1 for none. */
  picked: number;
  stoppedBy: BatchResult['stoppedBy'];
  /** Whose tasks it is about. */
  tenants: ReadonlySet<string>;
}

export interface PlannerDependencies {
  placer: Placer;
  thread: Pick<PlanThread, 'prepare' | 'run' | 'stop'>;
  /** How many tasks of a class wait; counts to `most`. */
  countWaiting: (classId: string, most: number) => Promise<number>;
  now: () => number;
  /** A plan is there, or there will be none. */
  wake: () => void;
  metrics: PlanMetrics;
  warn: (message: string, data: Record<string, unknown>) => void;
}

export interface PlanMetrics {
  /** Tasks that a plan placed, and those of its places that no longer held. */
  plan(placed: number, stale: number): void;
}

interface PlannedPlace {
  node: string;
  estimate: PairEstimate;
}

interface Group {
  /** Classes that are in the plan. */
  classes: ReadonlySet<string>;
  heldUntil: number;
  /** Null while it is made. */
  made: { tasks: TaskToPlace[]; plan: BatchResult['plan']; placements: PlacementClass[]; valueMicroFog: bigint } | null;
  /** By class, what still held when the plan was looked at first. */
  places: Map<string, PlannedPlace[]> | null;
}

export class Planner {
  readonly fronts: KeptFront[] = [];
  readonly #dependencies: PlannerDependencies;
  readonly #groups = new Map<string, Group>();
  /** When a group may be planned again. */
  readonly #notBefore = new Map<string, number>();
  #seed = 0;

  constructor(dependencies: PlannerDependencies) {
    this.#dependencies = dependencies;
  }

  /** Before a claim: begins plans for classes that compete. */
  look(waiting: readonly WaitingClass[], now: number): void {
    // What nobody has asked for by now was for tasks that are gone.
    for (const [key, { made, heldUntil }] of this.#groups) {
      if (made !== null && now >= heldUntil + PLACEMENT_LIMITS.planEveryMilliseconds) this.#groups.delete(key);
    }
    for (const [key, classes] of Map.groupBy(waiting, keyOf)) {
      if (key === '' || this.#groups.has(key)) continue;
      if (classes.length < 2) {
        // Another may come that competes with it.
        if (this.#dependencies.placer.isChoice()) this.#dependencies.thread.prepare();
        continue;
      }
      // Where one node has room, there is nothing to choose.
      if ((this.#notBefore.get(key) ?? 0) > now || !this.#dependencies.placer.isChoice()) continue;
      if (this.#notBefore.size >= PLACEMENT_LIMITS.planGroups) this.#notBefore.clear();
      this.#notBefore.set(key, now + PLACEMENT_LIMITS.planEveryMilliseconds);
      const group: Group = {
        classes: new Set(classes.map(({ placement }) => placement.id)),
        heldUntil: now + PLACEMENT_LIMITS.planHoldMilliseconds,
        made: null,
        places: null,
      };
      this.#groups.set(key, group);
      // Should the thread hang.
      setTimeout(() => this.#dependencies.wake(), PLACEMENT_LIMITS.planHoldMilliseconds).unref();
      this.#make(key, group, classes).then(
        () => this.#dependencies.wake(),
        (error: unknown) => {
          this.#groups.delete(key);
          this.#dependencies.warn('a plan could not be made', { error: String(error) });
          this.#dependencies.wake();
        },
      );
    }
  }

  /** Whether tasks of the class wait for a plan. */
  isHeld(placement: PlacementClass, now: number): boolean {
    const group = this.#groups.get(keyOf({ placement }));
    return group !== undefined && group.made === null && group.classes.has(placement.id) && now < group.heldUntil;
  }

  /** Places that a plan has for the class, reserved; none where there is no plan. */
  places(request: PlaceRequest): Place[] {
    const { placement, most, now } = request;
    const { requirements } = placement;
    const key = keyOf(request);
    const group = this.#groups.get(key);
    if (group?.made == null || !group.classes.has(placement.id)) return [];
    group.places ??= this.#hold(group.made, now);
    const planned = group.places.get(placement.id) ?? [];
    const places: Place[] = [];
    while (places.length < most) {
      const next = planned.shift();
      if (next === undefined) break;
      const place = this.#dependencies.placer.reserveOn(next.node, request, group.made.valueMicroFog);
      if (place === null) continue;
      const { objectives = {} } = requirements;
      const expected = expectedOf(next.estimate);
      const reason: PlacementReason = { by: 'plan', objectives, reputation: place.reputation, expected };
      places.push({ session: place.session, reason });
    }
    if (planned.length === 0) group.places.delete(placement.id);
    if (group.places.size === 0) this.#groups.delete(key);
    return places;
  }

  /** The trade-offs for these tasks, as if they waited now. Nothing is placed. */
  async frontOf(waiting: WaitingClass, count: number, milliseconds: number): Promise<KeptFront> {
    const { requirements } = waiting.placement;
    const tasks = this.#tasksOf([{ ...waiting, count: Math.min(count, PLACEMENT_LIMITS.planTasks) }]);
    const objectives = requirements.objectives ?? DEFAULT_OBJECTIVES;
    const { result, kept } = await this.#run(tasks, [waiting], objectives, milliseconds);
    if (result.plan.left.length === tasks.length) return { ...kept, picked: -1 };
    this.#keep(kept);
    return kept;
  }

  async stop(): Promise<void> {
    await this.#dependencies.thread.stop();
  }

  async #make(key: string, group: Group, classes: readonly WaitingClass[]): Promise<void> {
    const { countWaiting, now } = this.#dependencies;
    const most = PLACEMENT_LIMITS.planTasks;
    let left = most;
    const counted: (WaitingClass & { count: number })[] = [];
    for (const waiting of classes.slice(0, PLACEMENT_LIMITS.planClasses)) {
      const count = Math.min(left, await countWaiting(waiting.placement.id, most));
      left -= count;
      if (count > 0) counted.push({ ...waiting, count });
    }
    const tasks = this.#tasksOf(counted);
    if (counted.length < 2 || now() >= group.heldUntil) {
      this.#groups.delete(key);
      return;
    }
    const objectives = classes[0]?.placement.requirements.objectives ?? {};
    const { result, kept } = await this.#run(tasks, counted, objectives, PLACEMENT_LIMITS.planMilliseconds);
    this.#keep(kept);
    // Too late: those that were held have been placed.
    if (now() >= group.heldUntil) this.#groups.delete(key);
    else {
      const placements = counted.map(({ placement }) => placement);
      group.made = { tasks, plan: result.plan, placements, valueMicroFog: dearest(this.#dependencies.placer, counted) };
    }
  }

  async #run(
    tasks: TaskToPlace[],
    classes: readonly WaitingClass[],
    weights: ObjectiveWeights,
    milliseconds: number,
  ): Promise<{ result: BatchResult; kept: KeptFront }> {
    const { thread, now, placer } = this.#dependencies;
    const placements = classes.map(({ placement }) => placement);
    const nodes = placer.offersFor(placements, dearest(placer, classes)).slice(0, PLACEMENT_LIMITS.planNodes);
    const objectives = Object.keys(weights) as ObjectiveName[];
    const pick = { by: 'weights', weights } as const;
    this.#seed += 1;
    const computedAt = now();
    const result = await thread.run({
      request: { tasks, nodes, objectives, now: computedAt, pick },
      seed: this.#seed,
      milliseconds,
    });
    const tenants = new Set(classes.map(({ placement }) => placement.requirements.submitter));
    const { front, picked, stoppedBy } = result;
    return { result, kept: { computedAt, front, picked, stoppedBy, tenants } };
  }

  #tasksOf(classes: readonly (WaitingClass & { count: number })[]): TaskToPlace[] {
    return classes.flatMap(({ count, ...waiting }) => {
      const task = this.#dependencies.placer.task(waiting);
      const features = [waiting.placement.id];
      return Array.from({ length: count }, (_, index) => ({
        ...task,
        id: `${waiting.placement.id} ${index}`,
        features,
      }));
    });
  }

  /** What of the plan holds now, by class. */
  #hold(
    { tasks, plan, placements, valueMicroFog }: NonNullable<Group['made']>,
    now: number,
  ): Map<string, PlannedPlace[]> {
    const { placer, metrics } = this.#dependencies;
    const nodes = placer.offersFor(placements, valueMicroFog);
    const { hold, stale } = applyPlan(plan, { tasks, nodes, now });
    metrics.plan(hold.length, stale.length);
    return Map.groupBy(hold, ({ task }) => task.slice(0, task.indexOf(' ')));
  }

  #keep(front: KeptFront): void {
    this.fronts.unshift(front);
    this.fronts.length = Math.min(this.fronts.length, LIMITS.keptFronts);
  }
}

/** What is at risk with the dearest task: a plan knows one reputation of each node. */
function dearest(placer: Placer, classes: readonly WaitingClass[]): bigint {
  return classes.map((waiting) => placer.valueOf(waiting)).reduce((most, value) => (value > most ? value : most), 0n);
}

/** What a job is planned by that names no objectives. */
const DEFAULT_OBJECTIVES: ObjectiveWeights = { completionTime: 1, cost: 1, failureRisk: 1 };

/** Of one key: placed together. Empty for what is placed by itself. */
function keyOf({ placement: { requirements } }: Pick<WaitingClass, 'placement'>): string {
  const { objectives, node, verified, runtime } = requirements;
  if (objectives === undefined || node !== null || verified === true) return '';
  return `${runtime} ${JSON.stringify(Object.entries(objectives).sort())}`;
}
