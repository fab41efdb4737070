/**
 * The whole state as bytes: a header, then accounts, transfers, what became of the pending ones, spent ids and balances,
 * each in the order in which they came. Lists and indices are made anew from them.
 */
import { FogError } from '@fog/contract';
import { BALANCE_PIECE_ROWS, BALANCE_WORDS, WORDS_OF_BALANCE } from './balance-store.ts';
import { BODY_BYTES, BODY_WORDS, bytesOf, TRANSFER_WORDS } from './layout.ts';
import { LEDGER_LIMITS } from './limits.ts';
import type { LedgerState } from './state.ts';
import { PIECE_ROWS } from './transfer-store.ts';
import { PENDING_STATUSES } from './transfers.ts';

/** "FOGL", and the number of this format. */
const MAGIC = 0x4c474f46;
const FORMAT = 1;
const HEADER_WORDS = 8;
const ID_WORDS = 4;
/** Ids whose places in the index are read side by side, before one after the other is put in. */
const TOUCHED_ROWS = 32;

/** Views of the state, about 1 MiB at most each: good until the next event. */
export function* snapshotOf(state: LedgerState): Generator<Uint8Array> {
  const { accounts, transfers, balances, last } = state;
  const header = Uint32Array.of(
    MAGIC,
    FORMAT,
    accounts.count,
    transfers.count,
    transfers.spentCount,
    balances.count,
    last[0] as number,
    last[1] as number,
  );
  yield bytesOf(header);
  yield* cut(bytesOf(accounts.words.subarray(0, accounts.count * BODY_WORDS)));
  for (let row = 0; row < transfers.count; row += PIECE_ROWS) {
    const rows = Math.min(PIECE_ROWS, transfers.count - row);
    yield bytesOf(transfers.piece(row).subarray(0, rows * BODY_WORDS));
  }
  for (let row = 0; row < transfers.count; row += PIECE_ROWS) {
    const rows = Math.min(PIECE_ROWS, transfers.count - row);
    yield (transfers.statuses[row / PIECE_ROWS] as Uint8Array).subarray(0, rows);
  }
  yield* cut(bytesOf(transfers.spentIds.subarray(0, transfers.spentCount * ID_WORDS)));
  for (let row = 0; row < balances.count; row += BALANCE_PIECE_ROWS) {
    const rows = Math.min(BALANCE_PIECE_ROWS, balances.count - row);
    yield bytesOf(balances.piece(row).subarray(0, rows * WORDS_OF_BALANCE));
  }
}

/** Puts a snapshot, cut in whatever way, into an empty state. Throws `invalid-request` for what is no whole snapshot. */
export function restoreInto(state: LedgerState, parts: Iterable<Uint8Array>): void {
  const reader = new PartsReader(parts);
  const header = reader.words(HEADER_WORDS);
  const [magic, format, accounts = 0, transfers = 0, spentIds = 0, balances = 0, low = 0, high = 0] = header;
  if (magic !== MAGIC || format !== FORMAT) throw notWhole('it does not begin like one');
  if (
    accounts > LEDGER_LIMITS.accounts ||
    transfers > LEDGER_LIMITS.transfers ||
    spentIds > LEDGER_LIMITS.failedIds ||
    balances > LEDGER_LIMITS.balances
  ) {
    throw notWhole('it holds more than a ledger can');
  }
  restoreAccounts(state, reader, accounts);
  restoreTransfers(state, reader, transfers, spentIds);
  restoreSpentIds(state, reader, spentIds);
  for (let row = 0; row < balances; row += 1) {
    const words = reader.words(WORDS_OF_BALANCE);
    if (
      (words[BALANCE_WORDS.transfer] as number) >= transfers ||
      (words[BALANCE_WORDS.account] as number) >= accounts
    ) {
      throw notWhole(`balance ${row} is of nothing`);
    }
    state.balances.restore(words, 0, state.accounts);
  }
  reader.assertEnd();
  state.last.set([low, high]);
}

function restoreAccounts(state: LedgerState, reader: PartsReader, count: number): void {
  state.accounts.reserve(count);
  for (let row = 0; row < count; row += 1) {
    const body = reader.words(BODY_WORDS);
    if (state.accounts.find(body, 0) >= 0) throw notWhole(`account ${row} is there twice`);
    state.accounts.append(body, 0);
  }
}

function restoreTransfers(state: LedgerState, reader: PartsReader, count: number, spentIds: number): void {
  const { transfers } = state;
  transfers.reserve(count, spentIds, count + spentIds);
  for (let row = 0; row < count; row += PIECE_ROWS) {
    const rows = Math.min(PIECE_ROWS, count - row);
    const bodies = transfers.piece(row).subarray(0, rows * BODY_WORDS);
    reader.fill(bytesOf(bodies));
    for (let event = 0; event < rows; event += 1) {
      if (event % TOUCHED_ROWS === 0) {
        for (let next = event; next < Math.min(event + TOUCHED_ROWS, rows); next += 1) {
          reader.touched ^= transfers.touch(bodies, next * BODY_WORDS);
        }
      }
      restoreTransfer(state, bodies, event * BODY_WORDS);
    }
  }
  for (let row = 0; row < count; row += PIECE_ROWS) {
    const rows = Math.min(PIECE_ROWS, count - row);
    const statuses = reader.bytes(rows);
    for (let event = 0; event < rows; event += 1) {
      const status = statuses[event] as number;
      transfers.setStatus(row + event, status);
      if (status === PENDING_STATUSES.pending) state.expires(row + event);
    }
  }
}

/** Takes in the next transfer, whose body lies in its place already. */
function restoreTransfer({ accounts, transfers }: LedgerState, bodies: Uint32Array, at: number): void {
  const hash = transfers.hash(bodies, at);
  if (transfers.find(bodies, at, hash) !== 0) throw notWhole(`transfer ${transfers.count} is there twice`);
  const debit = accounts.find(bodies, at + TRANSFER_WORDS.debitAccount);
  const credit = accounts.find(bodies, at + TRANSFER_WORDS.creditAccount);
  if (debit < 0 || credit < 0) throw notWhole(`transfer ${transfers.count} has no account`);
  transfers.link(transfers.adopt(hash), accounts, debit, credit);
}

function restoreSpentIds(state: LedgerState, reader: PartsReader, count: number): void {
  for (let place = 0; place < count; place += 1) {
    const id = reader.words(ID_WORDS);
    const hash = state.transfers.hash(id, 0);
    if (state.transfers.find(id, 0, hash) !== 0) throw notWhole(`spent id ${place} is there twice`);
    state.transfers.spend(id, 0, hash);
  }
}

function notWhole(why: string): FogError {
  return new FogError('invalid-request', `this is no whole snapshot of a ledger: ${why}`, {
    hint: 'restore from an earlier one',
  });
}

/** Bytes cut into parts of about 1 MiB. */
function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  const most = PIECE_ROWS * BODY_BYTES;
  for (let at = 0; at < bytes.byteLength; at += most) yield bytes.subarray(at, at + most);
}

/** Reads pieces of any length from parts of any length. What it answers holds until it is asked again. */
class PartsReader {
  readonly #parts: Iterator<Uint8Array>;
  #part: Uint8Array = new Uint8Array(0);
  #at = 0;
  #words = new Uint32Array(WORDS_OF_BALANCE);
  /** Keeps the engine from leaving out reads that only bring memory near. */
  touched = 0;

  constructor(parts: Iterable<Uint8Array>) {
    this.#parts = parts[Symbol.iterator]();
  }

  words(count: number): Uint32Array {
    if (this.#words.length < count) this.#words = new Uint32Array(count);
    this.fill(bytesOf(this.#words.subarray(0, count)));
    return this.#words;
  }

  bytes(count: number): Uint8Array {
    if (this.#words.length * 4 < count) this.#words = new Uint32Array(Math.ceil(count / 4));
    const bytes = bytesOf(this.#words).subarray(0, count);
    this.fill(bytes);
    return bytes;
  }

  assertEnd(): void {
    if (this.#at < this.#part.byteLength || this.#next()) throw notWhole('something follows it');
  }

  /** Reads as many bytes as the target holds. */
  fill(target: Uint8Array): void {
    const wanted = target.byteLength;
    let done = 0;
    while (done < wanted) {
      if (this.#at === this.#part.byteLength && !this.#next()) throw notWhole('its end is missing');
      const taken = Math.min(wanted - done, this.#part.byteLength - this.#at);
      target.set(this.#part.subarray(this.#at, this.#at + taken), done);
      this.#at += taken;
      done += taken;
    }
  }

  #next(): boolean {
    for (;;) {
      const step = this.#parts.next();
      if (step.done === true) return false;
      if (step.value.byteLength === 0) continue;
      this.#part = step.value;
      this.#at = 0;
      return true;
    }
  }
}
