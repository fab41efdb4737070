/** Random histories: delegators, rewards, faults, moves, appeals, restarts. The invariants hold after each event. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import { accountId } from '../../src/chart.ts';
import { restoreSnapshot, type StakingEvent, snapshotOf } from '../../src/staking/index.ts';
import { DAY, FOG, HOUR, World } from './world.ts';

/** FOG_MODEL_RUNS sets how many histories there are of the first kind. */
const RUNS = Number(process.env.FOG_MODEL_RUNS ?? 100);
const VALIDATORS = ['vera', 'viktor', 'vio'];
const PEOPLE = [...VALIDATORS, 'dora', 'dan', 'dee'];

/** By how often they happen. */
const KINDS = [
  ...Array<'delegate'>(8).fill('delegate'),
  ...Array<'reward'>(5).fill('reward'),
  ...Array<'unbond'>(4).fill('unbond'),
  ...Array<'redelegate'>(5).fill('redelegate'),
  ...Array<'prove'>(2).fill('prove'),
  ...Array<'sweep'>(4).fill('sweep'),
  ...Array<'unjail'>(4).fill('unjail'),
  ...(['leave', 'withdraw', 'withdraw-commission', 'appeal', 'appeal', 'appeal', 'decide', 'decide'] as const),
];
type Kind = (typeof KINDS)[number];

interface Action {
  kind: Kind;
  who: number;
  validator: number;
  other: number;
  amount: bigint;
  wait: number;
}

const actions = fc.array(
  fc.record({
    kind: fc.constantFrom(...KINDS),
    who: fc.nat(PEOPLE.length - 1),
    validator: fc.nat(VALIDATORS.length - 1),
    other: fc.nat(VALIDATORS.length - 1),
    amount: fc.bigInt({ min: 1n, max: 40n * FOG }),
    wait: fc.oneof(fc.nat(1000), fc.nat(2 * HOUR), fc.nat(DAY), fc.nat(4 * DAY)),
  }),
  { minLength: 20, maxLength: 100, size: 'max' },
);

/** Only refusals are swallowed: `internal` is a fault of the machine. */
function attempt(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    assert.ok(error instanceof FogError && error.code !== 'internal', String((error as Error).stack));
    return false;
  }
}

/** Everything that could be due: whatever is not yet is refused. */
function sweep(world: World): void {
  const due: StakingEvent[] = [];
  for (const { validator, delegator, leftAt } of world.state.all('entries')) {
    due.push({ kind: 'release', validator, delegator, leftAt, votesUntil: null });
  }
  for (const { validator, to, delegator, leftAt } of world.state.all('redelegations')) {
    due.push({ kind: 'unlock', validator, to, delegator, leftAt });
  }
  for (const { validator, fault } of world.state.all('slashes')) {
    due.push({ kind: 'post', validator, fault }, { kind: 'forget', validator, fault });
  }
  due.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  for (const event of due) attempt(() => world.apply(event));
}

/** One of those that are there, or what is not there. */
function pick<Item>(items: readonly Item[], at: number, otherwise: Item): Item {
  return items[at % Math.max(1, items.length)] ?? otherwise;
}

/** Answers whether it was not refused. */
function act(world: World, { kind, who, validator, other, amount }: Action): boolean {
  const name = VALIDATORS[validator] ?? '';
  const person = PEOPLE[who] ?? '';
  const to = VALIDATORS[other] ?? '';
  const delegators = world.state.of('delegations', name).map((delegation) => delegation.delegator);
  const delegator = pick(delegators.sort(), who, person);
  const wanted = kind === 'appeal' ? 'held' : 'appealed';
  const slashes = [...world.state.all('slashes')].filter(({ state }) => state === wanted);
  const keys = slashes.map((slash) => `${slash.validator} ${slash.fault}`).sort();
  const [of = '', fault = ''] = pick(keys, who, `${name} none/0/0`).split(' ');
  const chosen = { validator: of, fault };
  switch (kind) {
    case 'delegate':
      return attempt(() => world.delegate(name, person, amount));
    case 'unbond':
      return attempt(() => world.unbond(name, delegator, amount / 4n + 1n));
    case 'leave':
      return attempt(() => world.unbond(name, delegator));
    case 'redelegate':
      return attempt(() => world.redelegate(name, to, delegator, who === 0 ? null : amount / 2n + 1n));
    case 'reward':
      return attempt(() => world.reward(amount, ...new Set([name, to])));
    case 'withdraw':
      return attempt(() => world.withdraw(name, delegator));
    case 'withdraw-commission':
      return attempt(() => world.apply({ kind, validator: name, cause: world.cause() }));
    case 'prove':
      return attempt(() => world.prove(randomClaim(world, name, { other, amount, buyer: person })));
    case 'appeal':
      return attempt(() => world.apply({ kind, ...chosen }));
    case 'decide':
      return attempt(() => world.apply({ kind, ...chosen, isOverturned: other !== 0 }));
    case 'unjail':
      return attempt(() => world.apply({ kind, validator: name }));
    case 'sweep':
      sweep(world);
      return true;
  }
}

function randomClaim(world: World, name: string, given: { other: number; amount: bigint; buyer: string }) {
  const deliveredAt = world.now - (Number(given.amount * 100n) % (6 * DAY));
  const slashPpm = [10_000n, 333_333n, 1_000_000n][given.other] ?? 0n;
  const { tokens } = world.validator(name);
  return world.claim(name, {
    ...{ deliveredAt, slashPpm, paidForTask: given.amount, buyer: given.buyer },
    stakeAtLease: tokens + given.amount,
  });
}

function newWorld(spread: number): World {
  const world = new World({
    ...{ rewardSpreadMilliseconds: spread, communityTaxPpm: 30_000n, tombstoneFaults: 50, jailMilliseconds: 1000 },
  });
  for (const [index, name] of VALIDATORS.entries()) world.open(name, BigInt(index) * 70_001n);
  return world;
}

test('property, F1 conservation: paid + pending + dust = allocated in any history; stake, shares and references stay whole, and the named rows are enough', () => {
  const happened = new Map<Kind, number>();
  fc.assert(
    fc.property(actions, fc.constantFrom(0, DAY), (history, spread) => {
      const world = newWorld(spread);
      world.checksNeeds = true;
      for (const action of history) {
        world.now += action.wait;
        if (act(world, action)) happened.set(action.kind, (happened.get(action.kind) ?? 0) + 1);
        world.check();
      }
    }),
    { numRuns: RUNS },
  );
  for (const kind of new Set(KINDS))
    assert.ok((happened.get(kind) ?? 0) > 3, `${kind}: ${happened.get(kind) ?? 0} times`);
});

test('property: a restart from the snapshot changes nothing of what follows', () => {
  fc.assert(
    fc.property(actions, fc.nat(30), (history, at) => {
      const through = newWorld(DAY);
      const restarted = newWorld(DAY);
      for (const [index, action] of history.entries()) {
        for (const world of [through, restarted]) {
          world.now += action.wait;
          act(world, action);
        }
        if (index === at) restarted.state = restoreSnapshot(JSON.parse(JSON.stringify(snapshotOf(restarted.state))));
      }
      assert.equal(JSON.stringify(snapshotOf(restarted.state)), JSON.stringify(snapshotOf(through.state)));
    }),
    { numRuns: 40 },
  );
});

test('property: a refused event changes nothing', () => {
  fc.assert(
    fc.property(actions, (history) => {
      const world = newWorld(0);
      for (const action of history) {
        world.now += action.wait;
        const before = action.kind !== 'sweep' ? JSON.stringify(snapshotOf(world.state)) : null;
        if (!act(world, action) && before !== null) assert.equal(JSON.stringify(snapshotOf(world.state)), before);
      }
    }),
    { numRuns: 25 },
  );
});

test('property: when all have withdrawn and left, less than one micro-FOG a validator is left, and all stake came back', () => {
  fc.assert(
    fc.property(actions, (history) => {
      const world = newWorld(DAY);
      for (const action of history) {
        world.now += action.wait;
        act(world, action);
      }
      for (let round = 0; round < 4; round += 1) {
        world.now += 20 * DAY;
        sweep(world);
        for (const { validator, delegator } of [...world.state.all('delegations')]) {
          attempt(() => world.unbond(validator, delegator));
        }
      }
      for (const validator of VALIDATORS) {
        world.apply({ kind: 'withdraw-commission', validator, cause: world.cause() });
        const { tokens, shares, held, heldTokens } = world.validator(validator);
        assert.deepEqual({ tokens, shares, heldTokens }, { tokens: 0n, shares: 0n, heldTokens: 0n }, validator);
        assert.ok(held <= 0n, `${held} of the rewards of ${validator} are left`);
        for (const kind of ['bonded', 'unbonding', 'slashed'] as const) {
          assert.equal(world.balances.of(accountId('fog', kind, validator)), 0n, kind);
        }
      }
      world.check();
    }),
    { numRuns: 40 },
  );
});
