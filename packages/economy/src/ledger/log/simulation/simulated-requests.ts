/** What the clients of a simulated ledger ask for: all kinds of transfers, right ones and wrong ones, and the same again. */
import { ACCOUNT_FLAGS, type NewAccount } from '../../accounts.ts';
import { accountsRequest, BODY_BYTES, expiryRequest, REQUEST_HEADER_BYTES, REQUEST_KINDS } from '../../machine.ts';
import { TRANSFER_FLAGS } from '../../transfers.ts';
import type { SeededRandom } from './seeded-random.ts';

/** All money comes from here. */
export const ISSUANCE = 1;
/** Accounts of the main ledger; what follows are those of another. */
export const MAIN_ACCOUNTS = 20;
export const ALL_ACCOUNTS = 24;
export const MAIN_LEDGER = 1;
export const OTHER_LEDGER = 2;
const MOST_EVENTS = 40;
const KNOWN_EVENTS = 4096;

/** A transfer in numbers that fit into 32 bits. */
export interface SimulatedEvent {
  id: number;
  debit: number;
  credit: number;
  amount: number;
  pendingId: number;
  flags: number;
  timeoutSeconds: number;
}

export interface SimulatedRequest {
  bytes: Uint8Array;
  /** null: what has expired is released. */
  events: SimulatedEvent[] | null;
}

export function simulatedAccounts(): NewAccount[] {
  return Array.from({ length: ALL_ACCOUNTS }, (_, index) => {
    const id = index + 1;
    const isLimited = id !== ISSUANCE && id % 5 !== 0;
    const limit = id % 7 === 0 ? ACCOUNT_FLAGS.creditsMustNotExceedDebits : ACCOUNT_FLAGS.debitsMustNotExceedCredits;
    const ledger = id <= MAIN_ACCOUNTS ? MAIN_LEDGER : OTHER_LEDGER;
    return { id: BigInt(id), ledger, code: 10, flags: isLimited ? limit : 0 };
  });
}

export function openingRequest(): Uint8Array {
  return accountsRequest(simulatedAccounts());
}

export class RequestSource {
  readonly #random: SeededRandom;
  #nextId = 1;
  /** Some of what was asked before. */
  readonly #known: SimulatedEvent[] = [];
  readonly #pending: SimulatedEvent[] = [];

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  next(): SimulatedRequest {
    const random = this.#random;
    if (random.chance(0.04)) return { bytes: expiryRequest(), events: null };
    const events: SimulatedEvent[] = [];
    const wanted = random.between(1, MOST_EVENTS);
    while (events.length < wanted) {
      const event = this.#event();
      // Chains may be wrong in the middle; now and then the last of them is left open.
      if (random.chance(0.15) && (events.length < wanted - 1 || random.chance(0.05)))
        event.flags |= TRANSFER_FLAGS.linked;
      events.push(event);
      keep(this.#known, event, random);
      if ((event.flags & TRANSFER_FLAGS.pending) !== 0) keep(this.#pending, event, random);
    }
    return { bytes: encode(events), events };
  }

  #event(): SimulatedEvent {
    const random = this.#random;
    const kind = random.unit();
    if (kind < 0.06 && this.#known.length > 0) return this.#again();
    if (kind < 0.2 && this.#pending.length > 0) return this.#resolution();
    const event: SimulatedEvent = {
      id: this.#nextId,
      debit: kind < 0.35 ? ISSUANCE : random.between(1, MAIN_ACCOUNTS),
      credit: random.between(2, MAIN_ACCOUNTS),
      amount: random.chance(0.02) ? 0 : random.between(1, 1 << random.between(1, 24)),
      pendingId: 0,
      flags: 0,
      timeoutSeconds: 0,
    };
    this.#nextId += 1;
    if (kind > 0.75) event.flags = TRANSFER_FLAGS.pending;
    if (kind > 0.85) event.timeoutSeconds = random.between(1, 20);
    if (kind > 0.35 && kind < 0.4)
      event.flags = random.pick([TRANSFER_FLAGS.balancingDebit, TRANSFER_FLAGS.balancingCredit]);
    if (random.chance(0.02)) event.credit = random.between(1, ALL_ACCOUNTS + 2);
    return event;
  }

  /** What was asked before: as it was, or changed. */
  #again(): SimulatedEvent {
    const event = { ...this.#random.pick(this.#known) };
    event.flags &= ~TRANSFER_FLAGS.linked;
    if (this.#random.chance(0.3)) event.amount += 1;
    return event;
  }

  /** Posts or voids something that was pending, perhaps long resolved. */
  #resolution(): SimulatedEvent {
    const random = this.#random;
    const { id, debit, credit, amount } = random.pick(this.#pending);
    const isPost = random.chance(0.6);
    const event: SimulatedEvent = {
      id: this.#nextId,
      debit: random.chance(0.5) ? 0 : debit,
      credit: random.chance(0.5) ? 0 : credit,
      amount: isPost ? random.between(0, amount + (random.chance(0.05) ? 1 : 0)) : random.chance(0.5) ? 0 : amount,
      pendingId: id,
      flags: isPost ? TRANSFER_FLAGS.postPending : TRANSFER_FLAGS.voidPending,
      timeoutSeconds: 0,
    };
    this.#nextId += 1;
    return event;
  }
}

/** A list of limited length: later ones take the places of any. */
function keep(list: SimulatedEvent[], event: SimulatedEvent, random: SeededRandom): void {
  if (list.length < KNOWN_EVENTS) list.push(event);
  else list[random.below(KNOWN_EVENTS)] = event;
}

/** Offsets in words of 32 bits, as the ledger's bodies have them. */
const WORD = { id: 0, debit: 4, credit: 8, amount: 12, pendingId: 16, timeout: 27, ledger: 28, codeFlags: 29 } as const;

function encode(events: readonly SimulatedEvent[]): Uint8Array {
  const request = new Uint8Array(REQUEST_HEADER_BYTES + events.length * BODY_BYTES);
  request[0] = REQUEST_KINDS.createTransfers;
  const words = new Uint32Array(request.buffer, REQUEST_HEADER_BYTES);
  for (const [index, event] of events.entries()) {
    const at = (index * BODY_BYTES) / 4;
    const isResolution = event.pendingId !== 0;
    words[at + WORD.id] = event.id;
    words[at + WORD.debit] = event.debit;
    words[at + WORD.credit] = event.credit;
    words[at + WORD.amount] = event.amount;
    words[at + WORD.pendingId] = event.pendingId;
    words[at + WORD.timeout] = event.timeoutSeconds;
    words[at + WORD.ledger] = isResolution ? 0 : MAIN_LEDGER;
    words[at + WORD.codeFlags] = (isResolution ? 0 : 3) + event.flags * 2 ** 16;
  }
  return request;
}
