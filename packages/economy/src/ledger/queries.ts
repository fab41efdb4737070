/** Answers from the state as it is, in the order in which things happened, or the newest first. */

import { ACCOUNT_LINKS, LINKS_OF_ACCOUNT } from './account-store.ts';
import type { Account, AccountBalance } from './accounts.ts';
import { ACCOUNT_FLAGS } from './accounts.ts';
import { BALANCE_WORDS } from './balance-store.ts';
import { assertWide, assertWord, decodeAccount, decodeTransfer } from './codec.ts';
import type { AccountFilter, QueryFilter } from './filters.ts';
import { ACCOUNT_WORDS, BODY_WORDS, COMMON_WORDS, TRANSFER_WORDS } from './layout.ts';
import { LEDGER_LIMITS } from './limits.ts';
import { type LedgerState, newestTransfer } from './state.ts';
import type { Transfer } from './transfers.ts';
import { isEqual, read64, read128, write128 } from './wide.ts';

const MOST_ID = (1n << 128n) - 1n;
const MOST_TIMESTAMP = (1n << 63n) - 1n;

/** Throws `invalid-request` for fields of a filter that are no numbers of their size. */
export function accountTransfers(state: LedgerState, filter: AccountFilter): Transfer[] {
  const match = matcherOf(filter);
  const account = match === null ? -1 : accountOf(state, filter);
  if (match === null || account < 0) return [];
  const { transfers } = state;
  const isWanted = (row: number) => match(transfers.piece(row), transfers.at(row));
  const rows = newestFirst(state, account, filter);
  return selected(rows, isWanted, filter).map((row) => decodeTransfer(transfers.piece(row), transfers.at(row)));
}

/** Balances of an account with history, after those of its transfers that the filter names. */
export function accountBalances(state: LedgerState, filter: AccountFilter): AccountBalance[] {
  const match = matcherOf(filter);
  const account = match === null ? -1 : accountOf(state, filter);
  if (match === null || account < 0) return [];
  const { accounts, transfers, balances } = state;
  const place = account * BODY_WORDS;
  const flags = (accounts.words[place + ACCOUNT_WORDS.codeFlags] as number) >>> 16;
  if ((flags & ACCOUNT_FLAGS.history) === 0) return [];
  const transferOf = (row: number) => balances.piece(row)[balances.at(row) + BALANCE_WORDS.transfer] as number;
  const isWanted = (row: number) => {
    const body = transfers.piece(transferOf(row));
    const at = transfers.at(transferOf(row));
    const isDebit = isEqual(body, at + TRANSFER_WORDS.debitAccount, accounts.words, place);
    return (isDebit ? filter.debits === true : filter.credits === true) && match(body, at);
  };
  return selected(newestBalances(state, account), isWanted, filter).map((row) => decodeBalance(state, row));
}

export function queryAccounts(state: LedgerState, filter: QueryFilter): Account[] {
  const match = matcherOf(filter);
  if (match === null) return [];
  const { words, count } = state.accounts;
  const isWanted = (row: number) => match(words, row * BODY_WORDS);
  return selected(downFrom(count), isWanted, filter, count).map((row) => decodeAccount(words, row * BODY_WORDS));
}

export function queryTransfers(state: LedgerState, filter: QueryFilter): Transfer[] {
  const match = matcherOf(filter);
  if (match === null) return [];
  const { transfers } = state;
  const isWanted = (row: number) => match(transfers.piece(row), transfers.at(row));
  return selected(downFrom(transfers.count), isWanted, filter, transfers.count).map((row) =>
    decodeTransfer(transfers.piece(row), transfers.at(row)),
  );
}

/** One balance, with the time of its transfer. */
export function decodeBalance({ balances, transfers }: LedgerState, row: number): AccountBalance {
  const piece = balances.piece(row);
  const counters = balances.at(row) + BALANCE_WORDS.counters;
  const transfer = piece[balances.at(row) + BALANCE_WORDS.transfer] as number;
  return {
    debitsPending: read128(piece, counters),
    debitsPosted: read128(piece, counters + 4),
    creditsPending: read128(piece, counters + 8),
    creditsPosted: read128(piece, counters + 12),
    timestamp: read64(transfers.piece(transfer), transfers.at(transfer) + TRANSFER_WORDS.timestamp),
  };
}

/** Whether a body fits the filter; null when nothing can fit it. */
function matcherOf(filter: AccountFilter & QueryFilter): ((body: Uint32Array, at: number) => boolean) | null;
function matcherOf(filter: AccountFilter | QueryFilter): ((body: Uint32Array, at: number) => boolean) | null;
function matcherOf(filter: AccountFilter | QueryFilter): ((body: Uint32Array, at: number) => boolean) | null {
  const { userData128 = 0n, userData64 = 0n, userData32 = 0, code = 0, timestampMin = 0n, timestampMax = 0n } = filter;
  const ledger = 'ledger' in filter ? (filter.ledger ?? 0) : 0;
  assertWide(userData128, 128, 'userData128 of the filter');
  assertWide(userData64, 64, 'userData64 of the filter');
  assertWord(userData32, 32, 'userData32 of the filter');
  assertWord(code, 16, 'code of the filter');
  assertWord(ledger, 32, 'ledger of the filter');
  assertWide(timestampMin, 64, 'timestampMin of the filter');
  assertWide(timestampMax, 64, 'timestampMax of the filter');
  assertWord(filter.limit, 32, 'limit of the filter');
  if (timestampMin > MOST_TIMESTAMP || timestampMax > MOST_TIMESTAMP) return null;
  if (filter.limit === 0 || (timestampMax !== 0n && timestampMin > timestampMax)) return null;
  return (body, at) => {
    if (code !== 0 && ((body[at + COMMON_WORDS.codeFlags] as number) & 0xffff) !== code) return false;
    if (ledger !== 0 && body[at + TRANSFER_WORDS.ledger] !== ledger) return false;
    if (userData32 !== 0 && body[at + COMMON_WORDS.userData32] !== userData32) return false;
    if (userData64 !== 0n && read64(body, at + COMMON_WORDS.userData64) !== userData64) return false;
    if (userData128 !== 0n && read128(body, at + COMMON_WORDS.userData128) !== userData128) return false;
    if (timestampMin === 0n && timestampMax === 0n) return true;
    const timestamp = read64(body, at + COMMON_WORDS.timestamp);
    return timestamp >= timestampMin && (timestampMax === 0n || timestamp <= timestampMax);
  };
}

/** Row of the account that the filter names; negative when nothing can be found. */
function accountOf(state: LedgerState, { accountId, debits = false, credits = false }: AccountFilter): number {
  assertWide(accountId, 128, 'accountId of the filter');
  if (accountId === 0n || accountId === MOST_ID || !(debits || credits)) return -1;
  const words = new Uint32Array(4);
  write128(words, 0, accountId);
  return state.accounts.find(words, 0);
}

/** Rows of an account's transfers, the newest first: its two lists become one. */
function* newestFirst(state: LedgerState, account: number, { debits, credits }: AccountFilter): Generator<number> {
  const { accounts, transfers } = state;
  let debit = debits === true ? newestTransfer(accounts, account, 'debit') : -1;
  let credit = credits === true ? newestTransfer(accounts, account, 'credit') : -1;
  while (debit >= 0 || credit >= 0) {
    if (debit > credit) {
      yield debit;
      debit = transfers.before(debit, 'debit');
    } else {
      yield credit;
      credit = transfers.before(credit, 'credit');
    }
  }
}

function* newestBalances({ accounts, balances }: LedgerState, account: number): Generator<number> {
  let row = (accounts.links[account * LINKS_OF_ACCOUNT + ACCOUNT_LINKS.newestBalance] as number) - 1;
  while (row >= 0) {
    yield row;
    row = (balances.piece(row)[balances.at(row) + BALANCE_WORDS.before] as number) - 1;
  }
}

function* downFrom(count: number): Generator<number> {
  for (let row = count - 1; row >= 0; row -= 1) yield row;
}

function* upTo(count: number): Generator<number> {
  for (let row = 0; row < count; row += 1) yield row;
}

/**
 * The rows that are wanted, as many as the filter asks for, of rows that come the newest first. In the order of events
 * the last ones to come are the first, so all are looked at, except where `count` says that rows are all from 0.
 */
function selected(
  rows: Iterable<number>,
  isWanted: (row: number) => boolean,
  { limit, reversed }: { limit: number; reversed?: boolean },
  count: number | null = null,
): number[] {
  const most = Math.min(limit, LEDGER_LIMITS.queryResults);
  const kept: number[] = [];
  if (reversed === true || count !== null) {
    for (const row of reversed === true ? rows : upTo(count ?? 0)) {
      if (isWanted(row)) kept.push(row);
      if (kept.length === most) break;
    }
    return kept;
  }
  let found = 0;
  for (const row of rows) {
    if (!isWanted(row)) continue;
    kept[found % most] = row;
    found += 1;
  }
  return kept.sort((left, right) => left - right);
}
