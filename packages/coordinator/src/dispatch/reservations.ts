/** What a turn gives away before it is committed. */
import type { Capacity } from '@fog/contract';
import type { JobBond } from '../settlement/job-terms.ts';
import type { TurnBonds } from '../settlement/stake/bonds.ts';
import type { KeptPlace } from './queueing/kept-places.ts';
import { fits, type Needs } from './requirements.ts';
import type { AgentSession } from './sessions.ts';

export class Reservations {
  /** Since `placeFor`, a kept place was given to something because it ends in time. */
  isTimed = false;
  #classId = '';
  #endsBy = Number.POSITIVE_INFINITY;
  readonly #free = new Map<AgentSession, Capacity>();
  readonly #kept = new Map<AgentSession, KeptPlace>();
  readonly #onChange: (session: AgentSession, free: Capacity) => void;

  /** Null where nobody asks for bonds. */
  readonly bonds: TurnBonds | null;

  constructor(
    onChange: (session: AgentSession, free: Capacity) => void = () => undefined,
    bonds: TurnBonds | null = null,
  ) {
    this.#onChange = onChange;
    this.bonds = bonds;
  }

  /** From now on, the node is given only to what does not delay what this place is kept for. */
  keep(session: AgentSession, place: KeptPlace): void {
    this.#kept.set(session, place);
  }

  /** What is placed from now on is of this class, ends by then at the latest, and binds so much. */
  placeFor(classId: string, endsBy: number, bond: JobBond | null = null): void {
    this.bonds?.ask(classId, bond);
    this.#classId = classId;
    this.#endsBy = endsBy;
    this.isTimed = false;
  }

  isKept(session: AgentSession): boolean {
    return this.#kept.has(session);
  }

  freeOf(session: AgentSession): Readonly<Capacity> {
    return this.#free.get(session) ?? session.free;
  }

  /** What it is kept for is not kept off it. */
  #keptOn(session: AgentSession): KeptPlace | undefined {
    const kept = this.#kept.get(session);
    return kept?.classId === this.#classId ? undefined : kept;
  }

  /** Takes a place if there is one. */
  reserve(session: AgentSession, needs: Needs): boolean {
    const known = this.#free.get(session);
    if (!session.takesWork() || (known === undefined && !session.hasFreeSlot())) return false;
    const free = known ?? session.free;
    if (!fits(needs, free) || !this.admits(session)) return false;
    const beside = this.#keptOn(session)?.admit(needs, this.#endsBy);
    if (beside === null) return false;
    this.isTimed ||= beside === 'ends-before';
    this.#change(session, free, needs, -1);
    this.bonds?.count(session.identity, 1);
    return true;
  }

  /** Whether its owner has the bond for it. */
  admits(session: AgentSession): boolean {
    return this.bonds === null || this.bonds.admits(session.identity);
  }

  /** Takes a place for a task whose results will be verified. */
  begin(session: AgentSession, needs: Needs): boolean {
    return session.mayBegin(needs, this.#free.get(session) ?? session.free) && this.reserve(session, needs);
  }

  /** Keeps room from others, also room that is not free yet. */
  withhold(session: AgentSession, needs: Needs): void {
    this.#keptOn(session)?.take(needs, this.#endsBy);
    this.#change(session, this.#free.get(session) ?? session.free, needs, -1);
  }

  /** Gives a place back that was reserved for what is placed now: the claim found fewer tasks. */
  giveBack(session: AgentSession, needs: Needs): void {
    this.bonds?.count(session.identity, -1);
    this.free(session, needs);
  }

  /** Room that no lease of this turn has taken is there again: it is withheld no more, or an attempt has ended. */
  free(session: AgentSession, needs: Needs): void {
    this.#keptOn(session)?.giveBack(needs, this.#endsBy);
    this.#change(session, this.#free.get(session) ?? session.free, needs, 1);
  }

  #change(session: AgentSession, free: Capacity, needs: Needs, sign: 1 | -1): void {
    free.slots += sign;
    free.milliCpu += sign * needs.milliCpu;
    free.memoryBytes += sign * needs.memoryBytes;
    free.diskBytes += sign * needs.diskBytes;
    this.#free.set(session, free);
    this.#onChange(session, free);
  }
}
