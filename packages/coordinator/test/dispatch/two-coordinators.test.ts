/** Several coordinators on one PostgreSQL: they share the work, hear each other, and take over from each other. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startPostgres } from '../../../../test/support/postgres.ts';
import { type Hint, postgresBus } from '../../src/bus.ts';
import { Fog } from './fog-harness.ts';
import { assertAgreement, assertConsistent, attemptStates, jobRow } from './invariants.ts';
import { honest, outputsOf, RIGHT, recordOf, stranger, submitVerified, trustOf, wrong } from './strangers.ts';

const postgres = await startPostgres();
const skip = 'unavailable' in postgres ? postgres.unavailable : false;

/** Two cores on a fresh database, with one clock. */
async function pair(): Promise<{ one: Fog; two: Fog; url: string } & AsyncDisposable> {
  if ('unavailable' in postgres) throw new Error(postgres.unavailable);
  const url = postgres.url(await postgres.createDatabase());
  const clock = { now: 1_700_000_000_000 };
  const bus = (coordinatorId: string) => postgresBus(url, coordinatorId);
  const one = await Fog.open({ url }, { clock, bus });
  const two = await Fog.open({ url }, { clock, bus });
  await one.sweeps.takeStock();
  return {
    one,
    two,
    url,
    async [Symbol.asyncDispose]() {
      await one[Symbol.asyncDispose]();
      await two[Symbol.asyncDispose]();
    },
  };
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(what);
}

describe('two coordinators', { skip }, () => {
  after(() => ('unavailable' in postgres ? undefined : postgres.stop()));

  test('agree on the reputation of an owner with nodes at both, who is found out at one of them', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    let lies = false;
    const liar = await stranger(one, () => (lies ? wrong(1) : RIGHT), {
      name: 'a',
      owner: 'liza',
      prefix: '10.1.0.0/24',
    });
    await stranger(one, honest, { name: 'b', owner: 'olga', prefix: '10.2.0.0/24' });
    const elsewhere = await stranger(two, honest, { name: 'c', owner: 'liza', prefix: '10.3.0.0/24' });
    await two.nodes.cordon(elsewhere.id, true, 'root');
    for (let jobs = 0; jobs < 6; jobs += 1) await submitVerified(one);
    await until('it is known', async () => (await trustOf(one, liar))?.valid === 6);
    await Promise.all([one.sweeps.sweepOnce(), two.sweeps.sweepOnce()]);
    const versions = () => [liar, elsewhere].map(({ session }) => session?.ofOwner.version ?? 0);
    const [before] = versions();
    assert.ok((before ?? 0) > 0 && versions()[1] === before, versions().join());
    lies = true;
    await submitVerified(one);
    await one.settle();
    await stranger(one, honest, { name: 'd', owner: 'oleg', prefix: '10.4.0.0/24' });
    await until('two of three agree', async () => (await trustOf(one, liar))?.invalid === 1);
    await until('both know it', () => elsewhere.session?.ofOwner.reputation.wrong === 1);
    assert.equal(versions()[0], versions()[1]);
    await Promise.all([one.settle(), two.settle()]);
    await assertConsistent(one.database);
  });

  test('share the tasks of one job, each exactly once', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const agents = [await one.connected({ name: 'a' }), await two.connected({ name: 'b' })];
    const seen: string[] = [];
    for (const agent of agents) {
      agent.onLease = (name) => {
        seen.push(`${name.partition}/${name.fence}`);
        setTimeout(() => agent.succeed(name), 1);
      };
    }
    const job = await one.submit({ spec: { count: 120 } });
    await until('the job ends', async () => (await jobRow(one.database, job)).ended_at !== null);
    assert.equal(seen.length, 120);
    assert.equal(new Set(seen).size, 120);
    for (const agent of agents) assert.ok(agent.groups.length > 0, `${agent.description.name} got some`);
    await Promise.all([one.settle(), two.settle()]);
    await assertConsistent(one.database);
  });

  test('replicas on nodes of both are committed, asked for and judged together', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const agents = [
      await stranger(one, honest, { name: 'a', owner: 'olga', prefix: '10.0.1.0/24' }),
      await stranger(two, honest, { name: 'b', owner: 'oleg', prefix: '10.0.2.0/24' }),
    ];
    const job = await submitVerified(one, { mode: 'replicate' }, { count: 20 });
    await until('the job ends', async () => (await jobRow(one.database, job)).ended_at !== null);
    await Promise.all([one.settle(), two.settle()]);
    await assertConsistent(one.database);
    for (const agent of agents) assert.equal((await trustOf(one, agent))?.consecutiveValid, 20);
  });

  test('a job cancelled here is stopped on nodes that are connected there', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const agent = await two.connected({ name: 'a', capacity: { slots: 1 } });
    const job = await one.submit();
    await until('it is leased there', () => agent.held.size === 1);
    await one.jobs.close(job, 'cancelled', 'alice');
    await until('it is stopped', () => agent.stopped.length === 1);
    assert.equal(agent.stopped[0]?.reason, 'cancelled');
    const next = await one.submit();
    await until('its place is free again', () => agent.attempts.some((name) => name.job === next));
    assertAgreement(two);
  });

  test('a committed result of a job that was cancelled here is given up there, though the hint was lost', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const agent = await stranger(two, honest, { name: 'a', capacity: { slots: 1 } });
    const job = await submitVerified(one);
    await until('it is committed', async () => (await attemptStates(one.database, job))[0] === 'committed');
    await two.settle();
    assert.equal(agent.session?.committed.length, 1);
    one.bus.setPeers(0);
    await one.jobs.close(job, 'cancelled', 'alice');
    await two.settle();
    assert.deepEqual(agent.stopped, []);
    await two.advance(5000);
    assert.deepEqual(
      agent.stopped.map(({ reason }) => reason),
      ['cancelled'],
    );
    assert.equal(agent.session?.committed.length, 0);
    assert.equal(agent.session?.free.diskBytes, agent.description.capacity.diskBytes);
    assertAgreement(two);
  });

  test('a node that is trusted no more is not believed there either, though the hint was lost', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const options = { name: 'a', trusted: true, capacity: { slots: 1 } };
    const agent = await stranger(two, honest, options);
    agent.onLease = () => undefined;
    const job = await submitVerified(one);
    await until('it is leased there', () => agent.held.size === 1);
    one.bus.setPeers(0);
    await one.nodes.trust(agent.id, false, 'root');
    const [name] = agent.attempts;
    assert.ok(name !== undefined);
    agent.succeed(name, outputsOf(RIGHT));
    await until('it runs as another stranger', () => agent.held.size === 1);
    await two.settle();
    assert.deepEqual(await attemptStates(one.database, job), ['failed', 'leased']);
    assert.notEqual(await recordOf(one, job), null);
    await until('it is known there', () => agent.session?.identity.trusted === false);
  });

  test('suspended and resumed by both at the same time, every task is done once', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const agents = [await one.connected({ name: 'a' }), await two.connected({ name: 'b' })];
    for (const agent of agents) {
      agent.onLease = (name) => {
        agent.report(name, { event: 'start' });
        const end = () => (name.fence % 3 === 1 ? agent.yields(name, null, 'drained') : agent.succeed(name));
        setTimeout(end, name.partition % 5);
      };
    }
    const job = await one.submit({ spec: { count: 60 } });
    const toggle = async (fog: Fog, partition?: number) => {
      for (let round = 0; round < 8; round += 1) {
        const change = { suspend: round % 2 === 0, partition, by: 'alice' };
        await fog.suspensions.change(job, change).catch((error: { code?: string }) => {
          assert.equal(error.code, 'conflict');
        });
      }
    };
    // Whatever they did to each other, the last word of each was to go on.
    await Promise.all([toggle(one), toggle(two), toggle(one, 3), toggle(two, 3), toggle(two, 7)]);
    await until('the job ends', async () => (await jobRow(one.database, job)).ended_at !== null);
    await Promise.all([one.settle(), two.settle()]);
    assert.equal((await jobRow(one.database, job)).succeeded, 60);
    await assertConsistent(one.database);
  });

  test('a job suspended here is suspended on nodes that are connected there, and a lost hint is made good', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const agent = await two.connected({ name: 'a' });
    const job = await one.submit();
    await until('it is leased there', () => agent.held.size === 1);
    await one.suspensions.change(job, { suspend: true, by: 'alice' });
    await until('it is told', () => agent.suspended.size === 1);
    one.bus.setPeers(0);
    await one.suspensions.change(job, { suspend: false, by: 'alice' });
    for (const name of agent.attempts) {
      agent.report(name, { event: 'start' });
      agent.report(name, { event: 'suspend' });
    }
    await two.settle();
    await two.suspensions.remind(null);
    assert.equal(agent.suspended.size, 0);
  });

  test('a node that moves over goes on with what it holds; the old link is closed', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const agent = await one.connected({ name: 'a' });
    const job = await one.submit();
    await one.settle();
    const [name] = agent.attempts;
    assert.ok(name !== undefined);
    const old = one.dispatcher.sessions.get(agent.id);
    agent.moveTo(two);
    await agent.connect();
    assert.equal(agent.held.size, 1);
    agent.succeed(name);
    await two.settle();
    assert.deepEqual(await attemptStates(two.database, job), ['valid']);
    await one.nodes.disconnected(old ?? assert.fail(), 'late');
    const row = await one.database.read.selectFrom('nodes').select('state').executeTakeFirstOrThrow();
    assert.equal(row.state, 'connected', 'the end of the old session says nothing of the node');
  });

  test('a node that says hello to both at once has one session that counts', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    for (let round = 0; round < 10; round += 1) {
      const agent = one.agent({ name: `a${round}` });
      const first = agent.hello();
      agent.moveTo(two);
      const outcomes = await Promise.all([first, agent.hello()]);
      const sessions = outcomes.map((outcome) => (outcome.accepted ? outcome.session.session : 0)).sort();
      assert.deepEqual(sessions, [1, 2]);
    }
    await assertConsistent(one.database);
  });

  test('the nodes of a dead coordinator are lost in time, and its jobs go on elsewhere', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const agent = await one.connected({ name: 'a' });
    const job = await one.submit();
    await one.settle();
    assert.equal(agent.held.size, 1);
    await one.database.crash();
    const heir = await two.connected({ name: 'b' });
    await two.advance(30_001);
    await two.advance(60_001);
    await until('it is leased again', () => heir.held.size === 1);
    assert.equal(heir.attempts[0]?.job, job);
    await one.bus.close();
  });

  test('one that joins another judges silence by what that one has heard; one that replaces it does not', async () => {
    for (const isAlone of [false, true]) {
      await using fogs = await pair();
      const { one, url } = fogs;
      const agent = await one.connected({ name: 'a' });
      const job = await one.submit();
      await one.settle();
      await agent.disconnect();
      one.clock.now += 45_000;
      if (isAlone) await fogs.two.dispatcher.stop();
      await using late = await Fog.open({ url }, { clock: one.clock, startedAt: one.clock.now });
      for (let beat = 0; beat < 2; beat += 1) {
        one.clock.now += 5000;
        if (!isAlone) await one.sweeps.takeStock();
        await late.sweeps.takeStock();
      }
      await late.advance(5000);
      assert.deepEqual(await attemptStates(late.database, job), [isAlone ? 'leased' : 'lost']);
    }
  });

  test('a node is drained through a coordinator that it is not connected to', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const agent = await two.connected({ name: 'a' });
    await one.nodes.drain(agent.id, 60_000, 'alice');
    const told = () => agent.frames.find((frame) => frame.type === 'drain');
    await until('it is told', () => told() !== undefined);
    assert.deepEqual(told(), { type: 'drain', deadlineMilliseconds: 60_000 });
    await one.submit();
    await two.settle();
    assert.equal(agent.attempts.length, 0, 'nothing more goes there');
  });

  test('leases whose commit nobody was told of are given again', async () => {
    await using fogs = await pair();
    const { one } = fogs;
    const agent = await one.connected({ name: 'a' });
    const session = agent.session ?? assert.fail();
    // Whatever is read of the node meanwhile.
    let isCordoned = true;
    Object.defineProperty(session, 'cordoned', { get: () => isCordoned, set: () => undefined });
    const job = await one.submit({ spec: { count: 3 } });
    await one.settle();
    isCordoned = false;
    session.onRoom?.();
    one.database.loseNextAnswer();
    one.dispatcher.wake();
    await until('the turn has failed', () => one.warnings.length > 0);
    await one.settle();
    assert.deepEqual(await attemptStates(one.database, job), ['leased']);
    assert.equal(agent.held.size, 0, 'it was not sent');
    await one.advance(10_001);
    await until('all are held', () => agent.held.size === 3);
    for (const name of agent.attempts) agent.succeed(name);
    await until('the job ends', async () => (await jobRow(one.database, job)).state === 'completed');
    await assertConsistent(one.database);
  });

  test('hints reach the other side whole, however many ids they name', async () => {
    await using fogs = await pair();
    const { one, two } = fogs;
    const heard: Hint[] = [];
    const end = two.bus.subscribe((hint) => void heard.push(hint));
    const ids = Array.from({ length: 450 }, (_, index) => `j${String(index).padStart(18, '0')}`);
    one.bus.publish({ kind: 'streams', ids });
    one.bus.publish({ kind: 'stop', job: 'j1' });
    await until('the last one arrives', () => heard.some((hint) => hint.kind === 'stop'));
    assert.deepEqual(heard.flatMap((hint) => (hint.kind === 'streams' ? hint.ids : [])).sort(), ids);
    end();
    one.bus.setPeers(0);
    const own: Hint[] = [];
    one.bus.subscribe((hint) => void own.push(hint));
    one.bus.publish({ kind: 'stop', job: 'j2' });
    assert.deepEqual(own, [{ kind: 'stop', job: 'j2' }], 'own hints come at once');
    assert.ok(!heard.some((hint) => hint.kind === 'stop' && hint.job === 'j2'));
  });
});
