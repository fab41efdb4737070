/** What a query asks for. A field that is absent or 0 does not restrict; a filter that fits nothing finds nothing. */

interface CommonFilter {
  userData128?: bigint;
  userData64?: bigint;
  userData32?: number;
  code?: number;
  /** Nanoseconds, both inclusive. */
  timestampMin?: bigint;
  timestampMax?: bigint;
  /** How many at most, from 1; the ledger answers with its own limit of results at most. */
  limit: number;
  /** The newest first. */
  reversed?: boolean;
}

/** Transfers of one account, or its balances after them. */
export interface AccountFilter extends CommonFilter {
  accountId: bigint;
  /** Those that take from the account; one of both has to be asked for. */
  debits?: boolean;
  /** Those that give to it. */
  credits?: boolean;
}

/** Accounts or transfers of the whole ledger. */
export interface QueryFilter extends CommonFilter {
  ledger?: number;
}
