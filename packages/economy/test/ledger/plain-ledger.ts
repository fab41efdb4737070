/**
 * The rules of the ledger once more, as plainly as they can be written: maps of objects, big numbers, copies of all of it
 * for chains. It knows nothing of the real one but the shapes of events. Statuses stand in TigerBeetle's precedence.
 */
import {
  ACCOUNT_FLAGS,
  ALL_RESERVED,
  TRANSFER_FLAGS as FLAG,
  type NewTransfer,
  SPENT_STATUSES,
  type TransferStatus,
} from '../../src/ledger/index.ts';

const MOST = (1n << 128n) - 1n;
const SECOND = 1_000_000_000n;
const KNOWN_FLAGS = Object.values(FLAG).reduce((all, bit) => all | bit, 0) & ~FLAG.imported;
const SPENDS: ReadonlySet<string> = new Set(SPENT_STATUSES);

export interface PlainAccount {
  id: bigint;
  ledger: number;
  flags: number;
  debitsPending: bigint;
  debitsPosted: bigint;
  creditsPending: bigint;
  creditsPosted: bigint;
}

export type PlainTransfer = Required<Omit<NewTransfer, 'timestamp'>> & {
  at: bigint;
  state: 'none' | 'pending' | 'posted' | 'voided' | 'expired';
};

interface Books {
  accounts: Map<bigint, PlainAccount>;
  transfers: Map<bigint, PlainTransfer>;
}

export class PlainLedger {
  books: Books = { accounts: new Map(), transfers: new Map() };
  readonly #spent = new Set<bigint>();

  open(id: bigint, ledger: number, flags: number): void {
    const counters = { debitsPending: 0n, debitsPosted: 0n, creditsPending: 0n, creditsPosted: 0n };
    this.books.accounts.set(id, { id, ledger, flags, ...counters });
  }

  /** Statuses of a batch whose last event happens at `timestamp`. */
  create(batch: readonly NewTransfer[], timestamp: bigint): TransferStatus[] {
    const statuses: TransferStatus[] = [];
    for (let from = 0; from < batch.length; ) {
      let end = from;
      while (end < batch.length && has(batch[end], FLAG.linked)) end += 1;
      const chain = batch.slice(from, end + 1);
      const first = timestamp - BigInt(batch.length - 1 - from);
      statuses.push(...this.#chain(chain, first));
      from += chain.length;
    }
    return statuses;
  }

  expire(now: bigint): void {
    for (const transfer of this.books.transfers.values()) {
      if (transfer.state !== 'pending' || transfer.timeoutSeconds === 0 || expiryOf(transfer) > now) continue;
      transfer.state = 'expired';
      this.#release(transfer);
      this.#reopen(transfer);
    }
  }

  #chain(chain: readonly NewTransfer[], first: bigint): TransferStatus[] {
    const before = structuredClone(this.books);
    for (const [index, event] of chain.entries()) {
      const isOpen = index === chain.length - 1 && has(event, FLAG.linked);
      const status = isOpen ? 'linked_event_chain_open' : this.#event(full(event), first + BigInt(index));
      if (status === 'created') continue;
      this.books = before;
      if (SPENDS.has(status)) this.#spent.add(event.id);
      const others = chain.map((one, at): TransferStatus => {
        const endsOpen = at === chain.length - 1 && has(one, FLAG.linked);
        return at === index ? status : endsOpen ? 'linked_event_chain_open' : 'linked_event_failed';
      });
      return others;
    }
    return chain.map(() => 'created');
  }

  #event(event: PlainTransfer, at: bigint): TransferStatus {
    const { id, flags } = event;
    if ((flags & ~KNOWN_FLAGS) !== 0) return 'reserved_flag';
    if (id === 0n) return 'id_must_not_be_zero';
    if (id === MOST) return 'id_must_not_be_int_max';
    const known = this.books.transfers.get(id);
    if (known !== undefined) return this.#difference(event, known);
    if (this.#spent.has(id)) return 'id_already_failed';
    event.at = at;
    if (has(event, FLAG.postPending) || has(event, FLAG.voidPending)) return this.#resolve(event);
    return this.#move(event);
  }

  #difference(event: PlainTransfer, known: PlainTransfer): TransferStatus {
    if (event.flags !== known.flags) return 'exists_with_different_flags';
    if (event.pendingId !== known.pendingId) return 'exists_with_different_pending_id';
    if (event.timeoutSeconds !== known.timeoutSeconds) return 'exists_with_different_timeout';
    const isPost = has(event, FLAG.postPending);
    const pending = isPost || has(event, FLAG.voidPending) ? this.books.transfers.get(event.pendingId) : undefined;
    // What a post or void leaves out is what it takes from the pending transfer.
    const wanted = <Value>(asked: Value, empty: Value, reserved: Value | undefined): Value =>
      pending !== undefined && asked === empty ? (reserved as Value) : asked;
    if (wanted(event.debitAccount, 0n, pending?.debitAccount) !== known.debitAccount) {
      return 'exists_with_different_debit_account_id';
    }
    if (wanted(event.creditAccount, 0n, pending?.creditAccount) !== known.creditAccount) {
      return 'exists_with_different_credit_account_id';
    }
    const amount = wanted(event.amount, isPost ? ALL_RESERVED : 0n, pending?.amount);
    const isBalancing = has(event, FLAG.balancingDebit) || has(event, FLAG.balancingCredit);
    if (isBalancing ? amount < known.amount : amount !== known.amount) return 'exists_with_different_amount';
    if (wanted(event.userData128, 0n, pending?.userData128) !== known.userData128) {
      return 'exists_with_different_user_data_128';
    }
    if (wanted(event.userData64, 0n, pending?.userData64) !== known.userData64) {
      return 'exists_with_different_user_data_64';
    }
    if (wanted(event.userData32, 0, pending?.userData32) !== known.userData32) {
      return 'exists_with_different_user_data_32';
    }
    if (wanted(event.ledger, 0, pending?.ledger) !== known.ledger) return 'exists_with_different_ledger';
    if (wanted(event.code, 0, pending?.code) !== known.code) return 'exists_with_different_code';
    return 'exists';
  }

  #move(event: PlainTransfer): TransferStatus {
    const fault = faultOf(event);
    if (fault !== null) return fault;
    const debit = this.books.accounts.get(event.debitAccount);
    const credit = this.books.accounts.get(event.creditAccount);
    if (debit === undefined) return 'debit_account_not_found';
    if (credit === undefined) return 'credit_account_not_found';
    if (debit.ledger !== credit.ledger) return 'accounts_must_have_the_same_ledger';
    if (event.ledger !== debit.ledger) return 'transfer_must_have_the_same_ledger_as_accounts';
    if (isClosed(debit)) return 'debit_account_already_closed';
    if (isClosed(credit)) return 'credit_account_already_closed';
    const debits = debit.debitsPending + debit.debitsPosted;
    const credits = credit.creditsPending + credit.creditsPosted;
    if (has(event, FLAG.balancingDebit)) event.amount = atMost(event.amount, debit.creditsPosted - debits);
    if (has(event, FLAG.balancingCredit)) event.amount = atMost(event.amount, credit.debitsPosted - credits);
    const { amount } = event;
    const isPending = has(event, FLAG.pending);
    if (isPending && amount + debit.debitsPending > MOST) return 'overflows_debits_pending';
    if (isPending && amount + credit.creditsPending > MOST) return 'overflows_credits_pending';
    if (amount + debit.debitsPosted > MOST) return 'overflows_debits_posted';
    if (amount + credit.creditsPosted > MOST) return 'overflows_credits_posted';
    if (amount + debits > MOST) return 'overflows_debits';
    if (amount + credits > MOST) return 'overflows_credits';
    if (expiryOf(event) >= 1n << 63n) return 'overflows_timeout';
    if (debit.flags & ACCOUNT_FLAGS.debitsMustNotExceedCredits && debits + amount > debit.creditsPosted) {
      return 'exceeds_credits';
    }
    if (credit.flags & ACCOUNT_FLAGS.creditsMustNotExceedDebits && credits + amount > credit.debitsPosted) {
      return 'exceeds_debits';
    }
    debit[isPending ? 'debitsPending' : 'debitsPosted'] += amount;
    credit[isPending ? 'creditsPending' : 'creditsPosted'] += amount;
    if (has(event, FLAG.closingDebit)) debit.flags |= ACCOUNT_FLAGS.closed;
    if (has(event, FLAG.closingCredit)) credit.flags |= ACCOUNT_FLAGS.closed;
    this.books.transfers.set(event.id, { ...event, state: isPending ? 'pending' : 'none' });
    return 'created';
  }

  #resolve(event: PlainTransfer): TransferStatus {
    const isVoid = has(event, FLAG.voidPending);
    if (isVoid && has(event, FLAG.postPending)) return 'flags_are_mutually_exclusive';
    for (const flag of ['pending', 'balancingDebit', 'balancingCredit', 'closingDebit', 'closingCredit'] as const) {
      if (has(event, FLAG[flag])) return 'flags_are_mutually_exclusive';
    }
    if (event.pendingId === 0n) return 'pending_id_must_not_be_zero';
    if (event.pendingId === MOST) return 'pending_id_must_not_be_int_max';
    if (event.pendingId === event.id) return 'pending_id_must_be_different';
    if (event.timeoutSeconds !== 0) return 'timeout_reserved_for_pending_transfer';
    const pending = this.books.transfers.get(event.pendingId);
    if (pending === undefined) return 'pending_transfer_not_found';
    if (!has(pending, FLAG.pending)) return 'pending_transfer_not_pending';
    const { debitAccount, creditAccount, ledger, code, userData128, userData64, userData32 } = pending;
    if (event.debitAccount !== 0n && event.debitAccount !== debitAccount) {
      return 'pending_transfer_has_different_debit_account_id';
    }
    if (event.creditAccount !== 0n && event.creditAccount !== creditAccount) {
      return 'pending_transfer_has_different_credit_account_id';
    }
    if (event.ledger !== 0 && event.ledger !== ledger) return 'pending_transfer_has_different_ledger';
    if (event.code !== 0 && event.code !== code) return 'pending_transfer_has_different_code';
    if (event.amount === (isVoid ? 0n : ALL_RESERVED)) event.amount = pending.amount;
    if (event.amount > pending.amount) return 'exceeds_pending_transfer_amount';
    if (isVoid && event.amount < pending.amount) return 'pending_transfer_has_different_amount';
    if (pending.state === 'posted') return 'pending_transfer_already_posted';
    if (pending.state === 'voided') return 'pending_transfer_already_voided';
    const isOver = pending.timeoutSeconds !== 0 && expiryOf(pending) <= event.at;
    if (pending.state === 'expired' || isOver) return 'pending_transfer_expired';
    const [debit, credit] = this.#accountsOf(pending);
    if (!isVoid && isClosed(debit)) return 'debit_account_already_closed';
    if (!isVoid && isClosed(credit)) return 'credit_account_already_closed';
    this.#release(pending);
    pending.state = isVoid ? 'voided' : 'posted';
    if (isVoid) this.#reopen(pending);
    else {
      debit.debitsPosted += event.amount;
      credit.creditsPosted += event.amount;
    }
    this.books.transfers.set(event.id, {
      ...event,
      ...{ debitAccount, creditAccount, ledger, code },
      userData128: event.userData128 || userData128,
      userData64: event.userData64 || userData64,
      userData32: event.userData32 || userData32,
    });
    return 'created';
  }

  #accountsOf({ debitAccount, creditAccount }: PlainTransfer): [PlainAccount, PlainAccount] {
    const { accounts } = this.books;
    return [accounts.get(debitAccount) as PlainAccount, accounts.get(creditAccount) as PlainAccount];
  }

  #release(pending: PlainTransfer): void {
    const [debit, credit] = this.#accountsOf(pending);
    debit.debitsPending -= pending.amount;
    credit.creditsPending -= pending.amount;
  }

  #reopen(pending: PlainTransfer): void {
    const [debit, credit] = this.#accountsOf(pending);
    if (has(pending, FLAG.closingDebit)) debit.flags &= ~ACCOUNT_FLAGS.closed;
    if (has(pending, FLAG.closingCredit)) credit.flags &= ~ACCOUNT_FLAGS.closed;
  }
}

function faultOf(event: PlainTransfer): TransferStatus | null {
  if (event.debitAccount === 0n) return 'debit_account_id_must_not_be_zero';
  if (event.debitAccount === MOST) return 'debit_account_id_must_not_be_int_max';
  if (event.creditAccount === 0n) return 'credit_account_id_must_not_be_zero';
  if (event.creditAccount === MOST) return 'credit_account_id_must_not_be_int_max';
  if (event.debitAccount === event.creditAccount) return 'accounts_must_be_different';
  if (event.pendingId !== 0n) return 'pending_id_must_be_zero';
  if (!has(event, FLAG.pending)) {
    if (event.timeoutSeconds !== 0) return 'timeout_reserved_for_pending_transfer';
    const closes = has(event, FLAG.closingDebit) || has(event, FLAG.closingCredit);
    if (closes) return 'closing_transfer_must_be_pending';
  }
  if (event.ledger === 0) return 'ledger_must_not_be_zero';
  return event.code === 0 ? 'code_must_not_be_zero' : null;
}

function has(event: Pick<NewTransfer, 'flags'> | undefined, flag: number): boolean {
  return ((event?.flags ?? 0) & flag) !== 0;
}

function isClosed({ flags }: PlainAccount): boolean {
  return (flags & ACCOUNT_FLAGS.closed) !== 0;
}

function expiryOf({ at, timeoutSeconds }: PlainTransfer): bigint {
  return at + BigInt(timeoutSeconds) * SECOND;
}

/** Never below nothing. */
function atMost(amount: bigint, room: bigint): bigint {
  const most = room > 0n ? room : 0n;
  return amount < most ? amount : most;
}

function full(event: NewTransfer): PlainTransfer {
  const { id, debitAccount, creditAccount, amount, ledger, code } = event;
  const { pendingId = 0n, userData128 = 0n, userData64 = 0n, userData32 = 0, timeoutSeconds = 0, flags = 0 } = event;
  const given = { id, debitAccount, creditAccount, amount, ledger, code };
  const others = { pendingId, userData128, userData64, userData32, timeoutSeconds, flags };
  return { ...given, ...others, at: 0n, state: 'none' };
}
