/** A home that keeps everything in maps, and gives a ledger only what a batch names: what SQL does, without SQL. */
import {
  type Account,
  type AccountBalance,
  Ledger,
  type LedgerChanges,
  type NewAccount,
  type NewTransfer,
  type PendingStatus,
  type Transfer,
} from '../../src/ledger/index.ts';

export class PartialHome {
  readonly #ledger = new Ledger();
  readonly #accounts = new Map<bigint, Account>();
  readonly #transfers = new Map<bigint, { transfer: Transfer; status: PendingStatus | null }>();
  readonly #failed = new Set<bigint>();
  readonly #balances = new Map<bigint, AccountBalance[]>();

  constructor(accounts: readonly NewAccount[], timestamp: bigint) {
    this.#ledger.createAccounts(accounts, timestamp);
    this.#keep(this.#ledger.takeChanges());
  }

  createTransfers(batch: readonly NewTransfer[], timestamp: bigint) {
    this.#load(
      batch.flatMap(({ id, pendingId = 0n }) => [id, pendingId]),
      batch.flatMap(({ debitAccount, creditAccount }) => [debitAccount, creditAccount]),
    );
    const results = this.#ledger.createTransfers(batch, timestamp);
    this.#keep(this.#ledger.takeChanges());
    return results;
  }

  expirePending(now: bigint): void {
    const pending = [...this.#transfers.values()].filter(({ status }) => status === 'pending');
    this.#load(
      pending.map(({ transfer }) => transfer.id),
      [],
    );
    this.#ledger.expirePending(now > this.#latest() ? now : this.#latest());
    this.#keep(this.#ledger.takeChanges());
  }

  accounts(): Account[] {
    return [...this.#accounts.values()];
  }

  transfers() {
    return [...this.#transfers.values()];
  }

  balances(accountId: bigint): AccountBalance[] {
    return this.#balances.get(accountId) ?? [];
  }

  #latest(): bigint {
    return [...this.#transfers.values()].reduce(
      (latest, { transfer }) => (transfer.timestamp > latest ? transfer.timestamp : latest),
      0n,
    );
  }

  #load(transferIds: readonly bigint[], accountIds: readonly bigint[]): void {
    this.#ledger.clear();
    const transfers = [...new Set(transferIds)].flatMap((id) => this.#transfers.get(id) ?? []);
    const ofTransfers = transfers.flatMap(({ transfer }) => [transfer.debitAccount, transfer.creditAccount]);
    for (const id of new Set([...accountIds, ...ofTransfers])) {
      const account = this.#accounts.get(id);
      if (account !== undefined) this.#ledger.importAccount(account);
    }
    for (const { transfer, status } of transfers) this.#ledger.importTransfer(transfer, status);
    for (const id of new Set(transferIds)) if (this.#failed.has(id)) this.#ledger.markFailed(id);
  }

  #keep({ accounts, transfers, pending, failed, balances }: LedgerChanges): void {
    for (const account of accounts) this.#accounts.set(account.id, account);
    for (const transfer of transfers) this.#transfers.set(transfer.id, { transfer, status: null });
    for (const { id, status } of pending) {
      const known = this.#transfers.get(id);
      if (known !== undefined) known.status = status;
    }
    for (const id of failed) this.#failed.add(id);
    for (const { accountId, balance } of balances) {
      this.#balances.set(accountId, [...this.balances(accountId), balance]);
    }
  }
}
