/**
 * The rates at which a client sends, within what its connection may cost. Rates are decided beforehand from wishes and
 * budget alone. Were they to follow what is waiting, they would tell who has something to say.
 */
import { assertNumber, assertWholeNumber } from './configured-number.ts';
import { MIXING_LIMITS } from './limits.ts';

export const STREAM_NAMES = ['payload', 'loop', 'drop'] as const;
export type StreamName = (typeof STREAM_NAMES)[number];

/** Packets per second of each stream, as means of Poisson processes. */
export type StreamRates = Readonly<Record<StreamName, number>>;

export interface SendingBudget {
  /** What the client may send in an hour; null when nobody counts. What it receives is not part of it. */
  bytesPerHour: number | null;
  packetBytes: number;
}

export interface SendingPlan {
  rates: StreamRates;
  wanted: StreamRates;
  /**
   * What had to be lowered: nothing, loops and drops, or payload slots as well (there is no cover at all then). Cover
   * is what hides when a client is silent, so whoever uses it has to be told.
   */
  lowered: 'nothing' | 'cover' | 'cover-and-payload';
  /** Packets that fit into the budget of an hour; infinite without one. */
  packetsPerHour: number;
}

const SECONDS_PER_HOUR = 3600;

/**
 * Cover is lowered first, loops and drops by the same factor; payload slots only when they alone are too many. The mean
 * of what is planned stays `MIXING_LIMITS.budgetDeviations` standard deviations below the budget. Throws
 * `invalid-configuration` for a rate or size out of bounds.
 */
export function planSending(wanted: StreamRates, { bytesPerHour, packetBytes }: SendingBudget): SendingPlan {
  for (const name of STREAM_NAMES) {
    assertNumber(`the rate of the ${name} stream`, wanted[name], 0, MIXING_LIMITS.streamPacketsPerSecond);
  }
  assertWholeNumber('the size of a packet', packetBytes, 1, MIXING_LIMITS.poolBytes);
  if (bytesPerHour === null) {
    return { rates: wanted, wanted, lowered: 'nothing', packetsPerHour: Number.POSITIVE_INFINITY };
  }
  assertWholeNumber('the bytes per hour', bytesPerHour, 0, Number.MAX_SAFE_INTEGER);
  const packetsPerHour = Math.floor(bytesPerHour / packetBytes);
  const most = largestMean(packetsPerHour) / SECONDS_PER_HOUR;
  const cover = wanted.loop + wanted.drop;
  if (wanted.payload + cover <= most) return { rates: wanted, wanted, lowered: 'nothing', packetsPerHour };
  if (wanted.payload >= most && wanted.payload > 0) {
    const rates = { payload: most, loop: 0, drop: 0 };
    return { rates, wanted, lowered: wanted.payload > most ? 'cover-and-payload' : 'cover', packetsPerHour };
  }
  const factor = (most - wanted.payload) / cover;
  const rates = { payload: wanted.payload, loop: wanted.loop * factor, drop: wanted.drop * factor };
  return { rates, wanted, lowered: 'cover', packetsPerHour };
}

/** The largest mean m with m + d √m <= most, where √m is the standard deviation of a Poisson count of mean m. */
function largestMean(most: number): number {
  const deviations = MIXING_LIMITS.budgetDeviations;
  return ((Math.sqrt(deviations ** 2 + 4 * most) - deviations) / 2) ** 2;
}
