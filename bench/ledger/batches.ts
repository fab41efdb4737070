/** Batches of transfers as bytes, made in place: 128 bytes each, ids that follow one another, accounts at random. */
import { LEDGER_LIMITS, type NewAccount, type NewTransfer, TRANSFER_FLAGS } from '@fog/economy/ledger';

export const BATCH_EVENTS = LEDGER_LIMITS.batchEvents;
const BODY_WORDS = 32;
/** The issuance account; the others follow. */
export const FIRST_ACCOUNT = 1;
/** Id of the first transfer of a benchmark; ids of accounts and of what issues money are below. */
export const FIRST_TRANSFER = 1 << 20;

const WORDS = { id: 0, debit: 4, credit: 8, amount: 12, pendingId: 16, ledger: 28, codeFlags: 29 } as const;

export interface RandomIndex {
  /** A whole number from 0 to below `most`. */
  next(most: number): number;
}

/** Deterministic: the same seed, the same transfers. Source: Marsaglia's xorshift with 32 bits. */
export function randomIndex(seed: number): RandomIndex {
  let state = seed | 0 || 1;
  return {
    next(most) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % most;
    },
  };
}

/** The issuance account, and so many that may not owe more than they have. */
export function benchAccounts(count: number, limited: number): NewAccount[] {
  return Array.from({ length: count + 1 }, (_, index) => ({
    id: BigInt(FIRST_ACCOUNT + index),
    ledger: 1,
    code: index === 0 ? 1 : 10,
    flags: index === 0 ? 0 : limited,
  }));
}

/** Gives each of these accounts as much, out of the first one, which may owe without end. */
export function issuesTo(accounts: readonly NewAccount[], amount: bigint): NewTransfer[] {
  const [from, made] = [BigInt(FIRST_ACCOUNT), { ledger: 1, code: 1 }];
  return accounts
    .filter(({ id }) => id !== from)
    .map(({ id }) => ({ id, debitAccount: from, creditAccount: id, amount, ...made }));
}

export class BatchMaker {
  readonly #words = new Uint32Array(BATCH_EVENTS * BODY_WORDS);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  readonly #accounts: number;
  readonly #random: RandomIndex;
  #nextId = FIRST_TRANSFER;

  constructor(accounts: number, random: RandomIndex) {
    this.#accounts = accounts;
    this.#random = random;
  }

  /** Transfers between two accounts each; `flags` for all. The bytes are good until the next batch. */
  make(count: number, flags = 0): Uint8Array {
    for (let event = 0; event < count; event += 1) {
      const at = this.#begin(event, flags);
      const debit = this.#random.next(this.#accounts);
      this.#words[at + WORDS.debit] = FIRST_ACCOUNT + 1 + debit;
      const distance = 1 + this.#random.next(this.#accounts - 1);
      this.#words[at + WORDS.credit] = FIRST_ACCOUNT + 1 + ((debit + distance) % this.#accounts);
      this.#words[at + WORDS.amount] = 1 + this.#random.next(1000);
      this.#words[at + WORDS.ledger] = 1;
      this.#words[at + WORDS.codeFlags] = ((flags << 16) | 3) >>> 0;
    }
    return this.#bytes.subarray(0, count * BODY_WORDS * 4);
  }

  /** Posts of the batch before, all of what is reserved. */
  makePosts(count: number): Uint8Array {
    const firstPending = this.#nextId - count;
    for (let event = 0; event < count; event += 1) {
      const at = this.#begin(event, TRANSFER_FLAGS.postPending);
      this.#words.fill(0xffffffff, at + WORDS.amount, at + WORDS.amount + 4);
      this.#words[at + WORDS.pendingId] = firstPending + event;
    }
    return this.#bytes.subarray(0, count * BODY_WORDS * 4);
  }

  /** Clears a body, and gives it its id and flags. */
  #begin(event: number, flags: number): number {
    const at = event * BODY_WORDS;
    this.#words.fill(0, at, at + BODY_WORDS);
    this.#words[at + WORDS.id] = this.#nextId;
    this.#words[at + WORDS.codeFlags] = (flags << 16) >>> 0;
    this.#nextId += 1;
    return at;
  }
}
