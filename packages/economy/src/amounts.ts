/**
 * Money: whole micro-FOG, as bigints from 0 to 2^128 - 1. Shares of it are whole parts per million. Nothing is ever a
 * fraction; what a division leaves over goes to whom the caller names.
 */
import { FogError } from '@fog/contract';

export const MICRO_FOG_PER_FOG = 1_000_000n;
/** The largest amount: what 128 bits hold. */
export const MOST_MICRO_FOG = (1n << 128n) - 1n;
/** Parts per million that are the whole. */
export const WHOLE_PPM = 1_000_000n;

/** Decimals of a FOG that can be written. */
const FOG_DECIMALS = 6;
const FOG_TEXT = /^(0|[1-9]\d{0,38})(?:\.(\d{1,6}))?$/;

/** Throws `invalid-request` for what is not a whole amount from `least` to `most`. */
export function assertAmount(
  value: bigint,
  { least = 0n, most = MOST_MICRO_FOG, what }: { least?: bigint; most?: bigint; what: string },
): void {
  if (typeof value === 'bigint' && value >= least && value <= most) return;
  const range = most === MOST_MICRO_FOG && value < least ? `${least} at least` : `from ${least} to ${most}`;
  throw new FogError('invalid-request', `${what} is ${value}; it has to be ${range}`, {
    details: { what, least: String(least), most: String(most) },
    hint: 'amounts are whole micro-FOG',
  });
}

/** Throws `invalid-request` for what is no share: parts per million from 0 to 1,000,000. */
export function assertPpm(value: bigint, what: string): void {
  if (typeof value === 'bigint' && value >= 0n && value <= WHOLE_PPM) return;
  throw new FogError('invalid-request', `${what} is ${value}; it has to be from 0 to ${WHOLE_PPM} parts per million`, {
    details: { what },
    hint: 'one per cent is 10,000 parts per million',
  });
}

/** The share of an amount, rounded down: the rest stays with whoever gives. */
export function portionOf(amount: bigint, ppm: bigint): bigint {
  return (amount * ppm) / WHOLE_PPM;
}

/**
 * Divides an amount by weights, so that the parts add up to it: each gets its share rounded down, and what is left goes,
 * one unit each, to those that lost the largest fractions; among equals to the earlier. Without any weight nobody gets
 * anything. Throws `invalid-request` for a negative amount or weight. Source: Hamilton's method of largest remainders.
 */
export function allocate(amount: bigint, weights: readonly bigint[]): bigint[] {
  assertAmount(amount, { what: 'the amount to divide' });
  let whole = 0n;
  for (const weight of weights) {
    assertAmount(weight, { what: 'a weight' });
    whole += weight;
  }
  if (whole === 0n) return weights.map(() => 0n);
  const parts = weights.map((weight) => (amount * weight) / whole);
  const remainders = weights.map((weight, index) => ({ index, lost: (amount * weight) % whole }));
  const left = amount - parts.reduce((sum, part) => sum + part, 0n);
  remainders.sort((a, b) => (a.lost === b.lost ? a.index - b.index : a.lost > b.lost ? -1 : 1));
  for (const { index } of remainders.slice(0, Number(left))) parts[index] = (parts[index] ?? 0n) + 1n;
  return parts;
}

/** `12.5` -> 12,500,000 micro-FOG. Throws `invalid-request` for anything but digits with up to six decimals. */
export function parseFog(text: string): bigint {
  const match = FOG_TEXT.exec(text);
  const amount = match === null ? null : BigInt((match[1] ?? '0') + (match[2] ?? '').padEnd(FOG_DECIMALS, '0'));
  if (amount !== null && amount <= MOST_MICRO_FOG) return amount;
  throw new FogError('invalid-request', `"${text.slice(0, 60)}" is no amount of FOG`, {
    hint: 'write it like 12 or 12.5, with six decimals at most',
  });
}

/** 12,500,000 micro-FOG -> `12.5`; a negative balance gets its sign. */
export function formatFog(amount: bigint): string {
  const magnitude = amount < 0n ? -amount : amount;
  const decimals = String(magnitude % MICRO_FOG_PER_FOG)
    .padStart(FOG_DECIMALS, '0')
    .replace(/0+$/, '');
  const text = `${magnitude / MICRO_FOG_PER_FOG}${decimals === '' ? '' : `.${decimals}`}`;
  return amount < 0n ? `-${text}` : text;
}
