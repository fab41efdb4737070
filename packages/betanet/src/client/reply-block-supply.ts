/**
 * How many reply blocks a client still has to send to a service, which cannot say a word without one.
 *
 * The service tells with each reply how many it wants, and up to which number it has seen blocks. Blocks with higher
 * numbers are on their way, or lost when they were sent longer ago than a round trip. What is missing is sent again,
 * `CLIENT_LIMITS.replyBlockRounds` times, until a new word of the service comes.
 */
import { CLIENT_LIMITS } from './limits.ts';

interface SentBlock {
  number: number;
  presumedLostAt: number;
}

export class ReplyBlockSupply {
  #next = 0;
  #wanted = 0;
  #seen = 0;
  #rounds = 0;
  #from = 0;
  /** Blocks that the service has not been heard of having, the oldest first. */
  #underWay: SentBlock[] = [];

  /** Blocks of lower numbers are void. */
  get from(): number {
    return this.#from;
  }

  /** The client has moved: all blocks so far are void. `blocks`: how many the service should have instead. */
  voidAll(blocks: number): void {
    this.#from = this.#next;
    this.#underWay = [];
    this.require(blocks);
  }

  /** The number of a block that is sent now. `roundTripMilliseconds`: by when a word of the service could be here. */
  issue(now: number, roundTripMilliseconds: number): number {
    const number = this.#next;
    this.#next += 1;
    this.#underWay.push({ number, presumedLostAt: now + roundTripMilliseconds });
    // What is older has been presumed lost long since.
    if (this.#underWay.length > CLIENT_LIMITS.sequenceWindow) this.#underWay.shift();
    return number;
  }

  /** What the service said. An older word than the last one says nothing new. */
  told({ blocksWanted, blocksSeen }: { blocksWanted: number; blocksSeen: number }): void {
    if (blocksSeen < this.#seen || blocksSeen > this.#next) return;
    this.#seen = blocksSeen;
    this.#wanted = Math.min(blocksWanted, CLIENT_LIMITS.replyBlocksWanted);
    this.#rounds = 0;
    this.#underWay = this.#underWay.filter(({ number }) => number >= blocksSeen);
  }

  /** The service will need so many, whether it says so or not: an answer of it is due. */
  require(blocks: number): void {
    this.#wanted = Math.max(this.#wanted, blocks);
    this.#rounds = 0;
  }

  /** Blocks to send now. */
  missing(now: number): number {
    if (this.#wanted === 0) return 0;
    const isLost = ({ presumedLostAt }: SentBlock) => presumedLostAt <= now;
    if (this.#underWay.some(isLost)) {
      this.#underWay = this.#underWay.filter((sent) => !isLost(sent));
      this.#rounds += 1;
    }
    if (this.#rounds > CLIENT_LIMITS.replyBlockRounds) return 0;
    return Math.max(0, this.#wanted - this.#underWay.length);
  }

  /** When blocks under way are to be presumed lost; infinity when nobody waits for them. */
  nextDueAt(): number {
    if (this.#wanted === 0 || this.#rounds > CLIENT_LIMITS.replyBlockRounds) return Number.POSITIVE_INFINITY;
    return this.#underWay.reduce(
      (next, { presumedLostAt }) => Math.min(next, presumedLostAt),
      Number.POSITIVE_INFINITY,
    );
  }
}
