/** Who tries to get more new money than is his, over both databases. */
import assert from 'node:assert/strict';
import { epochOf } from '../../src/settlement/emission/claims.ts';
import { EMISSION_LIMITS } from '../../src/settlement/emission/limits.ts';
import { endEpochs } from '../../src/settlement/emission/new-money.ts';
import { jobOfNumber, numberOfJob } from '../../src/settlement/job-numbers.ts';
import type { Database } from '../../src/store/database.ts';
import { addClaims } from '../../src/store/emission-rows.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { caller, DAY, economyOf, FOG, pass } from '../governance/members.ts';
import {
  assertEmission,
  claimsOf,
  emitting,
  epochs,
  FEE,
  JOB,
  nextDay,
  ON,
  PRICE,
  paidJob,
  REAL,
} from './emission-scene.ts';
import { supplyOf, walletOf } from './money-invariants.ts';

await onBothDatabases('emission under attack', {
  async 'mint loop: who works for himself through two accounts never gains from emission more than the fees it burned'({
    open,
  }) {
    const fog = await open(REAL);
    await emitting(fog);
    const both = async () =>
      (await walletOf(fog.database, 'alice', 'fog')) + (await walletOf(fog.database, 'olga', 'fog'));
    let had = await both();
    for (let day = 1; day <= 3; day += 1) {
      for (let jobs = 0; jobs < 3; jobs += 1) await paidJob(fog, { count: 2, milliseconds: 123_457 * day });
      const burned = had - (await both());
      assert.ok(burned > 0n);
      const all = await walletOf(fog.database, 'olga', 'fog');
      await economyOf(fog).wallets.send(caller('olga'), { to: 'alice', amount: String(all), key: `day ${day}` });
      await nextDay(fog);
      const gained = (await both()) + burned - had;
      assert.ok(gained > 0n && gained <= burned, `${gained} for ${burned} that burned`);
      had = await both();
    }
    assert.ok(had <= 1000n * FOG);
    await assertEmission(fog);
  },

  async 'self-dealing through emission: own nodes, money of the faucet and what is lost earn none'({ open }) {
    const fog = await open(REAL);
    await emitting(fog);
    await fog.endow('olga', 100n * FOG);
    await paidJob(fog, { by: 'olga' });
    const failed = await fog.submit(JOB);
    await fog.settle();
    fog.agents[0]?.fail({ job: failed, partition: 0, fence: 1 });
    await pass(fog, 1000);
    assert.deepEqual(await claimsOf(fog), []);
    assert.deepEqual(await fog.database.read.selectFrom('emission_shares').selectAll().execute(), []);
    await nextDay(fog);
    assert.deepEqual(await epochs(fog), []);
    assert.equal(await assertEmission(fog), 0n);
  },

  async 'self-dealing through emission: in a fog with a faucet there is none'({ open }) {
    const fog = await open({ economy: 'on', faucet: 'on' });
    await emitting(fog);
    const job = await paidJob(fog, { by: 'bob' });
    assert.ok(BigInt((await economyOf(fog).wallets.jobPayment(caller('bob'), job)).burned) > 0n);
    assert.deepEqual(await claimsOf(fog), []);
    await nextDay(fog);
    assert.deepEqual(await epochs(fog), []);
    assert.equal(await walletOf(fog.database, 'olga', 'fog'), 0n);
  },

  async 'replay: a result that is told twice, a job that is closed twice and a late result claim once'({
    open,
    crash,
  }) {
    let fog = await open(REAL);
    const agent = await emitting(fog);
    const job = await fog.submit(JOB);
    await fog.settle();
    const name = { job, partition: 0, fence: 1 };
    agent.ran(600_000);
    agent.succeed(name);
    agent.cut();
    await fog.settle();
    fog = await crash(fog);
    await agent.connect();
    await pass(fog, 1000);
    await Promise.all([economyOf(fog).settlement.closeEnded(), economyOf(fog).settlement.closeEnded()]);
    assert.deepEqual(await claimsOf(fog), [{ job, provider: 'olga', burnedMicroFog: FEE }]);
    await nextDay(fog);
    agent.succeed(name);
    await nextDay(fog);
    assert.deepEqual(await epochs(fog), [[1, FEE, FEE, FEE, true]]);
    // Somebody brings the same claim once more, and another: that epoch is over.
    const epoch = epochOf(fog.clock.now) - 2;
    const claims = ['olga', 'otto'].map((provider) => ({ job, provider, burnedMicroFog: FEE }));
    await fog.database.write((writer) => addClaims(writer, epoch, claims));
    await nextDay(fog);
    assert.deepEqual(await epochs(fog), [[1, FEE, FEE, FEE, true]]);
    assert.equal(await walletOf(fog.database, 'otto', 'fog'), 0n);
    assert.equal(await walletOf(fog.database, 'olga', 'fog'), PRICE);
    assert.equal(await assertEmission(fog), FEE);
  },

  async 'restart reset: neither a restart nor another coordinator makes the money of an epoch again'({ open, crash }) {
    let fog = await open(REAL);
    await emitting(fog);
    await paidJob(fog);
    await nextDay(fog);
    const had = await walletOf(fog.database, 'olga', 'fog');
    assert.equal(had, PRICE);
    for (let restarts = 0; restarts < 2; restarts += 1) {
      fog = await crash(fog);
      await pass(fog, EMISSION_LIMITS.lookMilliseconds);
      await endEpochs({ database: fog.database, ledger: economyOf(fog).ledger, now: () => fog.clock.now });
    }
    assert.equal(await walletOf(fog.database, 'olga', 'fog'), had);
    assert.deepEqual(await epochs(fog), [[1, FEE, FEE, FEE, true]]);
    await assertEmission(fog);
  },

  async 'restart reset: who dies in the middle of an epoch is followed by one that makes the rest, once'({
    open,
    crash,
  }) {
    let fog = await open(REAL);
    await emitting(fog, { ...ON, emissionMost: 1_000_000n });
    const many = 2 * EMISSION_LIMITS.claimsPerBatch + 7;
    const epoch = epochOf(fog.clock.now);
    const first = numberOfJob('j000000000000000000');
    // Twice in a day: what burned adds up.
    for (const burned of [3n, 4n]) {
      const claims = Array.from({ length: many }, (_, index) => {
        const [job, provider] = [jobOfNumber(first + BigInt(index)), `p${index % 50}`];
        return { job, provider, burnedMicroFog: BigInt(index) * burned };
      });
      await fog.database.write((writer) => addClaims(writer, epoch, claims));
    }
    fog.clock.now += DAY;
    for (const dying of [1, 3, 1]) {
      const { database } = fog;
      let writes = 0;
      const dies: Database = {
        engine: database.engine,
        read: database.read,
        close: () => database.close(),
        write: (work) => {
          writes += 1;
          return writes > dying ? Promise.reject(new Error('it died')) : database.write(work);
        },
      };
      const dependencies = { database: dies, ledger: economyOf(fog).ledger, now: () => fog.clock.now };
      await assert.rejects(endEpochs(dependencies), /it died/);
      fog = await crash(fog);
    }
    const [begun] = await epochs(fog);
    assert.ok(begun !== undefined && begun[4] === false && (begun[3] as bigint) > 0n, 'a part is there');
    const dependencies = { database: fog.database, ledger: economyOf(fog).ledger, now: () => fog.clock.now };
    await Promise.all([endEpochs(dependencies), endEpochs(dependencies), pass(fog, EMISSION_LIMITS.lookMilliseconds)]);
    const wanted = (BigInt(many) * BigInt(many - 1) * 7n) / 2n;
    let made = 0n;
    for (let index = 0n; index < BigInt(many); index += 1n) made += (index * 7n * 1_000_000n) / wanted;
    assert.ok(wanted > 1_000_000n && made <= 1_000_000n);
    assert.deepEqual(await epochs(fog), [[many, wanted, wanted, made, true]]);
    let paid = 0n;
    for (let of = 0; of < 50; of += 1) paid += await walletOf(fog.database, `p${of}`, 'fog');
    assert.equal(paid, made);
    assert.equal(await supplyOf(fog.database, 'fog'), 1000n * FOG + made);
  },

  async 'of two coordinators one ends the epoch, whichever comes first'({ open, storage }) {
    // Two processes do not share a folder.
    if (!('url' in storage)) return;
    const clock = { now: 1_700_000_000_000 };
    const [one, other] = [await open({ ...REAL, clock }), await open({ ...REAL, clock })];
    await emitting(one);
    await economyOf(other).governance.parameters.look();
    for (let jobs = 0; jobs < 3; jobs += 1) await paidJob(one);
    clock.now += DAY;
    const ends = [one, other, one, other].map((fog) =>
      endEpochs({ database: fog.database, ledger: economyOf(fog).ledger, now: () => clock.now }),
    );
    await Promise.all(ends);
    assert.deepEqual(await epochs(one), [[3, 3n * FEE, 3n * FEE, 3n * FEE, true]]);
    assert.equal(await walletOf(one.database, 'olga', 'fog'), 3n * PRICE);
    assert.equal(await assertEmission(other), 3n * FEE);
  },
});
