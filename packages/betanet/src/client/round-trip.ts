/**
 * How long to wait for an acknowledgement: the delays that were drawn for the way there and back, and a margin for all
 * that was not drawn (queues, links, the other side), which is learned from the round trips so far. The mean and the mean
 * deviation are smoothed as RFC 6298, section 2, does for whole round trips.
 */
import { CLIENT_LIMITS } from './limits.ts';
import type { TrafficParameters } from './network-view.ts';
import { PRIVACY_HOPS } from './path-selection.ts';

const MEAN_GAIN = 1 / 8;
const DEVIATION_GAIN = 1 / 4;
const DEVIATIONS = 4;

export class RoundTrip {
  #mean: number | null = null;
  #deviation = 0;

  /** `beyondMilliseconds`: what a round trip took beyond the drawn delays. Only of fragments that were sent once. */
  measured(beyondMilliseconds: number): void {
    const sample = Math.max(0, beyondMilliseconds);
    if (this.#mean === null) {
      this.#mean = sample;
      this.#deviation = sample / 2;
      return;
    }
    this.#deviation += DEVIATION_GAIN * (Math.abs(sample - this.#mean) - this.#deviation);
    this.#mean += MEAN_GAIN * (sample - this.#mean);
  }

  /** How long to wait after the `tries`-th time that something was sent; each time twice as long as before. */
  timeoutMilliseconds(drawnMilliseconds: number, tries: number): number {
    const wait = drawnMilliseconds + this.#margin();
    // Where the drawn delays alone are longer than the longest wait, there is no sense in sending again before them.
    const longest = Math.max(CLIENT_LIMITS.retransmissionMilliseconds, wait);
    return Math.ceil(Math.min(longest, wait * 2 ** (tries - 1)));
  }

  #margin(): number {
    if (this.#mean === null) return CLIENT_LIMITS.roundTripMarginMilliseconds;
    const learned = this.#mean + DEVIATIONS * this.#deviation;
    return Math.max(CLIENT_LIMITS.roundTripMarginLeastMilliseconds, learned);
  }
}

/** Slots of its stream that a client may need until one is for the acknowledgement; longer waits are one in twenty. */
const SLOTS_OF_AN_ANSWER = 3;

/**
 * What a service, which knows neither level nor drawn delays, is to expect of a round trip to a client and back: mean
 * delays on the longest paths, and the wait for a slot.
 */
export function clientRoundTripMilliseconds(traffic: TrafficParameters): number {
  const delays = 2 * PRIVACY_HOPS.secret * traffic.meanDelayMilliseconds;
  return delays + SLOTS_OF_AN_ANSWER * traffic.clientPayloadIntervalMilliseconds;
}
