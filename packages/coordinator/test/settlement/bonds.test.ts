/** Bonds decide who gets which lease: over both databases, and over two coordinators of one. */
import assert from 'node:assert/strict';
import { parseJobSpec } from '@fog/contract';
import type { ParameterName } from '@fog/economy/governance';
import { sql } from 'kysely';
import { createCoordinatorService } from '../../src/coordinator-service.ts';
import { JobCache } from '../../src/dispatch/job-cache.ts';
import { PlacementClasses } from '../../src/dispatch/placement-classes.ts';
import { readBondHurdles } from '../../src/settlement/stake/bonds.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { FakeAgent } from '../dispatch/fake-agent.ts';
import { type Fog, jobSpec, type SpecChange } from '../dispatch/fog-harness.ts';
import { taskRow } from '../dispatch/invariants.ts';
import { submitVerified } from '../dispatch/strangers.ts';
import { walletOf } from './money-invariants.ts';
import { assertStake } from './stake-invariants.ts';

const REAL = { economy: 'on' as const, faucet: 'off' as const };
const FOG = 1_000_000n;
/** Twelve slices, at most at twice the first price. */
const BOND = 24_000n;
const by = (principal: string) => ({ scope: 'submit' as const, principal });

function tasks(count: number, attempt = '1h'): SpecChange {
  return { task: { resources: { cpu: '1', memory: '1Mi', disk: '1Mi' } }, spec: { count, timeouts: { attempt } } };
}

/** What a vote has said. */
async function voted(fog: Fog, values: Partial<Record<ParameterName, number>>): Promise<void> {
  const rows = Object.entries(values).map(([name, value]) => {
    return { name, value: String(value), proposal: 'p', changed_at: fog.clock.now };
  });
  await fog.database.write((writer) =>
    writer
      .insertInto('dao_parameters')
      .values(rows)
      .onConflict((conflict) => conflict.column('name').doUpdateSet(({ ref }) => ({ value: ref('excluded.value') })))
      .execute(),
  );
  await fog.economy?.governance.begin();
}

async function bonded(fog: Fog, owner: string, amount: bigint): Promise<void> {
  await fog.endow(owner, amount);
  await fog.economy?.staking.change(by(owner), { kind: 'bond', amount: String(amount), key: String(fog.clock.now) });
  fog.clock.now += 1;
}

/** Ends what the agent runs, but for so many attempts. */
async function endAll(fog: Fog, agent: FakeAgent, left = 0): Promise<void> {
  for (const name of agent.attempts.slice(left)) agent.succeed(name);
  await fog.settle();
}

const leased = (...agents: FakeAgent[]) => agents.map(({ attempts }) => attempts.length);

async function waitingDeadlines(fog: Fog, job: string): Promise<(number | null)[]> {
  const rows = await fog.database.read
    .selectFrom('tasks')
    .select('queue_deadline')
    .where('job_id', '=', job)
    .where('state', '=', 'queued')
    .execute();
  return rows.map(({ queue_deadline: deadline }) => deadline);
}

await onBothDatabases('bonds', {
  async 'a newcomer begins with nothing, with so many leases at a time, and the end of one makes room for another'({
    open,
  }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    const agent = await fog.connected({ owner: 'nora' });
    await fog.submit(tasks(4));
    await fog.settle();
    assert.deepEqual(leased(agent), [4], 'the first parameters let a laptop work');
    await endAll(fog, agent);
    await voted(fog, { unbondedLeases: 2 });
    const job = await fog.submit(tasks(5));
    await fog.settle();
    assert.deepEqual(leased(agent), [2]);
    await endAll(fog, agent, 1);
    assert.deepEqual(leased(agent), [2]);
    agent.fail(agent.attempts[0] ?? { job, partition: 0, fence: 1 }, 'node-lost');
    await fog.settle();
    assert.deepEqual(leased(agent), [2], 'what fails binds no more');
    await endAll(fog, agent);
    await endAll(fog, agent);
    await fog.advance(60_000);
    await endAll(fog, agent);
    await fog.advance(1000);
    assert.ok((await walletOf(fog.database, 'nora', 'fog')) > 0n);
    await assertStake(fog.database);
  },

  async 'where a vote asks for bonds, tasks go past who has none to who has, as far as it covers them'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    await voted(fog, { unbondedLeases: 0 });
    await bonded(fog, 'vera', 3n * BOND - 1n);
    const nora = await fog.connected({ owner: 'nora' });
    const [one, two] = [await fog.connected({ owner: 'vera' }), await fog.connected({ owner: 'vera' })];
    const job = await fog.submit(tasks(6));
    const [deadline] = await waitingDeadlines(fog, job);
    await fog.settle();
    assert.equal(nora.attempts.length, 0);
    assert.equal(one.attempts.length + two.attempts.length, 2, 'over all of her nodes');
    const [busy] = [one, two].filter(({ attempts }) => attempts.length > 0) as [FakeAgent];
    await endAll(fog, busy, busy.attempts.length - 1);
    assert.equal(one.attempts.length + two.attempts.length, 2, 'another of the four that wait');
    // Her bond grows while tasks wait: they are looked at again within a second.
    await bonded(fog, 'vera', 1n);
    await fog.advance(1000);
    assert.equal(one.attempts.length + two.attempts.length, 3);
    await bonded(fog, 'nora', BOND);
    await fog.advance(1000);
    assert.deepEqual(leased(nora), [1]);
    assert.deepEqual(await waitingDeadlines(fog, job), [deadline]);
  },

  async 'room that is kept on her node for a task is no bond for another one'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    await voted(fog, { unbondedLeases: 0 });
    const vera = await fog.connected({ owner: 'vera' });
    const job = await fog.submit(tasks(3));
    await fog.settle();
    const { class_id: classId } = await taskRow(fog.database, job);
    const needs = { slots: 1, milliCpu: 1000, memoryBytes: 1 << 20, diskBytes: 1 << 20 };
    fog.dispatcher.holds.add({ node: vera.id, classId, needs, until: fog.clock.now + 600_000, isForMove: true });
    await bonded(fog, 'vera', BOND);
    await fog.advance(1000);
    assert.deepEqual(leased(vera), [1]);
  },

  async 'it is told who lacks how much'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    await voted(fog, { unbondedLeases: 0 });
    await bonded(fog, 'vera', BOND + 5n);
    const agent = await fog.connected({ owner: 'vera' });
    const job = await fog.submit(tasks(2));
    await fog.settle();
    assert.deepEqual(leased(agent), [1]);
    const service = serviceOf(fog);
    const [{ partition } = { partition: 0 }] = agent.attempts;
    const { waiting } = await service.explainTask(by('alice'), { job, partition: 1 - partition });
    const text = 'bond too small: vera has 0.000005 FOG free, it needs 0.024 FOG';
    assert.deepEqual([waiting?.reason, waiting?.message.includes(text)], ['no-node', true]);
    const { nodes: suiting, excluded } = await service.plan(by('alice'), { spec: jobSpec(tasks(1)) });
    assert.deepEqual([suiting, excluded.map(({ constraint }) => constraint)], [[], [text]]);
    assert.equal((await service.plan(by('vera'), { spec: jobSpec(tasks(1)) })).nodes.length, 1, 'a node of her own');
    const settlement = fog.economy?.settlement;
    const { read } = fog.database;
    const nodes = [{ owner: 'vera', trusted: false }];
    const bond = settlement?.bondOf(parsed(tasks(1)), 'alice') ?? null;
    const hurdle = (await readBondHurdles(read, bond, nodes))({ owner: 'vera', trusted: false });
    assert.equal(hurdle?.constraint, text);
    assert.match(hurdle?.hint ?? '', /fog stake bond/);
    assert.equal((await readBondHurdles(read, bond, nodes))({ owner: 'vera', trusted: true }), null);
    assert.equal(settlement?.bondOf(parsed({ spec: { verification: { mode: 'replicate' } } }), 'alice'), null);
  },

  async 'replicated tasks, own nodes, trusted ones, those of the operator, and the faucet ask for none'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    await voted(fog, { unbondedLeases: 0 });
    const agents = [
      await fog.connected({ owner: 'nora' }),
      await fog.connected({ owner: 'alice' }),
      await fog.connected({ owner: 'olga', trusted: true }),
      await fog.connected({ owner: 'admin' }),
    ];
    await fog.submit(tasks(16));
    await fog.settle();
    assert.deepEqual(leased(...agents), [0, 4, 4, 4]);
    for (const agent of agents) await endAll(fog, agent);
    for (const agent of agents) await endAll(fog, agent);
    await submitVerified(fog, { mode: 'replicate', maxReplicas: 2 }, { count: 4 });
    await fog.settle();
    assert.ok((agents[0]?.attempts.length ?? 0) > 0, 'a replicated task');
    const bound = await fog.database.read.selectFrom('attempts').select('bond').where('bond', 'is not', null).execute();
    assert.deepEqual(bound, []);
  },

  async 'money of the faucet asks for no bond'({ open }) {
    const fog = await open({ economy: 'on' });
    await voted(fog, { unbondedLeases: 0 });
    const agent = await fog.connected({ owner: 'nora' });
    await fog.submit(tasks(2));
    await fog.settle();
    assert.deepEqual(leased(agent), [2]);
  },

  async 'who was slashed, or takes its stake out, is no newcomer; terms are those of the submit'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    for (const owner of ['vera', 'vito', 'nora']) await bonded(fog, owner, BOND + 5n);
    await fog.economy?.staking.change(by('vito'), { kind: 'unbond', validator: 'vito', amount: '10', key: 'u' });
    await fog.database.write((writer) =>
      sql`UPDATE stake_validators SET faults = 1 WHERE validator = 'vera'`.execute(writer),
    );
    const agents: FakeAgent[] = [];
    for (const owner of ['vera', 'vito', 'nora']) agents.push(await fog.connected({ owner }));
    const first = await fog.submit(tasks(12));
    fog.clock.now += 1;
    await voted(fog, { leaseBondPpm: 0 });
    await fog.settle();
    assert.deepEqual(leased(...agents), [1, 0, 4]);
    const second = await fog.submit(tasks(12));
    await fog.settle();
    assert.deepEqual(leased(...agents), [4, 4, 4], 'the vote holds for jobs from then on');
    const ofJob = (agent: FakeAgent, job: string) => agent.attempts.filter((name) => name.job === job).length;
    assert.deepEqual(
      agents.map((agent) => [ofJob(agent, first), ofJob(agent, second)]),
      [
        [1, 3],
        [0, 4],
        [4, 0],
      ],
    );
  },

  async 'the cheap go where the dear may not, and those keep their place in the queue'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    await voted(fog, { unbondedLeases: 0 });
    await bonded(fog, 'vera', 2n * BOND + 2000n);
    const jobs: string[] = [];
    // The first two wait in one class, since they bind nearly as much; the others in classes of their own.
    for (const attempt of ['1h', '80m', '3h', '5m']) {
      fog.clock.now += 1;
      jobs.push(await fog.submit(tasks(1, attempt)));
    }
    const [middling = '', dear = '', dearest = '', cheap = ''] = jobs;
    const deadlines = await waitingDeadlines(fog, dear);
    const agent = await fog.connected({ owner: 'vera' });
    await fog.settle();
    for (let second = 0; second < 3; second += 1) await fog.advance(1000);
    assert.deepEqual(agent.attempts.map(({ job }) => job).sort(), [middling, cheap].sort());
    assert.deepEqual(await waitingDeadlines(fog, dear), deadlines);
    await bonded(fog, 'vera', 10n * BOND);
    for (let second = 0; second < 3; second += 1) await fog.advance(1000);
    assert.deepEqual(agent.attempts.map(({ job }) => job).sort(), [middling, dear, dearest, cheap].sort());
    assert.deepEqual(await waitingDeadlines(fog, dear), []);
    const bound = await fog.database.read.selectFrom('attempts').select('bond').execute();
    assert.deepEqual(
      bound.map((row) => Number(row.bond)).sort((a, b) => a - b),
      [2000, 24_000, 32_000, 72_000],
    );
  },

  async 'what leases bind is known after a crash, and to another coordinator'({ open, crash }) {
    let fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    await voted(fog, { unbondedLeases: 0 });
    await bonded(fog, 'vera', 2n * BOND);
    const agent = await fog.connected({ owner: 'vera' });
    await fog.submit(tasks(8));
    await fog.settle();
    assert.deepEqual(leased(agent), [2]);
    fog = await crash(fog);
    const later = await fog.connected({ owner: 'vera' });
    await fog.advance(1000);
    assert.deepEqual(leased(later), [0], 'those of the node that is away bind all the same');
    await agent.connect();
    await fog.settle();
    if (fog.storage !== undefined && 'url' in fog.storage) {
      const other = await open({ ...REAL, clock: fog.clock });
      const elsewhere = await other.connected({ owner: 'vera', name: 'elsewhere' });
      await other.advance(1000);
      assert.deepEqual(leased(elsewhere), [0]);
      await endAll(fog, agent, 1);
      await other.advance(1000);
      await fog.settle();
      assert.equal(
        leased(elsewhere, agent, later).reduce((sum, count) => sum + count),
        2,
      );
      return;
    }
    await endAll(fog, agent, 1);
    assert.equal(
      leased(agent, later).reduce((sum, count) => sum + count),
      2,
    );
  },
});

function serviceOf(fog: Fog) {
  const { database, bus, dispatcher, jobs, suspensions, nodes, quotas, clock, economy } = fog;
  return createCoordinatorService({
    ...{ database, bus, dispatcher, jobs, suspensions, nodes, quotas, now: () => clock.now },
    ...{ jobCache: new JobCache(), classes: new PlacementClasses(), settlement: economy?.settlement ?? null },
    ...{ version: 'test', url: () => '', startedAt: 0, space: { size: null, limitBytes: 0 } },
    blobTotals: () => assert.fail(),
  });
}

function parsed(change: SpecChange) {
  return parseJobSpec(jobSpec({ ...tasks(1), ...change, task: { ...tasks(1).task, ...change.task } }));
}
