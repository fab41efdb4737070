/**
 * Which node gets a task: what the classes ask for, put to the scheduler. It keeps indexes of the connected nodes in step
 * with their sessions, and with what is known of the nodes and their owners.
 *
 *     turn: begin() -> places() ... -> give back | commit -> the next turn starts from what the sessions say
 *
 * Within a turn the index shows what the turn has reserved; what became of that is taken from the sessions afterwards, so
 * that a turn that is run again, or fails, leaves nothing behind.
 */
import type { Node, PlacementReason, RouterStrategyName, RuntimeName } from '@fog/contract';
import { dayOf, reputationOf } from '@fog/economy/reputation';
import { type NodeOffer, type PlaceIndex, rankNodes, type TaskToPlace } from '@fog/scheduler/placement';
import { PLACEMENT_LIMITS } from '../../limits.ts';
import { costOf } from '../../settlement/job-terms.ts';
import type { Bonds } from '../../settlement/stake/bonds.ts';
import type { OwnerReputation } from '../../store/reputation-rows.ts';
import { type Hurdle, hasBegun, hurdleOf, type PlacementClass } from '../requirements.ts';
import { Reservations } from '../reservations.ts';
import type { AgentSession } from '../sessions.ts';
import { BlobPlaces } from './blob-places.ts';
import {
  ASKED_PRICES,
  expectedOf,
  type FleetFacts,
  hasTerms,
  offerOf,
  offerOfNode,
  orderOf,
  type Prices,
  reputationIn,
  rounded,
  taskOf,
  termsHurdle,
} from './node-offers.ts';
import { OfferIndexes } from './offer-indexes.ts';
import { RunTimes } from './run-times.ts';

/** A place that is reserved, and why it was chosen. */
export interface Place {
  session: AgentSession;
  reason: PlacementReason;
}

export interface PlaceRequest {
  placement: PlacementClass;
  most: number;
  taken: Reservations;
  now: number;
  /** Submit of the job that is first in the class. */
  submittedAt: number;
  /** Kinds of run times, the closest first; see `RunTimes`. */
  kinds: readonly string[];
}

const TOO_DEAR: Hurdle = {
  constraint: 'price',
  hint: 'it asks more than twice the posted price, see "fog node get": give the job a budget.perTask',
};

const JAILED: Hurdle = {
  constraint: 'its owner is jailed',
  hint: 'its nodes were away, or a result was proven wrong: the owner comes back with fog stake unjail',
};

/** One that says nothing of itself. */
const ANY_NODE = { labels: {} };

/** What a job gets that asks for nothing. */
const DEFAULT_STRATEGY: RouterStrategyName = 'balanced';

export class Placer {
  readonly runTimes = new RunTimes();
  readonly blobs = new BlobPlaces();
  readonly #sessions: ReadonlyMap<string, AgentSession>;
  readonly #indexes: OfferIndexes;
  /** Sessions of which the indexes may show something else than they say. */
  readonly #stale = new Set<AgentSession>();
  /** Owners of the sessions. */
  readonly owners = new Map<string, Set<AgentSession>>();
  /** Reputations fade by the day. */
  #now = 0;
  readonly #fleet: FleetFacts = { idleWatts: 0, busyWatts: 0, prices: ASKED_PRICES };
  /** Owners whose nodes get no work, but for those that the operator trusts. */
  #jailed: ReadonlySet<string> = new Set();
  /** Null where nobody asks for bonds. */
  bonds: Bonds | null = null;
  /** Where the next comparison of many nodes begins. */
  #cursor = 0;

  /** `sessions`: those that are connected, by node. */
  constructor(sessions: ReadonlyMap<string, AgentSession>) {
    this.#sessions = sessions;
    this.#indexes = new OfferIndexes(sessions, (session, runtime, value) => this.#offer(session, runtime, value));
  }

  /** A session has come, or what it offers has changed. */
  set(session: AgentSession): void {
    const { idleWatts = 0, busyWatts = 0 } = session.description.offer ?? {};
    const isHungriest = idleWatts > this.#fleet.idleWatts || busyWatts > this.#fleet.busyWatts;
    this.#fleet.idleWatts = Math.max(this.#fleet.idleWatts, idleWatts);
    this.#fleet.busyWatts = Math.max(this.#fleet.busyWatts, busyWatts);
    // It stands in for all that do not say theirs.
    this.#offerAgain(isHungriest ? this.#sessions.values() : [session]);
    this.owners.getOrInsertComputed(session.identity.owner, () => new Set()).add(session);
    session.onRoom = () => this.#stale.add(session);
  }

  /** Slices cost something else from now on. */
  setPrices(prices: Prices): void {
    this.#fleet.prices = prices;
    this.#offerAgain(this.#sessions.values());
  }

  /** Nodes of these owners get no work from now on. */
  setJailed(owners: ReadonlySet<string>): void {
    if (owners.symmetricDifference(this.#jailed).size === 0) return;
    this.#jailed = owners;
    this.#offerAgain(this.#sessions.values());
  }

  /**
   * What checks have said of an owner, unless something newer is known. A small rise waits until it is a larger one: each
   * offers all nodes of the owner again.
   */
  setOwner(owner: OwnerReputation): void {
    const sessions = this.owners.get(owner.owner);
    const [first] = sessions ?? [];
    if (sessions === undefined || first === undefined || owner.version <= first.ofOwner.version) return;
    if (this.#isSmallRise(first.ofOwner, owner)) return;
    for (const session of sessions) session.ofOwner = owner;
    this.#offerAgain(sessions);
  }

  #isSmallRise(before: OwnerReputation, after: OwnerReputation): boolean {
    return [...this.#indexes.values].every((valueMicroFog) => {
      const [from, to] = [before, after].map(({ reputation }) =>
        reputationOf(reputation, this.#now, { valueMicroFog }),
      );
      const rise = (to ?? 0) - (from ?? 0);
      return rise >= 0 && rise < PLACEMENT_LIMITS.followedRisePpm;
    });
  }

  /** Micro-FOG for a slice of bronze on this node. */
  priceOn({ description }: AgentSession): number {
    return this.#fleet.prices.priceOn(description);
  }

  #offerAgain(sessions: Iterable<AgentSession>): void {
    for (const session of sessions) this.#indexes.changed(session);
  }

  remove(session: AgentSession): void {
    const { owner } = session.identity;
    const ofOwner = this.owners.get(owner);
    if (ofOwner?.delete(session) === true && ofOwner.size === 0) this.owners.delete(owner);
    this.#indexes.remove(session);
    this.#stale.delete(session);
    session.onRoom = null;
  }

  /** What a turn reserves. */
  begin(now: number): Reservations {
    const isNewDay = dayOf(now) !== dayOf(this.#now);
    this.#now = now;
    if (isNewDay) this.#offerAgain(this.#sessions.values());
    for (const session of this.#stale) this.#indexes.room(session, session.free);
    this.#stale.clear();
    return new Reservations((session, free) => {
      this.#indexes.room(session, free);
      this.#stale.add(session);
    }, this.bonds?.begin() ?? null);
  }

  /** What a task of the class is expected to cost where nodes ask no more than is posted: what is at risk with it. */
  valueOf({ placement: { requirements }, kinds }: Pick<PlaceRequest, 'placement' | 'kinds'>): bigint {
    const { prices } = this.#fleet;
    const posted = prices.priceOn(ANY_NODE);
    if (posted === 0 || !this.runTimes.isKnown(kinds)) return 0n;
    const price = Math.round(posted * prices.multipleOf(requirements.tier ?? 'bronze'));
    return orderOf(costOf(price, requirements, this.runTimes.expectedOf(kinds).milliseconds));
  }

  /** How many connected nodes suit the class, whether they have room or not. */
  suitable(placement: PlacementClass): number {
    if (placement.requirements.node !== null) return 1;
    return this.#indexes.any(placement.requirements.runtime).suitable(this.#kind(placement));
  }

  /** Up to `most` places for tasks of the class, reserved in `taken`. */
  places(request: PlaceRequest): Place[] {
    const { prefer, node } = request.placement.requirements;
    if (node !== null) return this.#placesOn(node, request);
    if (prefer === undefined) return this.#placesAnywhere(request);
    const places = this.#placesOn(prefer, request);
    const most = request.most - places.length;
    return most === 0 ? places : [...places, ...this.#placesAnywhere({ ...request, most })];
  }

  /** Those that take work and suit the class, whether they have room or not. */
  suiting(request: Omit<PlaceRequest, 'most' | 'taken'>): AgentSession[] {
    const { placement, now } = request;
    const { node, avoid, runtime } = placement.requirements;
    const task = hasTerms(placement) ? this.task(request) : null;
    const value = this.valueOf(request);
    return [...this.#sessions.values()].filter((session) => {
      if (!session.takesWork() || session.nodeId === avoid || (node !== null && session.nodeId !== node)) return false;
      return (
        this.#suits(placement, session) &&
        this.bonds?.isShort(placement.id, session.identity) !== true &&
        (task === null || termsHurdle(task, this.#offer(session, runtime, value), now) === null)
      );
    });
  }

  #placesAnywhere(request: PlaceRequest): Place[] {
    const { placement, most, taken } = request;
    const { requirements } = placement;
    const task = this.task(request);
    const isBeginning = requirements.verified === true && !hasBegun(requirements);
    const refused = new Set<AgentSession>();
    const reserve = (session: AgentSession) => {
      if (isBeginning ? taken.begin(session, requirements) : taken.reserve(session, requirements)) return true;
      refused.add(session);
      return false;
    };
    const isOpen = (node: NodeOffer) => {
      const session = this.#sessions.get(node.id);
      if (session === undefined || refused.has(session) || node.id === requirements.avoid) return false;
      if (!taken.admits(session)) return false;
      return !hasTerms(placement) || termsHurdle(task, node, request.now) === null;
    };
    const how = { task, isOpen, reserve };
    const places = requirements.objectives === undefined ? this.#routed(request, how) : this.#ranked(request, how);
    const { avoid } = requirements;
    if (avoid !== undefined && places.length < most) {
      const rest = { ...request, most: most - places.length };
      places.push(...this.#placesOn(avoid, rest));
    }
    return places;
  }

  #routed(request: PlaceRequest, { task, isOpen, reserve }: HowToPlace): Place[] {
    const { placement, most } = request;
    const { strategy = DEFAULT_STRATEGY } = placement.requirements;
    const value = this.valueOf(request);
    const question = { task, strategy, ...this.#kind(placement), isWanted: isOpen };
    const places: Place[] = [];
    while (places.length < most) {
      const node = this.#indexOf(placement, value).choose(question);
      if (node === null) break;
      const session = this.#sessions.get(node.id) as AgentSession;
      if (!reserve(session)) continue;
      places.push({ session, reason: { by: 'strategy', strategy, reputation: rounded(node.reputation) } });
    }
    return places;
  }

  /** Tasks of one class are alike: they fill the best node, then the next. */
  #ranked(request: PlaceRequest, { task, isOpen, reserve }: HowToPlace): Place[] {
    const { placement, most, now } = request;
    const { objectives = {} } = placement.requirements;
    const question = { task, strategy: DEFAULT_STRATEGY, ...this.#kind(placement), isWanted: isOpen };
    const index = this.#indexOf(placement, this.valueOf(request));
    const ready = index.ready(question, PLACEMENT_LIMITS.comparedNodes, this.#cursor);
    this.#cursor += ready.length < PLACEMENT_LIMITS.comparedNodes ? 0 : ready.length;
    const places: Place[] = [];
    // What suits was asked before; the rest of the task's terms is looked at once more.
    for (const { node, estimate } of rankNodes(task, ready, objectives, now)) {
      const offer = ready[node] as NodeOffer;
      const session = this.#sessions.get(offer.id) as AgentSession;
      const reason: PlacementReason = {
        by: 'objectives',
        objectives,
        compared: ready.length,
        reputation: rounded(offer.reputation),
        expected: expectedOf(estimate),
      };
      while (places.length < most && reserve(session)) places.push({ session, reason });
      if (places.length === most) break;
    }
    return places;
  }

  #placesOn(node: string, request: PlaceRequest): Place[] {
    const { placement, most, taken, now } = request;
    const session = this.#sessions.get(node);
    if (session === undefined || !this.#suits(placement, session)) return [];
    const offer = this.#offer(session, placement.requirements.runtime, this.valueOf(request));
    if (hasTerms(placement) && termsHurdle(this.task(request), offer, now) !== null) return [];
    const reason = { ...reasonOn(node, placement), reputation: rounded(offer.reputation) };
    const places: Place[] = [];
    while (places.length < most && taken.reserve(session, placement.requirements)) places.push({ session, reason });
    return places;
  }

  /** Any task of the class, as the scheduler sees it. */
  task({ placement, submittedAt, kinds }: Pick<PlaceRequest, 'placement' | 'submittedAt' | 'kinds'>): TaskToPlace {
    const { data = [], tier = 'bronze' } = placement.requirements;
    const inputs = data.map((digest) => ({ bytes: this.blobs.bytesOf(digest), nodes: this.blobs.nodesOf(digest) }));
    const priceMultiple = this.#fleet.prices.multipleOf(tier);
    return taskOf(placement, { expected: this.runTimes.expectedOf(kinds), submittedAt, inputs, priceMultiple });
  }

  /** What in the terms of a class keeps it off the node at this moment. Of a node that is not connected here less is known. */
  hurdleOn(node: Node, request: Omit<PlaceRequest, 'most' | 'taken'>): Hurdle | null {
    const { placement, now } = request;
    const { runtime } = placement.requirements;
    if (this.#isJailed(node)) return JAILED;
    if (this.#isTooDear(placement, node)) return TOO_DEAR;
    if (!hasTerms(placement)) return null;
    const session = this.#sessions.get(node.id);
    const offer =
      session === undefined
        ? offerOfNode(node, runtime, this.#fleet)
        : this.#offer(session, runtime, this.valueOf(request));
    return termsHurdle(this.task(request), offer, now);
  }

  /**
   * The nodes that suit one of these classes of one runtime and take work; each has as features the classes that it suits.
   * Their reputation is that for a task of this value.
   */
  offersFor(placements: readonly PlacementClass[], valueMicroFog: bigint): NodeOffer[] {
    const [first] = placements;
    if (first === undefined) return [];
    return [...this.#sessions.values()].flatMap((session) => {
      if (!session.takesWork()) return [];
      const features = placements.filter((placement) => this.#suits(placement, session)).map(({ id }) => id);
      return features.length === 0
        ? []
        : [{ ...this.#offer(session, first.requirements.runtime, valueMicroFog), features }];
    });
  }

  /** Whether two nodes or more have room for something. */
  isChoice(): boolean {
    let open = 0;
    for (const session of this.#sessions.values()) {
      if (session.takesWork() && session.hasFreeSlot()) open += 1;
      if (open === 2) return true;
    }
    return false;
  }

  /** A place on this node, if it still suits and has one, with its reputation for a task of this value. */
  reserveOn(
    node: string,
    { placement, taken }: Pick<PlaceRequest, 'placement' | 'taken'>,
    valueMicroFog: bigint,
  ): { session: AgentSession; reputation: number } | null {
    const session = this.#sessions.get(node);
    if (session === undefined || !this.#suits(placement, session)) return null;
    if (!taken.reserve(session, placement.requirements)) return null;
    const atRisk = { valueMicroFog, now: this.#now };
    return { session, reputation: rounded(reputationIn(placement.requirements.runtime, session.facts(1), atRisk)) };
  }

  #kind(placement: PlacementClass): { kind: string; suits: (node: NodeOffer) => boolean } {
    const isSuitable = (node: NodeOffer) => {
      const session = this.#sessions.get(node.id);
      return session !== undefined && this.#suits(placement, session);
    };
    return { kind: placement.id, suits: isSuitable };
  }

  #suits(placement: PlacementClass, session: AgentSession): boolean {
    const { nodeId: id, description, identity } = session;
    const isDear = this.#isTooDear(placement, { description, owner: identity.owner });
    if (isDear || this.#isJailed(identity)) return false;
    return hurdleOf(placement, { ...identity, id, description, state: 'connected', cordoned: false }) === null;
  }

  /** To its owner it is free of charge. */
  #isTooDear({ requirements }: PlacementClass, { owner, description }: Pick<Node, 'owner' | 'description'>): boolean {
    const { budget, submitter } = requirements;
    return budget === undefined && submitter !== owner && this.#fleet.prices.isTooDear(description);
  }

  #isJailed({ owner, trusted }: Pick<Node, 'owner' | 'trusted'>): boolean {
    return !trusted && this.#jailed.has(owner);
  }

  #indexOf({ requirements: { runtime } }: PlacementClass, valueMicroFog: bigint): PlaceIndex {
    return this.#indexes.of(runtime, valueMicroFog);
  }

  #offer(session: AgentSession, runtime: RuntimeName, valueMicroFog: bigint): NodeOffer {
    const facts = session.facts(this.runTimes.speedOf(session.nodeId));
    const offer = offerOf(facts, runtime, session.free, { fleet: this.#fleet, valueMicroFog, now: this.#now });
    return { ...offer, version: session.session, takesWork: session.takesWork() };
  }
}

interface HowToPlace {
  task: TaskToPlace;
  isOpen: (node: NodeOffer) => boolean;
  /** Takes a place there if there is one. */
  reserve: (session: AgentSession) => boolean;
}

/** Why a task goes to this very node. */
function reasonOn(node: string, { requirements }: PlacementClass): Pick<PlacementReason, 'by' | 'strategy'> {
  if (requirements.node !== null) return { by: 'pinned' };
  return requirements.prefer === node ? { by: 'moved' } : { by: 'strategy', strategy: DEFAULT_STRATEGY };
}
