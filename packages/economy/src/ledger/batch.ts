/**
 * Runs the events of a batch in order. Linked ones are a chain: they happen together or not at all. The event that broke
 * its chain keeps its own status, the others of the chain get `linked_event_failed`.
 */
import { BODY_WORDS, COMMON_WORDS } from './layout.ts';
import type { LedgerState } from './state.ts';
import { TRANSFER_STATUSES } from './statuses.ts';
import { add64 } from './wide.ts';

/** Statuses that the batch itself gives, with the numbers that they have for accounts as well. */
const CREATED = TRANSFER_STATUSES.created;
const CHAIN_FAILED = TRANSFER_STATUSES.linked_event_failed;
const CHAIN_OPEN = TRANSFER_STATUSES.linked_event_chain_open;
const TIMESTAMP_MUST_BE_ZERO = TRANSFER_STATUSES.timestamp_must_be_zero;

const LINKED = 1 << 16;
/** Events whose look-ups are brought near together: so many reads of memory wait side by side, not one after another. */
const TOUCHED_EVENTS = 32;
const NO_CHAIN = -1;

/** Decides one event after the other. */
export interface EventRules {
  /** Status of an event that has happened before. */
  readonly exists: number;
  /** Time of that first event, low and high word; holds right after the status. */
  readonly found: Uint32Array;
  /** Before the first: makes room for all; throws when there is none. */
  prepare(bodies: Uint32Array, count: number): void;
  /** Reads what the events from `from` to before `to` will look up, all at once, so that it is near when they do. */
  touch(bodies: Uint32Array, from: number, to: number): void;
  /** Lets the event at `at` happen at this time, or answers why not. */
  create(bodies: Uint32Array, at: number, low: number, high: number): number;
  /** After an event that did not happen, once its chain has been taken back. */
  failed(bodies: Uint32Array, at: number, status: number): void;
}

export interface BatchResult {
  /** A status for each event. */
  statuses: Uint8Array;
  /** Its time, low and high word; of those that exist already the first time. */
  times: Uint32Array;
}

/** `first` is the time of the first event, low and high word; each of the others is a nanosecond later. */
export function runBatch(
  state: LedgerState,
  rules: EventRules,
  bodies: Uint32Array,
  count: number,
  first: Uint32Array,
): BatchResult {
  rules.prepare(bodies, count);
  const statuses = new Uint8Array(count);
  const times = new Uint32Array(count * 2);
  const time = state.last;
  time.set(first);
  let chain = NO_CHAIN;
  let isBroken = false;
  for (let event = 0; event < count; event += 1) {
    if (event % TOUCHED_EVENTS === 0) rules.touch(bodies, event, Math.min(event + TOUCHED_EVENTS, count));
    const at = event * BODY_WORDS;
    const low = time[0] as number;
    const high = time[1] as number;
    const isLinked = ((bodies[at + COMMON_WORDS.codeFlags] as number) & LINKED) !== 0;
    if (isLinked && chain === NO_CHAIN) {
      chain = event;
      state.openChain();
    }
    const status =
      isLinked && event === count - 1
        ? CHAIN_OPEN
        : isBroken
          ? CHAIN_FAILED
          : ((bodies[at + COMMON_WORDS.timestamp] as number) | (bodies[at + COMMON_WORDS.timestamp + 1] as number)) !==
              0
            ? TIMESTAMP_MUST_BE_ZERO
            : rules.create(bodies, at, low, high);
    statuses[event] = status;
    const isFound = status === rules.exists;
    times[event * 2] = isFound ? (rules.found[0] as number) : low;
    times[event * 2 + 1] = isFound ? (rules.found[1] as number) : high;
    if (status !== CREATED) {
      if (chain !== NO_CHAIN && !isBroken) {
        isBroken = true;
        state.rollBackChain();
        statuses.fill(CHAIN_FAILED, chain, event);
      }
      rules.failed(bodies, at, status);
    }
    if (chain !== NO_CHAIN && (!isLinked || status === CHAIN_OPEN)) {
      if (!isBroken) state.closeChain();
      chain = NO_CHAIN;
      isBroken = false;
    }
    if (event < count - 1) add64(time, 0, 1, 0);
  }
  return { statuses, times };
}
