/**
 * Nodes as the scheduler looks for them: an index for each runtime and each order of size of what is at risk, since how far
 * a node is relied on depends on that. An index is brought up to date when it is asked.
 */
import type { RuntimeName } from '@fog/contract';
import { type NodeOffer, PlaceIndex } from '@fog/scheduler/placement';
import { PLACEMENT_LIMITS } from '../../limits.ts';
import type { AgentSession } from '../sessions.ts';
import { resourcesOf } from './node-offers.ts';

interface KeptIndex {
  readonly places: PlaceIndex;
  readonly runtime: RuntimeName;
  readonly valueMicroFog: bigint;
  /** Sessions that offer something else than it shows. */
  readonly outdated: Set<AgentSession>;
  /** What sessions have free by now that it does not show. */
  readonly rooms: Map<AgentSession, AgentSession['free']>;
}

export type OfferOf = (session: AgentSession, runtime: RuntimeName, valueMicroFog: bigint) => NodeOffer;

export class OfferIndexes {
  readonly #sessions: ReadonlyMap<string, AgentSession>;
  readonly #offerOf: OfferOf;
  /** The one asked longest ago comes first. */
  readonly #kept = new Map<string, KeptIndex>();

  constructor(sessions: ReadonlyMap<string, AgentSession>, offerOf: OfferOf) {
    this.#sessions = sessions;
    this.#offerOf = offerOf;
  }

  /** What is at risk with tasks that are looked for. */
  get values(): Iterable<bigint> {
    return new Set([0n, ...[...this.#kept.values()].map(({ valueMicroFog }) => valueMicroFog)]);
  }

  /** As of now. */
  of(runtime: RuntimeName, valueMicroFog: bigint): PlaceIndex {
    const key = `${runtime} ${valueMicroFog}`;
    const known = this.#kept.get(key) ?? this.#make(runtime, valueMicroFog);
    if (this.#kept.size > 1) {
      this.#kept.delete(key);
      this.#kept.set(key, known);
    }
    this.#show(known);
    return known.places;
  }

  /** The one of the runtime that was asked last: which nodes suit at all does not depend on what is at risk. */
  any(runtime: RuntimeName): PlaceIndex {
    let newest = 0n;
    for (const known of this.#kept.values()) if (known.runtime === runtime) newest = known.valueMicroFog;
    return this.of(runtime, newest);
  }

  changed(session: AgentSession): void {
    for (const { outdated } of this.#kept.values()) outdated.add(session);
  }

  room(session: AgentSession, free: AgentSession['free']): void {
    for (const { rooms } of this.#kept.values()) rooms.set(session, free);
  }

  remove(session: AgentSession): void {
    for (const { places, outdated, rooms } of this.#kept.values()) {
      places.remove(session.nodeId);
      outdated.delete(session);
      rooms.delete(session);
    }
  }

  #make(runtime: RuntimeName, valueMicroFog: bigint): KeptIndex {
    const oldest = this.#kept.keys().next();
    if (this.#kept.size >= PLACEMENT_LIMITS.offerIndexes && !oldest.done) this.#kept.delete(oldest.value);
    const offers = [...this.#sessions.values()].map((session) => this.#offerOf(session, runtime, valueMicroFog));
    const places = new PlaceIndex(offers, { seed: 0 });
    const made = { places, runtime, valueMicroFog, outdated: new Set<AgentSession>(), rooms: new Map() };
    this.#kept.set(`${runtime} ${valueMicroFog}`, made);
    return made;
  }

  #show({ places, runtime, valueMicroFog, outdated, rooms }: KeptIndex): void {
    for (const session of outdated) {
      if (this.#isConnected(session)) places.set(this.#offerOf(session, runtime, valueMicroFog));
    }
    for (const [session, free] of rooms) {
      if (this.#isConnected(session)) places.setFree(session.nodeId, resourcesOf(free), session.takesWork());
    }
    outdated.clear();
    rooms.clear();
  }

  #isConnected(session: AgentSession): boolean {
    return this.#sessions.get(session.nodeId) === session;
  }
}
