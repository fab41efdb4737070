/** A fog that begins to ask for money, stops, and begins again; and one that pays in another currency than before. */
import assert from 'node:assert/strict';
import { readRecord } from '@fog/economy/escrow';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { FakeAgent } from '../dispatch/fake-agent.ts';
import type { Fog, SpecChange } from '../dispatch/fog-harness.ts';
import { jobRow } from '../dispatch/invariants.ts';
import { assertMoney, supplyOf, walletOf } from './money-invariants.ts';

const PAID = { economy: 'on' as const };
const FREE = { economy: 'off' as const };
/** It may take an hour. */
const HOUR: SpecChange = {
  task: { resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } },
  spec: { timeouts: { attempt: '1h' } },
};
const TEN_MINUTES = 600_000;

async function escrowOf(fog: Fog, job: string) {
  const { escrow } = await jobRow(fog.database, job);
  return escrow === null ? null : readRecord(escrow);
}

/** One job after the other, of ten minutes each. */
async function work(fog: Fog, agent: FakeAgent, jobs: number): Promise<void> {
  for (let round = 0; round < jobs; round += 1) {
    agent.ran(TEN_MINUTES);
    for (const name of agent.attempts) agent.succeed(name);
    await fog.settle();
    await fog.advance(1000);
  }
}

await onBothDatabases('switching the economy', {
  async 'jobs from before go on unpaid, those after are paid'({ open, crash }) {
    let fog = await open(FREE);
    const agent = await fog.connected({ owner: 'olga', capacity: { slots: 1 } });
    const leased = await fog.submit(HOUR);
    await fog.settle();
    const waiting = await fog.submit(HOUR);
    fog = await crash(fog, PAID);
    await agent.connect();
    const paid = await fog.submit(HOUR);
    await work(fog, agent, 3);
    for (const job of [leased, waiting, paid]) assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.deepEqual([await escrowOf(fog, leased), await escrowOf(fog, waiting)], [null, null]);
    assert.equal(await walletOf(fog.database, 'olga'), 1900n);
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'jobs that were covered are paid and closed when nobody is asked for money any more'({ open, crash }) {
    let fog = await open(PAID);
    const agent = await fog.connected({ owner: 'olga', capacity: { slots: 1 } });
    const leased = await fog.submit(HOUR);
    await fog.settle();
    const waiting = await fog.submit(HOUR);
    fog = await crash(fog, FREE);
    await fog.money.begin();
    assert.deepEqual(
      fog.warnings.map(({ data }) => data),
      [{ jobs: 2 }],
    );
    await agent.connect();
    const free = await fog.submit(HOUR);
    await work(fog, agent, 3);
    for (const job of [leased, waiting, free]) assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.equal(await escrowOf(fog, free), null);
    // The second got its node when no price was posted, and the node asks none.
    assert.equal(await walletOf(fog.database, 'olga'), 1900n);
    assert.deepEqual(
      [(await escrowOf(fog, leased))?.phase, (await escrowOf(fog, waiting))?.phase],
      ['closed', 'closed'],
    );
    assert.equal(await assertMoney(fog.database), 0);
    assert.equal(await supplyOf(fog.database), 48_000n);
  },

  async 'a job may be covered, run while it is off, and be closed when it is on again'({ open, crash }) {
    let fog = await open(PAID);
    const agent = await fog.connected({ owner: 'olga', capacity: { slots: 1 } });
    const job = await fog.submit(HOUR);
    await fog.settle();
    fog = await crash(fog, FREE);
    await agent.connect();
    agent.ran(TEN_MINUTES);
    agent.succeed({ job, partition: 0, fence: 1 });
    await fog.settle();
    assert.equal((await escrowOf(fog, job))?.phase, 'open');
    fog = await crash(fog, PAID);
    await agent.connect();
    await fog.advance(1000);
    assert.equal((await escrowOf(fog, job))?.phase, 'closed');
    assert.equal(await walletOf(fog.database, 'olga'), 1900n);
    assert.equal(await walletOf(fog.database, 'alice'), 22_000n);
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'a job is paid in the currency that covered it, whatever the fog pays in by then'({ open, crash }) {
    let fog = await open({ ...PAID, faucet: 'on' });
    const agent = await fog.connected({ owner: 'olga', capacity: { slots: 1 } });
    await fog.submit(HOUR);
    await fog.settle();
    fog = await crash(fog, { faucet: 'off' });
    await agent.connect();
    await fog.endow('alice', 24_000n);
    await fog.submit(HOUR);
    await work(fog, agent, 2);
    for (const currency of ['faucet', 'fog'] as const) {
      // Of FOG a quarter joins the bond of a newcomer.
      assert.equal(await walletOf(fog.database, 'olga', currency), currency === 'fog' ? 1425n : 1900n);
      assert.equal(await walletOf(fog.database, 'alice', currency), 22_000n);
    }
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'the faucet gives as long as all nodes are of the operator'({ open }) {
    const fog = await open({ ...PAID, faucet: 'auto' });
    await fog.connected({ name: 'first', owner: 'admin' });
    await fog.advance(2000);
    await fog.submit(HOUR);
    assert.equal(await supplyOf(fog.database), 24_000n);
    const other = await fog.connected({ name: 'second', owner: 'olga' });
    await fog.advance(2000);
    await assert.rejects(fog.submit(HOUR), {
      code: 'insufficient-funds',
      hint: /fog wallet send alice 0\.024;/,
    });
    await fog.endow('alice', 24_000n);
    await fog.submit(HOUR);
    assert.equal(await supplyOf(fog.database, 'fog'), 24_000n);
    other.cut();
    await fog.nodes.remove(other.id);
    await fog.advance(2000);
    await fog.submit(HOUR);
    assert.equal(await supplyOf(fog.database), 48_000n);
  },

  async 'the faucet covers the largest job at the highest price'({ open }) {
    const fog = await open({ ...PAID, faucet: 'on' });
    await fog.database.write((writer) =>
      writer
        .insertInto('market_prices')
        .values({ region: '', micro_fog: 2 ** 36, used_slices: 0, offered_slices: 0, stepped_at: fog.clock.now })
        .execute(),
    );
    await fog.economy?.market.step();
    const days: SpecChange = {
      ...HOUR,
      spec: { count: 100_000, tier: 'gold', timeouts: { attempt: '7d', total: '30d' } },
    };
    const job = await fog.submit(days);
    assert.equal((await escrowOf(fog, job))?.deposited, 100_000n * 2016n * 2n * 2n ** 36n * 5n);
  },
});
