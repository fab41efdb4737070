/** What can be asked of the ledger in the database. Reads go wherever they are made, inside of a transaction too. */
import type { Account, PendingStatus, Transfer } from '@fog/economy/ledger';
import { sql } from 'kysely';
import { LEDGER_HOME_LIMITS } from '../limits.ts';
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Reader } from '../store/database.ts';
import { loadAccounts, loadTransfers } from '../store/ledger-rows.ts';
import { accountOf, pendingStatusOf } from './loaded-part.ts';
import { type Counters, idBytes, readBalance, readEntries, readId, readTransfer } from './records.ts';

/** A transfer, or the release of one whose time was over, as an account has it. */
export interface AccountEntry {
  /** Place among all rows of the ledger: the cursor of pages. */
  sequence: number;
  kind: 'transfer' | 'expiry';
  transfer: Transfer;
}

export interface HistoricBalance extends Counters {
  /** Of the last row of the batch that made it. */
  sequence: number;
  isClosed: boolean;
}

/** null when there is no such account. */
export async function readLedgerAccount(reader: Reader, id: bigint): Promise<Account | null> {
  const [row] = await loadAccounts(reader, [idBytes(id)]);
  return row === undefined ? null : accountOf(row);
}

/** Those of the accounts that are there, by id. */
export async function readLedgerAccounts(reader: Reader, ids: readonly bigint[]): Promise<Map<bigint, Account>> {
  const rows = await loadAccounts(reader, Array.from(new Set(ids), idBytes));
  return new Map(rows.map(accountOf).map((account) => [account.id, account]));
}

/** What can be taken out of it. */
export function spendable(account: Account | null | undefined): bigint {
  return account == null ? 0n : account.creditsPosted - account.debitsPosted - account.debitsPending;
}

/** What was paid in less what was taken out, in micro-FOG; null when there is no such account. */
export async function readLedgerBalance(reader: Reader, id: bigint): Promise<bigint | null> {
  const account = await readLedgerAccount(reader, id);
  return account === null ? null : account.creditsPosted - account.debitsPosted;
}

/** null when there is no such transfer; `pending` is null for one that was never pending. */
export async function readLedgerTransfer(
  reader: Reader,
  id: bigint,
): Promise<{ transfer: Transfer; pending: PendingStatus | null } | null> {
  const [row] = await loadTransfers(reader, [idBytes(id)]);
  return row === undefined ? null : { transfer: readTransfer(id, row.body), pending: pendingStatusOf(row) };
}

export interface PageRequest {
  /** The newest come first; only those before this sequence. */
  before?: number | undefined;
  /** Up to LEDGER_HOME_LIMITS.pageRows. */
  limit: number;
}

/** The account's balances, the newest first: one after each batch that changed it. */
export async function balanceHistory(reader: Reader, id: bigint, page: PageRequest): Promise<HistoricBalance[]> {
  const rows = await balanceRows(reader, id, { before: page.before, limit: clamped(page.limit) });
  return rows.map(({ sequence, body }) => ({ sequence, ...readBalance(body) }));
}

/** The account's counters as they were when the ledger had come to `sequence`: nothing that is older is changed later. */
export async function balanceAt(reader: Reader, id: bigint, sequence: number): Promise<HistoricBalance | null> {
  const [balance] = await balanceHistory(reader, id, { before: sequence + 1, limit: 1 });
  return balance ?? null;
}

/** The account's transfers, the newest first. `next` is the cursor of the next page, null behind the last. */
export async function transfersOfAccount(
  reader: Reader,
  id: bigint,
  page: PageRequest,
): Promise<{ entries: AccountEntry[]; next: number | null }> {
  const limit = clamped(page.limit);
  const before = page.before ?? Number.MAX_SAFE_INTEGER;
  const sequences: number[] = [];
  let from: number | undefined;
  // A row names all of a batch, those behind the cursor too: the row in which the last page ended is read again.
  for (let isMore = true; isMore && sequences.length <= limit; ) {
    const rows = await (from === undefined
      ? balanceRowsTouching(reader, id, before, limit + 1)
      : balanceRows(reader, id, { before: from, limit: limit + 1 }));
    for (const row of rows) {
      sequences.push(
        ...readEntries(row.sequence, row.entries)
          .reverse()
          .filter((sequence) => sequence < before),
      );
    }
    from = rows.at(-1)?.sequence;
    isMore = rows.length > limit;
  }
  const shown = sequences.slice(0, limit);
  const entries = await readEntriesAt(reader, shown);
  return { entries, next: sequences.length > limit ? (shown.at(-1) ?? null) : null };
}

interface BalanceRow {
  sequence: number;
  body: Uint8Array;
  entries: Uint8Array;
}

async function balanceRows(
  reader: Reader,
  id: bigint,
  { before = Number.MAX_SAFE_INTEGER, limit }: { before?: number | undefined; limit: number },
): Promise<BalanceRow[]> {
  const { rows } = await sql<BalanceRow>`SELECT b.sequence, b.body, b.entries
    FROM ledger_accounts a JOIN ledger_balances b ON b.account = a.sequence
    WHERE a.id = ${idBytes(id)} AND b.sequence < ${before}
    ORDER BY b.sequence DESC LIMIT ${limit}`.execute(reader);
  return rows;
}

/** The same with the row in front whose batch reaches beyond `before`: it may name some that lie before it. */
async function balanceRowsTouching(reader: Reader, id: bigint, before: number, limit: number): Promise<BalanceRow[]> {
  const { rows } = await sql<BalanceRow>`SELECT b.sequence, b.body, b.entries
    FROM ledger_accounts a JOIN ledger_balances b ON b.account = a.sequence
    WHERE a.id = ${idBytes(id)} AND b.sequence >= ${before} ORDER BY b.sequence LIMIT 1`.execute(reader);
  return [...rows, ...(await balanceRows(reader, id, { before, limit }))];
}

interface EntryRow {
  sequence: number;
  id: Uint8Array;
  body: Uint8Array;
  expiry: number;
}

const READ_TRANSFERS_AT: BulkStatement = {
  text: `SELECT t.sequence, t.id, t.body, 0 AS expiry FROM ROWS AS k CROSS JOIN ledger_transfers t
    WHERE t.sequence = k.sequence`,
  columns: { sequence: 'bigint' },
};
const READ_EXPIRIES_AT: BulkStatement = {
  text: `SELECT e.sequence, t.id, t.body, 1 AS expiry FROM ROWS AS k CROSS JOIN ledger_expiries e
    CROSS JOIN ledger_transfers t WHERE e.sequence = k.sequence AND t.id = e.id`,
  columns: { sequence: 'bigint' },
};

async function readEntriesAt(reader: Reader, sequences: readonly number[]): Promise<AccountEntry[]> {
  const keys = sequences.map((sequence) => [sequence]);
  const rows = [
    ...(await runBulk<EntryRow>(reader, READ_TRANSFERS_AT, keys)),
    ...(await runBulk<EntryRow>(reader, READ_EXPIRIES_AT, keys)),
  ];
  return rows
    .sort((left, right) => right.sequence - left.sequence)
    .map(({ sequence, id, body, expiry }) => ({
      sequence,
      kind: expiry === 1 ? 'expiry' : 'transfer',
      transfer: readTransfer(readId(id), body),
    }));
}

function clamped(limit: number): number {
  return Math.min(Math.max(1, Math.trunc(limit)), LEDGER_HOME_LIMITS.pageRows);
}
