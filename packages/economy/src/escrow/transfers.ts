/** The accounts and transfers of escrow, in the shape that the ledger takes. */
import {
  ACCOUNT_CODES,
  type AccountKind,
  accountId,
  CURRENCIES,
  type Currency,
  TRANSFER_CODES,
  transferId,
} from '../chart.ts';
import { ACCOUNT_FLAGS, TRANSFER_FLAGS } from '../ledger/index.ts';

/** Of a balancing transfer: whatever is there. */
export const ALL_THERE_IS = (1n << 128n) - 1n;

/** Opens an account. One that is there already is no fault. */
export interface EscrowAccount {
  id: bigint;
  ledger: number;
  code: number;
  flags: number;
}

export interface EscrowTransfer {
  id: bigint;
  debitAccount: bigint;
  creditAccount: bigint;
  amount: bigint;
  ledger: number;
  code: number;
  flags?: number;
  /** Of a payout: partition x 2^64 + fence. */
  userData128?: bigint;
  /** Of a payout: the price, of which the amount is the provider's part. */
  userData64?: bigint;
}

type EscrowTransferKind = 'cover' | 'payout' | 'oversight' | 'fee' | 'burn' | 'credit' | 'refund';
/** An account by what it is for and whose it is; a text names none. */
type Party = readonly [kind: AccountKind, name: string];

export const TREASURY: Party = ['treasury', ''];
const ISSUANCE: Party = ['issuance', ''];
export const escrowOf = (job: string): Party => ['escrow', job];
export const walletOf = (principal: string): Party => ['wallet', principal];

/** The account that a job's cover lies in: it never gives more than it got. */
export function escrowAccount(currency: Currency, job: string): EscrowAccount {
  return {
    id: accountId(currency, 'escrow', job),
    ledger: CURRENCIES[currency],
    code: ACCOUNT_CODES.escrow,
    flags: ACCOUNT_FLAGS.debitsMustNotExceedCredits,
  };
}

export function transferOf(
  currency: Currency,
  kind: EscrowTransferKind,
  {
    id,
    from,
    to,
    amount,
    ...more
  }: { id: bigint; from: Party; to: Party; amount: bigint } & Pick<
    EscrowTransfer,
    'flags' | 'userData128' | 'userData64'
  >,
): EscrowTransfer {
  return {
    id,
    debitAccount: accountId(currency, ...from),
    creditAccount: accountId(currency, ...to),
    amount,
    ledger: CURRENCIES[currency],
    code: TRANSFER_CODES[kind],
    ...more,
  };
}

/** Of what is kept back of a job, what burns, and the rest to the treasury. `cause`: what tells it from other fees of it. */
export function feeTransfers(
  currency: Currency,
  job: string,
  cause: readonly number[],
  { fees, burned }: { fees: bigint; burned: bigint },
): EscrowTransfer[] {
  const from = escrowOf(job);
  const [feeId, burnId] = [transferId('fee', job, ...cause), transferId('burn', job, ...cause)];
  const fee = transferOf(currency, 'fee', { id: feeId, from, to: TREASURY, amount: fees - burned });
  const burn = transferOf(currency, 'burn', { id: burnId, from, to: ISSUANCE, amount: burned });
  return [fee, burn].filter(({ amount }) => amount > 0n);
}

/** Makes them succeed or fail as one. */
export function linked(transfers: readonly EscrowTransfer[]): EscrowTransfer[] {
  return transfers.map((transfer, index) =>
    index === transfers.length - 1 ? transfer : { ...transfer, flags: (transfer.flags ?? 0) | TRANSFER_FLAGS.linked },
  );
}
