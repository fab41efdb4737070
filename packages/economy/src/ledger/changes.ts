/**
 * What a ledger that holds a part of a larger one has changed, so that its home can write it back. What was there before
 * is known by how many rows there were: everything is added at the end.
 */
import type { Account, AccountBalance } from './accounts.ts';
import { BALANCE_WORDS } from './balance-store.ts';
import { decodeAccount, decodeTransfer } from './codec.ts';
import { BODY_WORDS, TRANSFER_WORDS } from './layout.ts';
import { decodeBalance } from './queries.ts';
import type { LedgerState } from './state.ts';
import { SPENT } from './transfer-store.ts';
import { PENDING_STATUS_NAMES, type PendingStatus, TRANSFER_FLAGS, type Transfer } from './transfers.ts';
import { read128 } from './wide.ts';

/** What changed since the ledger was loaded, or since it was last asked. */
export interface LedgerChanges {
  /** As they are now, each once. */
  accounts: Account[];
  /** Those that happened, in order. */
  transfers: Transfer[];
  /** Pending transfers that were made, posted, voided or expired. */
  pending: { id: bigint; status: PendingStatus }[];
  /** Ids that are spent. */
  failed: bigint[];
  /** Balances of accounts with history, in order. */
  balances: { accountId: bigint; balance: AccountBalance }[];
}

/** How many rows of each kind there are. */
export interface Mark {
  accounts: number;
  transfers: number;
  spentIds: number;
  balances: number;
}

export function markOf({ accounts, transfers, balances }: LedgerState): Mark {
  return {
    accounts: accounts.count,
    transfers: transfers.count,
    spentIds: transfers.spentCount,
    balances: balances.count,
  };
}

/** Is told where a transfer lies, 32 words, and the places of its accounts among all that were loaded or opened. */
export type TransferVisitor = (words: Uint32Array, at: number, debit: number, credit: number) => void;

export interface LedgerRowChanges {
  /** As they are now, by their places. */
  accounts: Map<number, Account>;
  failed: bigint[];
}

/** The same for a home that keeps no more than rows: it is told of the transfers in order, and none becomes an object. */
export function visitChanges(
  state: LedgerState,
  mark: Mark,
  expired: readonly number[],
  visit: TransferVisitor,
): LedgerRowChanges {
  const { accounts, transfers } = state;
  const touched = new Set<number>();
  const accountsOf = (row: number): [debit: number, credit: number] => {
    const [words, at] = [transfers.piece(row), transfers.at(row)];
    const debit = accounts.find(words, at + TRANSFER_WORDS.debitAccount);
    const credit = accounts.find(words, at + TRANSFER_WORDS.creditAccount);
    touched.add(debit).add(credit);
    return [debit, credit];
  };
  for (let row = mark.accounts; row < accounts.count; row += 1) touched.add(row);
  for (let row = mark.transfers; row < transfers.count; row += 1) {
    const [debit, credit] = accountsOf(row);
    visit(transfers.piece(row), transfers.at(row), debit, credit);
  }
  for (const row of expired) accountsOf(row);
  return {
    accounts: new Map(Array.from(touched, (row) => [row, decodeAccount(accounts.words, row * BODY_WORDS)])),
    failed: range(mark.spentIds, transfers.spentCount).map((place) => read128(transfers.spentIds, place * 4)),
  };
}

/** `expired` are rows of transfers that expired since. */
export function changesSince(state: LedgerState, mark: Mark, expired: readonly number[]): LedgerChanges {
  const { accounts, transfers, balances } = state;
  const touched = new Set<number>();
  const pending = new Map<number, PendingStatus>();
  const touchAccounts = (row: number) => {
    for (const side of [TRANSFER_WORDS.debitAccount, TRANSFER_WORDS.creditAccount]) {
      const account = accounts.find(transfers.piece(row), transfers.at(row) + side);
      if (account >= 0) touched.add(account);
    }
  };
  const noteStatus = (row: number) => {
    const status = PENDING_STATUS_NAMES[transfers.status(row)];
    if (status !== undefined) pending.set(row, status);
  };
  for (let row = mark.accounts; row < accounts.count; row += 1) touched.add(row);
  const made: Transfer[] = [];
  for (let row = mark.transfers; row < transfers.count; row += 1) {
    touchAccounts(row);
    noteStatus(row);
    const resolved = resolvedBy(state, row);
    if (resolved >= 0) noteStatus(resolved);
    made.push(decodeTransfer(transfers.piece(row), transfers.at(row)));
  }
  for (const row of expired) {
    touchAccounts(row);
    noteStatus(row);
  }
  return {
    accounts: [...touched].map((row) => decodeAccount(accounts.words, row * BODY_WORDS)),
    transfers: made,
    pending: [...pending].map(([row, status]) => ({ id: read128(transfers.piece(row), transfers.at(row)), status })),
    failed: range(mark.spentIds, transfers.spentCount).map((place) => read128(transfers.spentIds, place * 4)),
    balances: range(mark.balances, balances.count).map((row) => {
      const account = balances.piece(row)[balances.at(row) + BALANCE_WORDS.account] as number;
      return { accountId: read128(accounts.words, account * BODY_WORDS), balance: decodeBalance(state, row) };
    }),
  };
}

/** Row of the pending transfer that this one posted or voided; negative when it is no such. */
function resolvedBy({ transfers }: LedgerState, row: number): number {
  const body = transfers.piece(row);
  const at = transfers.at(row);
  const flags = (body[at + TRANSFER_WORDS.codeFlags] as number) >>> 16;
  if ((flags & (TRANSFER_FLAGS.postPending | TRANSFER_FLAGS.voidPending)) === 0) return -1;
  const entry = transfers.find(
    body,
    at + TRANSFER_WORDS.pendingId,
    transfers.hash(body, at + TRANSFER_WORDS.pendingId),
  );
  return entry > SPENT ? -1 : entry - 1;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
