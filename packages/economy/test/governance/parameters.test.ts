import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  burnedShares,
  changedParameters,
  DEFAULT_PARAMETERS,
  emissionFor,
  emissionRates,
  PARAMETER_NAMES,
  PARAMETER_UNITS,
  PARAMETERS,
  parametersFrom,
  RETIRED_PARAMETERS,
  readProposal,
  wantedBy,
  writeProposal,
} from '../../src/governance/index.ts';
import { Dao, FOG } from './dao.ts';

describe('parameters', () => {
  test('each has a unit, a default within its range, and a meaning; those together are allowed', () => {
    for (const name of PARAMETER_NAMES) {
      const { least, most, default: preset, unit, meaning } = PARAMETERS[name];
      assert.ok(least <= preset && preset <= most && least < most, name);
      assert.ok(PARAMETER_UNITS.includes(unit) && meaning.length > 10, name);
      if (unit === 'ppm' && !name.endsWith('PricePpm')) assert.ok(most <= 1_000_000n, name);
    }
    assert.deepEqual(parametersFrom({}), DEFAULT_PARAMETERS);
    assert.equal(DEFAULT_PARAMETERS.emissionSwitch, 0n);
  });

  test('what guards governance has a floor above nothing', () => {
    const guards = PARAMETER_NAMES.filter((name) => 'guards' in PARAMETERS[name]);
    assert.ok(guards.includes('timelockMilliseconds') && guards.includes('quorumPpm'));
    for (const name of guards) if (name !== 'lateQuorumMilliseconds') assert.ok(PARAMETERS[name].least > 0n, name);
    assert.ok(PARAMETERS.approvalPpm.least >= 500_000n, 'never less than a majority');
  });

  test('property: what is applied is within its range, and nothing else changes', () => {
    // From a little below the range to a little above it.
    const change = fc
      .record({ name: fc.constantFrom(...PARAMETER_NAMES), at: fc.bigInt({ min: -100n, max: 1100n }) })
      .map(({ name, at }) => {
        const { least, most } = PARAMETERS[name];
        return { name, value: least + ((most - least) * at) / 1000n };
      });
    let applied = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        let after: ReturnType<typeof changedParameters>;
        try {
          after = changedParameters(DEFAULT_PARAMETERS, changes);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'invalid-request');
          return;
        }
        applied += 1;
        for (const name of PARAMETER_NAMES) {
          const { least, most } = PARAMETERS[name];
          const value = after.parameters[name];
          assert.ok(value >= least && value <= most, name);
          const wanted = changes.find((one) => one.name === name)?.value ?? DEFAULT_PARAMETERS[name];
          assert.equal(value, wanted);
        }
      }),
      { numRuns: 400 },
    );
    assert.ok(applied > 0);
  });

  test('unknown names, values of other types, doubles, and contradictions', () => {
    for (const changes of [
      [{ name: 'supply', value: 1n }],
      [{ name: '__proto__', value: 1n }],
      [{ name: 'feePpm', value: 5 }],
      [{ name: 'feePpm', value: 200_001n }],
      [
        { name: 'feePpm', value: 1n },
        { name: 'feePpm', value: 2n },
      ],
      [{ name: 'silverPricePpm', value: 6_000_000n }],
      [{ name: 'lateQuorumMilliseconds', value: DEFAULT_PARAMETERS.votingPeriodMilliseconds + 1n }],
    ]) {
      assert.throws(() => changedParameters(DEFAULT_PARAMETERS, changes as never), { code: 'invalid-request' });
    }
    const both = [
      { name: 'silverPricePpm', value: 6_000_000n },
      { name: 'goldPricePpm', value: 6_000_000n },
    ] as const;
    assert.equal(changedParameters(DEFAULT_PARAMETERS, both).changes.length, 2);
    assert.throws(() => parametersFrom({ feePpm: -1n }), { code: 'invalid-request' });
  });
});

test('a parameter that is none any more can be read in a record, and is not proposed or changed', () => {
  const dao = new Dao();
  dao.join('ann', 1000n * FOG);
  const proposal = dao.propose('ann', { kind: 'parameter', changes: [{ name: 'feePpm', value: 1n }] });
  for (const name of RETIRED_PARAMETERS) {
    assert.ok(!(PARAMETER_NAMES as readonly string[]).includes(name));
    const changes = [{ name: name as never, value: 1n }];
    const before = { ...proposal, action: { kind: 'parameter' as const, changes } };
    assert.deepEqual(readProposal(writeProposal(before)), before);
    assert.throws(() => changedParameters(DEFAULT_PARAMETERS, changes), { code: 'invalid-request' });
  }
  const unknown = { ...proposal, action: { kind: 'parameter', changes: [{ name: 'freeBeer', value: 1n }] } };
  assert.throws(() => readProposal(writeProposal(unknown as never)), { code: 'invalid-request' });
});

describe('emission', () => {
  const ON = { emissionSwitch: 1n, emissionMost: 1000n, emissionSharePpm: 500_000n };
  const claims = [
    { job: 'j1', provider: 'ann', burnedMicroFog: 101n },
    { job: 'j1', provider: 'bo', burnedMicroFog: 7n },
    { job: 'j2', provider: 'ann', burnedMicroFog: 0n },
  ];
  /** What holds for an epoch of these claims. */
  const termsFor = (among: typeof claims, parameters: Parameters<typeof emissionRates>[0]) => {
    const rates = emissionRates(parameters);
    return { ...rates, wantedMicroFog: wantedBy(among, rates) };
  };

  test('is off unless it was voted on', () => {
    const { totalMicroFog, transfers, earned } = emissionFor(1, claims, termsFor(claims, DEFAULT_PARAMETERS));
    assert.deepEqual([totalMicroFog, transfers.length, earned.length], [0n, 0, 3]);
    const off = termsFor(claims, { ...ON, emissionSwitch: 0n });
    assert.equal(emissionFor(1, claims, off).totalMicroFog, 0n);
  });

  test('gives a share of what burned, rounded down, and each job and provider once an epoch', () => {
    const terms = termsFor(claims, ON);
    const { totalMicroFog, transfers } = emissionFor(1, claims, terms);
    assert.equal(totalMicroFog, 53n);
    assert.deepEqual(
      transfers.map(({ amount }) => amount),
      [50n, 3n],
    );
    const again = emissionFor(1, claims, terms).transfers;
    assert.deepEqual(again, transfers, 'the ledger refuses what it has paid before');
    assert.notEqual(emissionFor(2, claims, terms).transfers[0]?.id, transfers[0]?.id);
    assert.throws(() => emissionFor(1, [...claims, ...claims], terms), { code: 'invalid-request' });
    assert.throws(() => emissionFor(-1, claims, terms), { code: 'invalid-request' });
    assert.throws(() => emissionFor(1, [{ job: 'j', provider: 'a', burnedMicroFog: -1n }], terms), {
      code: 'invalid-request',
    });
  });

  const amounts = fc.array(fc.bigInt({ min: 0n, max: 10n ** 12n }), { maxLength: 30 });

  test('property: no epoch emits more than its cap, no job earns more than the fees it burned, and parts add up', () => {
    fc.assert(
      fc.property(
        amounts,
        fc.bigInt({ min: 0n, max: 10n ** 12n }),
        fc.bigInt({ min: 0n, max: 1_000_000n }),
        fc.nat({ max: 30 }),
        (fees, cap, share, cut) => {
          const given = fees.map((burnedMicroFog, index) => ({
            job: `j${index >> 1}`,
            provider: `p${index}`,
            burnedMicroFog,
          }));
          const terms = termsFor(given, { ...ON, emissionMost: cap, emissionSharePpm: share });
          const { earned, totalMicroFog } = emissionFor(3, given, terms);
          assert.ok(totalMicroFog <= cap);
          assert.equal(
            earned.reduce((sum, { emittedMicroFog }) => sum + emittedMicroFog, 0n),
            totalMicroFog,
          );
          for (const { burnedMicroFog, emittedMicroFog } of earned) {
            assert.ok(emittedMicroFog * 1_000_000n <= burnedMicroFog * share);
          }
          const parts = [given.slice(0, cut), given.slice(cut)].map((part) => emissionFor(3, part, terms));
          assert.deepEqual(
            parts.flatMap((part) => part.earned),
            earned,
          );
        },
      ),
    );
  });

  test('property: what a job burned is divided by the fees on what it paid, and never more than it burned', () => {
    fc.assert(
      fc.property(
        amounts,
        fc.bigInt({ min: 0n, max: 10n ** 12n }),
        fc.bigInt({ min: 0n, max: 10n ** 9n }),
        (...given) => {
          const [kept, burned, unknown] = given;
          const retainedMicroFog = kept.reduce((sum, part) => sum + part, unknown);
          const shares = burnedShares(
            kept.map((part) => ({ retainedMicroFog: part })),
            { burnedMicroFog: burned, retainedMicroFog },
          );
          assert.ok(shares.reduce((sum, { burnedMicroFog }) => sum + burnedMicroFog, 0n) <= burned);
          for (const share of shares) {
            assert.ok(share.burnedMicroFog * retainedMicroFog <= burned * share.retainedMicroFog);
            assert.ok((share.burnedMicroFog + 1n) * retainedMicroFog > burned * share.retainedMicroFog);
          }
        },
      ),
    );
  });
});
