/** What somebody gains by trying: nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { accountId } from '../../src/chart.ts';
import {
  assertStakingParameters,
  DEFAULT_STAKING_PARAMETERS,
  drawArbiters,
  type FaultClaim,
  restoreSnapshot,
  snapshotOf,
} from '../../src/staking/index.ts';
import { DAY, FOG, HOUR, World } from './world.ts';

function worldOf(parameters: ConstructorParameters<typeof World>[0] = {}): World {
  const world = new World(parameters);
  world.open('vera');
  world.open('viktor');
  world.delegate('vera', 'vera', 100n * FOG);
  world.delegate('viktor', 'viktor', 100n * FOG);
  return world;
}

const total = (world: World) => world.validator('vera').tokens + world.validator('viktor').tokens;

describe('attacks', () => {
  test('flash delegation: who joins for the payment of an epoch earns for the seconds it was there', () => {
    const world = worldOf({ rewardSpreadMilliseconds: DAY });
    world.delegate('vera', 'mallory', 9_900n * FOG);
    world.reward(864n * FOG, 'vera');
    world.now += 1000;
    const { facts } = world.unbond('vera', 'mallory');
    const paid = facts.find(({ kind }) => kind === 'paid');
    assert.equal(paid?.kind === 'paid' ? paid.amount : 0n, 9_900n, '99 % of one second of 86,400');
    world.now += DAY;
    assert.equal(world.pending('vera', 'vera'), 864n * FOG - 9_900n);
    world.now += 13 * DAY - HOUR;
    const [entry] = world.state.of('entries', 'vera');
    assert.ok(entry !== undefined);
    const release = {
      kind: 'release',
      validator: 'vera',
      delegator: 'mallory',
      leftAt: entry.leftAt,
      votesUntil: null,
    } as const;
    assert.throws(() => world.apply(release), { code: 'conflict' }, 'and its stake is out of work for 14 days');
    world.now = entry.leftAt + 14 * DAY;
    world.apply(release);
    assert.equal(world.wallet('mallory'), 9_900n);
    world.check();
  });

  test('a colluding majority: disagreement of nodes is no evidence', () => {
    const world = worldOf();
    const claim = world.claim('vera');
    const { attempt } = claim.evidence;
    const propose = (evidence: unknown) => () => world.apply({ kind: 'prove', ...claim, evidence } as never);
    const minority = { kind: 'quorum-minority', attempt, digest: 'bb', runs: [] };
    assert.throws(propose(minority), { code: 'invalid-request', message: /no kind of evidence/ });
    const names = ['ada', 'bob', 'cyd', 'dot', 'eve', 'vera', 'buyer'];
    const candidates = names.map((owner) => ({ owner, prefix: owner, stake: FOG }));
    const parties = { owners: ['vera', 'buyer'], prefixes: [] };
    const drawn = drawArbiters(attempt, { seed: 'seed', candidates, parties }, 3);
    const outsider = names.find((name) => !drawn.includes(name)) ?? '';
    const base = { kind: 'arbiter-runs', attempt, seed: 'seed', candidates, parties };
    const runs = drawn.map((arbiter) => ({ arbiter, digest: 'bb' }));
    const [first, second, third] = runs;
    const volunteers = { ...base, runs: [first, second, { arbiter: outsider, digest: 'bb' }] };
    assert.throws(propose(volunteers), { code: 'invalid-request', message: /the draw names/ });
    assert.throws(propose({ ...base, runs: [first, second, second] }), { code: 'invalid-request' }, 'one twice');
    const divided = { ...base, runs: [first, second, { ...third, digest: 'cc' }] };
    assert.throws(propose(divided), { code: 'invalid-request', message: /do not agree/ });
    const right = { ...base, runs: runs.map((run) => ({ ...run, digest: 'aa' })) };
    assert.throws(propose(right), { code: 'invalid-request', message: /the result is right/ });
    const few = candidates.filter(({ owner }) => ['vera', 'buyer', 'ada'].includes(owner));
    assert.throws(propose({ ...base, candidates: few, runs }), { code: 'unavailable' });
    const forgotten = { ...base, parties: { owners: [], prefixes: [] }, candidates: few };
    assert.throws(propose({ ...forgotten, runs }), { code: 'unavailable' }, 'nobody judges its own matter');
    const random = { kind: 'coordinator-run', attempt: { ...attempt, isDeterministic: false }, digest: 'bb' };
    assert.throws(propose(random), { code: 'invalid-request', message: /not deterministic/ });
    assert.equal(world.validator('vera').status, 'active');
    assert.equal(total(world), 200n * FOG);
    propose({ ...base, runs })();
    assert.equal(world.validator('vera').tokens, 90n * FOG, 'those who were drawn, and agree, prove it');
    world.check();
  });

  test('unbonding to escape: what left after the fault pays its share, what left before does not', () => {
    const world = worldOf();
    world.delegate('vera', 'early', 100n * FOG);
    world.delegate('vera', 'late', 100n * FOG);
    world.unbond('vera', 'early');
    world.now += 2 * HOUR;
    const fault = { deliveredAt: world.now, stakeAtLease: 200n * FOG };
    world.now += 1;
    world.unbond('vera', 'late');
    world.now += 6 * DAY;
    world.slash(world.claim('vera', fault));
    assert.equal(world.validator('vera').tokens, 90n * FOG);
    assert.equal(world.balances.of(accountId('fog', 'unbonding', 'vera')), 190n * FOG);
    world.now += 20 * DAY;
    for (const entry of world.state.of('entries', 'vera')) world.apply({ kind: 'release', ...entry, votesUntil: null });
    assert.equal(world.wallet('early'), 0n);
    assert.equal(world.wallet('late'), -10n * FOG);
    world.check();
  });

  test('moving to escape: moved stake pays where it is, and cannot leave before evidence is too old', () => {
    const world = worldOf();
    world.delegate('vera', 'mallory', 100n * FOG);
    world.delegate('viktor', 'dora', 100n * FOG);
    const deliveredAt = world.now;
    world.now += HOUR;
    world.redelegate('vera', 'viktor', 'mallory');
    assert.throws(() => world.unbond('viktor', 'mallory'), { code: 'insufficient-funds' });
    assert.throws(() => world.redelegate('viktor', 'vera', 'mallory'), { code: 'insufficient-funds' }, 'no hopping');
    world.now += 6 * DAY;
    const claim = world.claim('vera', { deliveredAt, stakeAtLease: 200n * FOG, paidForTask: FOG });
    const fault = world.prove(claim);
    assert.equal(world.validator('vera').tokens, 90n * FOG);
    assert.equal(world.validator('viktor').tokens, 290n * FOG);
    world.check();
    world.apply({ kind: 'appeal', validator: 'vera', fault });
    world.apply({ kind: 'decide', validator: 'vera', fault, isOverturned: true });
    assert.equal(world.validator('viktor').tokens, 300n * FOG, 'an upheld appeal gives it back');
    assert.equal(total(world), 400n * FOG);
    world.now += 2 * DAY;
    const [moved] = world.state.of('redelegations', 'vera');
    assert.ok(moved !== undefined);
    world.apply({ kind: 'unlock', ...moved });
    world.unbond('viktor', 'mallory');
    world.check();
  });

  test('a fault is slashed once, also after an appeal, a restart, and when it is forgotten', () => {
    const world = worldOf();
    const claim = world.claim('vera');
    const fault = world.prove(claim);
    const again = () => world.apply({ kind: 'prove', ...claim });
    assert.throws(again, { code: 'conflict', message: /slashed already/ });
    world.state = restoreSnapshot(JSON.parse(JSON.stringify(snapshotOf(world.state))));
    assert.throws(again, { code: 'conflict' });
    world.apply({ kind: 'appeal', validator: 'vera', fault });
    world.apply({ kind: 'decide', validator: 'vera', fault, isOverturned: true });
    assert.throws(again, { code: 'conflict' });
    world.now += 7 * DAY;
    const forget = { kind: 'forget', validator: 'vera', fault } as const;
    assert.throws(() => world.apply(forget), { code: 'conflict' });
    world.now += 1;
    world.apply(forget);
    assert.throws(again, { code: 'conflict', message: /too old/ });
    assert.equal(world.validator('vera').tokens, 100n * FOG);
    world.check();
  });

  test('old evidence and evidence from the future are refused', () => {
    const world = worldOf();
    const at = (deliveredAt: number) => () => world.prove(world.claim('vera', { deliveredAt }));
    assert.throws(at(world.now - 7 * DAY - 1), { code: 'conflict', message: /too old/ });
    assert.throws(at(world.now + 1), { code: 'conflict' });
    at(world.now - 7 * DAY)();
    const tooLong = { ...DEFAULT_STAKING_PARAMETERS, evidenceAgeMilliseconds: 14 * DAY };
    assert.throws(() => assertStakingParameters(tooLong), { code: 'invalid-configuration' });
    assertStakingParameters(DEFAULT_STAKING_PARAMETERS);
  });

  test('property: a validator that is its own buyer gains nothing of what its delegators lose', () => {
    const amounts = fc.bigInt({ min: FOG, max: 1000n * FOG });
    fc.assert(
      fc.property(
        amounts,
        amounts,
        amounts,
        fc.bigInt({ min: 0n, max: 1_000_000n }),
        fc.boolean(),
        (own, others, paid, slashPpm, isMoved) => {
          const world = new World();
          world.open('vera');
          world.delegate('vera', 'vera', own);
          world.delegate('vera', 'dora', others);
          const stakeAtLease = own + others;
          world.open('viktor');
          if (isMoved && others >= 10n * FOG) world.redelegate('vera', 'viktor', 'dora');
          world.slash(world.claim('vera', { buyer: 'accomplice', paidForTask: paid, slashPpm, stakeAtLease }));
          const delegation = world.state.get('delegations', 'vera', 'vera');
          const { tokens, shares } = world.validator('vera');
          const left = ((delegation?.shares ?? 0n) * tokens) / shares;
          assert.ok(world.wallet('accomplice') <= paid, 'at most what was paid');
          assert.ok(world.wallet('accomplice') + left <= own, 'no gain');
          assert.ok(world.balances.of(accountId('fog', 'insurance')) >= 0n);
          world.check();
        },
      ),
      { numRuns: 50 },
    );
  });

  test('faucet money can be neither staked nor voted with', () => {
    const world = worldOf();
    const event = { validator: 'vera', delegator: 'dora', amount: FOG, currency: 'faucet', cause: 'c' } as const;
    assert.throws(() => world.apply({ kind: 'delegate', ...event }), { code: 'forbidden', message: /faucet/ });
  });

  test('stake that voted stays until its time; joining and leaving wait for held slashes', () => {
    const world = worldOf();
    const leave = (votesUntil: number) => () =>
      world.apply({ kind: 'unbond', validator: 'vera', delegator: 'vera', amount: FOG, votesUntil, cause: 'vote' });
    assert.throws(leave(world.now + 1), { code: 'conflict', message: /voted/ });
    leave(world.now)();
    world.prove(world.claim('vera'));
    assert.throws(() => world.delegate('vera', 'dora', FOG), { code: 'conflict', message: /is held/ });
    assert.throws(() => world.unbond('vera', 'vera'), { code: 'conflict' });
    assert.throws(() => world.redelegate('viktor', 'vera', 'viktor'), { code: 'conflict' });
    world.withdraw('vera', 'vera');
  });

  test('property: a slash takes no more than its sum, and no more than what was there at the fault', () => {
    const amounts = fc.bigInt({ min: 10n * FOG, max: 500n * FOG });
    fc.assert(
      fc.property(
        amounts,
        amounts,
        fc.bigInt({ min: 1n, max: 1_000_000n }),
        amounts,
        (leaves, moves, slashPpm, lease) => {
          const world = worldOf();
          world.delegate('vera', 'dora', leaves);
          world.delegate('vera', 'dan', moves);
          const deliveredAt = world.now;
          const liable = world.validator('vera').tokens;
          world.unbond('vera', 'dora');
          world.redelegate('vera', 'viktor', 'dan');
          const claim: FaultClaim = world.claim('vera', { deliveredAt, slashPpm, stakeAtLease: lease });
          const fault = world.prove(claim);
          const { amount = -1n } = world.state.get('slashes', 'vera', fault) ?? {};
          assert.ok(amount <= (lease * slashPpm) / 1_000_000n && amount <= liable);
          if (lease === liable) assert.equal(amount, (lease * slashPpm) / 1_000_000n);
          world.check();
          world.now += 4 * DAY;
          world.apply({ kind: 'post', validator: 'vera', fault });
          world.check();
        },
      ),
      { numRuns: 60 },
    );
  });
});
