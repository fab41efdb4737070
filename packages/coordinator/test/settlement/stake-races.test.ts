/** Stake under several coordinators of one database, and in a random order of requests. */
import assert from 'node:assert/strict';
import { FogError, type StakeChange } from '@fog/contract';
import fc from 'fast-check';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog } from '../dispatch/fog-harness.ts';
import { supplyOf } from './money-invariants.ts';
import { assertStake } from './stake-invariants.ts';

const REAL = { economy: 'on' as const, faucet: 'off' as const };
const FOG = 1_000_000n;
const DAY = 86_400_000;
const OWNERS = ['vera', 'vito', 'dora', 'dino'] as const;
const EXPECTED = ['conflict', 'not-found', 'insufficient-funds', 'invalid-request', 'too-many-requests'];

async function change(fog: Fog, principal: string, wanted: StakeChange): Promise<void> {
  assert.ok(fog.economy !== null);
  await fog.economy.staking.change({ scope: 'submit', principal }, wanted);
}

type Step = { owner: string; wanted: StakeChange } | { passes: number };

const owner = fc.constantFrom(...OWNERS);
const amount = fc.bigInt({ min: 1n, max: 40n * FOG }).map(String);
const key = fc.integer({ min: 0, max: 30 }).map(String);
const wanted: fc.Arbitrary<StakeChange> = fc.oneof(
  fc.record({ kind: fc.constant('bond' as const), amount, key }),
  fc.record({ kind: fc.constant('delegate' as const), validator: owner, amount, key }),
  fc.record({ kind: fc.constant('unbond' as const), validator: owner, amount: fc.option(amount), key }),
  fc.record({ kind: fc.constant('redelegate' as const), from: owner, to: owner, amount: fc.option(amount), key }),
  fc.record({ kind: fc.constant('withdraw' as const) }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ owner, wanted }) },
  { weight: 1, arbitrary: fc.record({ passes: fc.integer({ min: 1, max: 16 * DAY }) }) },
);

await onBothDatabases('stake in any order', {
  async 'rows and accounts agree after any requests, on two coordinators, and no FOG is made or lost'({ open }) {
    const first = await open(REAL);
    const second =
      first.storage !== undefined && 'url' in first.storage ? await open({ ...REAL, clock: first.clock }) : first;
    for (const name of OWNERS) await first.endow(name, 100n * FOG);
    await first.fillTreasury(1000n * FOG);
    for (const fog of [first, second]) fog.stakeParameters = { epochTreasuryPpm: 10_000n };
    const [steps] = fc.sample(fc.array(step, { minLength: 80, maxLength: 80 }), { numRuns: 1, seed: 20_261 });
    for (let index = 0; index < (steps?.length ?? 0); index += 4) {
      const batch = steps?.slice(index, index + 4) ?? [];
      await Promise.all(batch.map((one, place) => take(place % 2 === 0 ? first : second, one)));
      await assertStake(first.database);
    }
    assert.equal(await supplyOf(first.database, 'fog'), 1400n * FOG);
  },
});

async function take(fog: Fog, one: Step): Promise<void> {
  if ('passes' in one) {
    fog.clock.now += one.passes;
    for (const sweep of fog.economy?.sweeps ?? []) await sweep.run();
    return;
  }
  try {
    await change(fog, one.owner, one.wanted);
  } catch (error) {
    if (!(error instanceof FogError) || !EXPECTED.includes(error.code)) throw error;
  }
}
