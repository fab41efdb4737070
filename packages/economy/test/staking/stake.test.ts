import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  bondFor,
  DEFAULT_STAKING_PARAMETERS,
  freeForBonds,
  heldBack,
  mayTakeLease,
  relayStake,
  restoreSnapshot,
  STAKING_LIMITS,
  snapshotOf,
  stakeOf,
  stakeWeights,
} from '../../src/staking/index.ts';
import { assertStakingParameters } from '../../src/staking/parameters.ts';
import { mintable, sharesWorth, tokensFor } from '../../src/staking/pool.ts';
import { DAY, FOG, HOUR, World } from './world.ts';

describe('stake', () => {
  test('property: an amount that is asked for is what leaves; what joins loses a micro-FOG at most', () => {
    const big = fc.bigInt({ min: 1n, max: 1n << 60n });
    fc.assert(
      fc.property(big, big, big, (tokens, lost, amount) => {
        const pool = { tokens, shares: tokens + lost };
        if (amount <= tokens) assert.equal(tokensFor(pool, sharesWorth(pool, amount)), amount);
        const shares = mintable(pool, amount);
        if (shares === null) return;
        const after = { tokens: tokens + amount, shares: pool.shares + shares };
        const worth = tokensFor(after, shares);
        assert.ok(worth === amount || worth === amount - 1n);
        assert.ok(tokensFor(after, pool.shares) >= tokens, 'those who were there lose nothing');
      }),
    );
  });

  test('leaves at the end of its hour, earns nothing meanwhile, and is paid back 14 days after', () => {
    const world = new World();
    world.open('vera');
    world.delegate('vera', 'dora', 10n * FOG);
    world.delegate('vera', 'dan', 10n * FOG);
    world.now += HOUR / 2;
    world.unbond('vera', 'dora', 4n * FOG);
    world.unbond('vera', 'dan', 10n * FOG);
    world.unbond('vera', 'dora', 1n * FOG);
    const leftAt = 1_000 * DAY + HOUR;
    assert.equal(world.state.of('entries', 'vera').length, 2, 'one entry an hour');
    world.reward(1000n, 'vera');
    assert.equal(world.pending('vera', 'dora'), 1000n);
    const release = { kind: 'release', validator: 'vera', delegator: 'dora', leftAt, votesUntil: null } as const;
    world.now = leftAt + 14 * DAY - 1;
    assert.throws(() => world.apply(release), { code: 'conflict', message: /paid back from/ });
    world.now += 1;
    const voted = { ...release, votesUntil: world.now + 1 };
    assert.throws(() => world.apply(voted), { code: 'conflict', message: /voted/ }, 'it voted while it was leaving');
    world.apply(release);
    assert.equal(world.wallet('dora'), -5n * FOG);
    assert.throws(() => world.apply(release), { code: 'not-found' });
    world.check();
  });

  test('less than the least delegation does not stay behind', () => {
    const world = new World();
    world.open('vera');
    world.delegate('vera', 'dora', FOG);
    const { facts } = world.unbond('vera', 'dora', FOG - 9_999n);
    assert.ok(facts.some((fact) => fact.kind === 'left' && fact.amount === FOG));
    assert.equal(world.state.get('delegations', 'vera', 'dora'), undefined);
  });

  test('bad input', () => {
    const world = new World();
    world.open('vera');
    assert.throws(() => world.open('vera'), { code: 'conflict' });
    assert.throws(() => world.open(''), { code: 'invalid-request' });
    assert.throws(() => world.open('a\nb'), { code: 'invalid-request' });
    assert.throws(() => world.open('x'.repeat(257)), { code: 'invalid-request' });
    assert.throws(() => world.open('viktor', 1_000_001n), { code: 'invalid-request' });
    assert.throws(() => world.delegate('nobody', 'dora', FOG), { code: 'not-found' });
    for (const amount of [0n, -1n, 9_999n, 1n << 128n]) {
      assert.throws(() => world.delegate('vera', 'dora', amount), { code: 'invalid-request' }, String(amount));
    }
    assert.throws(
      () => world.delegate('vera', 'dora', 1n << 97n),
      { code: 'conflict' },
      'more shares than are counted',
    );
    assert.throws(() => world.unbond('vera', 'dora', FOG), { code: 'not-found' });
    assert.throws(() => world.withdraw('vera', 'dora'), { code: 'not-found' });
    world.delegate('vera', 'dora', FOG);
    assert.throws(() => world.unbond('vera', 'dora', FOG + 1n), {
      code: 'insufficient-funds',
      message: /1 FOG of the stake may leave/,
    });
    assert.throws(() => world.unbond('vera', 'dora', 0n), { code: 'invalid-request' });
    assert.throws(() => world.redelegate('vera', 'vera', 'dora'), { code: 'invalid-request' });
    world.open('viktor');
    assert.throws(() => world.redelegate('vera', 'viktor', 'dora'), { code: 'invalid-request' }, 'too little to move');
    for (const now of [Number.NaN, -1, 0.5]) {
      world.now = now;
      assert.throws(() => world.unbond('vera', 'dora'), { code: 'invalid-request' }, String(now));
    }
  });

  test('moves away from a validator are counted, and refused when there are too many', () => {
    const world = new World();
    world.open('vera');
    world.open('viktor');
    world.delegate('vera', 'dora', 100_000n * FOG);
    for (let count = 0; count < STAKING_LIMITS.redelegations; count += 1) {
      world.now += 1;
      world.redelegate('vera', 'viktor', 'dora', 10n * FOG);
    }
    world.now += 1;
    assert.throws(() => world.redelegate('vera', 'viktor', 'dora', 10n * FOG), { code: 'too-many-requests' });
    world.unbond('vera', 'dora');
    world.check();
  });

  test('parameters out of their ranges', () => {
    const with1 = (change: object) => () => assertStakingParameters({ ...DEFAULT_STAKING_PARAMETERS, ...change });
    for (const change of [
      { unbondingMilliseconds: 0 },
      { appealMilliseconds: -1 },
      { jailMilliseconds: Number.NaN },
      { livenessSlots: 10_001 },
      { arbiters: 0 },
      { tombstoneFaults: 0.5 },
    ]) {
      assert.throws(with1(change), { code: 'invalid-configuration' }, JSON.stringify(change));
    }
    assert.throws(with1({ communityTaxPpm: 1_000_001n }), { code: 'invalid-request' });
  });
});

describe('bonds for leases', () => {
  const newcomer = { bonded: 0n, wanted: 100n, sharePpm: 250_000n };

  test('replicated tasks need none; others a share of their value, rounded up', () => {
    assert.equal(bondFor({ valueMicroFog: 1001n, isReplicated: true, bondPpm: 2_000_000n }), 0n);
    assert.equal(bondFor({ valueMicroFog: 1001n, isReplicated: false, bondPpm: 500_000n }), 501n);
    assert.throws(() => bondFor({ valueMicroFog: -1n, isReplicated: false, bondPpm: 1n }), { code: 'invalid-request' });
  });

  test('property: a bond grows out of earnings until it is full, and no micro-FOG is lost', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 1000n }), { maxLength: 50 }), (earnings) => {
        let bonded = 0n;
        for (const earning of earnings) {
          const { toBond, toWallet } = heldBack(earning, { ...newcomer, bonded });
          assert.equal(toBond + toWallet, earning);
          assert.ok(toBond * 4n <= earning);
          bonded += toBond;
          assert.ok(bonded <= newcomer.wanted);
        }
      }),
    );
    assert.deepEqual(heldBack(400n, { ...newcomer, heldSlashes: 1 }), { toBond: 0n, toWallet: 400n });
  });

  test('what live leases take is not free; a jailed owner has nothing free', () => {
    assert.equal(freeForBonds({ status: 'active', tokens: 10n }, 7n), 3n);
    assert.equal(freeForBonds({ status: 'active', tokens: 10n }, 11n), 0n);
    assert.equal(freeForBonds({ status: 'jailed', tokens: 10n }, 0n), 0n);
    assert.equal(freeForBonds(undefined, 0n), 0n);
  });

  test('a lease goes to who has the bond for it, or is a newcomer with few leases', () => {
    const owner = { validator: undefined, isLeaving: false, bound: 0n, leases: 0 };
    const bonded = { ...owner, validator: { status: 'active' as const, tokens: 10n, faults: 0 } };
    assert.ok(mayTakeLease(10n, bonded, 0));
    assert.ok(!mayTakeLease(11n, bonded, 0));
    assert.ok(!mayTakeLease(10n, { ...bonded, bound: 1n }, 0), 'what leases bind is not free');
    assert.ok(mayTakeLease(11n, bonded, 1), 'a newcomer');
    assert.ok(mayTakeLease(11n, owner, 1));
    assert.ok(!mayTakeLease(11n, { ...owner, leases: 1 }, 1));
    assert.ok(!mayTakeLease(11n, { ...owner, isLeaving: true }, 1), 'who takes its stake out is no newcomer');
    assert.ok(mayTakeLease(10n, { ...bonded, isLeaving: true }, 1), 'but has what is left');
    const slashed = { ...bonded, validator: { ...bonded.validator, faults: 1 } };
    assert.ok(!mayTakeLease(11n, slashed, 1));
    assert.ok(mayTakeLease(10n, slashed, 0));
    const jailed = { ...bonded, validator: { ...bonded.validator, status: 'jailed' as const } };
    assert.ok(!mayTakeLease(1n, jailed, 1));
    assert.ok(mayTakeLease(0n, jailed, 0), 'a replicated task');
  });

  test('more relays of one operator are not more stake', () => {
    const operator = { status: 'active', tokens: 100n } as const;
    for (let relays = 1; relays < 20; relays += 1) assert.ok(relayStake(operator, relays) * BigInt(relays) <= 100n);
    assert.equal(relayStake({ status: 'tombstoned', tokens: 100n }, 1), 0n);
    assert.equal(relayStake(operator, 0), 0n);
    assert.equal(relayStake(undefined, 1), 0n);
  });

  test('what others read of stake is without what a slash holds', () => {
    const world = new World();
    world.open('vera');
    world.delegate('vera', 'dora', 10n * FOG);
    const delegation = world.state.get('delegations', 'vera', 'dora') ?? { shares: 0n };
    assert.equal(stakeOf(world.validator('vera'), delegation), 10n * FOG);
    assert.deepEqual(stakeWeights(world.state.all('validators')), [{ validator: 'vera', weight: 10n * FOG }]);
    world.prove(world.claim('vera'));
    assert.equal(stakeOf(world.validator('vera'), delegation), 9n * FOG);
    assert.deepEqual(stakeWeights(world.state.all('validators')), [{ validator: 'vera', weight: 0n }]);
  });
});

describe('snapshots', () => {
  const world = new World();
  world.open('vera');
  world.delegate('vera', 'dora', FOG);
  const whole = () => JSON.parse(JSON.stringify(snapshotOf(world.state)));

  test('the same state gives the same text, in whatever order its rows came', () => {
    const texts = [
      ['dora', 'dan'],
      ['dan', 'dora'],
    ].map((names) => {
      const other = new World();
      other.open('vera');
      for (const name of names) other.delegate('vera', name, FOG);
      return JSON.stringify(snapshotOf(other.state));
    });
    assert.equal(texts[0], texts[1]);
  });

  test('what is damaged is refused, with its place', () => {
    restoreSnapshot(whole());
    const damaged = (change: (snapshot: ReturnType<typeof whole>) => void) => () => {
      const snapshot = whole();
      change(snapshot);
      restoreSnapshot(snapshot);
    };
    const refused = { code: 'invalid-request' };
    assert.throws(() => restoreSnapshot(null), refused);
    assert.throws(
      damaged((snapshot) => {
        snapshot.version = 2;
      }),
      refused,
    );
    assert.throws(
      damaged((snapshot) => {
        snapshot.tables.more = [];
      }),
      { ...refused, message: /no such table/ },
    );
    assert.throws(
      damaged((snapshot) => {
        delete snapshot.tables.cohorts;
      }),
      { ...refused, message: /missing/ },
    );
    const rows = (snapshot: ReturnType<typeof whole>) => snapshot.tables.delegations;
    for (const value of ['-1', '01', 5, null, '1e3', '9'.repeat(4000)]) {
      const change = (snapshot: ReturnType<typeof whole>) => {
        rows(snapshot)[0].shares = value;
      };
      assert.throws(damaged(change), { ...refused, message: /row 0 of table delegations/ }, String(value));
    }
    assert.throws(
      damaged((snapshot) => {
        rows(snapshot)[0].extra = 1;
      }),
      refused,
    );
    assert.throws(
      damaged((snapshot) => {
        rows(snapshot)[0].validator = 'a\nb';
      }),
      refused,
    );
    assert.throws(
      damaged((snapshot) => {
        rows(snapshot).push(rows(snapshot)[0]);
      }),
      { ...refused, message: /twice/ },
    );
    assert.throws(
      damaged((snapshot) => {
        snapshot.tables.validators[0].status = 'free';
      }),
      refused,
    );
  });
});
