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
  balanceBody,
  entryBytes,
  idBytes,
  readAccount,
  readBalance,
  readId,
  readTransfer,
  timeBytes,
  transferBody,
} from './records.ts';

const NANOSECONDS_PER_SECOND = 1_000_000_000n;
/** Room for a turn that settles some hundred tasks; a larger batch makes more. */
const ROOM = { accounts: 1024, transfers: 2048 };

export class LoadedPart {
  readonly ledger = new Ledger(ROOM);
  /** Number of each account that is loaded, by id. */
  readonly #numbers = new Map<bigint, number>();

  clear(): void {
    this.ledger.clear();
    this.#numbers.clear();
  }

  addAccounts(rows: readonly LoadedAccount[]): void {
    for (const row of rows) {
      const account = accountOf(row);
      this.#numbers.set(account.id, row.number);
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
    { at, opened, expired }: { at: number; opened: readonly NewAccount[]; expired?: readonly Transfer[] | undefined },
    timestamp: bigint,
  ): NewLedgerRows | null {
    const changes = this.ledger.takeChanges();
    const changed = new Map(changes.accounts.map((account) => [account.id, account]));
    const touched = new Map<bigint, number[]>();
    let sequence = before.sequence;
    const touch = ({ debitAccount, creditAccount }: Transfer) => {
      touched.getOrInsertComputed(debitAccount, () => []).push(sequence);
      touched.getOrInsertComputed(creditAccount, () => []).push(sequence);
    };
    const accounts: BulkValue[][] = opened.map(({ id, flags = 0 }) => {
      sequence += 1;
      this.#numbers.set(id, sequence);
      // A transfer of the same batch may have closed it already.
      return [sequence, idBytes(id), accountBody({ ...present(changed.get(id)), flags })];
    });
    const transfers = changes.transfers.map((transfer) => {
      sequence += 1;
      touch(transfer);
      return transferRow(sequence, transfer);
    });
    const failures: BulkValue[][] = changes.failed.map((id) => {
      sequence += 1;
      return [sequence, idBytes(id)];
    });
    const expiries: BulkValue[][] = (expired ?? []).map((transfer) => {
      sequence += 1;
      touch(transfer);
      return [sequence, idBytes(transfer.id), timeBytes(timestamp)];
    });
    if (sequence === before.sequence) return null;
    const balances = Array.from(touched, ([id, sequences]) => {
      const account = present(changed.get(id));
      const body = balanceBody(account, (account.flags & ACCOUNT_FLAGS.closed) !== 0);
      return [present(this.#numbers.get(id)), sequence, body, entryBytes(sequence, sequences)];
    });
    const batch = { number: before.batch + 1, first: before.sequence + 1, last: sequence, at };
    return { accounts, transfers, expiries, failures, balances, batch };
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

function transferRow(sequence: number, transfer: Transfer): BulkValue[] {
  const { pendingId, expiresAt } = searchedColumns(transfer);
  return [sequence, idBytes(transfer.id), transferBody(transfer), pendingId, expiresAt];
}

function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('the state machine changed an account that was not loaded');
  return value;
}
