/** The ledger. */
import { FogError } from '@fog/contract';
import type { Account, AccountBalance, NewAccount } from './accounts.ts';
import type { AccountFilter, QueryFilter } from './filters.ts';
import type { AccountStatus, CreateResult, TransferStatus } from './statuses.ts';
import type { NewTransfer, PendingStatus, Transfer } from './transfers.ts';

export interface LedgerOptions {
  /** Room to begin with; more is made as it is needed. */
  accounts?: number;
  transfers?: number;
}

/** What changed since `clear`, or since it was last asked. */
export interface LedgerChanges {
  accounts: Account[];
  /** Those that happened, in order. */
  transfers: Transfer[];
  /** Pending transfers that were made or resolved. */
  pending: { id: bigint; status: PendingStatus }[];
  /** Ids that are spent. */
  failed: bigint[];
  /** Balances of accounts with history. */
  balances: { accountId: bigint; balance: AccountBalance }[];
}

export class Ledger {
  constructor(_options: LedgerOptions = {}) {}
  createAccounts(_accounts: readonly NewAccount[], _timestamp: bigint): CreateResult<AccountStatus>[] {
    return notBuilt();
  }
  createTransfers(_transfers: readonly NewTransfer[], _timestamp: bigint): CreateResult<TransferStatus>[] {
    return notBuilt();
  }
  /** Bodies of 128 bytes; one byte of status an event, as in TRANSFER_STATUSES. */
  applyTransfers(_batch: Uint8Array, _timestamp: bigint): Uint8Array {
    return notBuilt();
  }
  /** The same for accounts, as in ACCOUNT_STATUSES. */
  applyAccounts(_batch: Uint8Array, _timestamp: bigint): Uint8Array {
    return notBuilt();
  }
  expirePending(_now: bigint): number {
    return notBuilt();
  }
  account(_id: bigint): Account | null {
    return notBuilt();
  }
  transfer(_id: bigint): Transfer | null {
    return notBuilt();
  }
  /** null for a transfer that is not there, or that was never pending. */
  pendingStatus(_id: bigint): PendingStatus | null {
    return notBuilt();
  }
  accountTransfers(_filter: AccountFilter): Transfer[] {
    return notBuilt();
  }
  accountBalances(_filter: AccountFilter): AccountBalance[] {
    return notBuilt();
  }
  queryAccounts(_filter: QueryFilter): Account[] {
    return notBuilt();
  }
  queryTransfers(_filter: QueryFilter): Transfer[] {
    return notBuilt();
  }
  importAccount(_account: Account): void {
    return notBuilt();
  }
  importTransfer(_transfer: Transfer, _pending: PendingStatus | null): void {
    return notBuilt();
  }
  markFailed(_id: bigint): void {
    return notBuilt();
  }
  clear(): void {
    return notBuilt();
  }
  takeChanges(): LedgerChanges {
    return notBuilt();
  }
  /** Views of the state as it is: to be written or copied before the next event. May be cut anew before `restore`. */
  snapshot(): Iterable<Uint8Array> {
    return notBuilt();
  }
  restore(_parts: Iterable<Uint8Array>): void {
    return notBuilt();
  }
  /** SHA-256 of the whole state. */
  digest(): Uint8Array {
    return notBuilt();
  }
}

function notBuilt(): never {
  throw new FogError('unsupported', 'the ledger is not built yet');
}
