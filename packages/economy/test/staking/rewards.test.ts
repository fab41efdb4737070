import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { accountId } from '../../src/chart.ts';
import { DAY, FOG, World } from './world.ts';

/** A fraction, exactly. */
type Ratio = readonly [bigint, bigint];
const times = ([a, b]: Ratio, [c, d]: Ratio): Ratio => [a * c, b * d];
const plus = ([a, b]: Ratio, [c, d]: Ratio): Ratio => [a * d + c * b, b * d];

const events = fc.array(
  fc.record({
    who: fc.nat(3),
    stake: fc.bigInt({ min: 10_000n, max: 50n * FOG }),
    reward: fc.bigInt({ min: 0n, max: 3n * FOG }),
    slashPpm: fc.constantFrom(0n, 0n, 0n, 100_000n, 333_333n),
  }),
  { minLength: 1, maxLength: 15 },
);

describe('F1', () => {
  test('property: everybody gets what counting epoch by epoch gives, up to one micro-FOG for each payment', () => {
    fc.assert(
      fc.property(events, (history) => {
        const world = new World({ tombstoneFaults: 1000 });
        world.open('vera', 250_000n);
        const stakes = new Map<string, bigint>();
        const earned = new Map<string, Ratio>();
        const payments = new Map<string, bigint>();
        for (const { who, stake, reward, slashPpm } of history) {
          const name = ['vera', 'dora', 'dan', 'dee'][who] ?? '';
          world.delegate('vera', name, stake);
          stakes.set(name, world.state.get('delegations', 'vera', name)?.shares ?? 0n);
          payments.set(name, (payments.get(name) ?? 0n) + 1n);
          if (slashPpm > 0n) world.slash(world.claim('vera', { slashPpm }));
          world.reward(reward, 'vera');
          const whole = [...stakes.values()].reduce((sum, value) => sum + value, 0n);
          const divided = reward - (reward * 250_000n) / 1_000_000n;
          for (const [person, shares] of stakes) {
            earned.set(person, plus(earned.get(person) ?? [0n, 1n], times([divided, 1n], [shares, whole])));
          }
        }
        for (const [person, [above, below]] of earned) {
          const paid = world.pending('vera', person) + world.balances.of(accountId('fog', 'wallet', person));
          const invested = history
            .filter(({ who }) => ['vera', 'dora', 'dan', 'dee'][who] === person)
            .reduce((sum, { stake }) => sum + stake, 0n);
          const got = paid + invested;
          assert.ok(got * below <= above, 'never more than exactly');
          assert.ok((got + (payments.get(person) ?? 0n) + 1n) * below > above, `${person} got ${got}`);
        }
        world.check();
      }),
      { numRuns: 60 },
    );
  });

  test('property, order independence: in which order delegators withdraw matters to none of them by more than one micro-FOG', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 10_000n, max: FOG }), { minLength: 2, maxLength: 6 }), (stakes) => {
        const payOf = (order: readonly string[]) => {
          const world = new World();
          world.open('vera');
          for (const [index, stake] of stakes.entries()) world.delegate('vera', `d${index}`, stake);
          const before = new Map(order.map((name) => [name, world.wallet(name)]));
          for (const amount of [1_000_003n, 7n]) {
            world.reward(amount, 'vera');
            for (const name of order) world.withdraw('vera', name);
          }
          return new Map(order.map((name) => [name, world.wallet(name) - (before.get(name) ?? 0n)]));
        };
        const names = stakes.map((_, index) => `d${index}`);
        const forward = payOf(names);
        const backward = payOf([...names].reverse());
        for (const name of names) {
          const difference = (forward.get(name) ?? 0n) - (backward.get(name) ?? 0n);
          assert.ok(difference <= 1n && difference >= -1n, `${name}: ${difference}`);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('an epoch writes one row and one transfer for a validator, whatever the number of its delegators', () => {
    const world = new World();
    world.open('vera');
    for (let index = 0; index < 200; index += 1) world.delegate('vera', `d${index}`, FOG);
    const { transfers } = world.reward(1000n, 'vera');
    assert.equal(transfers.length, 1);
    assert.equal(world.pending('vera', 'd7'), 5n);
    assert.equal(world.state.of('periods', 'vera').length, 1, 'and no period, before somebody moves');
  });

  test('tax to the treasury, by weights to the rest; jailed validators and empty ones get nothing', () => {
    const world = new World({ communityTaxPpm: 100_000n });
    for (const name of ['vera', 'viktor', 'vio']) world.open(name);
    world.delegate('vera', 'vera', FOG);
    world.delegate('viktor', 'viktor', FOG);
    world.prove(world.claim('viktor'));
    world.reward(1009n, 'vera', 'viktor', 'vio');
    assert.equal(world.validator('vera').held, 909n);
    assert.equal(world.validator('viktor').held, 0n);
    assert.equal(world.balances.of(accountId('fog', 'treasury')), 100n, 'the tax is rounded down');
    world.reward(7n, 'viktor');
    assert.equal(world.balances.of(accountId('fog', 'treasury')), 107n, 'what nobody can get');
    world.check();
  });

  test('rewards accrue in the time of an epoch: who comes late gets less', () => {
    const world = new World({ rewardSpreadMilliseconds: DAY });
    world.open('vera');
    world.delegate('vera', 'dora', FOG);
    world.reward(1000n, 'vera');
    world.now += DAY / 2;
    assert.equal(world.pending('vera', 'dora'), 500n);
    world.delegate('vera', 'dan', FOG);
    world.now += DAY;
    assert.equal(world.pending('vera', 'dora'), 750n);
    assert.equal(world.pending('vera', 'dan'), 250n);
    world.check();
  });

  test('bad input of an epoch', () => {
    const world = new World();
    world.open('vera');
    world.delegate('vera', 'vera', FOG);
    const source = accountId('fog', 'issuance');
    const one = [{ validator: 'vera', weight: 1n }];
    const pay = (epoch: number, amount: bigint, weights = one) =>
      world.apply({ kind: 'allocate', epoch, amount, source, weights });
    pay(5, 10n);
    assert.throws(() => pay(5, 10n), { code: 'conflict', message: /has been paid for epoch 5/ });
    assert.throws(() => pay(4, 10n), { code: 'conflict' });
    assert.throws(() => pay(6, -1n), { code: 'invalid-request' });
    assert.throws(() => pay(0.5, 1n), { code: 'invalid-request' });
    assert.throws(() => pay(6, 1n, [...one, ...one]), { code: 'invalid-request', message: /each of them once/ });
    assert.throws(() => pay(6, 1n, [{ validator: 'nobody', weight: 1n }]), { code: 'not-found' });
    assert.throws(() => pay(6, 1n, [{ validator: 'vera', weight: -1n }]), { code: 'invalid-request' });
    world.check();
  });

  test('a commission rises a point a day at most, and falls at once', () => {
    const world = new World();
    world.open('vera', 50_000n);
    const set = (commissionPpm: bigint) => world.apply({ kind: 'set-commission', validator: 'vera', commissionPpm });
    assert.throws(() => set(55_000n), { code: 'conflict' });
    world.now += DAY;
    assert.throws(() => set(60_001n), { code: 'conflict' });
    set(60_000n);
    set(0n);
    assert.throws(() => set(1n), { code: 'conflict' }, 'once a day');
    assert.throws(() => set(-1n), { code: 'invalid-request' });
  });
});
