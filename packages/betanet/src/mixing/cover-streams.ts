/**
 * When a client sends, and what: three Poisson streams that run whether it has something to say or not.
 *
 *     payload   a packet that is waiting, or a drop if none is
 *     loop      a packet to itself, which shows that the network works
 *     drop      a packet that its last hop throws away
 *
 * An observer sees packets of one size at times that depend on the rates alone. Source: Loopix (USENIX Security 2017),
 * section 3.
 */

import { PoissonStream } from './poisson-stream.ts';
import type { RandomNumbers } from './random-numbers.ts';
import {
  planSending,
  type SendingBudget,
  type SendingPlan,
  STREAM_NAMES,
  type StreamName,
  type StreamRates,
} from './sending-plan.ts';

export interface SendEvent {
  /** When the slot was due. */
  atMilliseconds: number;
  stream: StreamName;
  /** `queued`: the first of the packets that wait. */
  packet: 'queued' | 'loop' | 'drop';
}

export interface SendingAccount {
  /** Of the present hour, counted from the first one's beginning. */
  packetsSent: number;
  /** Slots in which nothing was sent, because the budget of that hour was used up. Not the choice of any stream. */
  slotsWithheld: number;
  /** How often slots were left out because the client was held up, e.g. because its machine slept. */
  gaps: number;
}

const HOUR_MILLISECONDS = 3_600_000;

export class ClientStreams {
  #plan: SendingPlan;
  readonly #streams: Readonly<Record<StreamName, PoissonStream>>;
  #hourEndsAt: number;
  #packetsSent = 0;
  #slotsWithheld = 0;

  /** `now` is of a monotonic clock. Throws `invalid-configuration` for a rate or budget out of bounds. */
  constructor(wanted: StreamRates, budget: SendingBudget, now: number, random: RandomNumbers) {
    const plan = planSending(wanted, budget);
    this.#plan = plan;
    const stream = (name: StreamName) => new PoissonStream(plan.rates[name], now, random);
    this.#streams = { payload: stream('payload'), loop: stream('loop'), drop: stream('drop') };
    this.#hourEndsAt = now + HOUR_MILLISECONDS;
  }

  /** What is sent at which rates, and what had to be lowered for the budget. */
  get plan(): SendingPlan {
    return this.#plan;
  }

  /** When `next` has something to tell. */
  get nextAtMilliseconds(): number {
    return Math.min(...STREAM_NAMES.map((name) => this.#streams[name].nextAtMilliseconds));
  }

  /** When the next slot of that stream comes; infinite at a rate of zero. */
  nextOf(stream: StreamName): number {
    return this.#streams[stream].nextAtMilliseconds;
  }

  account(): SendingAccount {
    const gaps = STREAM_NAMES.reduce((sum, name) => sum + this.#streams[name].gaps, 0);
    return { packetsSent: this.#packetsSent, slotsWithheld: this.#slotsWithheld, gaps };
  }

  /** Other wishes or another budget from now on. What the present hour has cost still counts. */
  change(wanted: StreamRates, budget: SendingBudget, now: number, random: RandomNumbers): SendingPlan {
    this.#plan = planSending(wanted, budget);
    for (const name of STREAM_NAMES) this.#streams[name].setRate(this.#plan.rates[name], now, random);
    return this.#plan;
  }

  /**
   * What is to be sent by now, in the order of time; `queued` packets are waiting. Each `queued` event takes one of
   * them. Nothing happens when `now` went backwards.
   */
  next(now: number, random: RandomNumbers, queued: number): SendEvent[] {
    for (const name of STREAM_NAMES) this.#streams[name].skipMissed(now, random);
    this.#turnHour(now);
    const events: SendEvent[] = [];
    let waiting = queued;
    for (;;) {
      const stream = this.#nextStream();
      const atMilliseconds = this.#streams[stream].takeSlot(now, random);
      if (atMilliseconds === null) return events;
      if (this.#packetsSent >= this.#plan.packetsPerHour) {
        this.#slotsWithheld += 1;
        continue;
      }
      this.#packetsSent += 1;
      const isQueued = stream === 'payload' && waiting > 0;
      if (isQueued) waiting -= 1;
      const cover = stream === 'loop' ? 'loop' : 'drop';
      events.push({ atMilliseconds, stream, packet: isQueued ? 'queued' : cover });
    }
  }

  #nextStream(): StreamName {
    const at = (name: StreamName) => this.#streams[name].nextAtMilliseconds;
    return STREAM_NAMES.reduce((first, name) => (at(name) < at(first) ? name : first));
  }

  #turnHour(now: number): void {
    if (!(now >= this.#hourEndsAt)) return;
    this.#hourEndsAt += HOUR_MILLISECONDS * (1 + Math.floor((now - this.#hourEndsAt) / HOUR_MILLISECONDS));
    this.#packetsSent = 0;
    this.#slotsWithheld = 0;
  }
}
