import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import {
  assertTerms,
  coverOf,
  maximumPriceOf,
  NO_BOND,
  NOTHING_PAID,
  newRecord,
  readRecord,
  readSettlement,
  readTerms,
  type Terms,
  writeRecord,
  writeSettlement,
  writeTerms,
} from '../../src/escrow/index.ts';
import { TERMS, termsArbitrary } from './examples.ts';

function reversed<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).reverse()) as Value;
}

const INVALID = { name: 'FogError', code: 'invalid-request' };

test('property: terms come back from their text as they were, and equal terms have equal texts', () => {
  fc.assert(
    fc.property(termsArbitrary, (terms) => {
      const text = writeTerms(terms);
      assert.deepEqual(readTerms(text), terms);
      assert.equal(
        writeTerms(reversed({ ...terms, slash: reversed(terms.slash), credits: terms.credits.map(reversed) })),
        text,
      );
    }),
  );
});

test('terms out of their ranges are refused, field by field', () => {
  const faults: [keyof Terms, unknown][] = [
    ['version', 2],
    ['currency', 'euro'],
    ['maximumPrice', -1n],
    ['maximumPrice', 1n << 64n],
    ['maximumPrice', 5],
    ['mostResults', 0],
    ['mostResults', 17],
    ['tasks', 1.5],
    ['tasks', 1_000_001],
    ['periodMilliseconds', 0],
    ['periodMilliseconds', 1000],
    ['tier', 'iron'],
    ['pricePpm', 999_999n],
    ['promisedWaitMilliseconds', Number.NaN],
    [
      'credits',
      [
        { abovePermille: 2000, creditPpm: 100_000n },
        { abovePermille: 1000, creditPpm: 200_000n },
      ],
    ],
    ['credits', [{ abovePermille: 1000, creditPpm: 1_000_001n }]],
    ['credits', 'all'],
    ['meter', 'clock'],
    ['sliceFuel', 0n],
    ['sliceFuel', 4_000_000_000_000],
    ['priceRule', 'highest'],
    ['feePpm', 1_000_001n],
    ['premiumPpm', -1n],
    ['cancelPpm', 0.5],
    ['oversightPpm', null],
    ['slash', { slashPpm: 1n }],
    ['slash', { slashPpm: 1n, insurancePpm: 1_000_001n }],
    ['bond', null],
    ['bond', { bondPpm: 1n }],
    ['bond', { bondPpm: 1_000_001n, unbondedLeases: 1 }],
    ['bond', { bondPpm: 1n, unbondedLeases: -1 }],
  ];
  for (const [field, value] of faults) {
    assert.throws(() => assertTerms({ ...TERMS, [field]: value } as Terms), INVALID, `${field}: ${String(value)}`);
  }
  assert.throws(() => assertTerms({ ...TERMS, tip: 1 } as Terms), INVALID);
  const { feePpm: _, ...short } = TERMS;
  assert.throws(() => assertTerms(short as Terms), INVALID);
  assertTerms(TERMS);
});

test('what a service is paid by has a period, one result and fewer replicas', () => {
  assertTerms({ ...TERMS, periodMilliseconds: 300_000, mostResults: 1 });
  assert.throws(() => assertTerms({ ...TERMS, periodMilliseconds: 300_000, mostResults: 1, tasks: 10_001 }), INVALID);
});

test('terms from before there were bonds ask for none', () => {
  const { bond: _, ...before } = JSON.parse(writeTerms(TERMS));
  assert.deepEqual(readTerms(JSON.stringify(before)), { ...TERMS, bond: NO_BOND });
});

test('texts that were not written here are refused', () => {
  const terms = JSON.parse(writeTerms(TERMS));
  for (const text of [
    '',
    'null',
    '[]',
    '{"version":1}',
    JSON.stringify({ ...terms, feePpm: 5 }),
    JSON.stringify({ ...terms, feePpm: '05' }),
    JSON.stringify({ ...terms, slash: null }),
    JSON.stringify({ ...terms, bond: null }),
    JSON.stringify({ ...terms, tip: 1 }),
    `${' '.repeat(20_000)}${writeTerms(TERMS)}`,
  ]) {
    assert.throws(() => readTerms(text), INVALID, text.slice(0, 60));
    assert.throws(() => readRecord(text), INVALID);
    assert.throws(() => readSettlement(text), INVALID);
  }
  const paid = { version: 1 as const, leases: [{ fence: 3, price: 10n, payout: 9n }] };
  assert.deepEqual(readSettlement(writeSettlement(paid)), paid);
  assert.deepEqual(readSettlement(writeSettlement(NOTHING_PAID)), NOTHING_PAID);
  assert.throws(() => readSettlement('{"version":1,"leases":[{"fence":0,"price":"1","payout":"1"}]}'), INVALID);
  const record = { ...newRecord(TERMS), deposited: 12n, waits: [1, 0, 2] };
  assert.deepEqual(readRecord(writeRecord(record)), record);
});

test('terms from before the fuel of a slice was among them have what it was then', () => {
  const { sliceFuel: _, ...before } = JSON.parse(writeTerms({ ...TERMS, sliceFuel: 7n }));
  assert.deepEqual(readTerms(JSON.stringify(before)), { ...TERMS, sliceFuel: 4_000_000_000_000n });
});

test('the cover is the maximum price of all results of all tasks; a fog without money needs none', () => {
  assert.equal(coverOf(TERMS), 6000n);
  assert.equal(coverOf({ ...TERMS, currency: null }), 0n);
  const most = coverOf({ ...TERMS, maximumPrice: (1n << 64n) - 1n, mostResults: 16, tasks: 1_000_000 });
  assert.ok(most < 1n << 128n);
});

test('the maximum price is the budget, or that of the slices at the posted price', () => {
  const slices = { slices: 3, slicePriceMicroFog: 7, pricePpm: 2_500_000n };
  assert.equal(maximumPriceOf({ budgetMicroFog: 12, ...slices }), 12n);
  assert.equal(maximumPriceOf({ budgetMicroFog: null, ...slices }), 53n);
  assert.throws(() => maximumPriceOf({ budgetMicroFog: -1, ...slices }), INVALID);
  const huge = { budgetMicroFog: null, slices: 2 ** 50, slicePriceMicroFog: 2 ** 36, pricePpm: 1_000_000n };
  assert.throws(
    () => maximumPriceOf(huge),
    (error: unknown) => error instanceof FogError && error.hint !== undefined,
  );
});
