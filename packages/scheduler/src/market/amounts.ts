/**
 * Money of the market: whole micro-FOG as numbers. Limits keep every sum below 2^53, so all of them are exact; a ledger
 * that counts in bigints takes them as they are.
 */
import { FogError } from '@fog/contract';
import { MARKET_LIMITS } from './limits.ts';

export function isWhole(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}

/** Text of 1 to `nameBytes` bytes. A character takes three at most: most names need no counting. */
export function isName(name: string): boolean {
  if (typeof name !== 'string' || name === '') return false;
  const most = MARKET_LIMITS.nameBytes;
  return name.length * 3 <= most || Buffer.byteLength(name) <= most;
}

/** Throws `invalid-request` for what is not a whole number from `least` to `most`. */
export function assertWhole(value: number, { least, most, what }: { least: number; most: number; what: string }): void {
  if (isWhole(value, least, most)) return;
  throw new FogError('invalid-request', `${what} is ${value}; it has to be a whole number from ${least} to ${most}`, {
    details: { what, least, most },
    hint: 'prices are in micro-FOG a slice, amounts in slices',
  });
}

export function assertPrice(priceMicroFog: number, what: string, least = 0): void {
  assertWhole(priceMicroFog, { least, most: MARKET_LIMITS.slicePriceMicroFog, what });
}

/** Throws `invalid-request` for a name that is empty or too long. */
export function assertName(name: string, what: string): void {
  if (isName(name)) return;
  throw new FogError('invalid-request', `${what} has to be a text of 1 to ${MARKET_LIMITS.nameBytes} bytes`, {
    hint: 'name it',
  });
}
