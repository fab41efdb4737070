/**
 * What a gateway keeps for its clients until they take it.
 *
 *     client   unknown --connects--> present --cut--> away --comes back with the same key--> present
 *                                                      '--time, or others need the room--> forgotten
 *
 * A client is known by a hash of the key of its link, which it makes anew whenever it likes; nobody else can ask for
 * what is sent to it. Deliveries have the length of a packet, so that a link does not tell what goes over it:
 *
 *     0..63    outcome record (see outcome.ts of @fog/sphinx): deliver or reply, recipient, id of the reply block
 *     64..     zeros up to the length of a header, then the body
 */
import { createHash } from 'node:crypto';
import { NODE_LIMITS } from './limits.ts';

export type SendDelivery = (delivery: Uint8Array) => 'sent' | 'full' | 'closed';

export interface MailboxesOptions {
  /** Deliveries that are kept for all clients together. */
  capacity?: number;
  perClient?: number;
  keepMilliseconds?: number;
}

interface Mailbox {
  /** Null while the client is away. */
  send: SendDelivery | null;
  kept: Uint8Array[];
  awaySince: number;
}

/** By which its gateway knows a client: 32 bytes, the recipient of what is sent to it. */
export function clientRecipient(linkKey: Uint8Array): Uint8Array {
  return createHash('sha256').update('fog-mix-client-v1\n').update(linkKey).digest();
}

export class Mailboxes {
  readonly #options: Required<MailboxesOptions>;
  readonly #boxes = new Map<string, Mailbox>();
  #kept = 0;

  constructor(options: MailboxesOptions = {}) {
    this.#options = {
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

  /** A client came; what was kept for it is sent. A second link of the same client takes the place of the first. */
  connected(recipient: Uint8Array, send: SendDelivery): void {
    const name = nameOf(recipient);
    const box = this.#boxes.get(name) ?? this.#open();
    box.send = send;
    // It is the one that was here last: the map is in the order in which clients went.
    this.#boxes.delete(name);
    this.#boxes.set(name, box);
    this.drained(recipient);
  }

  #open(): Mailbox {
    if (this.#boxes.size >= NODE_LIMITS.clients) {
      for (const [name, box] of this.#boxes) {
        if (box.send !== null) continue;
        this.#forget(name, box);
        break;
      }
    }
    return { send: null, kept: [], awaySince: 0 };
  }

  #forget(name: string, box: Mailbox): void {
    this.#kept -= box.kept.length;
    this.#boxes.delete(name);
  }

  /** Its link has room again. */
  drained(recipient: Uint8Array): void {
    const box = this.#boxes.get(nameOf(recipient));
    while (box?.send != null && box.kept.length > 0) {
      if (box.send(box.kept[0] as Uint8Array) !== 'sent') return;
      box.kept.shift();
      this.#kept -= 1;
    }
  }

  disconnected(recipient: Uint8Array, send: SendDelivery, now: number): void {
    const name = nameOf(recipient);
    const box = this.#boxes.get(name);
    if (box === undefined || box.send !== send) return;
    box.send = null;
    box.awaySince = now;
    this.#boxes.delete(name);
    this.#boxes.set(name, box);
  }

  /** `dropped`: there is no such client, or no room. A delivery that has to wait is copied. */
  deliver(recipient: Uint8Array, delivery: Uint8Array): 'sent' | 'kept' | 'unknown' | 'dropped' {
    const box = this.#boxes.get(nameOf(recipient));
    if (box === undefined) return 'unknown';
    if (box.send !== null && box.kept.length === 0 && box.send(delivery) === 'sent') return 'sent';
    if (box.kept.length >= this.#options.perClient || this.#kept >= this.#options.capacity) return 'dropped';
    box.kept.push(Uint8Array.from(delivery));
    this.#kept += 1;
    return 'kept';
  }

  /** Forgets clients that were away for too long. To be called now and then. */
  sweep(now: number): void {
    for (const [name, box] of this.#boxes) {
      const isGone = box.send === null && now - box.awaySince >= this.#options.keepMilliseconds;
      if (isGone) this.#forget(name, box);
    }
  }
}

function nameOf(recipient: Uint8Array): string {
  return Buffer.from(recipient.buffer, recipient.byteOffset, recipient.length).toString('hex');
}
