/**
 * All that a ledger holds, and how a chain of linked events is taken back: what it changes is kept until it has ended.
 */
import { ACCOUNT_LINKS, AccountStore, LINKS_OF_ACCOUNT } from './account-store.ts';
import { BalanceStore } from './balance-store.ts';
import { ExpiryQueue } from './expiry-queue.ts';
import { ACCOUNT_WORDS, BODY_WORDS, TRANSFER_WORDS } from './layout.ts';
import { TransferStore } from './transfer-store.ts';
import { PENDING_STATUSES, TRANSFER_FLAGS } from './transfers.ts';
import { add64, multiply } from './wide.ts';

const COUNTER_WORDS = 16;
/** Row, counters, flags and links of an account as they were. */
const SAVED_WORDS = 1 + COUNTER_WORDS + 1 + LINKS_OF_ACCOUNT;
const NANOSECONDS = 1_000_000_000;

export class LedgerState {
  readonly accounts: AccountStore;
  readonly transfers: TransferStore;
  readonly balances = new BalanceStore();
  readonly expiry = new ExpiryQueue();
  /** Time of the last event, low and high word: the next is later. */
  readonly last = new Uint32Array(2);
  /** Whether what changes has to be kept for taking it back. */
  isChainOpen = false;
  /** Time at which a transfer expires, low and high word; see `setExpiry`. */
  readonly expiresAt = new Uint32Array(2);

  #start = { accounts: 0, transfers: 0, balances: 0 };
  #saved = new Uint32Array(SAVED_WORDS * 16);
  #savedCount = 0;
  /** Rows of pending transfers that the chain resolved. */
  #resolved: number[] = [];

  constructor({ accounts, transfers, seed }: { accounts: number; transfers: number; seed: number }) {
    this.accounts = new AccountStore(accounts, seed);
    this.transfers = new TransferStore(transfers, seed);
  }

  clear(): void {
    this.accounts.clear();
    this.transfers.clear();
    this.balances.clear();
    this.expiry.clear();
    this.last.fill(0);
    this.#endChain();
  }

  openChain(): void {
    this.isChainOpen = true;
    this.#start = {
      accounts: this.accounts.count,
      transfers: this.transfers.count,
      balances: this.balances.count,
    };
  }

  /** Keeps what the chain did. */
  closeChain(): void {
    for (let row = this.#start.transfers; row < this.transfers.count; row += 1) this.#queue(row);
    this.#endChain();
  }

  /** Takes back what the chain did, the last first. */
  rollBackChain(): void {
    this.transfers.truncate(this.#start.transfers);
    this.balances.truncate(this.#start.balances);
    for (const row of this.#resolved) this.transfers.setStatus(row, PENDING_STATUSES.pending);
    for (let place = this.#savedCount - 1; place >= 0; place -= 1) this.#giveBack(place * SAVED_WORDS);
    this.accounts.truncate(this.#start.accounts);
    this.#endChain();
  }

  /** Before an account changes, while a chain is open. */
  save(account: number): void {
    if ((this.#savedCount + 1) * SAVED_WORDS > this.#saved.length) {
      const larger = new Uint32Array(this.#saved.length * 2);
      larger.set(this.#saved);
      this.#saved = larger;
    }
    const at = this.#savedCount * SAVED_WORDS;
    this.#savedCount += 1;
    const { words, links } = this.accounts;
    this.#saved[at] = account;
    const from = account * BODY_WORDS;
    for (let word = 0; word < COUNTER_WORDS; word += 1) {
      this.#saved[at + 1 + word] = words[from + ACCOUNT_WORDS.debitsPending + word] as number;
    }
    this.#saved[at + 1 + COUNTER_WORDS] = words[from + ACCOUNT_WORDS.codeFlags] as number;
    for (let link = 0; link < LINKS_OF_ACCOUNT; link += 1) {
      this.#saved[at + 2 + COUNTER_WORDS + link] = links[account * LINKS_OF_ACCOUNT + link] as number;
    }
  }

  /** A pending transfer is no longer: posted, voided or expired. */
  resolve(row: number, status: number): void {
    this.transfers.setStatus(row, status);
    if (this.isChainOpen) this.#resolved.push(row);
  }

  /** Remembers that a new transfer may expire; while a chain is open, at its end. */
  expires(row: number): void {
    if (!this.isChainOpen) this.#queue(row);
  }

  /** Puts the time at which the transfer at `at` expires into `expiresAt`; its timeout is not 0. */
  setExpiry(body: Uint32Array, at: number, low: number, high: number): void {
    multiply(this.expiresAt, 0, body[at + TRANSFER_WORDS.timeout] as number, NANOSECONDS);
    add64(this.expiresAt, 0, low, high);
  }

  #queue(row: number): void {
    const body = this.transfers.piece(row);
    const at = this.transfers.at(row);
    const flags = (body[at + TRANSFER_WORDS.codeFlags] as number) >>> 16;
    if ((flags & TRANSFER_FLAGS.pending) === 0 || body[at + TRANSFER_WORDS.timeout] === 0) return;
    const time = at + TRANSFER_WORDS.timestamp;
    this.setExpiry(body, at, body[time] as number, body[time + 1] as number);
    this.expiry.push(this.expiresAt[0] as number, this.expiresAt[1] as number, row);
  }

  #giveBack(at: number): void {
    const { words, links } = this.accounts;
    const account = this.#saved[at] as number;
    const to = account * BODY_WORDS;
    for (let word = 0; word < COUNTER_WORDS; word += 1) {
      words[to + ACCOUNT_WORDS.debitsPending + word] = this.#saved[at + 1 + word] as number;
    }
    words[to + ACCOUNT_WORDS.codeFlags] = this.#saved[at + 1 + COUNTER_WORDS] as number;
    for (let link = 0; link < LINKS_OF_ACCOUNT; link += 1) {
      links[account * LINKS_OF_ACCOUNT + link] = this.#saved[at + 2 + COUNTER_WORDS + link] as number;
    }
  }

  #endChain(): void {
    this.isChainOpen = false;
    this.#savedCount = 0;
    this.#resolved.length = 0;
  }
}

/** Row of the newest transfer that took from an account, or gave to it; -1 is none. */
export function newestTransfer(accounts: AccountStore, account: number, side: 'debit' | 'credit'): number {
  const link = side === 'debit' ? ACCOUNT_LINKS.newestDebit : ACCOUNT_LINKS.newestCredit;
  return (accounts.links[account * LINKS_OF_ACCOUNT + link] as number) - 1;
}
