/**
 * Keeps books of its own over what a ledger answered, and finds what cannot be: it decides nothing, it only checks that
 * each answer agrees with those before it and that the balances are what the answers say.
 *
 * Money is plain numbers here: simulated amounts stay far below 2^53.
 */
import { ACCOUNT_FLAGS } from '../../accounts.ts';
import type { Ledger } from '../../ledger.ts';
import { SPENT_STATUSES, TRANSFER_STATUS_NAMES, type TransferStatus } from '../../statuses.ts';
import { TRANSFER_FLAGS } from '../../transfers.ts';
import { ISSUANCE, type SimulatedEvent, type SimulatedRequest, simulatedAccounts } from './simulated-requests.ts';

const NANOSECONDS_PER_SECOND = 1_000_000_000;
const BALANCING = TRANSFER_FLAGS.balancingDebit | TRANSFER_FLAGS.balancingCredit;
const RESOLVING = TRANSFER_FLAGS.postPending | TRANSFER_FLAGS.voidPending;
const SPENDING: ReadonlySet<string> = new Set(SPENT_STATUSES);

interface Books {
  ledger: number;
  flags: number;
  debitsPending: number;
  debitsPosted: number;
  creditsPending: number;
  creditsPosted: number;
}

interface KnownTransfer {
  event: SimulatedEvent;
  /** What was moved; of a balancing one it may be less than asked. */
  amount: number;
  debit: number;
  credit: number;
  isPending: boolean;
  /** Nanoseconds; 0 is never. */
  expiresAt: number;
}

/** A broken invariant, by its name. */
export class BrokenInvariant extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

export class LedgerAuditor {
  readonly #accounts = new Map<number, Books>();
  readonly #transfers = new Map<number, KnownTransfer>();
  readonly #timed = new Set<KnownTransfer>();
  readonly #spent = new Set<number>();
  #supply = 0;
  /** How often each status was answered. */
  readonly statuses = new Map<string, number>();

  constructor() {
    for (const { id, ledger, flags = 0 } of simulatedAccounts()) {
      const counters = { debitsPending: 0, debitsPosted: 0, creditsPending: 0, creditsPosted: 0 };
      this.#accounts.set(Number(id), { ledger, flags, ...counters });
    }
  }

  /** Takes in a request in the order of the log. `moved` tells what a balancing transfer moved. Throws `BrokenInvariant`. */
  take({ events }: SimulatedRequest, answer: Uint8Array, timestamp: bigint, moved: (id: number) => number): void {
    if (events === null) {
      this.#expire(answer, Number(timestamp));
      return;
    }
    this.#assertChains(events, answer);
    const first = Number(timestamp) - events.length + 1;
    for (const [index, event] of events.entries()) {
      const status = TRANSFER_STATUS_NAMES[answer[index] as number];
      if (status === undefined) throw new BrokenInvariant('closed statuses', `${answer[index]} is none`);
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
      // In a chain that failed, a transfer may have met one that is gone again.
      const metItsLike = status.startsWith('exists') && isLinked(events, index - 1) && !this.#transfers.has(event.id);
      if (metItsLike && events.slice(0, index).some(({ id }) => id === event.id)) continue;
      this.#judge(event, status, first + index, moved);
    }
  }

  /** Compares the books with the ledger's own. Throws `BrokenInvariant`. */
  compare(ledger: Ledger): void {
    let worth = 0;
    for (const [id, books] of this.#accounts) {
      const account = ledger.account(BigInt(id));
      if (account === null) throw new BrokenInvariant('balances', `account ${id} is not there`);
      for (const counter of ['debitsPending', 'debitsPosted', 'creditsPending', 'creditsPosted'] as const) {
        if (Number(account[counter]) === books[counter]) continue;
        throw new BrokenInvariant('balances', `${counter} of ${id} are ${account[counter]}, not ${books[counter]}`);
      }
      if (id !== ISSUANCE) worth += books.creditsPosted - books.debitsPosted;
    }
    for (const [number, totals] of ledger.totals()) {
      const isBalanced = totals.debitsPending === totals.creditsPending && totals.debitsPosted === totals.creditsPosted;
      if (!isBalanced) throw new BrokenInvariant('debits = credits', `not in ledger ${number}`);
    }
    if (worth !== this.#supply) throw new BrokenInvariant('supply', `${worth} is held, ${this.#supply} was issued`);
  }

  #judge(event: SimulatedEvent, status: TransferStatus, time: number, moved: (id: number) => number): void {
    const known = this.#transfers.get(event.id);
    if (status === 'created') {
      if (known !== undefined || this.#spent.has(event.id)) {
        throw new BrokenInvariant('idempotence', `transfer ${event.id} happened twice, or after its id was spent`);
      }
      if ((event.flags & RESOLVING) !== 0) this.#resolve(event, time);
      else this.#move(event, time, (event.flags & BALANCING) === 0 ? event.amount : moved(event.id));
      return;
    }
    if (SPENDING.has(status)) this.#spent.add(event.id);
    if (status.startsWith('exists')) {
      const isSame = known !== undefined && sameEvent(known.event, event);
      // Where the amount is at most that, another one may be the same.
      const mayDiffer = (event.flags & (BALANCING | RESOLVING)) !== 0 && status === 'exists';
      if (known === undefined || (isSame !== (status === 'exists') && !mayDiffer)) {
        throw new BrokenInvariant('idempotence', `transfer ${event.id} is told "${status}"`);
      }
    } else if (known !== undefined && status !== 'linked_event_failed' && status !== 'linked_event_chain_open') {
      throw new BrokenInvariant('idempotence', `transfer ${event.id} happened, and is told "${status}"`);
    }
    if (status === 'id_already_failed' && !this.#spent.has(event.id)) {
      throw new BrokenInvariant('idempotence', `the id ${event.id} was never spent`);
    }
  }

  #move(event: SimulatedEvent, time: number, amount: number): void {
    const { id, flags, timeoutSeconds } = event;
    const debit = this.#accountOf(event.debit, id);
    const credit = this.#accountOf(event.credit, id);
    if (debit.ledger !== credit.ledger || debit === credit) {
      throw new BrokenInvariant('one ledger', `transfer ${id} leads from ${event.debit} to ${event.credit}`);
    }
    if (amount > event.amount) throw new BrokenInvariant('balancing', `transfer ${id} moved more than was asked`);
    const isPending = (flags & TRANSFER_FLAGS.pending) !== 0;
    debit[isPending ? 'debitsPending' : 'debitsPosted'] += amount;
    credit[isPending ? 'creditsPending' : 'creditsPosted'] += amount;
    if (!isPending) this.#issued(event.debit, event.credit, amount);
    assertLimits(debit, event.debit, id);
    assertLimits(credit, event.credit, id);
    const expiresAt = isPending && timeoutSeconds > 0 ? time + timeoutSeconds * NANOSECONDS_PER_SECOND : 0;
    const known: KnownTransfer = { event, amount, debit: event.debit, credit: event.credit, isPending, expiresAt };
    this.#transfers.set(id, known);
    if (expiresAt > 0) this.#timed.add(known);
  }

  #resolve(event: SimulatedEvent, time: number): void {
    const pending = this.#transfers.get(event.pendingId);
    if (pending?.isPending !== true) {
      throw new BrokenInvariant('pending resolves once', `${event.pendingId} by ${event.id}`);
    }
    if (pending.expiresAt > 0 && pending.expiresAt <= time) {
      throw new BrokenInvariant('expiry', `${event.pendingId} was resolved after its time by ${event.id}`);
    }
    const isPost = (event.flags & TRANSFER_FLAGS.postPending) !== 0;
    const amount = isPost ? event.amount : 0;
    if (amount > pending.amount)
      throw new BrokenInvariant('reserved', `${event.id} posts more than ${event.pendingId}`);
    this.#release(pending);
    const debit = this.#accountOf(pending.debit, event.id);
    const credit = this.#accountOf(pending.credit, event.id);
    debit.debitsPosted += amount;
    credit.creditsPosted += amount;
    this.#issued(pending.debit, pending.credit, amount);
    assertLimits(debit, pending.debit, event.id);
    assertLimits(credit, pending.credit, event.id);
    const { debit: from, credit: to } = pending;
    this.#transfers.set(event.id, { event, amount, debit: from, credit: to, isPending: false, expiresAt: 0 });
  }

  #expire(answer: Uint8Array, now: number): void {
    let expired = 0;
    for (const pending of this.#timed) {
      if (pending.expiresAt > now) continue;
      this.#release(pending);
      expired += 1;
    }
    const told = new DataView(answer.buffer, answer.byteOffset).getUint32(0, true);
    if (told !== expired) throw new BrokenInvariant('expiry', `${told} are told to have expired, not ${expired}`);
  }

  #release(pending: KnownTransfer): void {
    pending.isPending = false;
    this.#timed.delete(pending);
    this.#accountOf(pending.debit, pending.event.id).debitsPending -= pending.amount;
    this.#accountOf(pending.credit, pending.event.id).creditsPending -= pending.amount;
  }

  #issued(debit: number, credit: number, amount: number): void {
    if (debit === ISSUANCE) this.#supply += amount;
    if (credit === ISSUANCE) this.#supply -= amount;
  }

  #accountOf(id: number, transfer: number): Books {
    const account = this.#accounts.get(id);
    if (account === undefined) throw new BrokenInvariant('known accounts', `transfer ${transfer} names ${id}`);
    return account;
  }

  /** Of each chain all happened, or nothing. */
  #assertChains(events: readonly SimulatedEvent[], answer: Uint8Array): void {
    for (let index = 1; index < events.length; index += 1) {
      if (!isLinked(events, index - 1)) continue;
      const both = [answer[index - 1], answer[index]].map((status) => TRANSFER_STATUS_NAMES[status as number]);
      if ((both[0] === 'created') === (both[1] === 'created')) continue;
      throw new BrokenInvariant('linked atomicity', `a chain was torn at transfer ${events[index]?.id}: ${both}`);
    }
  }
}

function isLinked(events: readonly SimulatedEvent[], index: number): boolean {
  return ((events[index]?.flags ?? 0) & TRANSFER_FLAGS.linked) !== 0;
}

function assertLimits(books: Books, account: number, transfer: number): void {
  const { flags, debitsPending, debitsPosted, creditsPending, creditsPosted } = books;
  const isOver =
    ((flags & ACCOUNT_FLAGS.debitsMustNotExceedCredits) !== 0 && debitsPending + debitsPosted > creditsPosted) ||
    ((flags & ACCOUNT_FLAGS.creditsMustNotExceedDebits) !== 0 && creditsPending + creditsPosted > debitsPosted);
  if (isOver) throw new BrokenInvariant('limits', `transfer ${transfer} took account ${account} beyond its own`);
}

function sameEvent(left: SimulatedEvent, right: SimulatedEvent): boolean {
  return (Object.keys(left) as (keyof SimulatedEvent)[]).every((key) => left[key] === right[key]);
}
