/** The agents that are connected here, and what they are free to take. */
import { type AttemptName, attemptKey, type Capacity, type DepartureReason, type NodeDescription } from '@fog/contract';
import { DISPATCH_LIMITS } from '../limits.ts';
import { type OwnerReputation, unknownOwner } from '../store/reputation-rows.ts';
import type { NodeRecords } from '../store/verification-rows.ts';
import type { NodeFacts } from './placement/node-offers.ts';
import { Placer } from './placement/placer.ts';
import { TenantUses } from './queueing/tenant-uses.ts';
import type { Needs } from './requirements.ts';

export interface SessionLink {
  /** Sends a frame that is already JSON. Answers false when the link is gone. */
  send(frame: string): boolean;
  close(reason: string): void;
}

/** How many samples of an attempt are stored, and when the next may be. */
export interface Sampling {
  count: number;
  notBefore: number;
}

/** An attempt that was told to give up its place. */
export interface Departure {
  reason: DepartureReason;
  /** Where its task is to go on, if there is room by then; null: anywhere. */
  target: string | null;
  /** If it is still there at this moment, it counts as lost. */
  until: number;
}

/** Who a node is, for verification. */
export interface NodeIdentity {
  /** Raw Ed25519 key, base64url. */
  publicKey: string;
  owner: string;
  /** Network prefix of the address that it connected from. */
  prefix: string;
  trusted: boolean;
}

/** What is known of a node when it connects. */
export interface NodeRecord extends NodeRecords, Pick<NodeFacts, 'losses' | 'connectedMilliseconds'> {
  ofOwner: OwnerReputation;
  connectedAt: number;
}

const NEW_NODE: NodeRecord = {
  trust: {},
  reputation: {},
  ofOwner: unknownOwner(''),
  losses: 0,
  connectedMilliseconds: 0,
  connectedAt: 0,
};

/** What a session holds of an attempt. */
interface Held {
  name: AttemptName;
  needs: Needs;
  /** 0 once the attempt has run and only its outputs are kept. */
  slots: 0 | 1;
  holder: Holder;
  sampling: Sampling;
}

/** Whose attempt it is, and when it ends at the latest; what is kept running never does. */
export interface Holder {
  tenant: string;
  endsBy: number;
  /** Others may take its place. */
  isSpot: boolean;
}

const NOBODY: Holder = { tenant: '', endsBy: Number.POSITIVE_INFINITY, isSpot: false };

export class AgentSession {
  readonly nodeId: string;
  readonly identity: NodeIdentity;
  readonly session: number;
  readonly link: SessionLink;
  description: NodeDescription;
  /** What is known of its results, by runtime. */
  records: NodeRecords;
  /** Of all nodes of its owner; the placer keeps it up to date. */
  ofOwner: OwnerReputation;
  readonly connectedAt: number;
  /** Null before it was measured. */
  roundTripMilliseconds: number | null = null;
  /** It has said goodbye: its end is no loss. */
  isLeaving = false;
  /** Called when it has more or less room, or takes work no more, or again. */
  onRoom: (() => void) | null = null;
  readonly #before: Pick<NodeFacts, 'losses' | 'connectedMilliseconds'>;
  #cordoned: boolean;
  #drainUntil: number | null = null;
  /** Journal entries up to this one have been taken over into a turn. */
  received: number;
  /** Up to this one they are durable. */
  acknowledged: number;
  open = true;
  #reachable = true;
  cpuBusy: number | null = null;
  memoryFreeBytes: number | null = null;
  readonly held = new Map<string, Held>();
  /** Held attempts that were told to leave. */
  readonly departures = new Map<string, Departure & { name: AttemptName }>();
  #committed = 0;
  /** Where it is counted too while the session is among those of a coordinator. */
  #uses: TenantUses | null = null;
  #spot = 0;
  readonly #used: Capacity = { slots: 0, milliCpu: 0, memoryBytes: 0, diskBytes: 0 };

  constructor(
    link: SessionLink,
    node: Pick<AgentSession, 'nodeId' | 'session' | 'identity' | 'description' | 'cordoned' | 'received'> & {
      record?: NodeRecord;
    },
  ) {
    this.link = link;
    this.nodeId = node.nodeId;
    this.session = node.session;
    this.identity = node.identity;
    this.description = node.description;
    this.#cordoned = node.cordoned;
    this.received = node.received;
    this.acknowledged = node.received;
    const { trust, reputation, ofOwner, connectedAt, ...before } = node.record ?? NEW_NODE;
    this.records = { trust, reputation };
    this.ofOwner = ofOwner;
    this.connectedAt = connectedAt;
    this.#before = before;
  }

  get cordoned(): boolean {
    return this.#cordoned;
  }

  set cordoned(cordoned: boolean) {
    this.#cordoned = cordoned;
    this.onRoom?.();
  }

  /** The node was told to finish by then; null while it is not draining. */
  get drainUntil(): number | null {
    return this.#drainUntil;
  }

  set drainUntil(until: number | null) {
    this.#drainUntil = until;
    this.onRoom?.();
  }

  /** False once a lease could not be sent. */
  get reachable(): boolean {
    return this.#reachable;
  }

  set reachable(reachable: boolean) {
    this.#reachable = reachable;
    this.onRoom?.();
  }

  /** What placement knows of the node. `speed`: as a multiple of what is usual. */
  facts(speed: number): NodeFacts {
    const { owner, prefix, trusted } = this.identity;
    const { description, records, roundTripMilliseconds } = this;
    return {
      id: this.nodeId,
      description,
      owner,
      prefix,
      trusted,
      reputation: records.reputation,
      ownerReputation: this.ofOwner.reputation,
      ...this.#before,
      roundTripMilliseconds,
      speed,
    };
  }

  get free(): Capacity {
    const { capacity } = this.description;
    return {
      slots: capacity.slots - this.#used.slots,
      milliCpu: capacity.milliCpu - this.#used.milliCpu,
      memoryBytes: capacity.memoryBytes - this.#used.memoryBytes,
      diskBytes: capacity.diskBytes - this.#used.diskBytes,
    };
  }

  takesWork(): boolean {
    return this.open && this.reachable && !this.cordoned && this.drainUntil === null;
  }

  /** Tells a node that drains how long it has. */
  sendDrain(now: number): void {
    if (this.drainUntil === null) return;
    this.link.send(JSON.stringify({ type: 'drain', deadlineMilliseconds: Math.max(0, this.drainUntil - now) }));
  }

  /**
   * Whether the node may begin a task whose results are verified. It may not while it keeps too many results, or while
   * such tasks could use up its disk: there has to be room for the replicas that others wait for. `free`: of it now.
   */
  mayBegin(needs: Needs, free: Capacity): boolean {
    const { diskBytes } = this.description.capacity;
    const isRoomy = free.diskBytes === diskBytes || free.diskBytes - needs.diskBytes >= diskBytes / 2;
    return isRoomy && this.#committed < DISPATCH_LIMITS.committedAttempts;
  }

  /** A quick look before the exact one. */
  hasFreeSlot(): boolean {
    return this.#used.slots < this.description.capacity.slots;
  }

  /** From now on what it holds counts in `uses` as well; null: no more. */
  countIn(uses: TenantUses | null): void {
    const entries = [...this.held.values()];
    for (const entry of entries) this.#count(entry, -1);
    this.#uses = uses;
    for (const entry of entries) this.#count(entry, 1);
  }

  hold(name: AttemptName, needs: Needs, holder: Holder = NOBODY): void {
    const key = attemptKey(name);
    if (this.held.has(key)) return;
    const entry: Held = { name, needs, slots: 1, holder, sampling: { count: 0, notBefore: 0 } };
    this.held.set(key, entry);
    if (holder.isSpot) this.#spot += 1;
    this.#add(entry, 1);
  }

  /** The attempt has run: it keeps its disk, and gives up everything else. */
  commit(name: AttemptName): void {
    const entry = this.held.get(attemptKey(name));
    if (entry === undefined || entry.slots === 0) return;
    this.#add(entry, -1);
    entry.needs = { milliCpu: 0, memoryBytes: 0, diskBytes: entry.needs.diskBytes };
    entry.slots = 0;
    this.#committed += 1;
    this.#add(entry, 1);
  }

  /** Attempts that have run and keep their outputs. */
  get committed(): AttemptName[] {
    return this.#committed === 0 ? [] : [...this.held.values()].flatMap(({ slots, name }) => (slots === 0 ? name : []));
  }

  needsOf(name: AttemptName): Needs | undefined {
    return this.held.get(attemptKey(name))?.needs;
  }

  tenantOf(name: AttemptName): string {
    return this.held.get(attemptKey(name))?.holder.tenant ?? NOBODY.tenant;
  }

  /** Whether the attempt takes up a slot. */
  isPlaced(name: AttemptName): boolean {
    return this.held.get(attemptKey(name))?.slots === 1;
  }

  /** The attempt is to give up its place; what it was told first counts. */
  tellToLeave(name: AttemptName, departure: Departure): void {
    const key = attemptKey(name);
    if (this.held.has(key) && !this.departures.has(key)) this.departures.set(key, { ...departure, name });
  }

  /** Attempts at work whose places others may take. */
  get spot(): { name: AttemptName; needs: Needs }[] {
    if (this.#spot === 0) return [];
    return [...this.held.values()].filter(({ holder, slots }) => holder.isSpot && slots === 1);
  }

  samplingOf(name: AttemptName): Sampling | undefined {
    return this.held.get(attemptKey(name))?.sampling;
  }

  release(name: AttemptName): void {
    const key = attemptKey(name);
    const entry = this.held.get(key);
    if (entry === undefined) return;
    this.held.delete(key);
    this.departures.delete(key);
    if (entry.holder.isSpot) this.#spot -= 1;
    if (entry.slots === 0) this.#committed -= 1;
    this.#add(entry, -1);
  }

  #add(entry: Held, sign: 1 | -1): void {
    const { needs, slots } = entry;
    this.onRoom?.();
    this.#count(entry, sign);
    this.#used.slots += sign * slots;
    this.#used.milliCpu += sign * needs.milliCpu;
    this.#used.memoryBytes += sign * needs.memoryBytes;
    this.#used.diskBytes += sign * needs.diskBytes;
  }

  #count({ holder: { tenant }, needs, slots }: Held, sign: 1 | -1): void {
    if (slots === 1) this.#uses?.add(tenant, needs, sign);
    else this.#uses?.addKept(tenant, needs, sign);
  }
}

/** Who is connected, by node, and the places that they have. */
export class Sessions {
  /** What tenants have on these nodes. */
  readonly uses = new TenantUses();
  /** All that these nodes offer; null when that has to be added up again. */
  #capacity: Capacity | null = null;
  readonly #byNode = new Map<string, AgentSession>();
  readonly placer = new Placer(this.#byNode);

  get size(): number {
    return this.#byNode.size;
  }

  get(nodeId: string): AgentSession | undefined {
    return this.#byNode.get(nodeId);
  }

  all(): IterableIterator<AgentSession> {
    return this.#byNode.values();
  }

  /** Answers the session that this one replaces. */
  add(session: AgentSession): AgentSession | undefined {
    const previous = this.#byNode.get(session.nodeId);
    if (previous !== undefined) this.remove(previous);
    this.#byNode.set(session.nodeId, session);
    this.placer.set(session);
    session.countIn(this.uses);
    this.#capacity = null;
    return previous;
  }

  remove(session: AgentSession): void {
    session.open = false;
    if (this.#byNode.get(session.nodeId) !== session) return;
    this.#byNode.delete(session.nodeId);
    this.placer.remove(session);
    session.countIn(null);
    this.#capacity = null;
  }

  /** What the node offers, or what is known of it, has changed for good. */
  changed(session: AgentSession): void {
    this.#capacity = null;
    if (this.#byNode.get(session.nodeId) === session) this.placer.set(session);
  }

  get capacity(): Readonly<Capacity> {
    if (this.#capacity !== null) return this.#capacity;
    const sum = { slots: 0, milliCpu: 0, memoryBytes: 0, diskBytes: 0 };
    for (const { description } of this.#byNode.values()) {
      for (const key of Object.keys(sum) as (keyof Capacity)[]) sum[key] += description.capacity[key];
    }
    this.#capacity = sum;
    return sum;
  }
}
