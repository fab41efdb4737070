/** New money for work, over both databases: what burns for whom, what an epoch makes of it, and who tries to get more. */
import assert from 'node:assert/strict';
import { ACCOUNT_CODES, accountId, TRANSFER_CODES } from '@fog/economy/chart';
import type { ParameterName } from '@fog/economy/governance';
import type { Kysely } from 'kysely';
import { epochOf } from '../../src/settlement/emission/claims.ts';
import { EMISSION_LIMITS } from '../../src/settlement/emission/limits.ts';
import { endEpochs } from '../../src/settlement/emission/new-money.ts';
import { jobOfNumber, numberOfJob } from '../../src/settlement/job-numbers.ts';
import { databaseSource } from '../../src/settlement/ledger-source.ts';
import { readAccount, readId, readTransfer } from '../../src/settlement/records.ts';
import { verifyLedger } from '../../src/settlement/verify-ledger.ts';
import type { Database } from '../../src/store/database.ts';
import { addClaims, readClaims } from '../../src/store/emission-rows.ts';
import { up } from '../../src/store/migrations/0020-emission.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { type Fog, seededRandom } from '../dispatch/fog-harness.ts';
import { caller, DAY, daoOf, decree, economyOf, FOG, join, pass, proposeBy, vote } from '../governance/members.ts';
import { assertMoney, supplyOf, treasuryOf, walletOf } from './money-invariants.ts';

const REAL = { economy: 'on' as const, faucet: 'off' as const };
const JOB = {
  task: { resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } },
  // A slice costs what the node asks: prices move in the days that pass here.
  spec: { timeouts: { attempt: '1h' }, budget: { perTask: 10_000_000 } },
};
/** Two slices: of 2 FOG a fee of 0.1 FOG. */
const PRICE = 2_000_000n;
const FEE = PRICE / 20n;
const OFFER = { offer: { pricePerSlice: 1_000_000 }, capacity: { slots: 8, milliCpu: 8000, memoryBytes: 8 * 2 ** 30 } };
const ON: Partial<Record<ParameterName, bigint>> = {
  feeBurnPpm: 1_000_000n,
  emissionSwitch: 1n,
  emissionMost: 1000n * FOG,
  emissionSharePpm: 1_000_000n,
};

/** A node of olga, money of alice, and these parameters, in the middle of a day. */
async function emitting(fog: Fog, parameters = ON) {
  fog.clock.now += DAY / 2 - (fog.clock.now % DAY);
  // All that is earned comes into the wallet.
  fog.stakeParameters = { heldBackPpm: 0n };
  const agent = await fog.connected({ owner: 'olga', ...OFFER });
  await fog.endow('alice', 1000n * FOG);
  if (Object.keys(parameters).length > 0) await decree(fog, parameters);
  return agent;
}

/** A job of ten minutes on each task, paid and closed. */
async function paidJob(fog: Fog, { by = 'alice', count = 1, milliseconds = 600_000 } = {}): Promise<string> {
  const job = await fog.submit({ ...JOB, spec: { ...JOB.spec, count } }, { by });
  await fog.settle();
  for (const agent of fog.agents) {
    agent.ran(milliseconds);
    for (const name of agent.attempts.filter((attempt) => attempt.job === job)) agent.succeed(name);
  }
  await pass(fog, 1000);
  return job;
}

/** The day ends, and somebody looks. */
async function nextDay(fog: Fog): Promise<void> {
  await pass(fog, DAY - (fog.clock.now % DAY) + EMISSION_LIMITS.lookMilliseconds);
}

const claimsOf = (fog: Fog) => readClaims(fog.database.read, epochOf(fog.clock.now), { after: null, limit: 5000 });

async function epochs(fog: Fog) {
  return (await daoOf(fog).emission({ limit: 50 })).items.map(({ claims, burned, wanted, made, settledAt }) => {
    return [claims, BigInt(burned), BigInt(wanted), BigInt(made), settledAt !== null];
  });
}

/** Every transfer of the ledger, with what its accounts are for. */
async function ledgerOf({ read }: Pick<Database, 'read'>) {
  const accounts = await read.selectFrom('ledger_accounts').select(['id', 'body']).execute();
  const known = new Map(accounts.map(({ id, body }) => [readId(id), readAccount(readId(id), body as Uint8Array)]));
  const rows = await read.selectFrom('ledger_transfers').select(['id', 'body']).execute();
  const transfers = rows.map(({ id, body }) => readTransfer(readId(id), body));
  return { transfers, accountOf: (id: bigint) => known.get(id) ?? assert.fail('a transfer of no account') };
}

/**
 * No job earns more than the fees it burned, by the ledger alone, and supply is what was issued, less what burned, and what
 * was emitted. Answers what was emitted.
 */
async function assertEmission(fog: Fog): Promise<bigint> {
  const { transfers, accountOf } = await ledgerOf(fog.database);
  const [burned, emitted] = [new Map<string, bigint>(), new Map<string, bigint>()];
  let [issued, all] = [0n, 0n];
  for (const { code, debitAccount, amount, userData128, userData64, creditAccount } of transfers) {
    if (code === TRANSFER_CODES.issue) issued += amount;
    if (code === TRANSFER_CODES.burn) {
      const escrow = accountOf(debitAccount);
      assert.equal(escrow.code, ACCOUNT_CODES.escrow);
      const job = jobOfNumber(escrow.userData128);
      burned.set(job, (burned.get(job) ?? 0n) + amount);
      all -= amount;
    }
    if (code !== TRANSFER_CODES.emission) continue;
    assert.equal(debitAccount, accountId('fog', 'issuance'));
    assert.equal(accountOf(creditAccount).code, ACCOUNT_CODES.wallet);
    assert.ok(amount > 0n && amount <= userData64);
    const job = jobOfNumber(userData128);
    emitted.set(job, (emitted.get(job) ?? 0n) + amount);
    all += amount;
  }
  for (const [job, amount] of emitted)
    assert.ok(amount <= (burned.get(job) ?? 0n), `${job} earns no more than it burned`);
  assert.equal(await supplyOf(fog.database, 'fog'), issued + all);
  const made = (await daoOf(fog).emission({ limit: 100 })).items;
  for (const epoch of made) assert.ok(BigInt(epoch.made) <= BigInt(epoch.most), 'no epoch makes more than its cap');
  return [...emitted.values()].reduce((sum, amount) => sum + amount, 0n);
}

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
    // Somebody brings the same claim once more: that epoch is over.
    const epoch = epochOf(fog.clock.now) - 2;
    const claim = { job, provider: 'olga', burnedMicroFog: FEE };
    await fog.database.write((writer) => addClaims(writer, epoch, [claim]));
    await nextDay(fog);
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

/** As `paidJob`, without a sweep of epochs. */
async function paidJobQuietly(fog: Fog): Promise<void> {
  const [agent] = fog.agents;
  assert.ok(agent !== undefined);
  const job = await fog.submit(JOB);
  await fog.settle();
  agent.ran(600_000);
  agent.succeed({ job, partition: 0, fence: 1 });
  await fog.settle();
  await economyOf(fog).settlement.closeEnded();
}
