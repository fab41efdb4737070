/** How long an escrow lives, over both databases: as long as anything may be owed, and no clock ends it. */
import assert from 'node:assert/strict';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog, SpecChange } from '../dispatch/fog-harness.ts';
import { jobRow } from '../dispatch/invariants.ts';
import { caller, economyOf } from '../governance/members.ts';
import { assertMoney, supplyOf, treasuryOf, walletOf } from './money-invariants.ts';

const REAL = { economy: 'on' as const, faucet: 'off' as const };
const FOG = 1_000_000n;
const DAY = 86_400_000;
const HOUR: SpecChange = {
  task: { resources: { cpu: '1', memory: '128Mi', disk: '1Mi' } },
  spec: { timeouts: { attempt: '1h' } },
};

const phaseOf = async (fog: Fog, job: string) => (await economyOf(fog).wallets.jobPayment(caller('alice'), job)).phase;

await onBothDatabases('the life of an escrow', {
  async 'it does not end by the clock: a job that waits for a year is paid for when it runs'({ open, crash }) {
    let fog = await open(REAL);
    await fog.endow('alice', 100n * FOG);
    const job = await fog.submit({ ...HOUR, spec: { timeouts: { attempt: '1h', queue: '400d', total: '800d' } } });
    for (let month = 0; month < 12; month += 1) {
      await fog.advance(30 * DAY);
      assert.equal(await phaseOf(fog, job), 'open');
    }
    fog = await crash(fog);
    await fog.advance(DAY);
    assert.equal(await phaseOf(fog, job), 'open');
    const agent = await fog.connected({ owner: 'admin' });
    await fog.settle();
    agent.ran(600_000);
    agent.succeed({ job, partition: 0, fence: 1 });
    await fog.settle();
    await fog.advance(1000);
    assert.equal(await phaseOf(fog, job), 'closed');
    // The price has fallen to its least in all that time, and the node is paid something.
    assert.ok((await walletOf(fog.database, 'admin', 'fog')) > 0n);
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'a result that comes after the job was cancelled is paid no second time, and nothing is lost'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 100n * FOG);
    const agent = await fog.connected({ owner: 'admin' });
    const job = await fog.submit(HOUR);
    await fog.settle();
    const name = { job, partition: 0, fence: 1 };
    agent.report(name, { event: 'start' });
    await fog.settle();
    fog.clock.now += 600_000;
    // It does not hear that it is over.
    agent.deaf = true;
    await fog.jobs.close(job, 'cancelled', 'alice');
    await fog.settle();
    agent.ran(600_000);
    agent.succeed(name);
    await fog.settle();
    await fog.advance(1000);
    assert.equal((await jobRow(fog.database, job)).state, 'cancelled');
    assert.equal(await phaseOf(fog, job), 'closed');
    agent.succeed(name);
    await fog.settle();
    await fog.advance(1000);
    const [paid, kept] = [await walletOf(fog.database, 'admin', 'fog'), await treasuryOf(fog.database, 'fog')];
    assert.deepEqual([paid, kept], [1900n, 100n], 'two slices, once');
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 100n * FOG - 2000n);
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'of two coordinators that pay and close at once, each thing is done once'({ open, storage }) {
    // Two processes do not share a folder.
    if (!('url' in storage)) return;
    const clock = { now: 1_700_000_000_000 };
    const [one, other] = [await open({ ...REAL, clock }), await open({ ...REAL, clock })];
    await one.endow('alice', 100n * FOG);
    const agent = await one.connected({ owner: 'admin' });
    const jobs: string[] = [];
    for (let number = 0; number < 4; number += 1) jobs.push(await one.submit(HOUR));
    await one.settle();
    agent.ran(600_000);
    for (const name of agent.attempts) agent.succeed(name);
    await one.settle();
    clock.now += 1000;
    const closers = [one, other, one, other].map((fog) => economyOf(fog).settlement.closeEnded());
    const closed = await Promise.all(closers);
    assert.ok(closed.reduce((sum, count) => sum + count, 0) <= jobs.length);
    for (const fog of [one, other]) await fog.advance(1000);
    for (const job of jobs) assert.equal(await phaseOf(other, job), 'closed');
    assert.equal(await walletOf(one.database, 'admin', 'fog'), 4n * 1900n);
    assert.equal(await treasuryOf(one.database, 'fog'), 400n);
    assert.equal(await walletOf(one.database, 'alice', 'fog'), 100n * FOG - 8000n);
    assert.equal(await supplyOf(one.database, 'fog'), 100n * FOG);
    assert.equal(await assertMoney(one.database), 0);
  },
});
