/** Conviction voting: values digit for digit, thresholds to a billionth of themselves. */
import assert from 'node:assert/strict';
import { convictionAfter, convictionThreshold, type Fraction } from '@fog/economy/governance';
import { z } from 'zod';
import type { VectorFile } from '../areas.ts';
import { type Check, parseShape, readJson } from '../vector-shape.ts';

const THRESHOLD_TOLERANCE = 1e-9;
/** Of the value in floating point beside the exact one: powers of a decay near one lose digits. */
const FLOAT_TOLERANCE = 1e-6;

const whole = z.union([z.int().nonnegative(), z.string().regex(/^\d+$/)]).transform((value) => BigInt(value));
const share = z.number().nonnegative();
const convictionSchema = z.strictObject({
  t: z.int().nonnegative(),
  y0: whole,
  x: whole,
  decay: whole,
  conviction: whole,
  float: z.number().optional(),
});
const thresholdSchema = z.strictObject({
  requested: whole,
  funds: whole,
  supply: whole,
  active: whole,
  alpha: share,
  beta: share,
  rho: share,
  threshold: z.union([z.number(), z.literal('inf')]),
});
const fileSchema = z.strictObject({
  note: z.string().optional(),
  conviction: z.array(convictionSchema).optional(),
  threshold: z.array(thresholdSchema).optional(),
});

export function convictionChecks(file: VectorFile): Check[] {
  const { conviction = [], threshold = [] } = parseShape(fileSchema, readJson(file));
  return [
    ...conviction.map((vector, index) => ({ name: `conviction ${index + 1}`, run: () => checkConviction(vector) })),
    ...threshold.map((vector, index) => ({ name: `threshold ${index + 1}`, run: () => checkThreshold(vector) })),
  ];
}

function checkConviction({ t, y0, x, decay, conviction, float }: z.output<typeof convictionSchema>): void {
  const actual = convictionAfter({ ticks: t, before: y0, stake: x, decay });
  assert.equal(actual, conviction);
  if (float === undefined) return;
  const isClose = Math.abs(Number(actual) - float) <= 0.5 + FLOAT_TOLERANCE * float;
  assert.ok(isClose, `${actual} is not the rounded ${float}`);
}

function checkThreshold(vector: z.output<typeof thresholdSchema>): void {
  const { requested, funds, supply, active, alpha, beta, rho, threshold } = vector;
  const exact = convictionThreshold({
    requested,
    funds,
    supply,
    active,
    decay: fractionOf(alpha),
    mostShare: fractionOf(beta),
    weight: fractionOf(rho),
  });
  if (threshold === 'inf') {
    assert.equal(exact, null, 'nothing is enough');
    return;
  }
  assert.ok(exact !== null, `the threshold is ${threshold}, and here nothing is enough`);
  const actual = numberOf(exact);
  const isClose = Math.abs(actual - threshold) <= THRESHOLD_TOLERANCE * Math.abs(threshold);
  assert.ok(isClose, `the threshold is ${actual}, not ${threshold}`);
}

/** The decimal number that is written, exactly: 0.2 is 2/10. */
function fractionOf(value: number): Fraction {
  const [, digits = '', decimals = '', exponent = '0'] = /^(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  const scale = decimals.length - Number(exponent);
  const numerator = BigInt(digits + decimals);
  return scale >= 0
    ? { numerator, denominator: 10n ** BigInt(scale) }
    : { numerator: numerator * 10n ** BigInt(-scale), denominator: 1n };
}

/** To some 18 digits: more than a number has. */
function numberOf({ numerator, denominator }: Fraction): number {
  const digits = 10n ** 18n;
  const whole = numerator / denominator;
  return Number(whole) + Number(((numerator % denominator) * digits) / denominator) / Number(digits);
}
