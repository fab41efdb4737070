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
  /** Escrow of a job, or the treasury, to a provider: it has checked the results of others, or repeated them. */
  oversight: 15,
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
  const known = accounts[currency].getOrInsertComputed(kind, newIds);
  return kept(known, name, () => BigInt(`0x${hashOf(wholeOf(['account', currency, kind, name])).slice(0, ID_DIGITS)}`));
}

/** Hexadecimal digits of an id, of those the ones that its family decides alone, and those that a payout's task does. */
const ID_DIGITS = 32;
const FAMILY_DIGITS = 8;
const TASK_DIGITS = 6;

/**
 * The id of a transfer, 128 bits: the same cause always gives the same, so that it cannot be made twice. The first part
 * of the cause, such as the job, is its family: their ids begin alike, so that what is settled together lies together in
 * an index of ids. Where it does not, a million transfers later each is a page of the disk to write. Of a payout the
 * second part is the partition, which comes next: tasks are settled about in their order, so that a batch writes a few
 * pages of the index, and not all those of a large job. The 96 or 72 other bits are a hash of the whole cause, and keep two
 * transfers from having one id.
 */
export function transferId(kind: TransferKind, ...cause: readonly (string | number)[]): bigint {
  const [first, ...others] = cause;
  const family = first === undefined ? familyOf([]) : kept(families, String(first), () => familyOf([first]));
  const own = hashOf(`8:transfer;${kind.length}:${kind};${family.whole}${wholeOf(others)}`);
  const place = kind === 'payout' ? taskDigits(others[0]) : '';
  return BigInt(`0x${family.digits}${place}${own.slice(0, ID_DIGITS - FAMILY_DIGITS - place.length)}`);
}

/** Beyond 16 million partitions they begin anew; what is no partition has none. */
function taskDigits(partition: string | number | undefined): string {
  if (typeof partition !== 'number' || !Number.isSafeInteger(partition) || partition < 0) return '';
  return (partition % 16 ** TASK_DIGITS).toString(16).padStart(TASK_DIGITS, '0');
}

interface Family {
  digits: string;
  /** The part of the cause as it is hashed. */
  whole: string;
}

function familyOf(parts: readonly (string | number)[]): Family {
  return { digits: hashOf(wholeOf(['family', ...parts])).slice(0, FAMILY_DIGITS), whole: wholeOf(parts) };
}

/** A hash takes some ten times as long as finding it here: each payout names two accounts and the family of its job. */
const accounts: Record<Currency, Map<AccountKind, Map<string, bigint>>> = { fog: new Map(), faucet: new Map() };
const families = new Map<string, Family>();
const MOST_KEPT = 8192;

function newIds(): Map<string, bigint> {
  return new Map();
}

/** What was made of a name before, or makes it; of too many names the oldest is forgotten. */
function kept<Value>(known: Map<string, Value>, name: string, make: () => Value): Value {
  const found = known.get(name);
  if (found !== undefined) return found;
  const oldest = known.keys().next();
  if (known.size >= MOST_KEPT && !oldest.done) known.delete(oldest.value);
  const made = make();
  known.set(name, made);
  return made;
}

/** The parts, each with its length in bytes, so that no two lists of them are one text. */
function wholeOf(parts: readonly (string | number)[]): string {
  let whole = '';
  for (const part of parts) {
    const text = String(part);
    whole += `${typeof part === 'number' ? text.length : Buffer.byteLength(text)}:${text};`;
  }
  return whole;
}

/** SHA-256, of which an id takes the first digits. It is never 0 or 2^128 - 1, as far as anyone knows. */
function hashOf(whole: string): string {
  return hash('sha256', whole, 'hex');
}
