/**
 * Makes room for tasks that are not spot by having spot attempts leave, and looks after those that were told to leave.
 *
 *     a class is blocked: it suits nodes, none has room -> rooms are chosen where the least work is lost
 *       -> room is kept for the class (holds.ts), the victims are told to leave -> they yield, their tasks wait again
 *
 * Spot work gives way whatever its priority. Each coordinator looks at its own nodes. Room that nobody took in time makes
 * the class wait before more is stopped for it.
 */
import { attemptKey, type Capacity } from '@fog/contract';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { Database } from '../store/database.ts';
import { safeTimes, waitingTasks } from '../store/spot-rows.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type HungryClass, waitingClass } from './queue-hints.ts';
import { fits, type Needs } from './requirements.ts';
import type { AgentSession } from './sessions.ts';
import { roomsFor, type SpotNode } from './spot-victims.ts';

export interface PreemptionDependencies {
  database: Database;
  dispatcher: Pick<Dispatcher, 'sessions' | 'hints' | 'holds' | 'mayStart' | 'take' | 'settled'>;
  now: () => number;
}

export class Preemption {
  readonly #dependencies: PreemptionDependencies;
  /** Classes that have not taken the room that was made for them, and until when no more is made. */
  readonly #futile = new Map<string, number>();

  constructor(dependencies: PreemptionDependencies) {
    this.#dependencies = dependencies;
  }

  async look(): Promise<void> {
    const { dispatcher, now } = this.#dependencies;
    const at = now();
    this.#loseUnheeding(at);
    await this.#giveUpNeedless();
    for (const { classId, isForMove } of dispatcher.holds.expire(at)) {
      if (!isForMove) this.#futile.set(classId, at + DISPATCH_LIMITS.futilePreemptionMilliseconds);
    }
    dispatcher.holds.shorten(at + DISPATCH_LIMITS.holdMilliseconds);
    for (const [classId, until] of this.#futile) if (until <= at) this.#futile.delete(classId);
    if (![...dispatcher.sessions.all()].some((session) => session.spot.length > 0)) return;
    const blocked = dispatcher.hints
      .inOrder()
      .filter(({ placement: { id, requirements } }) => requirements.spot !== true && !this.#futile.has(id))
      .filter(({ placement }) => dispatcher.mayStart(placement.requirements))
      .slice(0, DISPATCH_LIMITS.preemptingClasses);
    let most: number = DISPATCH_LIMITS.preemptionsPerLook;
    for (const head of blocked) {
      if (most > 0) most -= await this.#makeRoom(head, most, at);
    }
  }

  #loseUnheeding(at: number): void {
    const { dispatcher } = this.#dependencies;
    for (const { departures } of dispatcher.sessions.all()) {
      for (const { name, until } of departures.values()) {
        if (until <= at) dispatcher.take({ kind: 'unheeded', name });
      }
    }
  }

  /** Those for whom room is kept may have found other places, or be gone. */
  async #giveUpNeedless(): Promise<void> {
    const { database, dispatcher } = this.#dependencies;
    const holds = Map.groupBy(dispatcher.holds.all(), ({ classId }) => classId);
    for (const [classId, kept] of holds) {
      // A task that moves has not left its place yet.
      if (kept.some(({ isForMove }) => isForMove)) continue;
      dispatcher.holds.trim(classId, await waitingTasks(database.read, classId, kept.length));
    }
  }

  /** Answers how many attempts leave for it. */
  async #makeRoom(blocked: HungryClass, most: number, at: number): Promise<number> {
    const { database, dispatcher } = this.#dependencies;
    const { placement } = blocked;
    const { requirements, id: classId } = placement;
    const nodes = dispatcher.sessions.placer.suiting({ ...waitingClass(blocked, at), now: at });
    const rooms = nodes.map((session) => ({ session, free: this.#freeOf(session) }));
    if (rooms.some(({ free }) => fits(requirements, free.now))) return 0;
    const kept = dispatcher.holds.of(classId).length;
    const waiting = (await waitingTasks(database.read, classId, most + kept)) - kept;
    if (waiting <= 0) return 0;
    const spotNodes = await this.#spotNodes(rooms.map(({ session, free }) => ({ session, free: free.later })));
    let told = 0;
    for (const { node, victims } of roomsFor(requirements, Math.min(most, waiting), spotNodes, at)) {
      dispatcher.holds.add({ node, classId, needs: requirements, until: at + HOLD_MILLISECONDS, isForMove: false });
      dispatcher.take(...victims.map((name) => ({ kind: 'yield', name, reason: 'preempted' }) as const));
      told += victims.length;
    }
    // Who was told is known after the turn; the next class must not count on the same.
    if (told > 0) await dispatcher.settled();
    return told;
  }

  /** Of a node now, and once what is told to leave has left; less what is kept for others. */
  #freeOf(session: AgentSession): { now: Capacity; later: Capacity } {
    const kept = this.#dependencies.dispatcher.holds.on(session.nodeId).map(({ needs }) => needs);
    const leaving = [...session.departures.values()].flatMap(({ name }) => session.needsOf(name) ?? []);
    const now = changed(session.free, kept, -1);
    return { now, later: changed(now, leaving, 1) };
  }

  async #spotNodes(rooms: readonly { session: AgentSession; free: Capacity }[]): Promise<SpotNode[]> {
    const some = rooms.filter(({ session }) => session.spot.length > 0).slice(0, DISPATCH_LIMITS.preemptionNodes);
    const spot = some.map(({ session }) => {
      return session.spot.filter(({ name }) => !session.departures.has(attemptKey(name)));
    });
    const times = await safeTimes(
      this.#dependencies.database.read,
      spot.flat().map(({ name }) => name),
    );
    const safeAt = new Map(times.map((time) => [attemptKey(time.name), time.safeAt]));
    return some.map(({ session, free }, index) => ({
      id: session.nodeId,
      free,
      spot: (spot[index] ?? []).flatMap(({ name, needs }) => {
        const at = safeAt.get(attemptKey(name));
        return at === undefined ? [] : [{ name, needs, safeAt: at }];
      }),
    }));
  }
}

/** Longer than the slowest that leaves may take. */
const HOLD_MILLISECONDS =
  DISPATCH_LIMITS.departureGraceMilliseconds +
  DISPATCH_LIMITS.lastCheckpointMilliseconds +
  DISPATCH_LIMITS.departureMilliseconds;

function changed(free: Capacity, needs: readonly Needs[], sign: 1 | -1): Capacity {
  const sum = { ...free };
  for (const { milliCpu, memoryBytes, diskBytes } of needs) {
    sum.slots += sign;
    sum.milliCpu += sign * milliCpu;
    sum.memoryBytes += sign * memoryBytes;
    sum.diskBytes += sign * diskBytes;
  }
  return sum;
}
