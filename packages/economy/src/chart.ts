/**
 * The chart of accounts: which accounts there are, and how their ids, and those of the transfers between them, are made.
 * Whoever knows what an account is for knows its id, so that two coordinators never open it twice.
 *
 * Real money and money of the faucet are two currencies, a ledger each: no transfer leads from one to the other, so that
 * what was given away can be neither staked nor voted with.
 */
import { hash } from 'node:crypto';

/** The ledger of each currency. */
export const CURRENCIES = { fog: 1, faucet: 2 } as const;
export type Currency = keyof typeof CURRENCIES;

/** What an account is for -> its code in the ledger. */
export const ACCOUNT_CODES = {
  /** All money comes from here and goes back when it burns; supply is what it owes. One a currency. */
  issuance: 1,
  /** What the members decide over. */
  treasury: 2,
  /** What slashed bonds leave beyond the damage. */
  insurance: 3,
  /** What a principal can spend. */
  wallet: 10,
  /** What may be spent on one job. */
  escrow: 11,
  /** What is at stake with a validator: its own and what others delegated to it. */
  bonded: 12,
  /** What has left the stake of a validator, and is paid back when its time has passed. */
  unbonding: 13,
  /** Earned by stake, not yet withdrawn; one a validator. */
  rewards: 14,
  /** Held while a proposal is decided. */
  deposit: 15,
  /** Held while a slash can be appealed against. */
  slashed: 16,
} as const;
export type AccountKind = keyof typeof ACCOUNT_CODES;

/** What a transfer is for -> its code in the ledger. */
export const TRANSFER_CODES = {
  issue: 1,
  burn: 2,
  send: 3,
  faucet: 4,
  /** Buyer to the escrow of a job. */
  cover: 10,
  /** Escrow to a provider: a result counts. */
  payout: 11,
  /** Escrow to the treasury. */
  fee: 12,
  /** To the buyer: the service level was missed. */
  credit: 13,
  /** Escrow to the buyer: what was not spent. */
  refund: 14,
  bond: 20,
  unbond: 21,
  release: 22,
  reward: 23,
  slash: 24,
  /** Of a slashed bond to the buyer whose result was wrong. */
  compensation: 25,
  /** Stake that moves from one validator to another. */
  redelegate: 26,
  /** Proposer to the deposit of a proposal. */
  deposit: 30,
  /** Treasury to whom a vote gave it. */
  grant: 31,
  emission: 32,
  /** Deposit back to the proposer. */
  depositReturn: 33,
  /** Deposit to the treasury: hardly anybody voted. */
  depositForfeit: 34,
  /** Wallet to treasury, of nothing: from here on another votes with an owner's stake. It gives that a place in the journal. */
  delegateVote: 35,
} as const;
export type TransferKind = keyof typeof TRANSFER_CODES;

/**
 * The id of an account, 128 bits: `name` is the principal, the job, the validator or the proposal that it belongs to;
 * empty for those of which there is one a currency.
 */
export function accountId(currency: Currency, kind: AccountKind, name = ''): bigint {
  return keptId('account', currency, kind, name);
}

/** Bits of a transfer's id that its family decides alone. The 96 others keep two transfers from having one id. */
const FAMILY_BITS = 32n;

/**
 * The id of a transfer, 128 bits: the same cause always gives the same, so that it cannot be made twice. The first part
 * of the cause, such as the job, is its family: their ids begin alike, so that what is settled together lies together in
 * an index of ids. Where it does not, a million transfers later each is a page of the disk to write.
 */
export function transferId(kind: TransferKind, ...cause: readonly (string | number)[]): bigint {
  const family = keptId('family', ...cause.slice(0, 1)) >> (128n - FAMILY_BITS);
  const own = derivedId('transfer', kind, ...cause) >> FAMILY_BITS;
  return (family << (128n - FAMILY_BITS)) | own;
}

/** The first 128 bits of a SHA-256 over the parts, each with its length. Never 0 or 2^128 - 1, as far as anyone knows. */
function derivedId(...parts: readonly (string | number)[]): bigint {
  return hashOf(wholeOf(parts));
}

/** The same for parts that are asked for again and again. */
function keptId(...parts: readonly (string | number)[]): bigint {
  const whole = wholeOf(parts);
  const known = kept.get(whole);
  if (known !== undefined) return known;
  const oldest = kept.keys().next();
  if (kept.size >= MOST_KEPT && !oldest.done) kept.delete(oldest.value);
  const id = hashOf(whole);
  kept.set(whole, id);
  return id;
}

/** A hash takes some ten times as long as finding it here: each payout names two accounts and the family of its job. */
const kept = new Map<string, bigint>();
const MOST_KEPT = 8192;

function wholeOf(parts: readonly (string | number)[]): string {
  let whole = '';
  for (const part of parts) {
    const text = String(part);
    whole += `${Buffer.byteLength(text)}:${text};`;
  }
  return whole;
}

function hashOf(whole: string): bigint {
  return BigInt(`0x${hash('sha256', whole, 'hex').slice(0, 32)}`);
}
