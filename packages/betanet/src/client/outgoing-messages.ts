/**
 * The sending half of reliable datagrams: messages cut into fragments, each sent until the other side has it. It makes
 * no packets and keeps no clock: it says which fragment is to be sent, and is told when that happened.
 *
 *     fragment   waiting --sent--> flying --acknowledged--> there
 *                   ^                |                        |
 *                   +-- its time -----                        |
 *                   +-- the receiver does not have it any more
 *
 *     message    open --the receiver has all of it--> delivered
 *                  '---a fragment was sent too often, or the message is too old--> failed
 *
 * A sent fragment is a new packet each time, with a path and a reply block of its own. `failed` does not prove that the
 * other side did not get the message: all acknowledgements may have been lost. It is never delivered twice.
 */
import { counted, FogError } from '@fog/contract';
import type { Budget } from './byte-budget.ts';
import { hasBit } from './fragment-bitmap.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { RoundTrip } from './round-trip.ts';
import type { Acknowledgement, Fragment } from './service-messages.ts';

export interface FragmentReference {
  sequence: number;
  index: number;
}

export type OutgoingEffect =
  | ({ kind: 'transmit'; isRetransmission: boolean } & FragmentReference)
  | { kind: 'delivered'; sequence: number }
  /** Of code `timed-out`. */
  | { kind: 'failed'; sequence: number; error: FogError };

interface Flight {
  state: 'waiting' | 'flying' | 'there';
  tries: number;
  /** Of the last time that it was sent. */
  sentAt: number;
  /** The delays drawn for its way then. */
  thereMilliseconds: number;
  /** When to send it again. */
  dueAt: number;
}

interface Message {
  sequence: number;
  answers: number | null;
  bytes: Uint8Array;
  expiresAt: number;
  flights: Flight[];
}

export interface OutgoingOptions {
  /** Data of one fragment. */
  fragmentBytes: number;
  /** Fragments under way of all sessions together. */
  fragments: Budget;
}

const LARGEST_SEQUENCE = 0xffff_fffe;

export class OutgoingMessages {
  readonly #options: OutgoingOptions;
  readonly #messages = new Map<number, Message>();
  readonly #roundTrip = new RoundTrip();
  #bytes = 0;
  #nextSequence = 0;

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#messages.size === 0;
  }

  /** Whether that message has been sent and is not known to be there. */
  isOpen(sequence: number): boolean {
    return this.#messages.get(sequence)?.flights.some(({ tries }) => tries > 0) ?? false;
  }

  /** Fragments that the other side does not have, as far as is known. */
  get missingFragments(): number {
    let missing = 0;
    for (const { flights } of this.#messages.values()) {
      missing += flights.reduce((sum, { state }) => sum + (state === 'there' ? 0 : 1), 0);
    }
    return missing;
  }

  fragmentsOf(bytes: Uint8Array): number {
    return Math.max(1, Math.ceil(bytes.length / this.#options.fragmentBytes));
  }

  /**
   * Copies the message. Throws `body-too-large` for one that is larger than `CLIENT_LIMITS.messageBytes` or
   * `fragmentsPerMessage` fragments, and `too-many-requests` when too much is under way.
   */
  send(bytes: Uint8Array, answers: number | null, now: number): { sequence: number; effects: OutgoingEffect[] } {
    const count = this.fragmentsOf(bytes);
    this.#assertRoom(bytes, count);
    const sequence = this.#nextSequence;
    this.#nextSequence += 1;
    this.#bytes += bytes.length;
    this.#messages.set(sequence, {
      sequence,
      answers,
      // A copy, also of a Buffer, whose slices are views: it is wiped in the end.
      bytes: Uint8Array.from(bytes),
      expiresAt: now + CLIENT_LIMITS.messageLifetimeMilliseconds,
      flights: Array.from({ length: count }, () => ({
        state: 'waiting',
        tries: 0,
        sentAt: 0,
        thereMilliseconds: 0,
        dueAt: 0,
      })),
    });
    const effects = Array.from({ length: count }, (_, index): OutgoingEffect => {
      return { kind: 'transmit', sequence, index, isRetransmission: false };
    });
    return { sequence, effects };
  }

  /** What to send for a `transmit`; null when that has become needless. */
  fragment({ sequence, index }: FragmentReference): Fragment | null {
    const message = this.#messages.get(sequence);
    if (message?.flights[index]?.state !== 'waiting') return null;
    const from = index * this.#options.fragmentBytes;
    const data = message.bytes.subarray(from, from + this.#options.fragmentBytes);
    return {
      sequence,
      oldest: this.#oldest(),
      answers: message.answers,
      index,
      count: message.flights.length,
      data,
    };
  }

  /** The delays that were drawn for its way, and for the way of its acknowledgement. */
  sent({ sequence, index }: FragmentReference, now: number, drawn: { there: number; back: number }): void {
    const flight = this.#messages.get(sequence)?.flights[index];
    if (flight?.state !== 'waiting') return;
    flight.state = 'flying';
    flight.tries += 1;
    flight.sentAt = now;
    flight.thereMilliseconds = drawn.there;
    flight.dueAt = now + this.#roundTrip.timeoutMilliseconds(drawn.there + drawn.back, flight.tries);
  }

  /** There was no room to queue it: its turn comes later. It does not count as a try. */
  postpone({ sequence, index }: FragmentReference, now: number): void {
    const flight = this.#messages.get(sequence)?.flights[index];
    if (flight?.state !== 'waiting') return;
    flight.state = 'flying';
    flight.dueAt = now + CLIENT_LIMITS.roundTripMarginMilliseconds;
  }

  /** `backMilliseconds`: the delays that were drawn for the way that the acknowledgement came. */
  acknowledge(acknowledgement: Acknowledgement, now: number, backMilliseconds: number): OutgoingEffect[] {
    const { sequence, bitmap } = acknowledgement;
    const message = this.#messages.get(sequence);
    if (message === undefined) return [];
    this.#measure(message, bitmap, now - backMilliseconds);
    for (const [index, flight] of message.flights.entries()) {
      if (hasBit(bitmap, index)) flight.state = 'there';
    }
    if (bitmap.every((byte) => byte === 0xff)) {
      this.#remove(message);
      return [{ kind: 'delivered', sequence }];
    }
    if (message.flights.some(({ state }) => state !== 'there')) return [];
    // Each was acknowledged once, and the receiver lacks some: it forgot what it had, since the rest came so late.
    const lacking = message.flights.flatMap((_, index) => (hasBit(bitmap, index) ? [] : [index]));
    return lacking.map((index) => this.#again(message, index));
  }

  /** Call it at `nextDueAt`, or earlier. */
  tick(now: number): OutgoingEffect[] {
    return [...this.#messages.values()].flatMap((message) => {
      if (now >= message.expiresAt) return [this.#fail(message, 'is too old')];
      const due = message.flights.flatMap(({ state, dueAt }, index) => {
        return state === 'flying' && now >= dueAt ? [index] : [];
      });
      const isHopeless = due.some((index) => message.flights[index]?.tries === CLIENT_LIMITS.fragmentTries);
      if (isHopeless) return [this.#fail(message, `was sent ${counted(CLIENT_LIMITS.fragmentTries, 'time')}`)];
      return due.map((index) => this.#again(message, index));
    });
  }

  /** When something becomes due; infinity for never. */
  nextDueAt(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { expiresAt, flights } of this.#messages.values()) {
      next = Math.min(next, expiresAt);
      for (const { state, dueAt } of flights) if (state === 'flying') next = Math.min(next, dueAt);
    }
    return next;
  }

  /** Others need the room: fails the message that is open for longest. */
  evict(): OutgoingEffect[] {
    const [oldest] = this.#messages.values();
    return oldest === undefined ? [] : [this.#fail(oldest, 'made room for those of others')];
  }

  /** The session is over: fails all that is open. */
  close(why: string): OutgoingEffect[] {
    return [...this.#messages.values()].map((message) => this.#fail(message, why));
  }

  #again(message: Message, index: number): OutgoingEffect {
    const flight = message.flights[index] as Flight;
    flight.state = 'waiting';
    return { kind: 'transmit', sequence: message.sequence, index, isRetransmission: true };
  }

  #measure(message: Message, bitmap: Uint8Array, answeredAt: number): void {
    const news = message.flights.filter(({ state }, index) => state === 'flying' && hasBit(bitmap, index));
    // The last one sent is what was answered; of one that was sent twice it is not known which (Karn's rule).
    const last = news.toSorted((left, right) => left.sentAt - right.sentAt).at(-1);
    if (last?.tries === 1) this.#roundTrip.measured(answeredAt - last.sentAt - last.thereMilliseconds);
  }

  #fail(message: Message, why: string): OutgoingEffect {
    const there = message.flights.filter(({ state }) => state === 'there').length;
    const fragments = message.flights.length;
    this.#remove(message);
    const error = new FogError('timed-out', `a message of ${counted(fragments, 'fragment')} ${why}`, {
      details: { sequence: message.sequence, fragments, acknowledgedFragments: there },
      hint: 'the other side may have got it all the same; send it again if that does no harm',
    });
    return { kind: 'failed', sequence: message.sequence, error };
  }

  #remove(message: Message): void {
    this.#messages.delete(message.sequence);
    this.#bytes -= message.bytes.length;
    this.#options.fragments.give(message.flights.length);
    message.bytes.fill(0);
  }

  #assertRoom(bytes: Uint8Array, count: number): void {
    const most = Math.min(CLIENT_LIMITS.messageBytes, CLIENT_LIMITS.fragmentsPerMessage * this.#options.fragmentBytes);
    if (bytes.length > most) {
      throw new FogError('body-too-large', `the message has ${bytes.length} bytes, and at most ${most} are sent`, {
        details: { bytes: bytes.length, most },
        hint: 'send it in several messages',
      });
    }
    const isFull =
      this.#messages.size >= CLIENT_LIMITS.outstandingMessages ||
      this.#bytes + bytes.length > CLIENT_LIMITS.outstandingBytes ||
      this.#nextSequence > LARGEST_SEQUENCE ||
      this.#nextSequence - this.#oldest() >= CLIENT_LIMITS.sequenceWindow;
    if (!isFull && this.#options.fragments.take(count)) return;
    throw new FogError('too-many-requests', 'too much is under way to this destination, or in all', {
      details: { messages: this.#messages.size, bytes: this.#bytes },
      hint: 'wait until something was delivered or has failed',
    });
  }

  #oldest(): number {
    const [oldest] = this.#messages.keys();
    return oldest ?? this.#nextSequence;
  }
}
