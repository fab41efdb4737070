/** How long an escrow lives, over both databases: as long as anything may be owed, and no clock ends it. */
import assert from 'node:assert/strict';
import type { AttemptState } from '@fog/contract';
import { removeOld } from '../../src/dispatch/retention.ts';
import { SETTLEMENT_LIMITS } from '../../src/limits.ts';
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

/** A job that is over, while a node may still deliver. */
async function endedWithLiveLease(fog: Fog): Promise<string> {
  const job = await fog.submit(HOUR);
  await fog.settle();
  await fog.jobs.close(job, 'cancelled', 'alice');
  await fog.settle();
  await leaseIs(fog, job, 'lost');
  return job;
}

async function leaseIs(fog: Fog, job: string, state: AttemptState): Promise<void> {
  await fog.database.write((writer) =>
    writer.updateTable('attempts').set({ state }).where('job_id', '=', job).execute(),
  );
}

/** The same job under so many other names. */
async function repeat(fog: Fog, job: string, times: number): Promise<string[]> {
  const row = await jobRow(fog.database, job);
  const attempt = await fog.database.read
    .selectFrom('attempts')
    .selectAll()
    .where('job_id', '=', job)
    .executeTakeFirstOrThrow();
  const names = Array.from({ length: times }, (_, index) => `${job.slice(0, -3)}${String(index).padStart(3, '0')}`);
  await fog.database.write(async (writer) => {
    for (const name of names) {
      await writer
        .insertInto('jobs')
        .values({ ...row, id: name })
        .execute();
      await writer
        .insertInto('attempts')
        .values({ ...attempt, job_id: name })
        .execute();
    }
  });
  return names;
}

async function forget(fog: Fog, jobs: readonly string[]): Promise<void> {
  await fog.database.write(async (writer) => {
    await writer.deleteFrom('jobs').where('id', 'in', jobs).execute();
    await writer.deleteFrom('attempts').where('job_id', 'in', jobs).execute();
  });
}

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

  async 'those of which something may still be owed hold up no others, however many there are'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 100n * FOG);
    const agent = await fog.connected({ owner: 'admin' });
    const owed = await endedWithLiveLease(fog);
    const others = await repeat(fog, owed, SETTLEMENT_LIMITS.closedEscrows);
    const job = await fog.submit(HOUR);
    await fog.settle();
    agent.ran(600_000);
    agent.succeed({ job, partition: 0, fence: 1 });
    await fog.settle();
    await fog.advance(1000);
    assert.deepEqual([await phaseOf(fog, owed), await phaseOf(fog, job)], ['open', 'closed']);
    await forget(fog, others);
    await leaseIs(fog, owed, 'cancelled');
    assert.equal(await economyOf(fog).settlement.closeEnded(), 1);
  },

  async 'a job is not forgotten while its money lies in escrow'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 100n * FOG);
    await fog.connected({ owner: 'admin' });
    const job = await endedWithLiveLease(fog);
    const look = () => removeOld({ database: fog.database, keepJobs: '1s', now: () => fog.clock.now });
    fog.clock.now += DAY;
    await look();
    assert.equal(await phaseOf(fog, job), 'open');
    await leaseIs(fog, job, 'cancelled');
    await economyOf(fog).settlement.closeEnded();
    await look();
    await assert.rejects(phaseOf(fog, job), { code: 'not-found' });
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 100n * FOG);
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
