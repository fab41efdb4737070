/**
 * The part of the ledger that one batch names, loaded into the state machine that decides, and what came out of it as
 * rows. One of them is used for one batch after the other.
 */
import {
  ACCOUNT_FLAGS,
  type Account,
  Ledger,
  type NewAccount,
  type PendingStatus,
  TRANSFER_FLAGS,
  type Transfer,
} from '@fog/economy/ledger';
import type { BulkValue } from '../store/bulk.ts';
import type { LoadedAccount, LoadedTransfer, NewLedgerRows } from '../store/ledger-rows.ts';
import {
  accountBody,
  BODY_BYTES,
  balanceBody,
  entryBytes,
  ID_BYTES,
  idBytes,
  readAccount,
  readBalance,
  readId,
  readTransfer,
  timeBytes,
  writeTransfer,
} from './records.ts';

const NANOSECONDS_PER_SECOND = 1_000_000_000n;
/** Room for a turn that settles some hundred tasks; a larger batch makes more. */
const ROOM = { accounts: 1024, transfers: 2048 };
/** The word of a transfer that holds both; without flags it neither is pending nor resolves one that is. */
const CODE_AND_FLAGS = 29;
const TRANSFER_BYTES = ID_BYTES + BODY_BYTES.transfer;
const TRANSFERS_IN_A_PIECE = 64;

export class LoadedPart {
  readonly ledger = new Ledger(ROOM);
  /** Number of each account by its place in the state machine: first those that were loaded, then those that it opened. */
  #numbers: number[] = [];
  readonly #places = new Map<bigint, number>();

  clear(): void {
    this.ledger.clear();
    this.#numbers = [];
    this.#places.clear();
  }

  addAccounts(rows: readonly LoadedAccount[]): void {
    for (const row of rows) {
      const account = accountOf(row);
      this.#place(account.id, row.number);
      this.ledger.importAccount(account);
    }
  }

  addTransfers(rows: readonly LoadedTransfer[]): void {
    for (const row of rows) {
      this.ledger.importTransfer(readTransfer(readId(row.id), row.body), pendingStatusOf(row));
    }
  }

  addFailures(ids: readonly { id: Uint8Array }[]): void {
    for (const { id } of ids) this.ledger.markFailed(readId(id));
  }

  /** What has changed as rows behind `before`, the newest row so far; null when nothing has. */
  takeRows(
    before: { sequence: number; batch: number },
    { at, opened, expired = [] }: { at: number; opened: readonly NewAccount[]; expired?: readonly Transfer[] },
    timestamp: bigint,
  ): NewLedgerRows | null {
    let sequence = before.sequence;
    for (const { id } of opened) {
      sequence += 1;
      this.#place(id, sequence);
    }
    const touched = new Map<number, number[]>();
    const touch = (account: number) => {
      const sequences = touched.get(account);
      if (sequences === undefined) touched.set(account, [sequence]);
      else sequences.push(sequence);
    };
    const transfers: BulkValue[][] = [];
    const bytes = new TransferBytes();
    const changes = this.ledger.visitChanges((words, place, debit, credit) => {
      sequence += 1;
      touch(debit);
      touch(credit);
      transfers.push(transferRow(sequence, words, place, bytes.next()));
    });
    const accounts = opened.map(({ id, flags = 0 }): BulkValue[] => {
      const place = present(this.#places.get(id));
      // A transfer of the same batch may have closed it already.
      return [
        this.#numbers[place] as number,
        idBytes(id),
        accountBody({ ...present(changes.accounts.get(place)), flags }),
      ];
    });
    const failures = changes.failed.map((id): BulkValue[] => {
      sequence += 1;
      return [sequence, idBytes(id)];
    });
    const expiries = expired.map(({ id, debitAccount, creditAccount }): BulkValue[] => {
      sequence += 1;
      touch(present(this.#places.get(debitAccount)));
      touch(present(this.#places.get(creditAccount)));
      return [sequence, idBytes(id), timeBytes(timestamp)];
    });
    if (sequence === before.sequence) return null;
    const balances = Array.from(touched, ([place, sequences]): BulkValue[] => {
      const account = present(changes.accounts.get(place));
      const body = balanceBody(account, (account.flags & ACCOUNT_FLAGS.closed) !== 0);
      return [present(this.#numbers[place]), sequence, body, entryBytes(sequence, sequences)];
    });
    const batch = { number: before.batch + 1, first: before.sequence + 1, last: sequence, at };
    return { accounts, transfers, expiries, failures, balances, batch };
  }

  #place(id: bigint, number: number): void {
    this.#places.set(id, this.#numbers.length);
    this.#numbers.push(number);
  }
}

/** An account as it is now. */
export function accountOf({ id, body, balance }: LoadedAccount): Account {
  const account = readAccount(readId(id), body);
  if (balance === null) return account;
  const { isClosed, ...counters } = readBalance(balance);
  const flags = (account.flags & ~ACCOUNT_FLAGS.closed) | (isClosed ? ACCOUNT_FLAGS.closed : 0);
  return { ...account, ...counters, flags };
}

/** What became of a pending transfer; null for one that was never pending. */
export function pendingStatusOf({ body, resolution, expired }: LoadedTransfer): PendingStatus | null {
  if ((readTransfer(0n, body).flags & TRANSFER_FLAGS.pending) === 0) return null;
  if (expired !== null) return 'expired';
  if (resolution === null) return 'pending';
  return (readTransfer(0n, resolution).flags & TRANSFER_FLAGS.postPending) === 0 ? 'voided' : 'posted';
}

/** When a transfer is released, in nanoseconds; null for one that never is. */
export function expiryOf({ flags, timeoutSeconds, timestamp }: Transfer): bigint | null {
  if ((flags & TRANSFER_FLAGS.pending) === 0 || timeoutSeconds === 0) return null;
  return timestamp + BigInt(timeoutSeconds) * NANOSECONDS_PER_SECOND;
}

/** The columns of a transfer that are searched for. */
export function searchedColumns(transfer: Transfer): { pendingId: Buffer | null; expiresAt: Buffer | null } {
  const expiresAt = expiryOf(transfer);
  return {
    pendingId: transfer.pendingId === 0n ? null : idBytes(transfer.pendingId),
    expiresAt: expiresAt === null ? null : timeBytes(expiresAt),
  };
}

interface Place {
  buffer: ArrayBuffer;
  view: DataView;
  offset: number;
}

/** Room for ids and bodies of transfers, many in one piece of memory. */
class TransferBytes {
  #place: Place | null = null;

  next(): Place {
    const known = this.#place;
    const offset = known === null ? 0 : known.offset + TRANSFER_BYTES;
    if (known !== null && offset < known.buffer.byteLength) {
      known.offset = offset;
      return known;
    }
    const buffer = new ArrayBuffer(TRANSFERS_IN_A_PIECE * TRANSFER_BYTES);
    this.#place = { buffer, view: new DataView(buffer), offset: 0 };
    return this.#place;
  }
}

/** The transfer lies at `at` of the state machine's words. */
function transferRow(sequence: number, words: Uint32Array, at: number, { buffer, view, offset }: Place): BulkValue[] {
  writeTransfer(view, offset, words, at);
  const id = new Uint8Array(buffer, offset, ID_BYTES);
  const body = new Uint8Array(buffer, offset + ID_BYTES, BODY_BYTES.transfer);
  if ((words[at + CODE_AND_FLAGS] as number) >>> 16 === 0) return [sequence, id, body, null, null];
  const { pendingId, expiresAt } = searchedColumns(readTransfer(readId(id), body));
  return [sequence, id, body, pendingId, expiresAt];
}

function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('the state machine changed an account that was not loaded');
  return value;
}
