/** What an account is: four counters that only transfers move, and flags that say how far. */

/** Bits of `flags`. */
export const ACCOUNT_FLAGS = {
  /** Opened together with the next of its batch, or not at all. */
  linked: 1,
  /** What is owed may not exceed what was paid in: pending and posted debits together stay within posted credits. */
  debitsMustNotExceedCredits: 2,
  /** The mirror of it. */
  creditsMustNotExceedDebits: 4,
  /** The balance after each transfer is kept. */
  history: 8,
  /** Reserved: no event may say itself when it happened. */
  imported: 16,
  /** Takes nothing but the release of what is reserved. */
  closed: 32,
} as const;

/** What opens an account. Fields that are absent are 0. */
export interface NewAccount {
  /** 128 bits; neither 0 nor 2^128 - 1. */
  id: bigint;
  /** The currency, 32 bits, not 0. */
  ledger: number;
  /** What it is for, 16 bits, not 0. */
  code: number;
  flags?: number;
  userData128?: bigint;
  userData64?: bigint;
  userData32?: number;
  /** The ledger moves the counters and tells the time: these have to be 0. */
  debitsPending?: bigint;
  debitsPosted?: bigint;
  creditsPending?: bigint;
  creditsPosted?: bigint;
  reserved?: number;
  timestamp?: bigint;
}

export interface Account {
  id: bigint;
  /** In micro-FOG, 0 to 2^128 - 1, as the other three. */
  debitsPending: bigint;
  debitsPosted: bigint;
  creditsPending: bigint;
  creditsPosted: bigint;
  userData128: bigint;
  userData64: bigint;
  userData32: number;
  ledger: number;
  code: number;
  flags: number;
  /** When it was opened: nanoseconds, unlike that of any other account or transfer. */
  timestamp: bigint;
}

/** Counters of an account with `history`, just after the transfer of this time. */
export interface AccountBalance {
  debitsPending: bigint;
  debitsPosted: bigint;
  creditsPending: bigint;
  creditsPosted: bigint;
  timestamp: bigint;
}
