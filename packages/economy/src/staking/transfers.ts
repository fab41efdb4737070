/** The transfers that staking asks the ledger for. Their ids come from their causes, so that none is made twice. */

import type { TransferKind } from '../chart.ts';
import { ACCOUNT_CODES, type AccountKind, accountId, CURRENCIES, TRANSFER_CODES, transferId } from '../chart.ts';
import { TRANSFER_FLAGS } from '../ledger/index.ts';

/** Fits the ledger's `NewTransfer`. */
export interface StakingTransfer {
  id: bigint;
  debitAccount: bigint;
  creditAccount: bigint;
  amount: bigint;
  pendingId?: bigint;
  ledger: number;
  code: number;
  flags?: number;
}

/** Fits the ledger's `NewAccount`. */
export interface StakingAccount {
  id: bigint;
  ledger: number;
  code: number;
  flags: number;
}

/** Bit of an account's flags: it never owes. */
const DEBITS_WITHIN_CREDITS = 2;

const VALIDATOR_ACCOUNTS = ['bonded', 'unbonding', 'rewards', 'slashed'] as const;

/** What a transfer is, without its id. */
export interface Movement {
  kind: TransferKind;
  from: bigint;
  to: bigint;
  amount: bigint;
  flags?: number;
  pendingId?: bigint;
}

/** One transfer; none when nothing is to move. */
export function movement(
  cause: readonly (string | number)[],
  { kind, from, to, ...rest }: Movement,
): StakingTransfer[] {
  if (rest.amount === 0n) return [];
  return [
    {
      id: transferId(kind, ...cause),
      debitAccount: from,
      creditAccount: to,
      ledger: CURRENCIES.fog,
      code: TRANSFER_CODES[kind],
      ...rest,
    },
  ];
}

/** All of one step happen together or not at all. */
export function linked(transfers: readonly StakingTransfer[]): StakingTransfer[] {
  return transfers.map((transfer, index) =>
    index === transfers.length - 1 ? transfer : { ...transfer, flags: (transfer.flags ?? 0) | TRANSFER_FLAGS.linked },
  );
}

export function account(kind: AccountKind, name = ''): bigint {
  return accountId('fog', kind, name);
}

/** The accounts that a validator has of its own. */
export function validatorAccounts(validator: string): StakingAccount[] {
  return VALIDATOR_ACCOUNTS.map((kind) => ({
    id: account(kind, validator),
    ledger: CURRENCIES.fog,
    code: ACCOUNT_CODES[kind],
    flags: DEBITS_WITHIN_CREDITS,
  }));
}
