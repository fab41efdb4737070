/** A small model of the ledger: what escrow asks of it, and no more. */
import assert from 'node:assert/strict';
import { accountId, type Currency, transferId } from '../../src/chart.ts';
import type { EscrowAccount, EscrowTransfer } from '../../src/escrow/index.ts';
import { ACCOUNT_FLAGS, TRANSFER_FLAGS } from '../../src/ledger/index.ts';

export type TransferStatus = 'created' | 'exists' | 'exists-differently' | 'exceeds-credits' | 'linked-failed';

export class Balances {
  readonly #balances = new Map<bigint, bigint>();
  readonly #limited = new Set<bigint>();
  readonly #done = new Map<bigint, EscrowTransfer>();

  open(accounts: readonly EscrowAccount[]): void {
    for (const { id, flags } of accounts)
      if ((flags & ACCOUNT_FLAGS.debitsMustNotExceedCredits) !== 0) this.#limited.add(id);
  }

  balance(id: bigint): bigint {
    return this.#balances.get(id) ?? 0n;
  }

  wallet(principal: string, currency: Currency = 'fog'): bigint {
    return this.balance(accountId(currency, 'wallet', principal));
  }

  give(principal: string, amount: bigint): void {
    const id = accountId('fog', 'wallet', principal);
    this.#limited.add(id);
    this.#balances.set(id, this.balance(id) + amount);
  }

  /** The sum of all money. */
  total(): bigint {
    return [...this.#balances.values()].reduce((sum, balance) => sum + balance, 0n);
  }

  get lowest(): bigint {
    return [...this.#balances.values()].reduce((least, balance) => (balance < least ? balance : least), 0n);
  }

  apply(transfers: readonly EscrowTransfer[]): TransferStatus[] {
    const statuses: TransferStatus[] = [];
    for (let from = 0; from < transfers.length; ) {
      let to = from + 1;
      while (((transfers[to - 1]?.flags ?? 0) & TRANSFER_FLAGS.linked) !== 0) to += 1;
      statuses.push(...this.#chain(transfers.slice(from, to)));
      from = to;
    }
    return statuses;
  }

  #chain(chain: readonly EscrowTransfer[]): TransferStatus[] {
    const before = new Map(this.#balances);
    const statuses = chain.map((transfer) => this.#one(transfer));
    if (chain.length === 1 || statuses.every((status) => status === 'created')) return statuses;
    for (const [id, balance] of before) this.#balances.set(id, balance);
    for (const [index, { id }] of chain.entries()) if (statuses[index] === 'created') this.#done.delete(id);
    return statuses.map((status) => (status === 'created' ? 'linked-failed' : status));
  }

  #one(transfer: EscrowTransfer): TransferStatus {
    const { id, debitAccount, creditAccount, flags = 0 } = transfer;
    const known = this.#done.get(id);
    if (known !== undefined) return isSame(known, transfer) ? 'exists' : 'exists-differently';
    const there = this.balance(debitAccount);
    const isBalancing = (flags & TRANSFER_FLAGS.balancingDebit) !== 0;
    const amount = isBalancing && there < transfer.amount ? there : transfer.amount;
    if (this.#limited.has(debitAccount) && amount > there) return 'exceeds-credits';
    this.#done.set(id, transfer);
    this.#balances.set(debitAccount, there - amount);
    this.#balances.set(creditAccount, this.balance(creditAccount) + amount);
    return 'created';
  }
}

function isSame(left: EscrowTransfer, right: EscrowTransfer): boolean {
  const text = (transfer: EscrowTransfer) =>
    JSON.stringify({ ...transfer }, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  return text(left) === text(right);
}

/** All transfers are done now, or were before. */
export function assertDone(statuses: readonly TransferStatus[]): void {
  assert.deepEqual(
    statuses.filter((status) => status !== 'created' && status !== 'exists'),
    [],
  );
}

export function payoutId(job: string, partition: number, fence: number): bigint {
  return transferId('payout', job, partition, fence);
}
