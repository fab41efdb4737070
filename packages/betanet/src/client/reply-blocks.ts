/**
 * Both ends of reply blocks (SURBs): the keys that their maker keeps, and the stock of whoever was given them.
 *
 * A reply block is used once: its headers are the same each time, so nodes take the second packet for a replay, and
 * whoever saw two would know that they belong together. `take` hands out each once and forgets it.
 */
import type { Budget } from './byte-budget.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { SequenceWindow } from './sequence-window.ts';
import type { NumberedBlock } from './service-messages.ts';

export interface AwaitedReply {
  /** Of the session that the block was made for. */
  session: string;
  /** Who has them can read the reply. They are wiped when they are dropped; whoever took them wipes them after use. */
  keys: Uint8Array;
  /** The delays that were drawn for its way back. */
  backMilliseconds: number;
  expiresAt: number;
}

/**
 * A client's keys by the id of the reply block.
 *
 *     awaited --taken--> (the caller's)
 *        '--expired, crowded out, or its session dropped--> wiped
 */
export class ReplyKeyStore {
  readonly #limit: number;
  readonly #sessionLimit: number;
  /** In the order of their making. */
  readonly #awaited = new Map<string, AwaitedReply>();
  readonly #ofSession = new Map<string, Set<string>>();
  #crowdedOut = 0;

  constructor(limit: number = CLIENT_LIMITS.replyKeys, sessionLimit: number = CLIENT_LIMITS.replyKeysPerSession) {
    this.#limit = limit;
    this.#sessionLimit = sessionLimit;
  }

  get size(): number {
    return this.#awaited.size;
  }

  /** Keys that were wiped unused, because newer ones needed the room. */
  get crowdedOut(): number {
    return this.#crowdedOut;
  }

  /** The keys are the store's from now on. Where there is no room, the oldest of the session make way, or of all. */
  add(replyId: Uint8Array, awaited: AwaitedReply): void {
    const own = this.#ofSession.get(awaited.session) ?? new Set();
    if (own.size >= this.#sessionLimit) this.#crowdOut(own);
    else if (this.#awaited.size >= this.#limit) this.#crowdOut(this.#awaited.keys());
    const name = replyId.toHex();
    this.#awaited.set(name, awaited);
    this.#ofSession.set(awaited.session, own.add(name));
  }

  /** Null for an id that is unknown, was taken before, or has expired. */
  take(replyId: Uint8Array, now: number): AwaitedReply | null {
    const name = replyId.toHex();
    const awaited = this.#awaited.get(name);
    if (awaited === undefined) return null;
    this.#forget(name, awaited);
    if (now < awaited.expiresAt) return awaited;
    awaited.keys.fill(0);
    return null;
  }

  dropExpired(now: number): void {
    for (const [name, { expiresAt }] of this.#awaited) if (now >= expiresAt) this.#drop(name);
  }

  dropSession(session: string): void {
    for (const name of this.#ofSession.get(session) ?? []) this.#drop(name);
  }

  #crowdOut(names: Iterable<string>): void {
    const [oldest] = names;
    if (oldest === undefined) return;
    this.#drop(oldest);
    this.#crowdedOut += 1;
  }

  #drop(name: string): void {
    const awaited = this.#awaited.get(name);
    if (awaited === undefined) return;
    awaited.keys.fill(0);
    this.#forget(name, awaited);
  }

  #forget(name: string, { session }: AwaitedReply): void {
    this.#awaited.delete(name);
    const own = this.#ofSession.get(session);
    own?.delete(name);
    if (own?.size === 0) this.#ofSession.delete(session);
  }
}

export type BlockFate =
  | 'kept'
  /** Had before, or its number is too far behind to know. */
  | 'seen'
  | 'expired'
  /** Of this sender, or of all senders together, there are enough. */
  | 'full';

/** The reply blocks of one sender that a service has not used yet. */
export class ReplyBlockStock {
  readonly #budget: Budget;
  readonly #limit: number;
  readonly #numbers = new SequenceWindow(CLIENT_LIMITS.sequenceWindow);
  /** Sorted: what expires first, then what was made first. */
  #blocks: NumberedBlock[] = [];

  /** `budget`: blocks of all senders together. */
  constructor(budget: Budget, limit: number = CLIENT_LIMITS.replyBlocksPerSender) {
    this.#budget = budget;
    this.#limit = limit;
  }

  get size(): number {
    return this.#blocks.length;
  }

  /** One more than the highest number of a block that was offered. */
  get seen(): number {
    return this.#numbers.highest + 1;
  }

  /** The block is copied. */
  offer(offered: NumberedBlock, now: number): BlockFate {
    // A number is used up even if the block is not kept, so that it cannot come back.
    if (this.#numbers.take(offered.number) !== 'new') return 'seen';
    if (now >= offered.expiresAt) return 'expired';
    if (this.#blocks.length >= this.#limit || !this.#budget.take(1)) return 'full';
    const kept = { ...offered, block: Uint8Array.from(offered.block) };
    const after = this.#blocks.findLastIndex(
      ({ expiresAt, number }) => expiresAt < kept.expiresAt || (expiresAt === kept.expiresAt && number < kept.number),
    );
    this.#blocks.splice(after + 1, 0, kept);
    return 'kept';
  }

  /** The oldest block that is still good, or null. Whoever uses it wipes it. */
  take(now: number): Uint8Array | null {
    this.dropExpired(now);
    const oldest = this.#blocks.shift();
    if (oldest === undefined) return null;
    this.#budget.give(1);
    return oldest.block;
  }

  dropExpired(now: number): void {
    const good = this.#blocks.findIndex(({ expiresAt }) => now < expiresAt);
    this.#drop(good === -1 ? this.#blocks.length : good);
  }

  /** Others need room: drops the block that would be used last. */
  evict(): void {
    this.#blocks.at(-1)?.block.fill(0);
    if (this.#blocks.pop() !== undefined) this.#budget.give(1);
  }

  /** Blocks with lower numbers lead nowhere any more. */
  dropBelow(number: number): void {
    const good = this.#blocks.filter((kept) => kept.number >= number);
    const dead = this.#blocks.filter((kept) => kept.number < number);
    this.#blocks = [...dead, ...good];
    this.#drop(dead.length);
  }

  close(): void {
    this.#drop(this.#blocks.length);
  }

  /**
   * How many more to ask for, when `packets` wait to be sent: enough for them and a reserve. 0 when there is nothing to
   * send and some are left.
   */
  wanted(packets: number): number {
    const needed = packets + CLIENT_LIMITS.replyBlockReserve - this.#blocks.length;
    return Math.max(0, Math.min(CLIENT_LIMITS.replyBlocksWanted, needed, this.#limit - this.#blocks.length));
  }

  #drop(count: number): void {
    for (const { block } of this.#blocks.splice(0, count)) {
      block.fill(0);
      this.#budget.give(1);
    }
  }
}
