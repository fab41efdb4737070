/**
 * The transfers: rows of 32 words, in the order in which they happened, in pieces that never move. Beside them the ids
 * that are spent without a transfer, in the same index.
 */
import { ACCOUNT_LINKS, type AccountStore, LINKS_OF_ACCOUNT } from './account-store.ts';
import { IdIndex } from './id-index.ts';
import { BODY_WORDS } from './layout.ts';
import { LEDGER_LIMITS } from './limits.ts';
import { assertRoom } from './room.ts';
import { copy, isEqual } from './wide.ts';

/** Rows of a piece: 1 MiB of them. */
export const PIECE_ROWS = 8192;
const PIECE_BITS = 13;
const ID_WORDS = 4;
const LINKS_OF_TRANSFER = 2;
/** In the index: the id is spent, and what follows is its place among the spent ones. */
export const SPENT = 2 ** 31;

export class TransferStore {
  readonly #index: IdIndex;
  readonly pieces: Uint32Array[] = [];
  /** What became of each pending transfer, by its row; 0 for those that are not. */
  readonly statuses: Uint8Array[] = [];
  /** The transfer before, of the same debit account and of the same credit account; one more than its row. */
  readonly #links: Uint32Array[] = [];
  count = 0;
  /** Row of the first body of the batch that is expected. */
  #expectedFrom = 0;
  spentIds = new Uint32Array(16 * ID_WORDS);
  spentCount = 0;

  constructor(transfers: number, seed: number) {
    this.#index = new IdIndex(transfers, seed);
  }

  /** The piece that a row lies in. */
  piece(row: number): Uint32Array {
    return this.pieces[row >>> PIECE_BITS] as Uint32Array;
  }

  /** Where a row begins in its piece. */
  at(row: number): number {
    return (row & (PIECE_ROWS - 1)) * BODY_WORDS;
  }

  status(row: number): number {
    return (this.statuses[row >>> PIECE_BITS] as Uint8Array)[row & (PIECE_ROWS - 1)] as number;
  }

  setStatus(row: number, status: number): void {
    (this.statuses[row >>> PIECE_BITS] as Uint8Array)[row & (PIECE_ROWS - 1)] = status;
  }

  hash(ids: Uint32Array, at: number): number {
    return this.#index.hash(ids, at);
  }

  /** Looks where an id would lie, to have it near. */
  touch(ids: Uint32Array, at: number): number {
    return this.#index.touch(this.#index.hash(ids, at));
  }

  /** What the index has of the id that lies there: 0, one more than its row, or SPENT and more. */
  find(ids: Uint32Array, at: number, hash: number): number {
    const index = this.#index;
    for (let slot = index.first(hash); slot >= 0; slot = index.next(slot, hash)) {
      const value = index.valueAt(slot);
      if (value > SPENT) {
        if (isEqual(this.spentIds, (value - SPENT - 1) * ID_WORDS, ids, at)) return value;
      } else if (isEqual(this.piece(value - 1), this.at(value - 1), ids, at)) {
        return value;
      }
    }
    return 0;
  }

  /** Makes room for so many transfers, spent ids, and both together; throws `storage-full` above the limits. */
  reserve(transfers: number, spentIds: number, both: number): void {
    assertRoom(this.count + transfers, LEDGER_LIMITS.transfers, 'transfers');
    assertRoom(this.spentCount + spentIds, LEDGER_LIMITS.failedIds, 'spent ids');
    this.#index.reserve(both);
    while (this.pieces.length * PIECE_ROWS < this.count + transfers) {
      this.pieces.push(new Uint32Array(PIECE_ROWS * BODY_WORDS));
      this.statuses.push(new Uint8Array(PIECE_ROWS));
      this.#links.push(new Uint32Array(PIECE_ROWS * LINKS_OF_TRANSFER));
    }
  }

  /**
   * Copies the bodies of a batch to where they will lie if all of them happen, and all at once: quicker than each alone.
   * There is room.
   */
  expect(bodies: Uint32Array, count: number): void {
    this.#expectedFrom = this.count;
    let done = 0;
    while (done < count) {
      const row = this.count + done;
      const rows = Math.min(count - done, PIECE_ROWS - (row & (PIECE_ROWS - 1)));
      this.piece(row).set(bodies.subarray(done * BODY_WORDS, (done + rows) * BODY_WORDS), this.at(row));
      done += rows;
    }
  }

  /** Adds a copy of the body that lies there, and answers its row. Its id is new, and there is room. */
  append(bodies: Uint32Array, from: number, hash: number, status: number): number {
    const row = this.count;
    // As long as every event of the batch has happened, its body lies where it was expected.
    if (from !== (row - this.#expectedFrom) * BODY_WORDS) {
      const piece = this.piece(row);
      const at = this.at(row);
      for (let word = 0; word < BODY_WORDS; word += 1) piece[at + word] = bodies[from + word] as number;
    }
    this.setStatus(row, status);
    return this.adopt(hash);
  }

  /** Adds the body that lies in the next place already, and answers its row. Its id is new. */
  adopt(hash: number): number {
    const row = this.count;
    this.count = row + 1;
    this.#index.insert(hash, row + 1);
    return row;
  }

  /** Puts a transfer into the lists of its accounts. */
  link(row: number, accounts: AccountStore, debit: number, credit: number): void {
    const links = this.#links[row >>> PIECE_BITS] as Uint32Array;
    const at = (row & (PIECE_ROWS - 1)) * LINKS_OF_TRANSFER;
    const debitLink = debit * LINKS_OF_ACCOUNT + ACCOUNT_LINKS.newestDebit;
    const creditLink = credit * LINKS_OF_ACCOUNT + ACCOUNT_LINKS.newestCredit;
    links[at] = accounts.links[debitLink] as number;
    links[at + 1] = accounts.links[creditLink] as number;
    accounts.links[debitLink] = row + 1;
    accounts.links[creditLink] = row + 1;
  }

  /** Row of the transfer before this one in the list of its debit account, or its credit account; -1 is none. */
  before(row: number, side: 'debit' | 'credit'): number {
    const links = this.#links[row >>> PIECE_BITS] as Uint32Array;
    return (links[(row & (PIECE_ROWS - 1)) * LINKS_OF_TRANSFER + (side === 'debit' ? 0 : 1)] as number) - 1;
  }

  /** Spends an id without a transfer. */
  spend(ids: Uint32Array, at: number, hash: number): void {
    if ((this.spentCount + 1) * ID_WORDS > this.spentIds.length) {
      const larger = new Uint32Array(this.spentIds.length * 2);
      larger.set(this.spentIds);
      this.spentIds = larger;
    }
    copy(ids, at, this.spentIds, this.spentCount * ID_WORDS);
    this.spentCount += 1;
    this.#index.insert(hash, SPENT + this.spentCount);
  }

  /** Takes the newest out again, until so many are left. No id has been spent since. */
  truncate(count: number): void {
    while (this.count > count) {
      const row = this.count - 1;
      this.#index.removeNewest(this.#index.hash(this.piece(row), this.at(row)), row + 1);
      this.count = row;
    }
  }

  clear(): void {
    this.count = 0;
    this.spentCount = 0;
    this.#index.clear();
  }
}
