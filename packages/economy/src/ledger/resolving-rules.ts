/** Posting and voiding: what becomes of an amount that a pending transfer reserved. At most once for each. */
import { FogError } from '@fog/contract';
import { ACCOUNT_FLAGS } from './accounts.ts';
import { ACCOUNT_WORDS, TRANSFER_WORDS as AT, BODY_WORDS } from './layout.ts';
import type { LedgerState } from './state.ts';
import { TRANSFER_STATUSES as STATUS } from './statuses.ts';
import { SPENT } from './transfer-store.ts';
import { TRANSFER_FLAGS as FLAG, PENDING_STATUSES } from './transfers.ts';
import { add, compare, copy, isEqual, isMost, isZero, read128, subtract } from './wide.ts';

const { debitsPending, debitsPosted, creditsPending, creditsPosted } = ACCOUNT_WORDS;
const RESOLVING = FLAG.postPending | FLAG.voidPending;
/** What a post or a void cannot be as well. */
const EXCLUDED = FLAG.pending | FLAG.balancingDebit | FLAG.balancingCredit | FLAG.closingDebit | FLAG.closingCredit;
const CLOSED = ACCOUNT_FLAGS.closed << 16;
const HISTORY = ACCOUNT_FLAGS.history << 16;
/** Fields that a post or a void takes from the pending transfer when its own are 0: offset and words of each. */
const INHERITED = [
  [AT.userData128, 4],
  [AT.userData64, 2],
  [AT.userData32, 1],
] as const;

export class ResolvingRules {
  readonly #state: LedgerState;
  readonly #amount = new Uint32Array(4);

  constructor(state: LedgerState) {
    this.#state = state;
  }

  /** Throws `not-found` when an account of the pending transfer is not loaded. */
  create(bodies: Uint32Array, at: number, low: number, high: number, hash: number): number {
    const { transfers, accounts } = this.#state;
    const fault = faultOfFields(bodies, at);
    if (fault !== 0) return fault;
    const entry = transfers.find(bodies, at + AT.pendingId, transfers.hash(bodies, at + AT.pendingId));
    if (entry === 0 || entry > SPENT) return STATUS.pending_transfer_not_found;
    const pendingRow = entry - 1;
    const pending = transfers.piece(pendingRow);
    const place = transfers.at(pendingRow);
    const pendingFlags = (pending[place + AT.codeFlags] as number) >>> 16;
    if ((pendingFlags & FLAG.pending) === 0) return STATUS.pending_transfer_not_pending;
    const difference = differenceFromPending(bodies, at, pending, place);
    if (difference !== 0) return difference;
    const isVoid = ((bodies[at + AT.codeFlags] as number) & (FLAG.voidPending << 16)) !== 0;
    const amountFault = this.#setAmount(isVoid, bodies, at + AT.amount, pending, place + AT.amount);
    if (amountFault !== 0) return amountFault;
    const resolved = this.#resolvedStatus(pendingRow, pending, place, low, high);
    if (resolved !== 0) return resolved;
    const debit = this.#accountOf(pending, place + AT.debitAccount);
    const credit = this.#accountOf(pending, place + AT.creditAccount);
    if (!isVoid) {
      const { words } = accounts;
      if (((words[debit * BODY_WORDS + AT.codeFlags] as number) & CLOSED) !== 0) {
        return STATUS.debit_account_already_closed;
      }
      if (((words[credit * BODY_WORDS + AT.codeFlags] as number) & CLOSED) !== 0) {
        return STATUS.credit_account_already_closed;
      }
    }
    this.#state.resolve(pendingRow, isVoid ? PENDING_STATUSES.voided : PENDING_STATUSES.posted);
    this.#release(pending, place, debit, credit, isVoid);
    this.#record(bodies, at, low, high, hash, pending, place, debit, credit);
    return STATUS.created;
  }

  /** Which field differs from the post or void that happened under this id, of the same pending transfer. */
  existing(bodies: Uint32Array, at: number, body: Uint32Array, known: number): number {
    const { transfers } = this.#state;
    const entry = transfers.find(body, known + AT.pendingId, transfers.hash(body, known + AT.pendingId));
    if (entry === 0 || entry > SPENT) throw notLoaded('pending transfer', read128(body, known + AT.pendingId));
    const pending = transfers.piece(entry - 1);
    const place = transfers.at(entry - 1);
    for (const [field, status] of [
      [AT.debitAccount, STATUS.exists_with_different_debit_account_id],
      [AT.creditAccount, STATUS.exists_with_different_credit_account_id],
    ] as const) {
      if (!isZero(bodies, at + field) && !isEqual(bodies, at + field, body, known + field)) return status;
    }
    const isVoid = ((bodies[at + AT.codeFlags] as number) & (FLAG.voidPending << 16)) !== 0;
    const isWhole = isVoid ? isZero(bodies, at + AT.amount) : isMost(bodies, at + AT.amount);
    const isSameAmount = isWhole
      ? isEqual(body, known + AT.amount, pending, place + AT.amount)
      : isEqual(bodies, at + AT.amount, body, known + AT.amount);
    if (!isSameAmount) return STATUS.exists_with_different_amount;
    for (const [[field, count], status] of [
      [INHERITED[0], STATUS.exists_with_different_user_data_128],
      [INHERITED[1], STATUS.exists_with_different_user_data_64],
      [INHERITED[2], STATUS.exists_with_different_user_data_32],
    ] as const) {
      const isAbsent = areZero(bodies, at + field, count);
      const same = isAbsent
        ? areEqual(body, known + field, pending, place + field, count)
        : areEqual(bodies, at + field, body, known + field, count);
      if (!same) return status;
    }
    const ledger = bodies[at + AT.ledger];
    if (ledger !== 0 && ledger !== body[known + AT.ledger]) return STATUS.exists_with_different_ledger;
    const code = (bodies[at + AT.codeFlags] as number) & 0xffff;
    if (code !== 0 && code !== ((body[known + AT.codeFlags] as number) & 0xffff)) {
      return STATUS.exists_with_different_code;
    }
    return STATUS.exists;
  }

  /** What is posted, or what is voided: all that is reserved. */
  #setAmount(isVoid: boolean, bodies: Uint32Array, asked: number, pending: Uint32Array, reserved: number): number {
    const isWhole = isVoid ? isZero(bodies, asked) : isMost(bodies, asked);
    if (isWhole) copy(pending, reserved, this.#amount, 0);
    else copy(bodies, asked, this.#amount, 0);
    const more = compare(this.#amount, 0, pending, reserved);
    if (more > 0) return STATUS.exceeds_pending_transfer_amount;
    return isVoid && more < 0 ? STATUS.pending_transfer_has_different_amount : 0;
  }

  /** Status when the pending transfer is no longer pending at this time; 0 when it is. */
  #resolvedStatus(row: number, pending: Uint32Array, place: number, low: number, high: number): number {
    switch (this.#state.transfers.status(row)) {
      case PENDING_STATUSES.posted:
        return STATUS.pending_transfer_already_posted;
      case PENDING_STATUSES.voided:
        return STATUS.pending_transfer_already_voided;
      case PENDING_STATUSES.expired:
        return STATUS.pending_transfer_expired;
    }
    if (pending[place + AT.timeout] === 0) return 0;
    const { expiresAt } = this.#state;
    this.#state.setExpiry(
      pending,
      place,
      pending[place + AT.timestamp] as number,
      pending[place + AT.timestamp + 1] as number,
    );
    const isLater = expiresAt[1] === high ? (expiresAt[0] as number) > low : (expiresAt[1] as number) > high;
    return isLater ? 0 : STATUS.pending_transfer_expired;
  }

  #accountOf(pending: Uint32Array, at: number): number {
    const row = this.#state.accounts.find(pending, at);
    if (row < 0) throw notLoaded('account', read128(pending, at));
    return row;
  }

  /** Moves the reserved amount out of the pending counters, and what is posted into the posted ones. */
  #release(pending: Uint32Array, place: number, debit: number, credit: number, isVoid: boolean): void {
    if (this.#state.isChainOpen) {
      this.#state.save(debit);
      this.#state.save(credit);
    }
    const { words } = this.#state.accounts;
    releaseReserved(words, pending, place, debit, credit, isVoid);
    if (isVoid) return;
    add(words, debit * BODY_WORDS + debitsPosted, this.#amount, 0);
    add(words, credit * BODY_WORDS + creditsPosted, this.#amount, 0);
  }

  #record(
    bodies: Uint32Array,
    at: number,
    low: number,
    high: number,
    hash: number,
    pending: Uint32Array,
    place: number,
    debit: number,
    credit: number,
  ): void {
    const { transfers, accounts, balances } = this.#state;
    const row = transfers.append(bodies, at, hash, 0);
    const body = transfers.piece(row);
    const own = transfers.at(row);
    copy(pending, place + AT.debitAccount, body, own + AT.debitAccount);
    copy(pending, place + AT.creditAccount, body, own + AT.creditAccount);
    copy(this.#amount, 0, body, own + AT.amount);
    for (const [field, count] of INHERITED) {
      if (!areZero(body, own + field, count)) continue;
      for (let word = 0; word < count; word += 1) body[own + field + word] = pending[place + field + word] as number;
    }
    body[own + AT.ledger] = pending[place + AT.ledger] as number;
    const flags = (body[own + AT.codeFlags] as number) & 0xffff0000;
    body[own + AT.codeFlags] = flags | ((pending[place + AT.codeFlags] as number) & 0xffff);
    body[own + AT.timestamp] = low;
    body[own + AT.timestamp + 1] = high;
    transfers.link(row, accounts, debit, credit);
    const { words } = accounts;
    if (((words[debit * BODY_WORDS + AT.codeFlags] as number) & HISTORY) !== 0) balances.append(accounts, debit, row);
    if (((words[credit * BODY_WORDS + AT.codeFlags] as number) & HISTORY) !== 0) balances.append(accounts, credit, row);
  }
}

/**
 * Takes what a pending transfer reserved out of the pending counters. When it comes to nothing (a void, or its time is
 * over), accounts that it closed open again.
 */
export function releaseReserved(
  words: Uint32Array,
  pending: Uint32Array,
  place: number,
  debit: number,
  credit: number,
  reopens: boolean,
): void {
  const from = debit * BODY_WORDS;
  const to = credit * BODY_WORDS;
  subtract(words, from + debitsPending, pending, place + AT.amount);
  subtract(words, to + creditsPending, pending, place + AT.amount);
  if (!reopens) return;
  const flags = (pending[place + AT.codeFlags] as number) >>> 16;
  if ((flags & FLAG.closingDebit) !== 0) words[from + AT.codeFlags] = (words[from + AT.codeFlags] as number) & ~CLOSED;
  if ((flags & FLAG.closingCredit) !== 0) words[to + AT.codeFlags] = (words[to + AT.codeFlags] as number) & ~CLOSED;
}

/** What a home that holds a part of the ledger forgot to load. */
export function notLoaded(what: string, id: bigint): FogError {
  return new FogError('not-found', `${what} ${id} is not loaded`, {
    details: { what, id: String(id) },
    hint: 'load pending transfers together with their accounts, and posts and voids with their pending transfers',
  });
}

function faultOfFields(bodies: Uint32Array, at: number): number {
  const flags = (bodies[at + AT.codeFlags] as number) >>> 16;
  if ((flags & RESOLVING) === RESOLVING || (flags & EXCLUDED) !== 0) return STATUS.flags_are_mutually_exclusive;
  if (isZero(bodies, at + AT.pendingId)) return STATUS.pending_id_must_not_be_zero;
  if (isMost(bodies, at + AT.pendingId)) return STATUS.pending_id_must_not_be_int_max;
  if (isEqual(bodies, at + AT.pendingId, bodies, at)) return STATUS.pending_id_must_be_different;
  if (bodies[at + AT.timeout] !== 0) return STATUS.timeout_reserved_for_pending_transfer;
  return 0;
}

/** What is given has to be as in the pending transfer. */
function differenceFromPending(bodies: Uint32Array, at: number, pending: Uint32Array, place: number): number {
  for (const [field, status] of [
    [AT.debitAccount, STATUS.pending_transfer_has_different_debit_account_id],
    [AT.creditAccount, STATUS.pending_transfer_has_different_credit_account_id],
  ] as const) {
    if (!isZero(bodies, at + field) && !isEqual(bodies, at + field, pending, place + field)) return status;
  }
  const ledger = bodies[at + AT.ledger];
  if (ledger !== 0 && ledger !== pending[place + AT.ledger]) return STATUS.pending_transfer_has_different_ledger;
  const code = (bodies[at + AT.codeFlags] as number) & 0xffff;
  if (code !== 0 && code !== ((pending[place + AT.codeFlags] as number) & 0xffff)) {
    return STATUS.pending_transfer_has_different_code;
  }
  return 0;
}

function areZero(a: Uint32Array, i: number, count: number): boolean {
  for (let word = 0; word < count; word += 1) if (a[i + word] !== 0) return false;
  return true;
}

function areEqual(a: Uint32Array, i: number, b: Uint32Array, j: number, count: number): boolean {
  for (let word = 0; word < count; word += 1) if (a[i + word] !== b[j + word]) return false;
  return true;
}
