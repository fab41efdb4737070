/** Money of jobs from the submit to the end, over both databases: who pays, who is paid, what returns. */
import assert from 'node:assert/strict';
import type { JobPayment } from '@fog/contract';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog, SpecChange } from '../dispatch/fog-harness.ts';
import { jobRow, taskRow } from '../dispatch/invariants.ts';
import { honest, stranger, submitVerified, wrong } from '../dispatch/strangers.ts';
import { assertMoney, supplyOf, treasuryOf, walletOf } from './money-invariants.ts';

const ALICE = { scope: 'submit' as const, principal: 'alice' };
const PAID = { economy: 'on' as const };

async function paymentOf(fog: Fog, job: string): Promise<JobPayment> {
  assert.ok(fog.economy !== null);
  return await fog.economy.wallets.jobPayment(ALICE, job);
}

/** Looks at what has ended. */
async function closed(fog: Fog): Promise<void> {
  await fog.settle();
  await fog.advance(1000);
  assert.equal(await assertMoney(fog.database), 0);
}

/** A job that takes a whole processor for up to an hour. */
const HOUR: SpecChange = {
  task: { resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } },
  spec: { timeouts: { attempt: '1h' } },
};

await onBothDatabases('settlement', {
  async 'a result is paid for at once, and what is left returns'({ open }) {
    const fog = await open(PAID);
    const agent = await fog.connected({ owner: 'olga' });
    const job = await fog.submit(HOUR);
    await fog.settle();
    const covered = await paymentOf(fog, job);
    // An hour is 12 slices, at twice the posted price of 1,000.
    assert.deepEqual([covered.phase, covered.deposited], ['open', '24000']);
    agent.succeed({ job, partition: 0, fence: 1 });
    await fog.settle();
    // 5 ms of a slice of 300,000 ms for 1,000 micro-FOG are 0.017, rounded up for the provider.
    assert.equal(await walletOf(fog.database, 'olga'), 1n);
    assert.equal((await paymentOf(fog, job)).phase, 'open');
    await closed(fog);
    const after = await paymentOf(fog, job);
    assert.deepEqual([after.phase, after.paid, after.refunded], ['closed', '1', '23999']);
    assert.equal(await walletOf(fog.database, 'alice'), 23_999n);
  },

  async 'of a longer run the treasury gets its fee'({ open }) {
    const fog = await open(PAID);
    const agent = await fog.connected({ owner: 'olga' });
    const job = await fog.submit(HOUR);
    await fog.settle();
    agent.ran(600_000);
    agent.succeed({ job, partition: 0, fence: 1 });
    await closed(fog);
    // Ten minutes are two slices.
    assert.equal(await walletOf(fog.database, 'olga'), 1900n);
    assert.equal(await treasuryOf(fog.database), 100n);
    assert.equal(await walletOf(fog.database, 'alice'), 22_000n);
    assert.equal(await supplyOf(fog.database), 24_000n);
  },

  async 'a node that asks for more is paid that, in the tier of the job'({ open }) {
    const fog = await open(PAID);
    const agent = await fog.connected({ owner: 'olga', offer: { pricePerSlice: 1500 } });
    const job = await fog.submit({ ...HOUR, spec: { ...HOUR.spec, tier: 'gold' } });
    await fog.settle();
    agent.ran(300_000);
    agent.succeed({ job, partition: 0, fence: 1 });
    await closed(fog);
    const { paid, fees, deposited } = await paymentOf(fog, job);
    assert.equal(deposited, String(12 * 2000 * 5));
    assert.equal(BigInt(paid) + BigInt(fees), 7500n);
    // What gold costs more is shared between the node and the treasury.
    assert.equal(paid, String(4500 - 4500 / 20));
  },

  async 'a node that asks far more than the posted price gets no job without a budget'({ open }) {
    const fog = await open(PAID);
    const agent = await fog.connected({ offer: { pricePerSlice: 2001 } });
    const dear = await fog.submit(HOUR);
    await fog.settle();
    assert.equal((await taskRow(fog.database, dear)).state, 'queued');
    const willing = await fog.submit({ ...HOUR, spec: { ...HOUR.spec, budget: { perTask: 30_000 } } });
    await fog.settle();
    assert.deepEqual(
      agent.attempts.map(({ job }) => job),
      [willing],
    );
    agent.succeed({ job: willing, partition: 0, fence: 1 });
    // To its owner it is free of charge.
    const own = await fog.submit(HOUR, { by: 'olga' });
    await fog.settle();
    assert.deepEqual(
      agent.attempts.map(({ job }) => job),
      [own],
    );
  },

  async 'without cover a job is refused, with what is missing; nothing of it is stored'({ open }) {
    const fog = await open({ ...PAID, faucet: 'off' });
    await assert.rejects(fog.submit(HOUR), {
      code: 'insufficient-funds',
      details: { needed: '24000', available: '0', missing: '24000' },
    });
    assert.equal((await fog.database.read.selectFrom('jobs').select('id').execute()).length, 0);
    assert.equal(await supplyOf(fog.database, 'fog'), 0n);
  },

  async 'the same key covers a job once'({ open }) {
    const fog = await open(PAID);
    const first = await fog.submit(HOUR, { key: 'a' });
    assert.equal(await fog.submit(HOUR, { key: 'a' }), first);
    assert.equal(await supplyOf(fog.database), 24_000n);
    assert.equal(await assertMoney(fog.database), 1);
  },

  async 'who fails is paid nothing, who takes over is'({ open }) {
    const fog = await open(PAID);
    const first = await fog.connected({ owner: 'olga', capacity: { slots: 1 } });
    const job = await fog.submit(HOUR);
    await fog.settle();
    first.fail({ job, partition: 0, fence: 1 }, 'sandbox');
    const second = await fog.connected({ owner: 'oleg', capacity: { slots: 1 } });
    second.onLease = (name) => second.succeed(name);
    first.onLease = (name) => first.fail(name, 'sandbox');
    for (let round = 0; round < 4; round += 1) await fog.advance(60_000);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    await closed(fog);
    assert.deepEqual([await walletOf(fog.database, 'olga'), await walletOf(fog.database, 'oleg')], [0n, 1n]);
  },

  async 'both of a quorum are paid, and a liar is not'({ open }) {
    const fog = await open(PAID);
    await stranger(fog, () => wrong(1), { owner: 'liza' });
    await stranger(fog, honest, { owner: 'olga' });
    await stranger(fog, honest, { owner: 'oleg' });
    const job = await submitVerified(fog, { mode: 'replicate' });
    for (let round = 0; round < 4; round += 1) await fog.advance(6000);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    await closed(fog);
    const wallets = await Promise.all(['liza', 'olga', 'oleg'].map((owner) => walletOf(fog.database, owner)));
    assert.deepEqual(wallets, [0n, 1n, 1n]);
  },

  async 'who cancels pays for what has run'({ open }) {
    const fog = await open(PAID);
    const agent = await fog.connected({ owner: 'olga' });
    const job = await fog.submit(HOUR);
    await fog.settle();
    agent.report({ job, partition: 0, fence: 1 }, { event: 'start' });
    await fog.settle();
    fog.clock.now += 600_000;
    await fog.jobs.close(job, 'cancelled', 'alice');
    await closed(fog);
    assert.equal(await walletOf(fog.database, 'olga'), 1900n);
  },

  async 'own nodes cost nothing'({ open }) {
    const fog = await open(PAID);
    const agent = await fog.connected({ owner: 'alice' });
    const job = await fog.submit(HOUR);
    await fog.settle();
    agent.ran(600_000);
    agent.succeed({ job, partition: 0, fence: 1 });
    await closed(fog);
    assert.deepEqual([await walletOf(fog.database, 'alice'), await treasuryOf(fog.database)], [24_000n, 0n]);
  },

  async 'replayed settlement: a result that is told again after a crash is paid once'({ open, crash }) {
    let fog = await open(PAID);
    const agent = await fog.connected({ owner: 'olga' });
    const job = await fog.submit(HOUR);
    await fog.settle();
    agent.ran(600_000);
    agent.succeed({ job, partition: 0, fence: 1 });
    await fog.settle();
    fog = await crash(fog);
    await agent.connect();
    agent.succeed({ job, partition: 0, fence: 1 });
    await closed(fog);
    assert.equal(await walletOf(fog.database, 'olga'), 1900n);
  },

  async 'sent FOG moves once for a key, and not beyond what is there'({ open }) {
    const fog = await open({ ...PAID, faucet: 'off' });
    assert.ok(fog.economy !== null);
    const { wallets } = fog.economy;
    const send = (amount: string, key: string) => wallets.send(ALICE, { to: 'bob', amount, key });
    const short = (missing: string, needed: string, available: string) => {
      return { code: 'insufficient-funds', details: { needed, available, missing } };
    };
    await assert.rejects(send('1', 'a'), short('1', '1', '0'));
    await fog.endow('alice', 100n);
    const entry = await send('60', 'a');
    assert.deepEqual(
      [entry.kind, entry.direction, entry.amount, entry.other],
      ['send', 'out', '60', { kind: 'wallet', name: 'bob' }],
    );
    assert.equal((await send('60', 'a')).id, entry.id);
    await assert.rejects(send('59', 'a'), { code: 'conflict' });
    await assert.rejects(send('60', 'b'), short('20', '60', '40'));
    await assert.rejects(wallets.send(ALICE, { to: 'alice', amount: '1', key: 'c' }), { code: 'invalid-request' });
    assert.deepEqual(
      [await walletOf(fog.database, 'alice', 'fog'), await walletOf(fog.database, 'bob', 'fog')],
      [40n, 60n],
    );
    await assert.rejects(wallets.get(ALICE, 'bob'), { code: 'forbidden' });
    assert.deepEqual((await wallets.get({ scope: 'read', principal: 'r' }, 'bob')).balances, [
      { currency: 'fog', available: '60', inEscrow: '0' },
    ]);
  },

  async 'a statement tells each movement, whose it was and for which job'({ open }) {
    const fog = await open(PAID);
    const agent = await fog.connected({ owner: 'olga' });
    const jobs = [await fog.submit(HOUR), await fog.submit(HOUR)];
    for (let round = 0; round < jobs.length; round += 1) {
      await fog.settle();
      for (const name of agent.attempts) agent.succeed(name);
    }
    await closed(fog);
    assert.ok(fog.economy !== null);
    const { wallets } = fog.economy;
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await wallets.entries({ scope: 'node', principal: 'olga' }, { cursor, limit: 1 });
      for (const { kind, direction, amount, other } of page.items)
        seen.push(`${kind} ${direction} ${amount} ${other.name}`);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    assert.deepEqual(seen.sort(), jobs.map((job) => `payout in 1 ${job}`).sort());
    const { items } = await wallets.entries(ALICE, { limit: 50 });
    assert.deepEqual(new Set(items.map(({ kind }) => kind)), new Set(['faucet', 'cover', 'refund']));
  },
});
