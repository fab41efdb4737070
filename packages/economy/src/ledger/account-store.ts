/** The accounts: rows of 32 words in one array, in the order in which they were opened. */
import { IdIndex } from './id-index.ts';
import { ACCOUNT_WORDS, BODY_WORDS } from './layout.ts';
import { LEDGER_LIMITS } from './limits.ts';
import { assertRoom } from './room.ts';
import { isEqual } from './wide.ts';

/** Offsets of the words that lead to what belongs to an account: rows, each one more than it is; 0 is none. */
export const ACCOUNT_LINKS = { newestDebit: 0, newestCredit: 1, newestBalance: 2 } as const;
export const LINKS_OF_ACCOUNT = 3;

export class AccountStore {
  readonly #index: IdIndex;
  words: Uint32Array;
  links: Uint32Array;
  count = 0;

  constructor(accounts: number, seed: number) {
    const capacity = Math.max(accounts, 16);
    this.#index = new IdIndex(capacity, seed);
    this.words = new Uint32Array(capacity * BODY_WORDS);
    this.links = new Uint32Array(capacity * LINKS_OF_ACCOUNT);
  }

  /** Row of the account whose id lies there; negative when there is none. */
  find(ids: Uint32Array, at: number): number {
    const index = this.#index;
    const hash = index.hash(ids, at);
    for (let slot = index.first(hash); slot >= 0; slot = index.next(slot, hash)) {
      const row = index.valueAt(slot) - 1;
      if (isEqual(this.words, row * BODY_WORDS + ACCOUNT_WORDS.id, ids, at)) return row;
    }
    return -1;
  }

  /** Makes room for more; throws `storage-full` above the limit. */
  reserve(more: number): void {
    const wanted = this.count + more;
    assertRoom(wanted, LEDGER_LIMITS.accounts, 'accounts');
    this.#index.reserve(more);
    if (wanted * BODY_WORDS <= this.words.length) return;
    const capacity = Math.min(Math.max(wanted, (this.words.length / BODY_WORDS) * 2), LEDGER_LIMITS.accounts);
    const words = new Uint32Array(capacity * BODY_WORDS);
    words.set(this.words);
    this.words = words;
    const links = new Uint32Array(capacity * LINKS_OF_ACCOUNT);
    links.set(this.links);
    this.links = links;
  }

  /** Adds a copy of the body that lies there, and answers its row. Its id is new, and there is room. */
  append(bodies: Uint32Array, at: number): number {
    const row = this.count;
    this.count = row + 1;
    for (let word = 0; word < BODY_WORDS; word += 1) {
      this.words[row * BODY_WORDS + word] = bodies[at + word] as number;
    }
    this.links.fill(0, row * LINKS_OF_ACCOUNT, (row + 1) * LINKS_OF_ACCOUNT);
    this.#index.insert(this.#index.hash(bodies, at), row + 1);
    return row;
  }

  /** Takes the newest out again, until so many are left. */
  truncate(count: number): void {
    while (this.count > count) {
      this.count -= 1;
      this.#index.removeNewest(this.#index.hash(this.words, this.count * BODY_WORDS), this.count + 1);
    }
  }

  clear(): void {
    this.count = 0;
    this.#index.clear();
  }
}
