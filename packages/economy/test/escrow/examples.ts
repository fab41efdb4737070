/** Terms, results and escrows for tests. */
import fc from 'fast-check';
import type { Escrow, JudgedResult, ResultVerdict, Terms } from '../../src/escrow/index.ts';

export const TERMS: Terms = {
  version: 1,
  currency: 'fog',
  maximumPrice: 1000n,
  mostResults: 3,
  tasks: 2,
  periodMilliseconds: null,
  tier: 'bronze',
  pricePpm: 1_000_000n,
  promisedWaitMilliseconds: 2500,
  credits: [
    { abovePermille: 1000, creditPpm: 100_000n },
    { abovePermille: 4000, creditPpm: 1_000_000n },
  ],
  meter: null,
  priceRule: 'quote',
  feePpm: 50_000n,
  feeBurnPpm: 0n,
  premiumPpm: 0n,
  cancelPpm: 500_000n,
  oversightPpm: 500_000n,
  sliceFuel: 4_000_000_000_000n,
  slash: { slashPpm: 50_000n, insurancePpm: 500_000n },
  bond: { bondPpm: 1_000_000n, unbondedLeases: 64 },
};

export function escrowWith(changes: Partial<Terms> = {}): Escrow {
  return { job: 'j1', buyer: 'alice', terms: { ...TERMS, ...changes } };
}

export function resultOf(fence: number, changes: Partial<JudgedResult> & { quote?: bigint } = {}): JudgedResult {
  const { quote = 1000n, ...rest } = changes;
  return {
    fence,
    provider: `provider-${fence}`,
    isTrusted: false,
    price: { quote, perPetaFuel: null },
    fuel: null,
    costMicroFog: null,
    verdict: 'valid',
    ...rest,
  };
}

/** Objects like those that come of JSON. */
const PLAIN = { noNullPrototype: true } as const;
const ppm = fc.bigInt({ min: 0n, max: 1_000_000n });

/** All terms of a job with an end that money is asked for. */
export const termsArbitrary: fc.Arbitrary<Terms> = fc.record(
  {
    version: fc.constant(1 as const),
    currency: fc.constantFrom('fog' as const, 'faucet' as const),
    maximumPrice: fc.oneof(fc.bigInt({ min: 0n, max: 50n }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })),
    mostResults: fc.integer({ min: 1, max: 4 }),
    tasks: fc.integer({ min: 1, max: 4 }),
    periodMilliseconds: fc.constant(null),
    tier: fc.constantFrom('bronze' as const, 'silver' as const, 'gold' as const),
    pricePpm: fc.constantFrom(1_000_000n, 2_500_000n, 5_000_000n, 3_333_333n),
    promisedWaitMilliseconds: fc.integer({ min: 0, max: 5000 }),
    credits: fc.constantFrom(TERMS.credits, []),
    meter: fc.constantFrom('fuel' as const, null),
    priceRule: fc.constantFrom('quote' as const, 'lowest-report' as const),
    feePpm: ppm,
    feeBurnPpm: ppm,
    premiumPpm: ppm,
    cancelPpm: ppm,
    oversightPpm: ppm,
    sliceFuel: fc.bigInt({ min: 1n, max: 10n ** 15n }),
    slash: fc.record({ slashPpm: ppm, insurancePpm: ppm }, PLAIN),
    bond: fc.record({ bondPpm: ppm, unbondedLeases: fc.integer({ min: 0, max: 1000 }) }, PLAIN),
  },
  PLAIN,
);

const verdict = fc.constantFrom<ResultVerdict[]>(
  'valid',
  'valid',
  'alone',
  'cleared',
  'invalid',
  'withheld',
  'inconclusive',
);

/** Results of one task under these terms, each of another fence. */
export function resultsArbitrary(terms: Terms): fc.Arbitrary<JudgedResult[]> {
  const amount = fc.bigInt({ min: 0n, max: terms.maximumPrice });
  const result = fc.record({
    fence: fc.integer({ min: 1, max: 9 }),
    provider: fc.constantFrom('alice', 'bob', 'carol', 'dave', 'erin'),
    isTrusted: fc.boolean(),
    price: fc.record({ quote: amount, perPetaFuel: fc.option(fc.bigInt({ min: 0n, max: 100n })) }),
    fuel: fc.option(fc.constantFrom(0n, 1_000_000n, 7_654_321n)),
    costMicroFog: fc.option(fc.bigInt({ min: 0n, max: 2n * terms.maximumPrice })),
    verdict,
  });
  return fc.uniqueArray(result, { maxLength: 6, selector: ({ fence }) => fence });
}
