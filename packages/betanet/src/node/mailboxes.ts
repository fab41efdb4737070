/**
 * What a gateway keeps for its clients until they take it.
 *
 *     client   unknown --first packet--> present --cut--> away --a packet over a new link--> present
 *                                                           '--time, or others need the room--> forgotten
 *
 *     delivery   arrived --> kept --slot of its client--> sent
 *                              '--no room, or its client is forgotten--> dropped
 *
 * What goes to a client has a rhythm that does not depend on what there is for it: each packet that the client sends
 * gives a fixed number of slots, and in each leaves the delivery that has waited longest, or a dummy of the same size.
 * So whoever watches the link learns no more from this direction than from the other.
 *
 * A client is known by a hash of the key of its link, which it makes anew whenever it likes; nobody else can ask for
 * what is sent to it. Because keys cost nothing, room is shared among network prefixes: the one that takes most of it
 * gives way first.
 *
 * Deliveries have the length of a packet:
 *
 *     0..63    outcome record (see outcome.ts of @fog/sphinx): deliver or reply, recipient, id of the reply block
 *     64..     zeros up to the length of a header, then the body
 *
 * A dummy is all zeros, which is the record of a packet that goes on: nothing that a client could get.
 */
import { createHash } from 'node:crypto';
import { NODE_LIMITS } from './limits.ts';
import { Ranking } from './ranking.ts';

/** Null: a dummy. */
export type SendDelivery = (delivery: Uint8Array | null) => 'sent' | 'full' | 'closed';

export interface MailboxesOptions {
  /** Clients that are remembered. */
  clients?: number;
  /** Deliveries that are kept for all clients together. */
  capacity?: number;
  perClient?: number;
  keepMilliseconds?: number;
}

interface Mailbox {
  name: string;
  neighbours: Neighbours;
  /** Null while the client is away. */
  send: SendDelivery | null;
  kept: Uint8Array[];
  awaySince: number;
}

/** The mailboxes of one network prefix. */
interface Neighbours {
  prefix: string;
  boxes: number;
  kept: number;
  byKept: Ranking<Mailbox>;
  /** In the order in which they went. */
  away: Set<Mailbox>;
}

/** By which its gateway knows a client: 32 bytes, the recipient of what is sent to it. */
export function clientRecipient(linkKey: Uint8Array): Uint8Array {
  return createHash('sha256').update('fog-mix-client-v1\n').update(linkKey).digest();
}

export class Mailboxes {
  readonly #options: Required<MailboxesOptions>;
  readonly #boxes = new Map<string, Mailbox>();
  readonly #prefixes = new Map<string, Neighbours>();
  readonly #byKept = new Ranking<Neighbours>();
  readonly #byAway = new Ranking<Neighbours>();
  #kept = 0;

  constructor(options: MailboxesOptions = {}) {
    this.#options = {
      clients: NODE_LIMITS.clients,
      capacity: NODE_LIMITS.keptDeliveries,
      perClient: NODE_LIMITS.keptDeliveriesPerClient,
      keepMilliseconds: NODE_LIMITS.keepDeliveriesMilliseconds,
      ...options,
    };
  }

  get clients(): number {
    return this.#boxes.size;
  }

  get kept(): number {
    return this.#kept;
  }

  /**
   * A client has sent its first packet over a link; before that nothing is remembered of it. A second link of the same
   * client takes the place of the first.
   */
  connected(recipient: Uint8Array, prefix: string, send: SendDelivery): void {
    const name = recipient.toHex();
    const box = this.#boxes.get(name) ?? this.#open(name, prefix);
    if (box.send === null) this.#setAway(box, false);
    box.send = send;
  }

  disconnected(recipient: Uint8Array, send: SendDelivery, now: number): void {
    const box = this.#boxes.get(recipient.toHex());
    if (box === undefined || box.send !== send) return;
    box.send = null;
    box.awaySince = now;
    this.#setAway(box, true);
  }

  /** Sends so many records over a link of a client, be there something for it or not. A link that is full gets none. */
  fillSlots(recipient: Uint8Array, send: SendDelivery, slots: number): void {
    const box = this.#boxes.get(recipient.toHex());
    for (let slot = 0; slot < slots; slot += 1) {
      const delivery = box?.send === send ? (box.kept[0] ?? null) : null;
      if (send(delivery) !== 'sent') return;
      if (box !== undefined && delivery !== null) {
        this.#count(box, box.kept.length - 1);
        box.kept.shift();
      }
    }
  }

  /**
   * Copies a delivery and keeps it for the next slot of its client. `dropped`: there was no room for it, or one of the
   * mailbox that takes most made room for it.
   */
  deliver(recipient: Uint8Array, delivery: Uint8Array): 'kept' | 'unknown' | 'dropped' {
    const box = this.#boxes.get(recipient.toHex());
    if (box === undefined) return 'unknown';
    if (box.kept.length >= this.#options.perClient) return 'dropped';
    const isFull = this.#kept >= this.#options.capacity;
    if (isFull && !this.#makeRoomFor(box)) return 'dropped';
    this.#count(box, box.kept.length + 1);
    box.kept.push(Uint8Array.from(delivery));
    return isFull ? 'dropped' : 'kept';
  }

  /** Forgets clients that were away for too long. To be called now and then. */
  sweep(now: number): void {
    for (const box of this.#boxes.values()) {
      const isGone = box.send === null && now - box.awaySince >= this.#options.keepMilliseconds;
      if (isGone) this.#forget(box);
    }
  }

  #open(name: string, prefix: string): Mailbox {
    if (this.#boxes.size >= this.#options.clients) {
      const [oldest] = this.#byAway.first?.away ?? [];
      if (oldest !== undefined) this.#forget(oldest);
    }
    const neighbours = this.#prefixes.get(prefix) ?? newNeighbours(prefix);
    neighbours.boxes += 1;
    this.#prefixes.set(prefix, neighbours);
    const box = { name, neighbours, send: null, kept: [], awaySince: 0 };
    this.#boxes.set(name, box);
    return box;
  }

  #forget(box: Mailbox): void {
    const { neighbours } = box;
    this.#setAway(box, false);
    this.#count(box, 0);
    this.#boxes.delete(box.name);
    neighbours.boxes -= 1;
    if (neighbours.boxes === 0) this.#prefixes.delete(neighbours.prefix);
  }

  /** The fullest mailbox of the fullest prefix gives up what came last, unless that is `box` or its prefix itself. */
  #makeRoomFor(box: Mailbox): boolean {
    const fullest = this.#byKept.first?.byKept.first;
    if (fullest === undefined) return false;
    const isSame = fullest.neighbours === box.neighbours;
    const [most, own] = isSame
      ? [fullest.kept.length, box.kept.length]
      : [fullest.neighbours.kept, box.neighbours.kept];
    if (own >= most) return false;
    this.#count(fullest, fullest.kept.length - 1);
    fullest.kept.pop();
    return true;
  }

  /** To be called just before `box.kept` becomes so long. */
  #count(box: Mailbox, after: number): void {
    const { neighbours } = box;
    const before = box.kept.length;
    neighbours.byKept.move(box, before, after);
    this.#byKept.move(neighbours, neighbours.kept, neighbours.kept + after - before);
    neighbours.kept += after - before;
    this.#kept += after - before;
  }

  #setAway(box: Mailbox, isAway: boolean): void {
    const { away } = box.neighbours;
    const before = away.size;
    if (isAway) away.add(box);
    else away.delete(box);
    this.#byAway.move(box.neighbours, before, away.size);
  }
}

function newNeighbours(prefix: string): Neighbours {
  return { prefix, boxes: 0, kept: 0, byKept: new Ranking(), away: new Set() };
}
