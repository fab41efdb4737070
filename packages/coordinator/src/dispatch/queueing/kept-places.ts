/**
 * Backfilling among nodes (EASY): the first class of a tier whose nodes have no room gets a node on which its task starts
 * the earliest, if everything there runs as long as it may. What is behind it in the order may use that node only without
 * delaying that start. So a large task is not starved by small ones, and nothing is left idle that could be used.
 */
import { attemptKey, type Capacity } from '@fog/contract';
import { type NodeReservation, reserveOnNode, startsBeside } from '@fog/scheduler/queueing';
import { DISPATCH_LIMITS } from '../../limits.ts';
import { type HungryClass, waitingClass } from '../queue-hints.ts';
import type { Needs } from '../requirements.ts';
import type { Reservations } from '../reservations.ts';
import type { AgentSession, Sessions } from '../sessions.ts';

/** A place on a node, while a turn gives away what is beside it. */
export class KeptPlace {
  readonly classId: string;
  readonly startsAt: number;
  readonly #spare: Record<string, number>;

  constructor(classId: string, { startsAtMilliseconds, spare }: NodeReservation) {
    this.classId = classId;
    this.startsAt = startsAtMilliseconds;
    this.#spare = { ...spare };
  }

  /** Why something with these needs, which ends by then, does not delay it, or null; counts it as placed. */
  admit(needs: Needs, endsBy: number): 'ends-before' | 'spare' | null {
    const demand = demandOf(needs);
    const reservation = { startsAtMilliseconds: this.startsAt, spare: this.#spare };
    const beside = startsBeside(reservation, { endsAtMilliseconds: endsBy, demand });
    if (beside === 'spare') this.#add(demand, -1);
    return beside;
  }

  /** Room beside it is kept for something else, which ends by then. */
  take(needs: Needs, endsBy: number): void {
    if (endsBy > this.startsAt) this.#add(demandOf(needs), -1);
  }

  /** What was admitted, or kept, has not come after all. */
  giveBack(needs: Needs, endsBy: number): void {
    if (endsBy > this.startsAt) this.#add(demandOf(needs), 1);
  }

  #add(demand: Capacity, sign: 1 | -1): void {
    for (const [resource, amount] of Object.entries(demand)) {
      this.#spare[resource] = (this.#spare[resource] ?? 0) + sign * amount;
    }
  }
}

/** Which node is kept for the head of a class, and when its task starts there at the latest. */
export interface KeptNode {
  classId: string;
  nodeId: string;
  nodeName: string;
  startsAt: number;
}

/** What a turn knows of the attempts on a node besides what its session holds. */
export interface TurnAttempts {
  /** Keys of attempts that have ended in this turn. */
  ended: ReadonlySet<string>;
  /** Leases of this turn, and places that were found for more. */
  begun: readonly PlacedUntil[];
}

/** Something that takes up a place until then at the latest. */
export interface PlacedUntil {
  session: AgentSession;
  needs: Needs;
  endsBy: number;
}

/**
 * Keeps a place for the head of a class, on the node that was `before` kept for it if there still is room some day: a
 * choice that is made anew each time could be put off each time. Null where no node ever has room.
 */
export function keepPlace(
  { placement, head }: Pick<HungryClass, 'placement' | 'head'>,
  taken: Reservations,
  known: { sessions: Sessions; attempts: TurnAttempts; before: string | null; now: number },
): KeptNode | null {
  const { sessions, before } = known;
  const stays = before === null ? undefined : sessions.get(before);
  const suiting = () => sessions.placer.suiting({ ...waitingClass({ placement, head }, known.now), now: known.now });
  const looked = stays?.takesWork() ? [stays] : suiting().slice(0, DISPATCH_LIMITS.keptNodeChoices);
  let best: { session: AgentSession; reservation: NodeReservation } | null = null;
  for (const session of looked) {
    if (taken.isKept(session) || taken.bonds?.isShort(placement.id, session.identity) === true) continue;
    const reservation = reservationOn(session, placement.requirements, taken, known);
    if (reservation === null) continue;
    if (best === null || reservation.startsAtMilliseconds < best.reservation.startsAtMilliseconds) {
      best = { session, reservation };
    }
  }
  if (best === null) return null;
  const place = new KeptPlace(placement.id, best.reservation);
  taken.keep(best.session, place);
  const { nodeId, description } = best.session;
  return { classId: placement.id, nodeId, nodeName: description.name, startsAt: place.startsAt };
}

function reservationOn(
  session: AgentSession,
  needs: Needs,
  taken: Reservations,
  { attempts, now }: { attempts: TurnAttempts; now: number },
): NodeReservation | null {
  const running = [...session.held.values()]
    .filter(({ name, slots }) => slots === 1 && !attempts.ended.has(attemptKey(name)))
    .map(({ holder, needs: used }) => ({ endsAtMilliseconds: holder.endsBy, demand: demandOf(used) }));
  for (const lease of attempts.begun) {
    if (lease.session === session) running.push({ endsAtMilliseconds: lease.endsBy, demand: demandOf(lease.needs) });
  }
  const free = { ...taken.freeOf(session) };
  return reserveOnNode(demandOf(needs), { nowMilliseconds: now, free, running });
}

function demandOf({ milliCpu, memoryBytes, diskBytes }: Needs): Capacity {
  return { slots: 1, milliCpu, memoryBytes, diskBytes };
}
