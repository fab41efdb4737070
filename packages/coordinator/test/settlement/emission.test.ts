/** New money for work, over both databases: what burns for whom, and what an epoch makes of it. */
import assert from 'node:assert/strict';
import type { Kysely } from 'kysely';
import { databaseSource } from '../../src/settlement/ledger-source.ts';
import { verifyLedger } from '../../src/settlement/verify-ledger.ts';
import { up } from '../../src/store/migrations/0020-emission.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { seededRandom } from '../dispatch/fog-harness.ts';
import { caller, DAY, daoOf, decree, economyOf, FOG, join, pass, proposeBy, vote } from '../governance/members.ts';
import {
  assertEmission,
  claimsOf,
  emitting,
  epochs,
  FEE,
  JOB,
  nextDay,
  OFFER,
  ON,
  PRICE,
  paidJob,
  paidJobQuietly,
  REAL,
} from './emission-scene.ts';
import { assertMoney, treasuryOf, walletOf } from './money-invariants.ts';

await onBothDatabases('emission', {
  async 'a vote turns it on: the next day work has its share of what burned, and the history says for which job'({
    open,
  }) {
    const fog = await open(REAL);
    const agent = await emitting(fog, {});
    for (const [owner, amount] of [
      ['ann', 1000n],
      ['bo', 700n],
    ] as const)
      await join(fog, owner, amount * FOG);
    const before = await paidJob(fog);
    const changes = Object.entries({ ...ON, emissionSharePpm: 500_000n }).map(([name, value]) => {
      return { name, value: String(value) };
    });
    const proposal = await proposeBy(fog, 'ann', { kind: 'parameter', changes });
    await pass(fog, DAY + 1);
    for (const voter of ['ann', 'bo']) await vote(fog, proposal, voter);
    await pass(fog, 7 * DAY + 1);
    await pass(fog, 2 * DAY + 1);
    assert.equal((await daoOf(fog).get(proposal.id)).state, 'executed');
    const earned = await walletOf(fog.database, 'olga', 'fog');
    assert.equal(earned, PRICE - FEE, 'what was paid before burned nothing, and earns nothing');
    assert.equal((await economyOf(fog).wallets.jobPayment(caller('alice'), before)).burned, '0');
    const job = await paidJob(fog);
    assert.deepEqual(await claimsOf(fog), [{ job, provider: 'olga', burnedMicroFog: FEE }]);
    assert.deepEqual(await epochs(fog), [], 'its day is not over');
    await nextDay(fog);
    const emitted = FEE / 2n;
    assert.equal(await walletOf(fog.database, 'olga', 'fog'), 2n * earned + emitted);
    assert.deepEqual(await epochs(fog), [[1, FEE, emitted, emitted, true]]);
    const { items } = await economyOf(fog).wallets.entries(caller('olga'), { limit: 1 });
    assert.deepEqual(
      items.map(({ kind, direction, amount, other }) => [kind, direction, amount, other]),
      [['emission', 'in', String(emitted), { kind: 'issuance', name: job }]],
    );
    assert.equal(await assertEmission(fog), emitted);
    const verdict = await verifyLedger(databaseSource(fog.database.read));
    assert.deepEqual(verdict.faults, []);
    assert.equal(agent.attempts.length, 0);
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'several providers of a job share by the fees on what each was paid, and nothing is claimed before it ends'({
    open,
  }) {
    const fog = await open(REAL);
    await emitting(fog);
    for (const owner of ['otto', 'ole']) await fog.connected({ owner, ...OFFER, prefix: owner });
    const job = await fog.submit({ ...JOB, spec: { ...JOB.spec, count: 3 } });
    await fog.settle();
    const [first, ...others] = fog.agents.flatMap((agent) => {
      return agent.attempts.filter((name) => name.job === job).map((name) => ({ agent, name }));
    });
    assert.ok(first !== undefined && others.length === 2);
    first.agent.ran(600_000);
    first.agent.succeed(first.name);
    await pass(fog, 1000);
    assert.deepEqual(await claimsOf(fog), []);
    for (const { agent, name } of others) {
      agent.ran(300_000);
      agent.succeed(name);
    }
    await pass(fog, 1000);
    const burned = BigInt((await economyOf(fog).wallets.jobPayment(caller('alice'), job)).burned);
    const claims = (await claimsOf(fog)).filter((claim) => claim.job === job);
    assert.equal(burned, 2n * FEE);
    assert.equal(
      claims.reduce((sum, { burnedMicroFog }) => sum + burnedMicroFog, 0n),
      burned,
    );
    assert.ok(claims.some(({ burnedMicroFog }) => burnedMicroFog >= FEE));
    await nextDay(fog);
    await assertEmission(fog);
  },

  async 'an epoch is capped, all claims are cut alike, and what a cap leaves is not there for the next'({ open }) {
    const fog = await open(REAL);
    await emitting(fog, { ...ON, emissionMost: 150_000n });
    await paidJob(fog);
    await nextDay(fog);
    for (let jobs = 0; jobs < 3; jobs += 1) await paidJob(fog);
    await nextDay(fog);
    await nextDay(fog);
    await decree(fog, { emissionMost: 0n });
    await paidJob(fog);
    await nextDay(fog);
    assert.deepEqual(await epochs(fog), [
      [1, FEE, FEE, 0n, true],
      [3, 3n * FEE, 3n * FEE, 150_000n, true],
      [1, FEE, FEE, FEE, true],
    ]);
    assert.equal(await assertEmission(fog), FEE + 150_000n);
  },

  async 'an epoch makes what held at its end, whenever somebody looks: nothing while emission was off'({ open }) {
    const fog = await open(REAL);
    await emitting(fog, { ...ON, emissionSwitch: 0n });
    await paidJob(fog);
    // Nobody looks for days: no coordinator ran. In them it is turned on, and off.
    fog.clock.now += DAY;
    await paidJobQuietly(fog);
    await decree(fog, { emissionSwitch: 1n });
    fog.clock.now += DAY;
    await paidJobQuietly(fog);
    await decree(fog, { emissionSwitch: 0n });
    fog.clock.now += DAY;
    await nextDay(fog);
    assert.deepEqual(await epochs(fog), [
      [1, FEE, 0n, 0n, true],
      [1, FEE, FEE, FEE, true],
      [1, FEE, 0n, 0n, true],
    ]);
    assert.equal(await treasuryOf(fog.database, 'fog'), 0n, 'all fees burned');
    assert.equal(await assertEmission(fog), FEE);
  },

  async 'property: over random days no job earns more than it burned, no epoch more than its cap, and supply adds up'({
    open,
    crash,
  }) {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = seededRandom(seed);
    const below = (most: number) => Math.floor(random() * most);
    let fog = await open(REAL);
    await emitting(fog);
    await fog.connected({ owner: 'otto', ...OFFER, prefix: 'otto' });
    await fog.endow('otto', 1000n * FOG);
    for (let day = 0; day < 4; day += 1) {
      await decree(fog, {
        feeBurnPpm: BigInt(below(1_000_001)),
        emissionSwitch: BigInt(below(4) === 0 ? 0 : 1),
        emissionMost: BigInt(below(400_000)),
        emissionSharePpm: BigInt(below(1_000_001)),
        feePpm: BigInt(below(200_001)),
      });
      for (let jobs = below(4); jobs > 0; jobs -= 1) {
        await paidJob(fog, {
          by: below(3) === 0 ? 'otto' : 'alice',
          count: 1 + below(3),
          milliseconds: 1 + below(900_000),
        });
        if (below(5) === 0) fog = await crash(fog);
        for (const agent of fog.agents) if (agent.session === null) await agent.connect();
      }
      if (below(3) > 0) await nextDay(fog);
    }
    await nextDay(fog);
    await assertEmission(fog).catch((error: unknown) => assert.fail(`seed ${seed}: ${String(error)}`));
    assert.equal(await assertMoney(fog.database), 0, `seed ${seed}`);
    assert.deepEqual(await fog.database.read.selectFrom('emission_shares').selectAll().execute(), [], `seed ${seed}`);
  },

  async 'a database of before: what was voted for a parameter that is none any more goes, its entry stays'({ open }) {
    const fog = await open(REAL);
    const { database } = fog;
    for (const table of ['emission_shares', 'emission_claims', 'emission_epochs'] as const) {
      await database.write((writer) => writer.schema.dropTable(table).execute());
    }
    const value = { value: '200', proposal: 'a'.repeat(64), changed_at: 1 };
    await database.write((writer) =>
      writer
        .insertInto('dao_parameters')
        .values([
          { name: 'downtimeSlashPpm', ...value },
          { name: 'feePpm', ...value },
        ])
        .execute(),
    );
    await assert.rejects(economyOf(fog).governance.parameters.look(), { code: 'invalid-request' });
    await database.write((writer) => up(writer as unknown as Kysely<unknown>));
    await economyOf(fog).governance.parameters.look();
    assert.equal(economyOf(fog).governance.parameters.values.feePpm, 200n);
    assert.deepEqual(await epochs(fog), []);
  },
});
