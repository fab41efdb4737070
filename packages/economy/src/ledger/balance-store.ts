/** Balances of accounts with history after each of their transfers: rows in pieces that never move. */
import { ACCOUNT_LINKS, type AccountStore, LINKS_OF_ACCOUNT } from './account-store.ts';
import { ACCOUNT_WORDS, BODY_WORDS } from './layout.ts';
import { LEDGER_LIMITS } from './limits.ts';
import { assertRoom } from './room.ts';

/** Offsets in words: row of the transfer, row of the account, the balance before (one more than its row), counters. */
export const BALANCE_WORDS = { transfer: 0, account: 1, before: 2, counters: 4 } as const;
export const WORDS_OF_BALANCE = 20;
const COUNTER_WORDS = 16;
const PIECE_BITS = 12;
export const BALANCE_PIECE_ROWS = 1 << PIECE_BITS;

export class BalanceStore {
  readonly pieces: Uint32Array[] = [];
  count = 0;

  piece(row: number): Uint32Array {
    return this.pieces[row >>> PIECE_BITS] as Uint32Array;
  }

  at(row: number): number {
    return (row & (BALANCE_PIECE_ROWS - 1)) * WORDS_OF_BALANCE;
  }

  /** Throws `storage-full` when so many more have no room. */
  reserve(more: number): void {
    assertRoom(this.count + more, LEDGER_LIMITS.balances, 'balances of accounts with history');
  }

  /** Keeps the counters of an account as they are after a transfer. */
  append(accounts: AccountStore, account: number, transfer: number): void {
    const row = this.#place();
    const piece = this.piece(row);
    const at = this.at(row);
    const link = account * LINKS_OF_ACCOUNT + ACCOUNT_LINKS.newestBalance;
    piece[at + BALANCE_WORDS.transfer] = transfer;
    piece[at + BALANCE_WORDS.account] = account;
    piece[at + BALANCE_WORDS.before] = accounts.links[link] as number;
    accounts.links[link] = row + 1;
    const from = account * BODY_WORDS + ACCOUNT_WORDS.debitsPending;
    for (let word = 0; word < COUNTER_WORDS; word += 1) {
      piece[at + BALANCE_WORDS.counters + word] = accounts.words[from + word] as number;
    }
  }

  /** Takes over a row of a snapshot, and links it to its account anew. */
  restore(words: Uint32Array, from: number, accounts: AccountStore): void {
    const row = this.#place();
    const piece = this.piece(row);
    const at = this.at(row);
    for (let word = 0; word < WORDS_OF_BALANCE; word += 1) piece[at + word] = words[from + word] as number;
    const link = (piece[at + BALANCE_WORDS.account] as number) * LINKS_OF_ACCOUNT + ACCOUNT_LINKS.newestBalance;
    piece[at + BALANCE_WORDS.before] = accounts.links[link] as number;
    accounts.links[link] = row + 1;
  }

  truncate(count: number): void {
    this.count = count;
  }

  clear(): void {
    this.count = 0;
  }

  #place(): number {
    const row = this.count;
    this.count = row + 1;
    if (this.pieces.length * BALANCE_PIECE_ROWS === row) {
      this.pieces.push(new Uint32Array(BALANCE_PIECE_ROWS * WORDS_OF_BALANCE));
    }
    return row;
  }
}
