import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { accountId } from '../../src/chart.ts';
import { LIVENESS_SLOTS, type LivenessSlot, slideWindow } from '../../src/staking/index.ts';
import { DAY, FOG, World } from './world.ts';

function worldOf(): World {
  const world = new World();
  world.open('vera');
  world.delegate('vera', 'vera', 100n * FOG);
  return world;
}

describe('a slash', () => {
  test('is reserved, posts after its window, compensates, and divides the rest', () => {
    const world = worldOf();
    const fault = world.prove(world.claim('vera', { paidForTask: 4n * FOG, insurancePpm: 333_333n }));
    assert.equal(world.balances.reserved(accountId('fog', 'bonded', 'vera')), 10n * FOG);
    assert.equal(world.validator('vera').status, 'jailed');
    const post = { kind: 'post', validator: 'vera', fault } as const;
    world.now += 3 * DAY;
    assert.throws(() => world.apply(post), { code: 'conflict', message: /it posts after/ });
    world.now += 1;
    const { facts } = world.apply(post);
    assert.deepEqual(facts, [
      {
        ...{ kind: 'slash-posted', validator: 'vera', fault },
        compensation: 4n * FOG,
        insurance: 1_999_998n,
        burned: 4_000_002n,
      },
    ]);
    assert.equal(world.wallet('buyer'), 4n * FOG);
    assert.equal(world.balances.of(accountId('fog', 'insurance')), 1_999_998n);
    assert.equal(world.balances.of(accountId('fog', 'issuance')), 4_000_002n);
    assert.throws(() => world.apply(post), { code: 'conflict' }, 'it posts once');
    world.check();
  });

  test('can be appealed against once, in time; an appeal that nobody decides does not stop it', () => {
    const world = worldOf();
    const fault = world.prove(world.claim('vera'));
    const appeal = { kind: 'appeal', validator: 'vera', fault } as const;
    assert.throws(() => world.apply({ kind: 'decide', validator: 'vera', fault, isOverturned: true }), {
      code: 'conflict',
    });
    world.now += 3 * DAY;
    world.apply(appeal);
    assert.throws(() => world.apply(appeal), { code: 'conflict' });
    world.now += 3 * DAY;
    assert.throws(() => world.apply({ kind: 'post', validator: 'vera', fault }), { code: 'conflict' });
    world.now += 1;
    world.apply({ kind: 'post', validator: 'vera', fault });
    const second = world.prove(world.claim('vera'));
    world.now += 3 * DAY + 1;
    assert.throws(() => world.apply({ ...appeal, fault: second }), { code: 'conflict' }, 'too late');
    assert.throws(() => world.apply({ ...appeal, fault: 'none/1/1' }), { code: 'not-found' });
  });

  test('of all leaves shares without a price: nobody joins any more; and the third puts out for ever', () => {
    const world = worldOf();
    world.slash(world.claim('vera', { slashPpm: 1_000_000n }));
    assert.equal(world.validator('vera').tokens, 0n);
    assert.throws(() => world.delegate('vera', 'dora', FOG), { code: 'conflict', message: /too little of this stake/ });
    world.unbond('vera', 'vera');
    world.delegate('vera', 'vera', FOG);
    world.slash(world.claim('vera'));
    world.slash(world.claim('vera'));
    assert.equal(world.validator('vera').status, 'tombstoned');
    assert.throws(() => world.apply({ kind: 'unjail', validator: 'vera' }), { code: 'conflict', message: /for ever/ });
    assert.throws(() => world.delegate('vera', 'dora', FOG), { code: 'conflict', message: /put out/ });
    world.unbond('vera', 'vera');
    world.check();
  });

  test('a cohort that was slashed to nothing takes nobody; who leaves in the same hour leaves beside it', () => {
    const world = worldOf();
    world.unbond('vera', 'vera', 10n * FOG);
    world.slash(world.claim('vera', { slashPpm: 1_000_000n, stakeAtLease: 10n * FOG }));
    assert.equal(world.state.of('cohorts', 'vera')[0]?.tokens, 0n);
    world.now -= 3 * DAY + 600_001;
    world.unbond('vera', 'vera', 10n * FOG);
    const cohorts = world.state.of('cohorts', 'vera').map(({ leftAt, tokens }) => [leftAt % 3_600_000, tokens]);
    assert.deepEqual(cohorts, [
      [0, 0n],
      [1, 10n * FOG],
    ]);
    world.check();
  });
});

describe('slashes that meet', () => {
  test('stake that moved to a validator whose own slash is held pays there, at the price without the hold', () => {
    const world = worldOf();
    world.open('viktor');
    world.delegate('viktor', 'viktor', 100n * FOG);
    world.delegate('vera', 'mallory', 100n * FOG);
    const deliveredAt = world.now;
    world.redelegate('vera', 'viktor', 'mallory');
    const held = world.prove(world.claim('viktor', { slashPpm: 500_000n }));
    world.prove(world.claim('vera', { deliveredAt, stakeAtLease: 200n * FOG }));
    assert.equal(world.validator('viktor').tokens, 90n * FOG);
    assert.equal(world.state.get('delegations', 'viktor', 'mallory')?.shares, 90n * FOG);
    world.check();
    world.apply({ kind: 'appeal', validator: 'viktor', fault: held });
    world.apply({ kind: 'decide', validator: 'viktor', fault: held, isOverturned: true });
    assert.equal(world.validator('viktor').tokens, 190n * FOG);
    world.check();
  });

  test('nothing is paid back while a slash of it may be overturned, however long that takes', () => {
    const world = new World({ appealMilliseconds: 30 * DAY });
    world.open('vera');
    world.delegate('vera', 'vera', 100n * FOG);
    world.unbond('vera', 'vera');
    const fault = world.prove(world.claim('vera', { stakeAtLease: 100n * FOG }));
    world.now += 20 * DAY;
    const [entry] = world.state.of('entries', 'vera');
    assert.ok(entry !== undefined);
    const release = { kind: 'release', ...entry, votesUntil: null } as const;
    assert.throws(() => world.apply(release), { code: 'conflict', message: /is held/ });
    world.apply({ kind: 'appeal', validator: 'vera', fault });
    world.apply({ kind: 'decide', validator: 'vera', fault, isOverturned: true });
    world.apply(release);
    assert.equal(world.wallet('vera'), 0n);
    world.check();
  });

  test('moved stake is liable as long as evidence can come', () => {
    const world = worldOf();
    world.open('viktor');
    world.delegate('viktor', 'viktor', FOG);
    world.redelegate('vera', 'viktor', 'vera', 20n * FOG);
    const deliveredAt = world.now;
    world.now += 7 * DAY;
    const [moved] = world.state.of('redelegations', 'vera');
    assert.ok(moved !== undefined);
    assert.throws(() => world.apply({ kind: 'unlock', ...moved }), { code: 'conflict', message: /is liable/ });
    world.prove(world.claim('vera', { deliveredAt, stakeAtLease: 100n * FOG }));
    assert.equal(world.validator('viktor').tokens, 19n * FOG);
    world.now += 1;
    const [left] = world.state.of('redelegations', 'vera');
    world.apply({ kind: 'unlock', ...(left ?? moved) });
    world.check();
  });
});

describe('liveness', () => {
  const rule = { livenessSlots: 10, livenessAnsweredPpm: 500_000n };

  test('every sequence of slots counts as counting the last ones does', () => {
    let liveness = { validator: 'vera', missed: 0n, slots: 0 };
    const seen: LivenessSlot[] = [];
    let state = 7;
    for (let step = 0; step < 2000; step += 1) {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      const slot = LIVENESS_SLOTS[(state >> 16) % 3] ?? 'missed';
      if (slot !== 'excused') seen.push(slot);
      const next = slideWindow(liveness, slot, rule);
      liveness = next.liveness;
      const missed = seen.slice(-10).filter((other) => other === 'missed').length;
      assert.equal(next.isOut, slot !== 'excused' && seen.length >= 10 && missed > 5, `step ${step}`);
    }
  });

  test('jails, costs no stake, begins anew, and lets back in after its time', () => {
    const world = new World({ livenessSlots: 10 });
    world.open('vera');
    world.delegate('vera', 'vera', FOG);
    const slot = (kind: LivenessSlot) => world.apply({ kind: 'slot', validator: 'vera', slot: kind });
    for (let count = 0; count < 9; count += 1) slot('missed');
    assert.equal(world.validator('vera').status, 'active', 'not before a whole window');
    slot('excused');
    assert.equal(slot('missed').facts[0]?.kind, 'jailed');
    assert.equal(world.validator('vera').tokens, FOG);
    assert.equal(world.validator('vera').faults, 0);
    slot('missed');
    const unjail = () => world.apply({ kind: 'unjail', validator: 'vera' });
    assert.throws(unjail, { code: 'conflict', message: /jailed until/ });
    world.now += 600_000;
    unjail();
    assert.throws(unjail, { code: 'conflict', message: /not jailed/ });
    slot('missed');
    assert.equal(world.validator('vera').status, 'active');
    assert.throws(() => slot('asleep' as never), { code: 'invalid-request' });
  });
});
