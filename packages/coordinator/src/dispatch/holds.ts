/**
 * Room that is kept for tasks of a class on a node until one of them has taken it.
 *
 *     kept for a head for which attempts leave, or for a task that moves -> taken | not needed | overdue
 *
 * What leaves its place must not get it back before those for whom it left, and several that leave do so one by one. In
 * memory: after a crash of the coordinator whoever needs the room asks for it again.
 */
import type { Place } from './placement/placer.ts';
import type { Needs } from './requirements.ts';
import type { Reservations } from './reservations.ts';
import type { Sessions } from './sessions.ts';

export interface Hold {
  node: string;
  classId: string;
  needs: Needs;
  /** By then it is given up. */
  until: number;
  /** Kept for a task that is to come from another node. */
  isForMove: boolean;
}

export class Holds {
  readonly #sessions: Pick<Sessions, 'get'>;
  #holds: Hold[] = [];

  constructor(sessions: Pick<Sessions, 'get'>) {
    this.#sessions = sessions;
  }

  get size(): number {
    return this.#holds.length;
  }

  all(): readonly Hold[] {
    return this.#holds;
  }

  of(classId: string): Hold[] {
    return this.#holds.filter((hold) => hold.classId === classId);
  }

  add(hold: Hold): void {
    this.#holds.push(hold);
  }

  on(node: string): Hold[] {
    return this.#holds.filter((hold) => hold.node === node);
  }

  /** Where nothing leaves any more it is kept until then at the longest. */
  shorten(until: number): void {
    this.#holds = this.#holds.map((hold) => {
      const isComing = hold.isForMove || (this.#sessions.get(hold.node)?.departures.size ?? 0) > 0;
      return isComing || hold.until <= until ? hold : { ...hold, until };
    });
  }

  /** What is on nodes that are not connected any more is kept for nobody. Answers what is overdue besides. */
  expire(now: number): Hold[] {
    this.#holds = this.#holds.filter(({ node }) => this.#sessions.get(node) !== undefined);
    const overdue = this.#holds.filter(({ until }) => until <= now);
    this.#holds = this.#holds.filter(({ until }) => until > now);
    return overdue;
  }

  /** No more than this many tasks of the class wait. */
  trim(classId: string, most: number): void {
    let kept = 0;
    this.#holds = this.#holds.filter((hold) => {
      if (hold.classId !== classId) return true;
      kept += 1;
      return kept <= most;
    });
  }

  /** Tasks of these classes have been leased to these nodes. */
  fill(leased: readonly Pick<Hold, 'classId' | 'node'>[]): void {
    for (const { classId, node } of leased) {
      const index = this.#holds.findIndex((hold) => hold.classId === classId && hold.node === node);
      if (index !== -1) this.#holds = this.#holds.toSpliced(index, 1);
    }
  }

  /** Keeps the rooms from everybody in this turn. */
  withhold(taken: Reservations): void {
    for (const hold of this.#holds) this.#withhold(hold, taken);
  }

  /** Lets the class look for places in its own rooms; what it has not taken is kept on. */
  lend(classId: string, taken: Reservations, find: () => Place[]): Place[] {
    const own = this.#holds.length === 0 ? [] : this.of(classId);
    for (const { node, needs } of own) {
      const session = this.#sessions.get(node);
      if (session !== undefined) taken.free(session, needs);
    }
    const places = find();
    const found = own.length === 0 ? [] : places.map(({ session }) => session);
    for (const hold of own) {
      const index = found.findIndex((session) => session.nodeId === hold.node);
      if (index === -1) this.#withhold(hold, taken);
      else found.splice(index, 1);
    }
    return places;
  }

  #withhold({ node, needs }: Hold, taken: Reservations): void {
    const session = this.#sessions.get(node);
    if (session !== undefined) taken.withhold(session, needs);
  }
}
