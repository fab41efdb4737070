/** What a transfer is: an amount from one account to another, at once or in two phases. */

/** Bits of `flags`. */
export const TRANSFER_FLAGS = {
  /** Happens together with the next of its batch, or not at all. */
  linked: 1,
  /** Reserves the amount; a second transfer posts or voids it. */
  pending: 2,
  postPending: 4,
  voidPending: 8,
  /** Moves at most what the debit account can give. */
  balancingDebit: 16,
  /** Moves at most what the credit account can take. */
  balancingCredit: 32,
  /** Closes the debit account, until it is voided; pending only. */
  closingDebit: 64,
  closingCredit: 128,
  /** Reserved: no event may say itself when it happened. */
  imported: 256,
} as const;

/** The amount of a post that takes all that is reserved. */
export const ALL_RESERVED = (1n << 128n) - 1n;

/** What asks for a transfer. Fields that are absent are 0. */
export interface NewTransfer {
  /** 128 bits; neither 0 nor 2^128 - 1. The same id never moves money twice. */
  id: bigint;
  /** 0 in a post or a void: the account of the pending transfer. */
  debitAccount: bigint;
  creditAccount: bigint;
  /** In micro-FOG. Of a post: at most what is reserved, or ALL_RESERVED; of a void: 0 or what is reserved. */
  amount: bigint;
  /** The pending transfer that this one posts or voids. */
  pendingId?: bigint;
  /** The currency, 32 bits. */
  ledger: number;
  /** What it is for, 16 bits. */
  code: number;
  flags?: number;
  /** Of a pending one: after so many seconds the amount is released. 0 is never. */
  timeoutSeconds?: number;
  userData128?: bigint;
  userData64?: bigint;
  userData32?: number;
  /** The ledger tells the time: has to be 0. */
  timestamp?: bigint;
}

export interface Transfer {
  id: bigint;
  debitAccount: bigint;
  creditAccount: bigint;
  /** What was moved; of a balancing one perhaps less than was asked. */
  amount: bigint;
  pendingId: bigint;
  userData128: bigint;
  userData64: bigint;
  userData32: number;
  timeoutSeconds: number;
  ledger: number;
  code: number;
  flags: number;
  /** When it happened: nanoseconds, unlike that of any other account or transfer. */
  timestamp: bigint;
}

/** What became of a pending transfer -> its number. */
export const PENDING_STATUSES = { pending: 1, posted: 2, voided: 3, expired: 4 } as const;
export type PendingStatus = keyof typeof PENDING_STATUSES;
/** The names by number; 0, of those that were never pending, has none. */
export const PENDING_STATUS_NAMES: readonly (PendingStatus | undefined)[] = [
  undefined,
  'pending',
  'posted',
  'voided',
  'expired',
];
