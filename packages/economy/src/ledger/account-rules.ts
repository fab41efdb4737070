/** Whether an account may be opened. */
import { ACCOUNT_FLAGS } from './accounts.ts';
import type { EventRules } from './batch.ts';
import { ACCOUNT_WORDS as AT, BODY_WORDS } from './layout.ts';
import type { LedgerState } from './state.ts';
import { ACCOUNT_STATUSES as STATUS } from './statuses.ts';
import { isEqual, isMost, isZero } from './wide.ts';

const BOTH_LIMITS = ACCOUNT_FLAGS.debitsMustNotExceedCredits | ACCOUNT_FLAGS.creditsMustNotExceedDebits;
const KNOWN_FLAGS = ACCOUNT_FLAGS.linked | BOTH_LIMITS | ACCOUNT_FLAGS.history | ACCOUNT_FLAGS.closed;

export class AccountRules implements EventRules {
  readonly #state: LedgerState;
  readonly exists = STATUS.exists;
  /** Time of the account that exists already, after status `exists`. */
  readonly found = new Uint32Array(2);

  constructor(state: LedgerState) {
    this.#state = state;
  }

  prepare(_bodies: Uint32Array, count: number): void {
    this.#state.accounts.reserve(count);
  }

  /** Accounts are few: they are near. */
  touch(): void {}

  /** Opens the account that lies at `at`, or answers why not. */
  create(bodies: Uint32Array, at: number, low: number, high: number): number {
    const { accounts } = this.#state;
    const flags = (bodies[at + AT.codeFlags] as number) >>> 16;
    if (bodies[at + AT.reserved] !== 0) return STATUS.reserved_field;
    if ((flags & ~KNOWN_FLAGS) !== 0) return STATUS.reserved_flag;
    if (isZero(bodies, at)) return STATUS.id_must_not_be_zero;
    if (isMost(bodies, at)) return STATUS.id_must_not_be_int_max;
    const row = accounts.find(bodies, at);
    if (row >= 0) return this.#existing(bodies, at, row * BODY_WORDS);
    if ((flags & BOTH_LIMITS) === BOTH_LIMITS) return STATUS.flags_are_mutually_exclusive;
    if (!isZero(bodies, at + AT.debitsPending)) return STATUS.debits_pending_must_be_zero;
    if (!isZero(bodies, at + AT.debitsPosted)) return STATUS.debits_posted_must_be_zero;
    if (!isZero(bodies, at + AT.creditsPending)) return STATUS.credits_pending_must_be_zero;
    if (!isZero(bodies, at + AT.creditsPosted)) return STATUS.credits_posted_must_be_zero;
    if (bodies[at + AT.ledger] === 0) return STATUS.ledger_must_not_be_zero;
    if (((bodies[at + AT.codeFlags] as number) & 0xffff) === 0) return STATUS.code_must_not_be_zero;
    const opened = accounts.append(bodies, at) * BODY_WORDS;
    accounts.words[opened + AT.timestamp] = low;
    accounts.words[opened + AT.timestamp + 1] = high;
    return STATUS.created;
  }

  /** No status of an account spends its id. */
  failed(): void {}

  #existing(bodies: Uint32Array, at: number, existing: number): number {
    const { words } = this.#state.accounts;
    const codeFlags = bodies[at + AT.codeFlags] as number;
    const known = words[existing + AT.codeFlags] as number;
    if (codeFlags >>> 16 !== known >>> 16) return STATUS.exists_with_different_flags;
    if (!isEqual(bodies, at + AT.userData128, words, existing + AT.userData128)) {
      return STATUS.exists_with_different_user_data_128;
    }
    for (const word of [AT.userData64, AT.userData64 + 1]) {
      if (bodies[at + word] !== words[existing + word]) return STATUS.exists_with_different_user_data_64;
    }
    if (bodies[at + AT.userData32] !== words[existing + AT.userData32]) {
      return STATUS.exists_with_different_user_data_32;
    }
    if (bodies[at + AT.ledger] !== words[existing + AT.ledger]) return STATUS.exists_with_different_ledger;
    if (codeFlags !== known) return STATUS.exists_with_different_code;
    this.found[0] = words[existing + AT.timestamp] as number;
    this.found[1] = words[existing + AT.timestamp + 1] as number;
    return STATUS.exists;
  }
}
