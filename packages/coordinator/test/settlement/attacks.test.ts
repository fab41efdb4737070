/**
 * Attacks on the money of a running coordinator, over both databases: each by its name, and what it gets. Those on votes are
 * in `governance/dao.test.ts`, on bonds in `slashes.test.ts`, on ranks among the rules of reputation.
 */
import assert from 'node:assert/strict';
import type { StakeChange } from '@fog/contract';
import { accountId } from '@fog/economy/chart';
import { votingKeyOf } from '@fog/economy/governance';
import { makeFirstMoney } from '../../src/settlement/genesis.ts';
import { readLedgerBalance } from '../../src/settlement/ledger-queries.ts';
import { onBothDatabases, type Scene } from '../dispatch/both-databases.ts';
import type { Fog, SpecChange } from '../dispatch/fog-harness.ts';
import { attemptStates } from '../dispatch/invariants.ts';
import { caller, DAY, daoOf, economyOf, pass, proposeBy, secretOf, vote } from '../governance/members.ts';
import { assertMoney, supplyOf, treasuryOf, walletOf } from './money-invariants.ts';
import { assertStake } from './stake-invariants.ts';

const REAL = { economy: 'on' as const, faucet: 'off' as const };
const FOG = 1_000_000n;
const HOUR: SpecChange = {
  task: { resources: { cpu: '1', memory: '512Mi', disk: '1Mi' } },
  spec: { timeouts: { attempt: '1h' } },
};

const wallets = async (fog: Fog, currency: 'fog' | 'faucet', ...owners: string[]) =>
  await Promise.all(owners.map((owner) => walletOf(fog.database, owner, currency)));
const stake = (fog: Fog, principal: string, change: StakeChange) =>
  economyOf(fog).staking.change(caller(principal), change);

/** A member with real stake, a key, and its own vote. */
async function member(fog: Fog, name: string, amount: bigint): Promise<void> {
  await fog.endow(name, amount);
  await stake(fog, name, { kind: 'bond', amount: String(amount), key: 'a' });
  await daoOf(fog).setVotingKey(caller(name), votingKeyOf(secretOf(name)));
  await daoOf(fog).delegate(caller(name), name);
}

await onBothDatabases('attacks', {
  async 'mint loop: whoever pays itself under another name makes no FOG, and loses the fees'({ open }) {
    const fog = await open(REAL);
    await fog.endow('mia', 100n * FOG);
    const agent = await fog.connected({ owner: 'mia-again' });
    for (let round = 0; round < 5; round += 1) {
      const job = await fog.submit(HOUR, { by: 'mia' });
      await fog.settle();
      agent.ran(600_000);
      for (const name of [...agent.held.values()]) agent.succeed(name);
      await fog.settle();
      await fog.advance(1000);
      assert.deepEqual(await attemptStates(fog.database, job), ['valid']);
    }
    const fees = await treasuryOf(fog.database, 'fog');
    const [spent = 0n, earned = 0n] = await wallets(fog, 'fog', 'mia', 'mia-again');
    assert.ok(fees > 0n && earned > 0n);
    assert.equal(spent + earned + fees, 100n * FOG - (await bondOf(fog, 'mia-again')));
    assert.equal(await supplyOf(fog.database, 'fog'), 100n * FOG);
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'mint loop: what the faucet gives is given once for what is missing, and is never FOG'({ open }) {
    const fog = await open({ economy: 'on' });
    for (let round = 0; round < 5; round += 1) {
      const job = await fog.submit(HOUR, { by: 'mia' });
      await fog.jobs.close(job, 'cancelled', 'mia');
      await fog.settle();
      await fog.advance(1000);
    }
    assert.deepEqual(await wallets(fog, 'faucet', 'mia'), [24_000n]);
    assert.equal(await supplyOf(fog.database, 'faucet'), 24_000n);
    assert.equal(await supplyOf(fog.database, 'fog'), 0n);
    const { wallets: routes } = economyOf(fog);
    await assert.rejects(routes.send(caller('mia'), { to: 'mia-again', amount: '1', key: 'a' }), {
      code: 'insufficient-funds',
    });
    const bond = { kind: 'bond', amount: '1', key: 'a' } as const;
    await assert.rejects(stake(fog, 'mia', bond), { code: 'insufficient-funds', message: /faucet/ });
    await assert.rejects(stake(fog, 'mia', { ...bond, currency: 'faucet' }), { code: 'forbidden' });
  },

  async 'price pumping: work on the own node, which costs nothing, moves no price; that of another does'({ open }) {
    const fog = await open({ economy: 'on' });
    for (const owner of ['mia', 'vera']) {
      await fog.connected({ owner, name: owner, labels: { region: owner }, capacity: { milliCpu: 1000 } });
    }
    await fog.advance(10_000);
    const priceIn = (region: string) =>
      economyOf(fog)
        .wallets.prices()
        .find((price) => price.region === region)?.microFog ?? 0;
    const before = [priceIn('mia'), priceIn('vera')];
    for (const owner of ['mia', 'vera']) {
      const placement = { constraints: [`owner=${owner}`] };
      const job = await fog.submit({ ...HOUR, spec: { ...HOUR.spec, placement } }, { by: 'mia' });
      await fog.settle();
      assert.deepEqual(await attemptStates(fog.database, job), ['leased']);
    }
    for (let step = 0; step < 6; step += 1) await fog.advance(10_000);
    const [own = 0, others = 0] = before;
    assert.ok(priceIn('mia') <= own, `${own} -> ${priceIn('mia')} by work that nobody paid for`);
    assert.ok(priceIn('vera') > others, `${others} -> ${priceIn('vera')}`);
  },

  async 'price pumping: a price that a region was left with is nobody’s cover'({ open }) {
    const fog = await open({ ...REAL });
    await fog.endow('alice', 1000n * FOG);
    const rise = async () => {
      for (let step = 0; step < 20; step += 1) await fog.advance(10_000);
    };
    const pump = await fog.connected({
      owner: 'mia',
      name: 'a',
      labels: { region: 'x' },
      capacity: { milliCpu: 1000 },
    });
    await fog.advance(10_000);
    await fog.submit(HOUR);
    await fog.settle();
    await rise();
    const dear = economyOf(fog).market.highest();
    assert.ok(dear > 1500, `${dear} where all is used`);
    for (const name of pump.attempts) pump.succeed(name);
    await pump.disconnect();
    await fog.connected({ owner: 'vera', name: 'b', labels: { region: 'y' } });
    await rise();
    const cover = async (job: string) => (await economyOf(fog).wallets.jobPayment(caller('alice'), job)).deposited;
    assert.ok(Number(await cover(await fog.submit(HOUR))) <= 24_000);
  },

  async 'restart reset: the first money is made once, and a restart gives nothing back that was spent'({
    open,
    crash,
  }) {
    let fog = await open(REAL);
    const begin = async (supply: string) => {
      const { ledger } = economyOf(fog);
      await makeFirstMoney({ database: fog.database, ledger, now: () => fog.clock.now }, supply);
    };
    const all = async () => [
      await treasuryOf(fog.database, 'fog'),
      ...(await wallets(fog, 'fog', 'admin', 'alice')),
      await supplyOf(fog.database, 'fog'),
    ];
    await begin('1000');
    await economyOf(fog).wallets.send(caller('admin'), { to: 'alice', amount: String(300n * FOG), key: 'a' });
    const spent = [150n * FOG, 550n * FOG, 300n * FOG, 1000n * FOG];
    assert.deepEqual(await all(), spent);
    for (const supply of ['1000', '5000']) {
      fog = await crash(fog);
      await begin(supply);
      assert.deepEqual(await all(), spent, `with ${supply} at a later start`);
    }
  },

  async 'replayed settlement: told again, after the end, and under a fence that nobody leased, it is paid once'(scene) {
    await replayed(scene);
  },

  async 'double vote: money that is sent on, or bonded by another, has no second say'({ open }) {
    const fog = await open(REAL);
    await member(fog, 'ann', 1000n * FOG);
    await member(fog, 'bo', 700n * FOG);
    await fog.endow('ann', 500n * FOG);
    const proposal = await proposeBy(fog, 'ann');
    await pass(fog, DAY + 1);
    await vote(fog, proposal, 'ann');
    // What has voted stays; what has not voted and comes now came too late.
    const leave = { kind: 'unbond', amount: null, key: 'b' } as const;
    await assert.rejects(stake(fog, 'ann', leave), { code: 'conflict', message: /voted/ });
    await economyOf(fog).wallets.send(caller('ann'), { to: 'eve', amount: String(100n * FOG), key: 'a' });
    await stake(fog, 'eve', { kind: 'bond', amount: String(100n * FOG), key: 'a' });
    await daoOf(fog).setVotingKey(caller('eve'), votingKeyOf(secretOf('eve')));
    await daoOf(fog).delegate(caller('eve'), 'eve');
    await assert.rejects(vote(fog, proposal, 'eve'), { code: 'forbidden', details: { fault: 'no-power' } });
    await daoOf(fog).delegate(caller('ann'), 'bo');
    assert.equal((await vote(fog, proposal, 'bo', 'against')).powerMicroFog, String(700n * FOG));
    await assert.rejects(vote(fog, proposal, 'ann', 'against'), {
      code: 'conflict',
      details: { fault: 'already-voted' },
    });
    const { tally, supplyMicroFog } = await daoOf(fog).get(proposal.id);
    assert.deepEqual(tally, { for: String(1000n * FOG), against: String(700n * FOG), abstain: '0' });
    assert.equal(supplyMicroFog, String(1700n * FOG));
    await assertStake(fog.database);
  },

  async 'flash delegation: who delegates for the moment of a payment earns for that moment'({ open }) {
    const fog = await open(REAL);
    fog.stakeParameters = { epochTreasuryPpm: 10_000n };
    await fog.fillTreasury(1000n * FOG);
    await member(fog, 'vera', 100n * FOG);
    await fog.endow('flash', 900n * FOG);
    const sweep = async () => {
      for (const one of economyOf(fog).sweeps) await one.run();
    };
    fog.clock.now += DAY;
    await stake(fog, 'flash', { kind: 'delegate', validator: 'vera', amount: String(900n * FOG), key: 'a' });
    await sweep();
    await stake(fog, 'flash', { kind: 'unbond', validator: 'vera', amount: null, key: 'b' });
    assert.equal((await wallets(fog, 'fog', 'flash'))[0], 0n, 'nothing has accrued in no time');
    fog.clock.now += DAY - 1;
    await stake(fog, 'vera', { kind: 'withdraw' });
    const [earned = 0n] = await wallets(fog, 'fog', 'vera');
    assert.ok(earned > 9n * FOG, `${earned} of ten FOG are hers who stayed`);
  },
});

async function bondOf(fog: Fog, owner: string): Promise<bigint> {
  return (await readLedgerBalance(fog.database.read, accountId('fog', 'bonded', owner))) ?? 0n;
}

async function replayed({ open, crash }: Scene): Promise<void> {
  let fog = await open(REAL);
  await fog.endow('alice', 100n * FOG);
  const agent = await fog.connected({ owner: 'admin' });
  const job = await fog.submit(HOUR);
  await fog.settle();
  agent.ran(600_000);
  const name = { job, partition: 0, fence: 1 };
  // Not leased yet, never leased, and a task that there is not.
  for (const forged of [
    { ...name, fence: 2 },
    { ...name, fence: 1_000_000 },
    { ...name, partition: 1 },
  ]) {
    agent.succeed(forged);
  }
  await fog.settle();
  assert.equal(await walletOf(fog.database, 'admin', 'fog'), 0n);
  for (let time = 0; time < 3; time += 1) agent.succeed(name);
  await fog.settle();
  const paid = await walletOf(fog.database, 'admin', 'fog');
  assert.equal(paid, 1900n);
  fog = await crash(fog);
  await agent.connect();
  agent.succeed(name);
  await fog.settle();
  await fog.advance(1000);
  agent.ran(3_000_000);
  for (const late of [name, { ...name, fence: 2 }]) agent.succeed(late);
  await fog.settle();
  await fog.advance(1000);
  assert.equal(await walletOf(fog.database, 'admin', 'fog'), paid);
  assert.equal(await assertMoney(fog.database), 0);
  assert.equal(await supplyOf(fog.database, 'fog'), 100n * FOG);
}
