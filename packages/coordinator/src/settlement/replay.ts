/**
 * A stored ledger, decided again: each row is given to the state machine, with the accounts and the open pending transfers
 * that it names, and has to come out as it is stored. What is kept from batch to batch is every account, and the pending
 * transfers that are open.
 */
import { ACCOUNT_FLAGS, type Account, Ledger, TRANSFER_FLAGS, type Transfer } from '@fog/economy/ledger';
import type { StoredBalance, StoredRecord } from './journal.ts';
import { hexOf, type LedgerFault, TABLE_OF_KIND } from './ledger-faults.ts';
import { expiryOf, searchedColumns } from './loaded-part.ts';
import {
  balanceBody,
  type Counters,
  entryBytes,
  readAccount,
  readBalance,
  readId,
  readTime,
  readTransfer,
} from './records.ts';

export interface ReplayedBatch {
  faults: LedgerFault[];
  /** Balances as they have to be after the batch. */
  balances: StoredBalance[];
}

interface KnownAccount {
  /** Sequence of its row. */
  number: number;
  account: Account;
}

export class LedgerReplay {
  readonly #ledger = new Ledger();
  readonly #accounts = new Map<bigint, KnownAccount>();
  readonly #ids = new Map<number, bigint>();
  readonly #open = new Map<bigint, Transfer>();
  #lastExpiry = 0n;

  get accounts(): number {
    return this.#accounts.size;
  }

  get openTransfers(): number {
    return this.#open.size;
  }

  /** Decides the rows of one batch, in order. */
  batch(records: readonly StoredRecord[]): ReplayedBatch {
    const faults: LedgerFault[] = [];
    const touched = new Map<bigint, number[]>();
    const last = records.at(-1)?.sequence ?? 0;
    this.#load(records);
    for (const record of records) {
      const accounts = this.#decide(record, faults);
      for (const id of accounts) touched.getOrInsertComputed(id, () => []).push(record.sequence);
    }
    const balances: StoredBalance[] = [];
    for (const { id, ...account } of this.#ledger.takeChanges().accounts) {
      const known = this.#accounts.get(id);
      if (known !== undefined) known.account = { id, ...account };
    }
    for (const [id, sequences] of touched) {
      const known = this.#accounts.get(id);
      if (known === undefined) continue;
      const isClosed = (known.account.flags & ACCOUNT_FLAGS.closed) !== 0;
      const body = balanceBody(known.account, isClosed);
      balances.push({ account: known.number, sequence: last, body, entries: entryBytes(last, sequences) });
    }
    return { faults, balances };
  }

  /** What is stored counts from here on, so that one fault is not reported again with every batch that follows. */
  adopt(balances: readonly StoredBalance[]): void {
    for (const { account: number, body } of balances) {
      const known = this.#accounts.get(this.#ids.get(number) ?? 0n);
      if (known === undefined) continue;
      const { isClosed, ...counters } = readBalance(body);
      const flags = (known.account.flags & ~ACCOUNT_FLAGS.closed) | (isClosed ? ACCOUNT_FLAGS.closed : 0);
      known.account = { ...known.account, ...counters, flags };
    }
  }

  /** Sums over the accounts of each ledger. Debits and credits have to be equal, pending and posted ones apart. */
  totals(): Map<number, Counters> {
    const totals = new Map<number, Counters>();
    for (const { account } of this.#accounts.values()) {
      const sum = totals.getOrInsertComputed(account.ledger, () => {
        return { debitsPending: 0n, debitsPosted: 0n, creditsPending: 0n, creditsPosted: 0n };
      });
      sum.debitsPending += account.debitsPending;
      sum.debitsPosted += account.debitsPosted;
      sum.creditsPending += account.creditsPending;
      sum.creditsPosted += account.creditsPosted;
    }
    return totals;
  }

  /** Open transfers that were due by `place` and were not released, though the ledger says it had seen to them. */
  overdue(place: bigint): Transfer[] {
    return [...this.#open.values()].filter((transfer) => (expiryOf(transfer) ?? place) < place);
  }

  #load(records: readonly StoredRecord[]): void {
    this.#ledger.clear();
    const transfers = new Map<bigint, Transfer>();
    const accounts = new Set<bigint>();
    const name = ({ debitAccount, creditAccount }: Transfer) => accounts.add(debitAccount).add(creditAccount);
    for (const { kind, id, body } of records) {
      if (kind === 'account' || kind === 'failure') continue;
      const transfer = kind === 'transfer' ? readTransfer(readId(id), body) : null;
      const pending = this.#open.get(transfer?.pendingId ?? readId(id));
      if (transfer !== null) name(transfer);
      if (pending !== undefined) {
        transfers.set(pending.id, pending);
        name(pending);
      }
    }
    for (const id of accounts) {
      const known = this.#accounts.get(id);
      if (known !== undefined) this.#ledger.importAccount(known.account);
    }
    for (const transfer of transfers.values()) this.#ledger.importTransfer(transfer, 'pending');
    this.#lastExpiry = 0n;
  }

  /** Answers the accounts that it has touched. */
  #decide(record: StoredRecord, faults: LedgerFault[]): bigint[] {
    try {
      if (record.kind === 'account') return this.#openAccount(record, faults);
      if (record.kind === 'transfer') return this.#transfer(record, faults);
      return record.kind === 'expiry' ? this.#expire(record, faults) : [];
    } catch (error) {
      faults.push(refused(record, (error as Error).message));
      return [];
    }
  }

  #openAccount(record: StoredRecord, faults: LedgerFault[]): bigint[] {
    const account = readAccount(readId(record.id), record.body);
    if (this.#accounts.has(account.id)) {
      faults.push(refused(record, 'there is an account with this id already'));
      return [];
    }
    // A chain is decided as one; of what is stored each has happened.
    const flags = account.flags & ~ACCOUNT_FLAGS.linked;
    const [result] = this.#ledger.createAccounts([{ ...account, flags, timestamp: 0n }], account.timestamp);
    if (result?.status !== 'created') faults.push(refused(record, `the state machine says ${result?.status}`));
    this.#accounts.set(account.id, { number: record.sequence, account });
    this.#ids.set(record.sequence, account.id);
    return [];
  }

  #transfer(record: StoredRecord, faults: LedgerFault[]): bigint[] {
    const transfer = readTransfer(readId(record.id), record.body);
    const { pendingId, expiresAt } = searchedColumns(transfer);
    faults.push(...columnFault(record, 'pending_id', pendingId, record.pendingId));
    faults.push(...columnFault(record, 'expires_at', expiresAt, record.expiresAt));
    const flags = transfer.flags & ~TRANSFER_FLAGS.linked;
    const [result] = this.#ledger.createTransfers([{ ...transfer, flags, timestamp: 0n }], transfer.timestamp);
    if (result?.status !== 'created') {
      faults.push(refused(record, `the state machine says ${result?.status}`));
      return [];
    }
    const amount = this.#ledger.transfer(transfer.id)?.amount ?? 0n;
    if (amount !== transfer.amount) {
      const [expected, found] = [String(amount), String(transfer.amount)];
      faults.push({ ...refused(record, 'the state machine moves another amount'), field: 'amount', expected, found });
    }
    this.#open.delete(transfer.pendingId);
    if ((flags & TRANSFER_FLAGS.pending) !== 0) this.#open.set(transfer.id, transfer);
    return [transfer.debitAccount, transfer.creditAccount];
  }

  #expire(record: StoredRecord, faults: LedgerFault[]): bigint[] {
    const transfer = this.#open.get(readId(record.id));
    const timestamp = readTime(record.body);
    if (timestamp !== this.#lastExpiry) this.#ledger.expirePending(timestamp);
    this.#lastExpiry = timestamp;
    if (transfer === undefined || this.#ledger.pendingStatus(transfer.id) !== 'expired') {
      faults.push(refused(record, 'no pending transfer of this id was due then'));
      return [];
    }
    this.#open.delete(transfer.id);
    return [transfer.debitAccount, transfer.creditAccount];
  }
}

function refused({ kind, sequence }: StoredRecord, message: string): LedgerFault {
  return { table: TABLE_OF_KIND[kind], row: `sequence ${sequence}`, field: null, expected: null, found: null, message };
}

function columnFault(
  { kind, sequence }: StoredRecord,
  field: string,
  expected: Uint8Array | null,
  found: Uint8Array | null,
): LedgerFault[] {
  if (hexOf(expected) === hexOf(found)) return [];
  const message = 'the column does not repeat what is in the body';
  return [
    {
      table: TABLE_OF_KIND[kind],
      row: `sequence ${sequence}`,
      field,
      expected: hexOf(expected),
      found: hexOf(found),
      message,
    },
  ];
}
