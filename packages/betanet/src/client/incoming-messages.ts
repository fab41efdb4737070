/**
 * The receiving half of reliable datagrams, for one sender: fragments are put together, each message is handed over
 * once, and what came is acknowledged.
 *
 *     message   unknown --fragment--> incomplete --last fragment--> delivered   (any further fragment: acknowledged anew)
 *                                         '--- nothing came for long ---> unknown
 *
 * Which messages were delivered is remembered in a window of their numbers, so memory is bounded however long the
 * session lasts. A fragment that finds no room is not acknowledged: its sender sends it again later, or gives up. A
 * message of one fragment needs none.
 */
import type { Budget } from './byte-budget.ts';
import { bitmapOf, completeBitmap } from './fragment-bitmap.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { SequenceWindow } from './sequence-window.ts';
import type { Acknowledgement, Fragment } from './service-messages.ts';

export interface IncomingMessage {
  sequence: number;
  /** Sequence of the request that it answers. */
  answers: number | null;
  bytes: Uint8Array;
}

export type FragmentFate =
  | 'stored'
  | 'complete'
  /** Had before. */
  | 'duplicate'
  /** Of a message that its sender has left behind. */
  | 'old'
  /** Contradicts other fragments of its message, or makes it too large. */
  | 'contradiction'
  | 'no-room';

interface Incomplete {
  count: number;
  answers: number | null;
  parts: Map<number, Uint8Array>;
  bytes: number;
  heardAt: number;
}

export class IncomingMessages {
  readonly #budget: Budget;
  readonly #delivered = new SequenceWindow(CLIENT_LIMITS.sequenceWindow);
  readonly #incomplete = new Map<number, Incomplete>();
  readonly #toAcknowledge = new Set<number>();
  /** Below it, the sender has nothing under way. */
  #oldest = 0;
  #bytes = 0;

  /** `budget`: bytes of incomplete messages of all senders together. */
  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get hasAcknowledgements(): boolean {
    return this.#toAcknowledge.size > 0;
  }

  get isIdle(): boolean {
    return this.#incomplete.size === 0 && this.#toAcknowledge.size === 0;
  }

  receive(fragment: Fragment, now: number): { fate: FragmentFate; message: IncomingMessage | null } {
    this.#leaveBehind(fragment.oldest);
    const fate = this.#look(fragment);
    if (fate === 'duplicate') this.#toAcknowledge.add(fragment.sequence);
    if (fate !== 'stored') return { fate, message: null };
    const parts = fragment.count === 1 ? [fragment.data] : this.#store(fragment, now);
    this.#toAcknowledge.add(fragment.sequence);
    if (parts === null) return { fate, message: null };
    const bytes = new Uint8Array(Buffer.concat(parts));
    this.#forget(fragment.sequence);
    this.#delivered.take(fragment.sequence);
    return { fate: 'complete', message: { sequence: fragment.sequence, answers: fragment.answers, bytes } };
  }

  /** Others need room: forgets the incomplete message of which nothing has come for longest. */
  evict(): void {
    let oldest: [sequence: number, heardAt: number] | null = null;
    for (const [sequence, { heardAt }] of this.#incomplete) {
      if (oldest === null || heardAt < oldest[1]) oldest = [sequence, heardAt];
    }
    if (oldest !== null) this.#forget(oldest[0]);
  }

  /** Takes what is to be acknowledged, the oldest first, `most` messages of it. */
  takeAcknowledgements(most: number): Acknowledgement[] {
    const sequences = [...this.#toAcknowledge].slice(0, Math.max(0, most));
    for (const sequence of sequences) this.#toAcknowledge.delete(sequence);
    return sequences.map((sequence) => {
      const parts = this.#incomplete.get(sequence)?.parts.keys() ?? [];
      const isDelivered = this.#delivered.look(sequence) === 'seen';
      return { sequence, bitmap: isDelivered ? completeBitmap() : bitmapOf(parts) };
    });
  }

  /** Forgets incomplete messages of which nothing has come for long. */
  tick(now: number): void {
    for (const [sequence, { heardAt }] of this.#incomplete) {
      if (now - heardAt >= CLIENT_LIMITS.reassemblyMilliseconds) this.#forget(sequence);
    }
  }

  close(): void {
    for (const sequence of this.#incomplete.keys()) this.#forget(sequence);
    this.#toAcknowledge.clear();
  }

  #look({ sequence, index, count, answers, data }: Fragment): FragmentFate {
    const state = this.#delivered.look(sequence);
    if (state === 'seen') return 'duplicate';
    if (state === 'old' || sequence < this.#oldest) return 'old';
    const incomplete = this.#incomplete.get(sequence);
    if (incomplete?.parts.has(index)) return 'duplicate';
    if (incomplete !== undefined && (incomplete.count !== count || incomplete.answers !== answers)) {
      return 'contradiction';
    }
    if ((incomplete?.bytes ?? 0) + data.length > CLIENT_LIMITS.messageBytes) return 'contradiction';
    // It is whole: nothing of it is kept.
    if (count === 1) return 'stored';
    const cost = costOf(data);
    const hasRoom =
      this.#bytes + cost <= CLIENT_LIMITS.reassemblyBytesPerSender &&
      (incomplete !== undefined || this.#incomplete.size < CLIENT_LIMITS.outstandingMessages);
    return hasRoom && this.#budget.take(cost) ? 'stored' : 'no-room';
  }

  /** All parts in their order, once there are all. */
  #store({ sequence, index, count, answers, data }: Fragment, now: number): Uint8Array[] | null {
    const incomplete = this.#incomplete.get(sequence) ?? { count, answers, parts: new Map(), bytes: 0, heardAt: now };
    this.#incomplete.set(sequence, incomplete);
    incomplete.parts.set(index, data);
    incomplete.bytes += data.length;
    incomplete.heardAt = now;
    this.#bytes += costOf(data);
    if (incomplete.parts.size < count) return null;
    return Array.from({ length: count }, (_, at) => incomplete.parts.get(at) as Uint8Array);
  }

  #forget(sequence: number): void {
    const incomplete = this.#incomplete.get(sequence);
    if (incomplete === undefined) return;
    let cost = 0;
    for (const data of incomplete.parts.values()) cost += costOf(data);
    this.#bytes -= cost;
    this.#budget.give(cost);
    this.#incomplete.delete(sequence);
  }

  /** What the sender has given up makes room. */
  #leaveBehind(oldest: number): void {
    if (oldest <= this.#oldest) return;
    this.#oldest = oldest;
    for (const sequence of this.#incomplete.keys()) {
      if (sequence < oldest) this.#forget(sequence);
    }
  }
}

/** What a fragment takes beside its data; without it, empty ones would be free. */
const FRAGMENT_COST = 128;

function costOf(data: Uint8Array): number {
  return FRAGMENT_COST + data.length;
}
