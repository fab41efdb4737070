/** What the clocks of the authorities say about one's own: signed answers, and a threshold of them. */
import { upperMedian } from './agreed-relays.ts';
import { authorityClockSchema } from './documents.ts';
import { type Authority, type Genesis, networkIdOf } from './genesis.ts';
import { DIRECTORY_LIMITS } from './limits.ts';
import { isSignedBy, signedSchema } from './signed-document.ts';

const signedClockSchema = signedSchema(authorityClockSchema);

/**
 * The time (milliseconds since 1970) that an authority has told; null when it is not signed by it, for this network and
 * with this nonce (hex). `document` is whatever was answered.
 */
export function toldTime(
  document: unknown,
  asked: { genesis: Genesis; authority: Pick<Authority, 'id' | 'publicKey'>; nonce: string },
): number | null {
  const parsed = signedClockSchema.safeParse(document);
  if (!parsed.success) return null;
  const { body } = parsed.data;
  const { genesis, authority, nonce } = asked;
  const isOurs = body.network === networkIdOf(genesis) && body.authority === authority.id && body.nonce === nonce;
  return isOurs && isSignedBy(parsed.data, authority.publicKey) ? body.milliseconds : null;
}

export interface ClockVerdict {
  /** By how much this clock is ahead of those that say so (negative: behind), where it is too much to go on; or null. */
  skewMilliseconds: number | null;
  /** Authorities whose clocks are further from this one than tolerable, whichever way. */
  disagreeing: number;
}

/**
 * This clock is wrong when a threshold of authorities say so, all in the same direction. `told`: times that different
 * authorities have told just now.
 */
export function judgeClock(told: readonly number[], now: number, threshold: number): ClockVerdict {
  const most = DIRECTORY_LIMITS.clockSkewMilliseconds;
  const skews = told.map((time) => now - time);
  const ahead = skews.filter((skew) => skew > most);
  const behind = skews.filter((skew) => skew < -most);
  const agreed = [ahead, behind].find(({ length }) => length >= threshold) ?? [];
  return { skewMilliseconds: upperMedian(agreed), disagreeing: ahead.length + behind.length };
}
