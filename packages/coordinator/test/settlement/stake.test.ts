/** Stake in the coordinator, over both databases: what owners do with it, what time does, and what never happens twice. */
import assert from 'node:assert/strict';
import type { Stake, StakeChange } from '@fog/contract';
import type { StakeListener } from '../../src/settlement/stake-listener.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog } from '../dispatch/fog-harness.ts';
import { supplyOf, walletOf } from './money-invariants.ts';
import { assertStake } from './stake-invariants.ts';

const REAL = { economy: 'on' as const, faucet: 'off' as const };
const DAY = 86_400_000;
const FOG = 1_000_000n;
const by = (principal: string) => ({ scope: 'submit' as const, principal });

function stakingOf(fog: Fog) {
  assert.ok(fog.economy !== null);
  return fog.economy.staking;
}

async function change(fog: Fog, principal: string, wanted: StakeChange): Promise<Stake> {
  return await stakingOf(fog).change(by(principal), wanted);
}

/** A fog in which `vera` has bonded 100 FOG and `dora` delegated 50 to her. */
async function staked(fog: Fog): Promise<void> {
  await fog.endow('vera', 200n * FOG);
  await fog.endow('dora', 80n * FOG);
  await change(fog, 'vera', { kind: 'bond', amount: String(100n * FOG), key: 'a' });
  await change(fog, 'dora', { kind: 'delegate', validator: 'vera', amount: String(50n * FOG), key: 'a' });
}

/** Lets so much time pass; slots of liveness are left out. */
async function days(fog: Fog, count: number): Promise<void> {
  fog.clock.now += count * DAY;
  for (const sweep of fog.economy?.sweeps ?? []) await sweep.run();
}

const amountsOf = ({ delegations }: Stake) => delegations.map(({ validator, amount }) => [validator, BigInt(amount)]);

await onBothDatabases('stake', {
  async 'a bond and a delegation move money once for a key'({ open }) {
    const fog = await open(REAL);
    await staked(fog);
    // The same requests once more, with more money.
    await staked(fog);
    assert.equal(await walletOf(fog.database, 'vera', 'fog'), 300n * FOG);
    assert.equal(await walletOf(fog.database, 'dora', 'fog'), 110n * FOG);
    const vera = await stakingOf(fog).get(by('vera'), undefined);
    assert.deepEqual(amountsOf(vera), [['vera', 100n * FOG]]);
    assert.equal(vera.validator?.stake, String(150n * FOG));
    await assert.rejects(change(fog, 'vera', { kind: 'bond', amount: '1', key: 'a' }), { code: 'conflict' });
    const other = { kind: 'delegate', validator: 'dora', amount: String(50n * FOG), key: 'a' } as const;
    await assert.rejects(change(fog, 'dora', other), { code: 'conflict' });
    await assertStake(fog.database);
  },

  async 'nobody stakes what it does not have, money of the faucet, or with a stranger'({ open }) {
    const fog = await open(REAL);
    await fog.endow('vera', 5n);
    const bond = { kind: 'bond', amount: '6', key: 'a' } as const;
    await assert.rejects(change(fog, 'vera', bond), {
      code: 'insufficient-funds',
      details: { needed: '6', available: '5', missing: '1' },
    });
    await assert.rejects(change(fog, 'vera', { ...bond, currency: 'faucet' }), {
      code: 'forbidden',
      message: /faucet/,
    });
    const stranger = { kind: 'delegate', validator: 'nobody', amount: '5', key: 'b' } as const;
    await assert.rejects(change(fog, 'vera', stranger), { code: 'invalid-request' });
    await assert.rejects(change(fog, 'vera', { kind: 'unbond', amount: null, key: 'c' }), { code: 'not-found' });
    await assert.rejects(change(fog, 'vera', { kind: 'withdraw' }), { code: 'not-found' });
    await assert.rejects(stakingOf(fog).get(by('dora'), 'vera'), { code: 'forbidden' });
    assert.equal(await walletOf(fog.database, 'vera', 'fog'), 5n);
    assert.equal((await stakingOf(fog).validators({ limit: 10 })).items.length, 0);
  },

  async 'who got everything from the faucet is told why it cannot be staked'({ open }) {
    const fog = await open({ economy: 'on' });
    await fog.submit();
    const job = await fog.submit();
    await fog.jobs.close(job, 'cancelled', 'alice');
    await fog.settle();
    await fog.advance(1000);
    assert.ok((await walletOf(fog.database, 'alice')) > 0n);
    await assert.rejects(change(fog, 'alice', { kind: 'bond', amount: '1', key: 'a' }), {
      code: 'insufficient-funds',
      message: /faucet/,
    });
  },

  async 'stake that left is paid back after two weeks, once, also over a crash'({ open, crash }) {
    let fog = await open(REAL);
    await staked(fog);
    const left = await change(fog, 'dora', { kind: 'unbond', validator: 'vera', amount: String(20n * FOG), key: 'u' });
    await change(fog, 'dora', { kind: 'unbond', validator: 'vera', amount: String(20n * FOG), key: 'u' });
    assert.deepEqual(
      left.unbonding.map(({ amount }) => amount),
      [String(20n * FOG)],
    );
    assert.deepEqual(amountsOf(left), [['vera', 30n * FOG]]);
    await days(fog, 13);
    assert.equal(await walletOf(fog.database, 'dora', 'fog'), 30n * FOG);
    fog = await crash(fog);
    await days(fog, 2);
    await days(fog, 1);
    assert.equal(await walletOf(fog.database, 'dora', 'fog'), 50n * FOG);
    assert.deepEqual((await stakingOf(fog).get(by('dora'), undefined)).unbonding, []);
    await assertStake(fog.database);
  },

  async 'stake that moved is locked until its former validator can no longer be slashed for it'({ open }) {
    const fog = await open(REAL);
    await staked(fog);
    await fog.endow('vito', 10n * FOG);
    await change(fog, 'vito', { kind: 'bond', amount: String(10n * FOG), key: 'a' });
    const moved = await change(fog, 'dora', { kind: 'redelegate', from: 'vera', to: 'vito', amount: null, key: 'm' });
    await change(fog, 'dora', { kind: 'redelegate', from: 'vera', to: 'vito', amount: null, key: 'm' });
    assert.deepEqual(
      moved.moved.map(({ from, to }) => [from, to]),
      [['vera', 'vito']],
    );
    assert.equal(moved.delegations[0]?.locked, String(50n * FOG));
    const leave = { kind: 'unbond', validator: 'vito', amount: null, key: 'u' } as const;
    await assert.rejects(change(fog, 'dora', leave), { code: 'insufficient-funds' });
    await days(fog, 8);
    const free = await change(fog, 'dora', leave);
    assert.deepEqual([free.delegations, free.moved], [[], []]);
    await assertStake(fog.database);
  },

  async 'a part of the treasury is divided each day, once, and withdrawn'({ open }) {
    const fog = await open(REAL);
    await staked(fog);
    assert.ok(fog.economy !== null);
    fog.clock.now += DAY;
    await change(fog, 'vera', { kind: 'commission', commissionPpm: 10_000 });
    fog.clock.now += DAY;
    await change(fog, 'vera', { kind: 'commission', commissionPpm: 20_000 });
    const bond = { kind: 'bond', amount: '1', commissionPpm: 30_000, key: 'another commission' } as const;
    await assert.rejects(change(fog, 'vera', bond), { code: 'conflict', hint: /fog stake commission 3 / });
    await assert.rejects(change(fog, 'vera', { kind: 'commission', commissionPpm: 100_000 }), { code: 'conflict' });
    await fog.fillTreasury(1000n * FOG);
    fog.stakeParameters = { epochTreasuryPpm: 100_000n };
    await days(fog, 1);
    await days(fog, 0);
    fog.stakeParameters = {};
    await days(fog, 2);
    // 100 FOG, of which 2 % stay in the treasury; of the rest Vera has 2 % commission, and 2 of 3 shares.
    const rest = (100n * FOG * 98n) / 100n;
    const commission = (rest * 2n) / 100n;
    const [vera, dora] = [
      await stakingOf(fog).get(by('vera'), undefined),
      await stakingOf(fog).get(by('dora'), undefined),
    ];
    assert.equal(vera.validator?.commission, String(commission));
    assert.equal(dora.delegations[0]?.rewards, String((rest - commission) / 3n));
    await change(fog, 'dora', { kind: 'withdraw' });
    await change(fog, 'dora', { kind: 'withdraw' });
    assert.equal(await walletOf(fog.database, 'dora', 'fog'), 30n * FOG + (rest - commission) / 3n);
    await change(fog, 'vera', { kind: 'withdraw' });
    assert.equal(
      await walletOf(fog.database, 'vera', 'fog'),
      100n * FOG + commission + ((rest - commission) * 2n) / 3n,
    );
    await assertStake(fog.database);
    assert.equal(await supplyOf(fog.database, 'fog'), 1280n * FOG);
  },

  async 'an owner whose nodes are not there is jailed, and comes back'({ open }) {
    const fog = await open(REAL);
    await staked(fog);
    const agent = await fog.connected({ owner: 'vera' });
    let isThere = true;
    const slots = async (count: number) => {
      for (let slot = 0; slot < count; slot += 1) {
        fog.clock.now += 900_000;
        if (isThere)
          await fog.database.write((writer) =>
            writer.updateTable('nodes').set({ last_seen_at: fog.clock.now, state: 'connected' }).execute(),
          );
        for (const { name, run } of fog.economy?.sweeps ?? []) if (name === 'liveness of validators') await run();
      }
    };
    await slots(51);
    const before = await stakingOf(fog).get(by('vera'), undefined);
    assert.deepEqual([before.validator?.slots, before.validator?.missedSlots], [50, 0]);
    isThere = false;
    agent.cut();
    await fog.database.write((writer) => writer.updateTable('nodes').set({ state: 'lost' }).execute());
    await slots(50);
    assert.equal((await stakingOf(fog).get(by('vera'), undefined)).validator?.status, 'active');
    await slots(1);
    const jailed = await stakingOf(fog).get(by('vera'), undefined);
    assert.equal(jailed.validator?.status, 'jailed');
    assert.equal(jailed.bonded, String(100n * FOG));
    await assert.rejects(change(fog, 'vera', { kind: 'unjail' }), { code: 'conflict' });
    fog.clock.now += DAY;
    assert.equal((await change(fog, 'vera', { kind: 'unjail' })).validator?.status, 'active');
  },

  async 'a gap in which nobody looked counts for nobody'({ open }) {
    const fog = await open(REAL);
    await staked(fog);
    await fog.connected({ owner: 'vera' });
    await days(fog, 1);
    await fog.database.write((writer) => writer.updateTable('nodes').set({ state: 'lost' }).execute());
    await days(fog, 1);
    assert.equal((await stakingOf(fog).get(by('vera'), undefined)).validator?.slots, 0);
  },

  async 'those who count stake as power are told in the same transaction, and keep what voted'({ open }) {
    const fog = await open(REAL);
    assert.ok(fog.economy !== null);
    const told: string[] = [];
    let until: number | null = null;
    let fails = false;
    const listener: StakeListener = {
      moved: async (_writer, moves, sequence) => {
        if (fails) throw new Error('no');
        for (const { owner, before, after } of moves)
          told.push(`${owner} ${before / FOG} ${after / FOG} ${sequence > 0}`);
      },
      lockedUntil: async () => until,
    };
    fog.economy.stake.listener = listener;
    await staked(fog);
    assert.deepEqual(told, ['vera 0 100 true', 'dora 0 50 true']);
    fails = true;
    const more = { kind: 'bond', amount: String(FOG), key: 'b' } as const;
    await assert.rejects(change(fog, 'vera', more), /no/);
    assert.equal(await walletOf(fog.database, 'vera', 'fog'), 100n * FOG);
    fails = false;
    until = fog.clock.now + 30 * DAY;
    const leave = { kind: 'unbond', validator: 'vera', amount: null, key: 'u' } as const;
    await assert.rejects(change(fog, 'dora', leave), { code: 'conflict', message: /voted/ });
    until = null;
    await change(fog, 'dora', leave);
    assert.equal(told.at(-1), 'dora 50 0 true');
    // It voted after it began to leave.
    until = fog.clock.now + 30 * DAY;
    await days(fog, 20);
    assert.equal(await walletOf(fog.database, 'dora', 'fog'), 30n * FOG);
    await days(fog, 11);
    assert.equal(await walletOf(fog.database, 'dora', 'fog'), 80n * FOG);
    await assertStake(fog.database);
  },

  async 'of the first earnings a part joins the bond, until it is full'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    const agent = await fog.connected({ owner: 'olga' });
    const hour = {
      task: { resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } },
      spec: { timeouts: { attempt: '1h' } },
    };
    const earn = async () => {
      const job = await fog.submit(hour);
      await fog.settle();
      agent.ran(3_600_000);
      agent.succeed({ job, partition: 0, fence: 1 });
      await fog.settle();
    };
    await earn();
    // 12 slices of 1,000 less the fee of a twentieth; a quarter of it joins the bond.
    const payout = 11_400n;
    assert.equal(await walletOf(fog.database, 'olga', 'fog'), payout - payout / 4n);
    assert.equal((await stakingOf(fog).get(by('olga'), undefined)).bonded, String(payout / 4n));
    for (let job = 0; job < 12; job += 1) await earn();
    const { bonded } = await stakingOf(fog).get(by('olga'), undefined);
    assert.equal(BigInt(bonded), 24_000n, 'what a result costs at most');
    assert.equal(await walletOf(fog.database, 'olga', 'fog'), 13n * payout - 24_000n);
    await assertStake(fog.database);
  },

  async 'the lists go page by page'({ open }) {
    const fog = await open(REAL);
    for (const name of ['a', 'b', 'c']) {
      await fog.endow(name, FOG);
      await change(fog, name, { kind: 'bond', amount: String(FOG), key: 'k' });
    }
    const first = await stakingOf(fog).validators({ limit: 2 });
    const second = await stakingOf(fog).validators({ limit: 2, cursor: first.next ?? undefined });
    assert.deepEqual(
      [...first.items, ...second.items].map(({ validator }) => validator),
      ['a', 'b', 'c'],
    );
    assert.equal(second.next, null);
    assert.deepEqual(await stakingOf(fog).slashes({ limit: 2 }), { items: [], next: null });
  },
});
