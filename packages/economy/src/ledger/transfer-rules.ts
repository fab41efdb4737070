/**
 * Whether a transfer may happen, and what it does to its accounts. Statuses in order of precedence; idempotence comes
 * first: an id that was used before is answered before anything else is looked at.
 */
import { ACCOUNT_FLAGS } from './accounts.ts';
import type { EventRules } from './batch.ts';
import { ACCOUNT_WORDS, TRANSFER_WORDS as AT, BODY_WORDS } from './layout.ts';
import { ResolvingRules } from './resolving-rules.ts';
import type { LedgerState } from './state.ts';
import { SPENT_STATUSES, TRANSFER_STATUSES as STATUS } from './statuses.ts';
import { SPENT } from './transfer-store.ts';
import { TRANSFER_FLAGS as FLAG, PENDING_STATUSES } from './transfers.ts';
import { add, compare, copy, isEqual, isMost, isZero, subtract, sumOverflows } from './wide.ts';

const { debitsPending, debitsPosted, creditsPending, creditsPosted } = ACCOUNT_WORDS;
const RESOLVING = FLAG.postPending | FLAG.voidPending;
const BALANCING = FLAG.balancingDebit | FLAG.balancingCredit;
const CLOSING = FLAG.closingDebit | FLAG.closingCredit;
const KNOWN_FLAGS = FLAG.linked | FLAG.pending | RESOLVING | BALANCING | CLOSING;
/** Flags of an account, where they lie in the word with its code. */
const CLOSED = ACCOUNT_FLAGS.closed << 16;
const HISTORY = ACCOUNT_FLAGS.history << 16;
const DEBITS_LIMITED = ACCOUNT_FLAGS.debitsMustNotExceedCredits << 16;
const CREDITS_LIMITED = ACCOUNT_FLAGS.creditsMustNotExceedDebits << 16;
/** No sum of three numbers whose highest words are below this overflows. */
const SAFE_WORD = 2 ** 30;
/** Times are below 2^63. */
const MOST_HIGH_WORD = 2 ** 31;
const SPENDS = new Uint8Array(256);
for (const name of SPENT_STATUSES) SPENDS[STATUS[name]] = 1;

export class TransferRules implements EventRules {
  readonly exists = STATUS.exists;
  readonly found = new Uint32Array(2);
  readonly #state: LedgerState;
  readonly #resolving: ResolvingRules;
  /** What really moves. */
  readonly #amount = new Uint32Array(4);
  readonly #sum = new Uint32Array(4);
  readonly #room = new Uint32Array(4);
  /** Keeps the engine from leaving out reads that only bring memory near. */
  touched = 0;

  constructor(state: LedgerState) {
    this.#state = state;
    this.#resolving = new ResolvingRules(state);
  }

  prepare(bodies: Uint32Array, count: number): void {
    const { transfers, balances } = this.#state;
    transfers.reserve(count, count, count);
    balances.reserve(count * 2);
    transfers.expect(bodies, count);
  }

  touch(bodies: Uint32Array, from: number, to: number): void {
    const { transfers } = this.#state;
    let touched = 0;
    for (let event = from; event < to; event += 1) {
      const at = event * BODY_WORDS;
      touched ^= transfers.touch(bodies, at);
      if (!isZero(bodies, at + AT.pendingId)) touched ^= transfers.touch(bodies, at + AT.pendingId);
    }
    this.touched = touched;
  }

  create(bodies: Uint32Array, at: number, low: number, high: number): number {
    const { transfers } = this.#state;
    const flags = (bodies[at + AT.codeFlags] as number) >>> 16;
    if ((flags & ~KNOWN_FLAGS) !== 0) return STATUS.reserved_flag;
    if (isZero(bodies, at)) return STATUS.id_must_not_be_zero;
    if (isMost(bodies, at)) return STATUS.id_must_not_be_int_max;
    const hash = transfers.hash(bodies, at);
    const known = transfers.find(bodies, at, hash);
    if (known > SPENT) return STATUS.id_already_failed;
    if (known !== 0) return this.#existing(bodies, at, known - 1);
    if ((flags & RESOLVING) !== 0) return this.#resolving.create(bodies, at, low, high, hash);
    return this.#move(bodies, at, low, high, hash);
  }

  failed(bodies: Uint32Array, at: number, status: number): void {
    if (SPENDS[status] === 0) return;
    const { transfers } = this.#state;
    transfers.spend(bodies, at, transfers.hash(bodies, at));
  }

  #move(bodies: Uint32Array, at: number, low: number, high: number, hash: number): number {
    const fault = faultOfFields(bodies, at);
    if (fault !== 0) return fault;
    const { accounts } = this.#state;
    const debit = accounts.find(bodies, at + AT.debitAccount);
    if (debit < 0) return STATUS.debit_account_not_found;
    const credit = accounts.find(bodies, at + AT.creditAccount);
    if (credit < 0) return STATUS.credit_account_not_found;
    const { words } = accounts;
    const from = debit * BODY_WORDS;
    const to = credit * BODY_WORDS;
    const ledger = words[from + ACCOUNT_WORDS.ledger];
    if (words[to + ACCOUNT_WORDS.ledger] !== ledger) return STATUS.accounts_must_have_the_same_ledger;
    if (bodies[at + AT.ledger] !== ledger) return STATUS.transfer_must_have_the_same_ledger_as_accounts;
    const fromFlags = words[from + AT.codeFlags] as number;
    const toFlags = words[to + AT.codeFlags] as number;
    if ((fromFlags & CLOSED) !== 0) return STATUS.debit_account_already_closed;
    if ((toFlags & CLOSED) !== 0) return STATUS.credit_account_already_closed;
    const flags = (bodies[at + AT.codeFlags] as number) >>> 16;
    copy(bodies, at + AT.amount, this.#amount, 0);
    if ((flags & BALANCING) !== 0) this.#balance(flags, words, from, to);
    const overflow = this.#overflow(flags, words, from, to);
    if (overflow !== 0) return overflow;
    if (bodies[at + AT.timeout] !== 0) {
      this.#state.setExpiry(bodies, at, low, high);
      if ((this.#state.expiresAt[1] as number) >= MOST_HIGH_WORD) return STATUS.overflows_timeout;
    }
    if ((fromFlags & DEBITS_LIMITED) !== 0 && this.#exceeds(words, from + debitsPending, from + creditsPosted)) {
      return STATUS.exceeds_credits;
    }
    if ((toFlags & CREDITS_LIMITED) !== 0 && this.#exceeds(words, to + creditsPending, to + debitsPosted)) {
      return STATUS.exceeds_debits;
    }
    this.#apply(bodies, at, low, high, hash, debit, credit);
    return STATUS.created;
  }

  /** From here on nothing fails. */
  #apply(
    bodies: Uint32Array,
    at: number,
    low: number,
    high: number,
    hash: number,
    debit: number,
    credit: number,
  ): void {
    const { accounts, transfers, balances } = this.#state;
    if (this.#state.isChainOpen) {
      this.#state.save(debit);
      this.#state.save(credit);
    }
    const { words } = accounts;
    const from = debit * BODY_WORDS;
    const to = credit * BODY_WORDS;
    const flags = (bodies[at + AT.codeFlags] as number) >>> 16;
    const isPending = (flags & FLAG.pending) !== 0;
    add(words, from + (isPending ? debitsPending : debitsPosted), this.#amount, 0);
    add(words, to + (isPending ? creditsPending : creditsPosted), this.#amount, 0);
    if ((flags & CLOSING) !== 0) {
      if ((flags & FLAG.closingDebit) !== 0)
        words[from + AT.codeFlags] = (words[from + AT.codeFlags] as number) | CLOSED;
      if ((flags & FLAG.closingCredit) !== 0) words[to + AT.codeFlags] = (words[to + AT.codeFlags] as number) | CLOSED;
    }
    const row = transfers.append(bodies, at, hash, isPending ? PENDING_STATUSES.pending : 0);
    const body = transfers.piece(row);
    const place = transfers.at(row);
    copy(this.#amount, 0, body, place + AT.amount);
    body[place + AT.timestamp] = low;
    body[place + AT.timestamp + 1] = high;
    transfers.link(row, accounts, debit, credit);
    if (body[place + AT.timeout] !== 0) this.#state.expires(row);
    if (((words[from + AT.codeFlags] as number) & HISTORY) !== 0) balances.append(accounts, debit, row);
    if (((words[to + AT.codeFlags] as number) & HISTORY) !== 0) balances.append(accounts, credit, row);
  }

  /** Lowers the amount to what the accounts that are asked for can give and take. */
  #balance(flags: number, words: Uint32Array, from: number, to: number): void {
    if ((flags & FLAG.balancingDebit) !== 0) this.#cap(words, from + debitsPending, from + creditsPosted);
    if ((flags & FLAG.balancingCredit) !== 0) this.#cap(words, to + creditsPending, to + debitsPosted);
  }

  /** The amount is at most what `against` has beyond the pending and the posted counter, which lie side by side. */
  #cap(words: Uint32Array, pending: number, against: number): void {
    const used = this.#sum;
    copy(words, pending, used, 0);
    add(used, 0, words, pending + 4);
    if (compare(words, against, used, 0) <= 0) {
      this.#amount.fill(0);
      return;
    }
    copy(words, against, this.#room, 0);
    subtract(this.#room, 0, used, 0);
    if (compare(this.#amount, 0, this.#room, 0) > 0) copy(this.#room, 0, this.#amount, 0);
  }

  /** Status of the first counter that would go beyond 128 bits; 0 when none does. */
  #overflow(flags: number, words: Uint32Array, from: number, to: number): number {
    const amount = this.#amount;
    const highest =
      (amount[3] as number) |
      (words[from + debitsPending + 3] as number) |
      (words[from + debitsPosted + 3] as number) |
      (words[to + creditsPending + 3] as number) |
      (words[to + creditsPosted + 3] as number);
    if (highest >= 0 && highest < SAFE_WORD) return 0;
    if ((flags & FLAG.pending) !== 0) {
      if (sumOverflows(amount, 0, words, from + debitsPending)) return STATUS.overflows_debits_pending;
      if (sumOverflows(amount, 0, words, to + creditsPending)) return STATUS.overflows_credits_pending;
    }
    if (sumOverflows(amount, 0, words, from + debitsPosted)) return STATUS.overflows_debits_posted;
    if (sumOverflows(amount, 0, words, to + creditsPosted)) return STATUS.overflows_credits_posted;
    copy(words, from + debitsPending, this.#sum, 0);
    add(this.#sum, 0, words, from + debitsPosted);
    if (sumOverflows(amount, 0, this.#sum, 0)) return STATUS.overflows_debits;
    copy(words, to + creditsPending, this.#sum, 0);
    add(this.#sum, 0, words, to + creditsPosted);
    if (sumOverflows(amount, 0, this.#sum, 0)) return STATUS.overflows_credits;
    return 0;
  }

  /** Whether the pending counter, the posted one after it and the amount are more than `limit`. */
  #exceeds(words: Uint32Array, pending: number, limit: number): boolean {
    copy(words, pending, this.#sum, 0);
    add(this.#sum, 0, words, pending + 4);
    add(this.#sum, 0, this.#amount, 0);
    return compare(this.#sum, 0, words, limit) > 0;
  }

  #existing(bodies: Uint32Array, at: number, row: number): number {
    const { transfers } = this.#state;
    const body = transfers.piece(row);
    const known = transfers.at(row);
    const flags = (bodies[at + AT.codeFlags] as number) >>> 16;
    if (flags !== (body[known + AT.codeFlags] as number) >>> 16) return STATUS.exists_with_different_flags;
    if (!isEqual(bodies, at + AT.pendingId, body, known + AT.pendingId)) return STATUS.exists_with_different_pending_id;
    if (bodies[at + AT.timeout] !== body[known + AT.timeout]) return STATUS.exists_with_different_timeout;
    const status =
      (flags & RESOLVING) !== 0
        ? this.#resolving.existing(bodies, at, body, known)
        : differenceOf(bodies, at, body, known, (flags & BALANCING) !== 0);
    this.found[0] = body[known + AT.timestamp] as number;
    this.found[1] = body[known + AT.timestamp + 1] as number;
    return status;
  }
}

/** Status of the first field that cannot be so, whatever the accounts are; 0 when all can. */
function faultOfFields(bodies: Uint32Array, at: number): number {
  const codeFlags = bodies[at + AT.codeFlags] as number;
  if (isZero(bodies, at + AT.debitAccount)) return STATUS.debit_account_id_must_not_be_zero;
  if (isMost(bodies, at + AT.debitAccount)) return STATUS.debit_account_id_must_not_be_int_max;
  if (isZero(bodies, at + AT.creditAccount)) return STATUS.credit_account_id_must_not_be_zero;
  if (isMost(bodies, at + AT.creditAccount)) return STATUS.credit_account_id_must_not_be_int_max;
  if (isEqual(bodies, at + AT.debitAccount, bodies, at + AT.creditAccount)) return STATUS.accounts_must_be_different;
  if (!isZero(bodies, at + AT.pendingId)) return STATUS.pending_id_must_be_zero;
  if ((codeFlags & (FLAG.pending << 16)) === 0) {
    if (bodies[at + AT.timeout] !== 0) return STATUS.timeout_reserved_for_pending_transfer;
    if ((codeFlags & (CLOSING << 16)) !== 0) return STATUS.closing_transfer_must_be_pending;
  }
  if (bodies[at + AT.ledger] === 0) return STATUS.ledger_must_not_be_zero;
  if ((codeFlags & 0xffff) === 0) return STATUS.code_must_not_be_zero;
  return 0;
}

/** Which field differs from the transfer that happened under this id. A balancing one may have moved less. */
function differenceOf(bodies: Uint32Array, at: number, body: Uint32Array, known: number, isBalancing: boolean): number {
  if (!isEqual(bodies, at + AT.debitAccount, body, known + AT.debitAccount)) {
    return STATUS.exists_with_different_debit_account_id;
  }
  if (!isEqual(bodies, at + AT.creditAccount, body, known + AT.creditAccount)) {
    return STATUS.exists_with_different_credit_account_id;
  }
  const more = compare(bodies, at + AT.amount, body, known + AT.amount);
  if (more < 0 || (more > 0 && !isBalancing)) return STATUS.exists_with_different_amount;
  if (!isEqual(bodies, at + AT.userData128, body, known + AT.userData128)) {
    return STATUS.exists_with_different_user_data_128;
  }
  if (
    bodies[at + AT.userData64] !== body[known + AT.userData64] ||
    bodies[at + AT.userData64 + 1] !== body[known + AT.userData64 + 1]
  ) {
    return STATUS.exists_with_different_user_data_64;
  }
  if (bodies[at + AT.userData32] !== body[known + AT.userData32]) return STATUS.exists_with_different_user_data_32;
  if (bodies[at + AT.ledger] !== body[known + AT.ledger]) return STATUS.exists_with_different_ledger;
  if (bodies[at + AT.codeFlags] !== body[known + AT.codeFlags]) return STATUS.exists_with_different_code;
  return STATUS.exists;
}
