import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { faultOf, keptCheckpoints, PowerBook, pastPower } from '../../src/governance/index.ts';

const NAMES = ['ann', 'bo', 'cy', 'dee', 'ed'] as const;
const name = fc.constantFrom(...NAMES);
/** Bonds, slashes, transfers of stake between two, delegations in circles and to nobody; several in one tick. */
const step = fc.oneof(
  fc.record({ kind: fc.constant('bond' as const), owner: name, amount: fc.bigInt({ min: 0n, max: 1000n }) }),
  fc.record({ kind: fc.constant('move' as const), owner: name, to: name, amount: fc.bigInt({ min: 0n, max: 500n }) }),
  fc.record({ kind: fc.constant('delegate' as const), owner: name, to: fc.option(name) }),
);
const history = fc.array(fc.record({ step, ticks: fc.nat(2) }), { maxLength: 60 });
type History = { step: Step; ticks: number }[];
type Step =
  | { kind: 'bond'; owner: string; amount: bigint }
  | { kind: 'move'; owner: string; to: string; amount: bigint }
  | { kind: 'delegate'; owner: string; to: string | null };

/** The book, and by tick what each name and all together had, reckoned from scratch. */
function play(steps: History) {
  const book = new PowerBook();
  const stakes = new Map<string, { bonded: bigint; delegate: string | null }>();
  const truth = new Map<number, { power: Map<string, bigint>; supply: bigint }>();
  const of = (owner: string) => stakes.get(owner) ?? { bonded: 0n, delegate: null };
  let sequence = 1;
  for (const { step, ticks } of steps) {
    sequence += ticks;
    if (step.kind === 'delegate') {
      stakes.set(step.owner, { ...of(step.owner), delegate: step.to });
      book.apply({ owner: step.owner, sequence, delegate: step.to });
    } else {
      const bonds =
        step.kind === 'bond'
          ? [[step.owner, step.amount] as const]
          : step.owner === step.to || of(step.owner).bonded < step.amount
            ? []
            : ([
                [step.owner, of(step.owner).bonded - step.amount],
                [step.to, of(step.to).bonded + step.amount],
              ] as const);
      for (const [owner, bonded] of bonds) {
        stakes.set(owner, { ...of(owner), bonded });
        book.apply({ owner, sequence, bondedMicroFog: bonded });
      }
    }
    const power = new Map<string, bigint>();
    let supply = 0n;
    for (const { bonded, delegate } of stakes.values()) {
      supply += bonded;
      if (delegate !== null) power.set(delegate, (power.get(delegate) ?? 0n) + bonded);
    }
    truth.set(sequence, { power, supply });
  }
  return { book, truth, end: sequence + 1 };
}

describe('voting power', () => {
  test('property: no weight is counted twice, whatever is transferred or delegated in circles, and their sum is never beyond the supply of that tick', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const { book, truth, end } = play(steps);
        let current = { power: new Map<string, bigint>(), supply: 0n };
        for (let tick = 0; tick < end; tick += 1) {
          current = truth.get(tick) ?? current;
          let sum = 0n;
          for (const voter of NAMES) {
            const power = book.pastPowerOf(voter, tick, end);
            assert.equal(power, current.power.get(voter) ?? 0n);
            sum += power;
          }
          assert.equal(book.pastSupply(tick, end), current.supply);
          assert.ok(sum <= current.supply);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('property: the lesser powers of any two ticks are within the supply of both', () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.nat(), (steps, left, right) => {
        const { book, end } = play(steps);
        const ticks = [left % end, right % end] as const;
        const least = (voter: string) =>
          ticks.map((tick) => book.pastPowerOf(voter, tick, end)).reduce((a, b) => (a < b ? a : b));
        const sum = NAMES.reduce((total, voter) => total + least(voter), 0n);
        for (const tick of ticks) assert.ok(sum <= book.pastSupply(tick, end));
      }),
      { numRuns: 60 },
    );
  });

  test('the same tick overwrites, and there is one row a tick', () => {
    const book = new PowerBook();
    book.apply({ owner: 'ann', sequence: 3, bondedMicroFog: 5n, delegate: 'ann' });
    book.apply({ owner: 'ann', sequence: 3, bondedMicroFog: 7n });
    book.apply({ owner: 'ann', sequence: 4, bondedMicroFog: 9n });
    assert.deepEqual(
      book.checkpointsOf('ann').map(({ sequence, powerMicroFog }) => [sequence, powerMicroFog]),
      [
        [3, 7n],
        [4, 9n],
      ],
    );
    book.forgetBefore(4);
    assert.equal(book.checkpointsOf('ann').length, 1);
    assert.equal(keptCheckpoints(book.checkpointsOf(null), 9).length, 1);
  });

  test('the future is not told, nor the present, and time does not go back', () => {
    const book = new PowerBook();
    book.apply({ owner: 'ann', sequence: 5, bondedMicroFog: 5n });
    for (const tick of [5, 6, 2 ** 53, Number.NaN, 0.5]) {
      assert.throws(
        () => book.pastSupply(tick, 5),
        (error) => faultOf(error) === 'future-lookup',
      );
    }
    assert.equal(pastPower([], 4, 5), 0n);
    assert.throws(() => book.apply({ owner: 'ann', sequence: 4, bondedMicroFog: 1n }), { code: 'invalid-request' });
    assert.throws(() => book.apply({ owner: 'bo', sequence: 4, bondedMicroFog: 1n }), { code: 'invalid-request' });
    for (const change of [{ bondedMicroFog: -1n }, { bondedMicroFog: 1n << 128n }, { delegate: 'a b' }]) {
      assert.throws(() => book.apply({ owner: 'ann', sequence: 6, ...change }), { code: 'invalid-request' });
    }
  });
});
