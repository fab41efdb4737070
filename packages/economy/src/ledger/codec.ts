/** Between objects and the 128 bytes of accounts and transfers. What JavaScript can hold and a field cannot is refused. */
import { FogError } from '@fog/contract';
import type { Account, NewAccount } from './accounts.ts';
import { ACCOUNT_WORDS, TRANSFER_WORDS } from './layout.ts';
import type { NewTransfer, Transfer } from './transfers.ts';
import { read64, read128, write64, write128 } from './wide.ts';

const MOST = { 16: 2 ** 16 - 1, 32: 2 ** 32 - 1, 64: (1n << 64n) - 1n, 128: (1n << 128n) - 1n } as const;

/** Throws `invalid-request` for a field that does not fit. `at` is where the body begins. */
export function encodeAccount(account: NewAccount, words: Uint32Array, at: number): void {
  const put = new FieldWriter(words, at, 'account');
  put.wide('id', ACCOUNT_WORDS.id, account.id);
  put.wide('debitsPending', ACCOUNT_WORDS.debitsPending, account.debitsPending ?? 0n);
  put.wide('debitsPosted', ACCOUNT_WORDS.debitsPosted, account.debitsPosted ?? 0n);
  put.wide('creditsPending', ACCOUNT_WORDS.creditsPending, account.creditsPending ?? 0n);
  put.wide('creditsPosted', ACCOUNT_WORDS.creditsPosted, account.creditsPosted ?? 0n);
  put.word('reserved', ACCOUNT_WORDS.reserved, account.reserved ?? 0);
  put.word('ledger', ACCOUNT_WORDS.ledger, account.ledger);
  put.common(account);
}

/** The same for a transfer. */
export function encodeTransfer(transfer: NewTransfer, words: Uint32Array, at: number): void {
  const put = new FieldWriter(words, at, 'transfer');
  put.wide('id', TRANSFER_WORDS.id, transfer.id);
  put.wide('debitAccount', TRANSFER_WORDS.debitAccount, transfer.debitAccount);
  put.wide('creditAccount', TRANSFER_WORDS.creditAccount, transfer.creditAccount);
  put.wide('amount', TRANSFER_WORDS.amount, transfer.amount);
  put.wide('pendingId', TRANSFER_WORDS.pendingId, transfer.pendingId ?? 0n);
  put.word('timeoutSeconds', TRANSFER_WORDS.timeout, transfer.timeoutSeconds ?? 0);
  put.word('ledger', TRANSFER_WORDS.ledger, transfer.ledger);
  put.common(transfer);
}

export function decodeAccount(words: Uint32Array, at: number): Account {
  return {
    id: read128(words, at + ACCOUNT_WORDS.id),
    debitsPending: read128(words, at + ACCOUNT_WORDS.debitsPending),
    debitsPosted: read128(words, at + ACCOUNT_WORDS.debitsPosted),
    creditsPending: read128(words, at + ACCOUNT_WORDS.creditsPending),
    creditsPosted: read128(words, at + ACCOUNT_WORDS.creditsPosted),
    ...decodeCommon(words, at),
    ledger: words[at + ACCOUNT_WORDS.ledger] as number,
  };
}

export function decodeTransfer(words: Uint32Array, at: number): Transfer {
  return {
    id: read128(words, at + TRANSFER_WORDS.id),
    debitAccount: read128(words, at + TRANSFER_WORDS.debitAccount),
    creditAccount: read128(words, at + TRANSFER_WORDS.creditAccount),
    amount: read128(words, at + TRANSFER_WORDS.amount),
    pendingId: read128(words, at + TRANSFER_WORDS.pendingId),
    ...decodeCommon(words, at),
    timeoutSeconds: words[at + TRANSFER_WORDS.timeout] as number,
    ledger: words[at + TRANSFER_WORDS.ledger] as number,
  };
}

/** Throws `invalid-request` for what is no whole number from 0 to 2^bits - 1. */
export function assertWide(value: bigint, bits: 64 | 128, what: string): void {
  if (!fitsWide(value, bits)) throw unfitting(value, bits, what);
}

export function assertWord(value: number, bits: 16 | 32, what: string): void {
  if (!fitsWord(value, bits)) throw unfitting(value, bits, what);
}

function fitsWide(value: bigint, bits: 64 | 128): boolean {
  return typeof value === 'bigint' && value >= 0n && value <= MOST[bits];
}

function fitsWord(value: number, bits: 16 | 32): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MOST[bits];
}

function unfitting(value: unknown, bits: number, what: string): FogError {
  const shown = typeof value === 'bigint' || typeof value === 'number' ? String(value).slice(0, 60) : typeof value;
  return new FogError('invalid-request', `${what} is ${shown}; it has to be a whole number of ${bits} bits`, {
    details: { what, bits },
    hint: bits > 32 ? 'it is a bigint from 0' : 'it is a number from 0',
  });
}

interface CommonFields {
  userData128?: bigint;
  userData64?: bigint;
  userData32?: number;
  code: number;
  flags?: number;
  timestamp?: bigint;
}

function decodeCommon(words: Uint32Array, at: number): Required<CommonFields> {
  const codeFlags = words[at + ACCOUNT_WORDS.codeFlags] as number;
  return {
    userData128: read128(words, at + ACCOUNT_WORDS.userData128),
    userData64: read64(words, at + ACCOUNT_WORDS.userData64),
    userData32: words[at + ACCOUNT_WORDS.userData32] as number,
    code: codeFlags & 0xffff,
    flags: codeFlags >>> 16,
    timestamp: read64(words, at + ACCOUNT_WORDS.timestamp),
  };
}

class FieldWriter {
  readonly #words: Uint32Array;
  readonly #at: number;
  readonly #owner: string;

  constructor(words: Uint32Array, at: number, owner: string) {
    this.#words = words;
    this.#at = at;
    this.#owner = owner;
  }

  wide(field: string, offset: number, value: bigint): void {
    if (!fitsWide(value, 128)) throw this.#unfitting(field, value, 128);
    write128(this.#words, this.#at + offset, value);
  }

  word(field: string, offset: number, value: number): void {
    if (!fitsWord(value, 32)) throw this.#unfitting(field, value, 32);
    this.#words[this.#at + offset] = value;
  }

  /** The fields that accounts and transfers share. */
  common({ userData128, userData64, userData32, code, flags, timestamp }: CommonFields): void {
    this.wide('userData128', ACCOUNT_WORDS.userData128, userData128 ?? 0n);
    this.#long('userData64', ACCOUNT_WORDS.userData64, userData64 ?? 0n);
    this.word('userData32', ACCOUNT_WORDS.userData32, userData32 ?? 0);
    if (!fitsWord(code, 16)) throw this.#unfitting('code', code, 16);
    if (!fitsWord(flags ?? 0, 16)) throw this.#unfitting('flags', flags, 16);
    this.#words[this.#at + ACCOUNT_WORDS.codeFlags] = code + (flags ?? 0) * 2 ** 16;
    this.#long('timestamp', ACCOUNT_WORDS.timestamp, timestamp ?? 0n);
  }

  #long(field: string, offset: number, value: bigint): void {
    if (!fitsWide(value, 64)) throw this.#unfitting(field, value, 64);
    write64(this.#words, this.#at + offset, value);
  }

  #unfitting(field: string, value: unknown, bits: number): FogError {
    return unfitting(value, bits, `${field} of the ${this.#owner}`);
  }
}
