/** What happens when links break, nodes fall silent or forget, and the coordinator itself dies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptName, JobSpecInput } from '@fog/contract';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { onBothDatabases } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import { type Fog, seededRandom } from './fog-harness.ts';
import { assertAgreement, assertConsistent, attemptStates, eventTypes, jobRow, taskRow } from './invariants.ts';

const LOST_AFTER = 60_000;
/** After it, the coordinators of one database take a silent one for dead. */
const COORDINATOR_SILENCE = DISPATCH_LIMITS.coordinatorSilenceMilliseconds + 1;

type Disconnect = NonNullable<JobSpecInput['spec']['disconnect']>;
const NO_USE = {
  usage: { wallMilliseconds: 1, cpuMilliseconds: null, peakMemoryBytes: null },
  engine: 'test',
  logBytes: 0,
};

function only(agent: FakeAgent): AttemptName {
  const [name, ...more] = agent.attempts;
  assert.ok(name !== undefined && more.length === 0, `${agent.description.name} holds ${agent.held.size} attempts`);
  return name;
}

/** One task, running on the first agent; the second one is free. */
async function running(
  fog: Fog,
  disconnect: Disconnect = {},
): Promise<{ job: string; name: AttemptName; first: FakeAgent; second: FakeAgent }> {
  const first = await fog.connected({ capacity: { slots: 1 } });
  const job = await fog.submit({ spec: { disconnect } });
  await fog.settle();
  const second = await fog.connected({ capacity: { slots: 1 } });
  const name = only(first);
  first.report(name, { event: 'start' });
  await fog.settle();
  return { job, name, first, second };
}

await onBothDatabases('recovery', {
  async 'a short silence changes nothing, a long one gets the task a replacement'({ open }) {
    const fog = await open();
    const { job, first, second } = await running(fog);
    await first.disconnect();
    await fog.advance(LOST_AFTER - 1);
    assert.equal(second.held.size, 0);
    await fog.advance(1);
    assert.equal(only(second).fence, 2);
    assert.deepEqual(await attemptStates(fog.database, job), ['lost', 'leased']);
    const task = await taskRow(fog.database, job);
    assert.deepEqual([task.job_failures, task.node_failures], [0, 1]);
  },

  async 'the lost node delivers first: its result is taken, the replacement is stopped'({ open }) {
    const fog = await open();
    const { job, name, first, second } = await running(fog);
    await first.disconnect();
    await fog.advance(LOST_AFTER);
    const replacement = only(second);
    first.succeed(name);
    await first.connect();
    assert.deepEqual(await attemptStates(fog.database, job), ['valid', 'superseded']);
    assert.deepEqual(second.stopped, [{ attempt: replacement, reason: 'superseded' }]);
    second.succeed(replacement);
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['valid', 'superseded']);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },

  async 'the replacement delivers first: the lost attempt is stopped when its node returns'({ open }) {
    const fog = await open();
    const { job, name, first, second } = await running(fog);
    await first.disconnect();
    await fog.advance(LOST_AFTER);
    second.succeed(only(second));
    await fog.settle();
    await first.connect();
    assert.equal(first.held.size, 0);
    first.succeed(name);
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['superseded', 'valid']);
  },

  async 'keep-original: the lost attempt goes on when its node returns, the replacement is stopped'({ open }) {
    const fog = await open();
    const { job, name, first, second } = await running(fog, { reconcile: 'keep-original' });
    await first.disconnect();
    await fog.advance(LOST_AFTER);
    const replacement = only(second);
    await first.connect();
    assert.deepEqual(second.stopped, [{ attempt: replacement, reason: 'superseded' }]);
    assert.deepEqual(await attemptStates(fog.database, job), ['running', 'superseded']);
    first.report(name, { event: 'fail', reason: 'sandbox', message: 'broken', exitCode: null, ...NO_USE });
    await fog.settle();
    await fog.advance(2000);
    assert.equal((await attemptStates(fog.database, job)).at(-1), 'leased', 'its failure is followed by another try');
    await assertConsistent(fog.database);
  },

  async 'keep-original: a replacement that waits in the queue is not made'({ open }) {
    const fog = await open();
    const { job, name, first, second } = await running(fog, { reconcile: 'keep-original' });
    await second.disconnect();
    await first.disconnect();
    await fog.advance(LOST_AFTER);
    await first.connect();
    await second.connect();
    assert.equal(second.held.size, 0);
    first.succeed(name);
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['valid']);
  },

  async 'keep-replacement: the lost attempt is stopped when its node returns, its result is not taken'({ open }) {
    const fog = await open();
    const { job, name, first, second } = await running(fog, { reconcile: 'keep-replacement' });
    await first.disconnect();
    await fog.advance(LOST_AFTER);
    first.succeed(name);
    await first.connect();
    assert.equal(first.held.size, 0);
    assert.deepEqual(await attemptStates(fog.database, job), ['superseded', 'leased']);
    second.succeed(only(second));
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['superseded', 'valid']);
  },

  async 'keep-replacement: without a replacement the lost attempt goes on'({ open }) {
    const fog = await open();
    const { job, name, first, second } = await running(fog, { reconcile: 'keep-replacement' });
    await second.disconnect();
    await first.disconnect();
    await fog.advance(LOST_AFTER);
    await first.connect();
    first.succeed(name);
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['valid']);
  },

  async 'replace: false waits for the node, until it is removed'({ open }) {
    const fog = await open();
    const { job, name, first, second } = await running(fog, { replace: false });
    await first.disconnect();
    await fog.advance(10 * LOST_AFTER);
    assert.equal(second.held.size, 0);
    assert.deepEqual(await attemptStates(fog.database, job), ['lost']);
    await first.connect();
    assert.deepEqual(await attemptStates(fog.database, job), ['running']);
    await first.disconnect();
    await fog.advance(LOST_AFTER);
    await fog.nodes.remove(first.id);
    await fog.settle();
    assert.deepEqual([only(second).fence, name.fence], [2, 1]);
    assert.deepEqual(await attemptStates(fog.database, job), ['failed', 'leased']);
  },

  async 'a drained node that was only cut off is told again; started anew, it works again'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    await fog.nodes.drain(agent.id, 60_000, 'olga');
    await agent.disconnect();
    agent.frames.length = 0;
    await agent.connect();
    assert.ok(agent.frames.some((frame) => frame.type === 'drain'));
    await fog.submit();
    await fog.settle();
    assert.equal(agent.held.size, 0);
    await agent.disconnect();
    agent.restart();
    await agent.connect();
    assert.equal(agent.held.size, 1, 'the cordon was that of the drain');
  },

  async 'an attempt that comes back before it is replaced goes on'({ open }) {
    const fog = await open();
    const first = await fog.connected();
    const job = await fog.submit();
    await fog.settle();
    const name = only(first);
    await first.disconnect();
    await fog.advance(LOST_AFTER);
    assert.equal((await taskRow(fog.database, job)).state, 'queued');
    await first.connect();
    assert.equal((await taskRow(fog.database, job)).state, 'running');
    assert.ok((await eventTypes(fog.database, job)).includes('attempt.resumed 0/1'));
    first.succeed(name);
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['valid']);
  },

  async 'an agent that restarts without the attempt has it placed again at once'({ open }) {
    const fog = await open();
    const { job, first } = await running(fog);
    first.restart();
    await first.disconnect();
    await first.connect();
    assert.deepEqual((await attemptStates(fog.database, job)).slice(0, 1), ['failed']);
    const task = await taskRow(fog.database, job);
    assert.deepEqual([task.state, task.fence, task.node_failures], ['scheduled', 2, 1]);
    assertAgreement(fog);
  },

  async 'one disappearance counts once, also when the node comes back empty after it'({ open }) {
    const fog = await open();
    const first = await fog.connected();
    const job = await fog.submit();
    await fog.settle();
    first.report(only(first), { event: 'start' });
    await fog.settle();
    await first.disconnect();
    await fog.advance(LOST_AFTER);
    first.restart();
    await fog.nodes.cordon(first.id, true, 'root');
    await first.connect();
    assert.deepEqual(await attemptStates(fog.database, job), ['failed']);
    assert.equal((await taskRow(fog.database, job)).node_failures, 1);
  },

  async 'a lease that cannot be delivered is no failure'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    agent.cut();
    const job = await fog.submit();
    await fog.settle();
    const task = await taskRow(fog.database, job);
    assert.ok(task.fence > 0);
    assert.deepEqual([task.job_failures, task.node_failures], [0, 0]);
    await agent.connect();
    assert.equal(only(agent).job, job);
    assertAgreement(fog);
  },

  async 'a lease that was lost on the way is found missing by the next hello'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    agent.deaf = true;
    const job = await fog.submit();
    await fog.settle();
    agent.deaf = false;
    await agent.disconnect();
    await agent.connect();
    assert.equal(only(agent).fence, 2);
    assert.equal((await taskRow(fog.database, job)).node_failures, 0);
  },

  async 'a session that was replaced is not listened to, and what it did not get through comes again'({ open }) {
    const fog = await open();
    const { job, name, first } = await running(fog);
    const old = first.session;
    assert.ok(old !== null);
    await first.connect();
    assert.equal(old.open, false);
    const report = { event: 'fail', reason: 'oom', message: '', exitCode: null, engine: '', logBytes: 0 } as const;
    const usage = { wallMilliseconds: 1, cpuMilliseconds: null, peakMemoryBytes: null };
    const entry = { attempt: name, atMilliseconds: 0, report: { ...report, usage } };
    fog.dispatcher.take({ kind: 'entry', session: old, sequence: old.received + 1, entry });
    await fog.settle();
    assert.equal((await taskRow(fog.database, job)).state, 'running');
    first.succeed(name);
    await fog.settle();
    assert.equal(first.unacknowledged, 0);
    assert.equal((await taskRow(fog.database, job)).state, 'succeeded');
  },

  async 'a node that says hello in the turn that would lose it is not lost'({ open }) {
    const fog = await open();
    const { job, name, first } = await running(fog);
    await first.disconnect();
    fog.dispatcher.wake();
    const hello = first.connect();
    fog.dispatcher.take({ kind: 'lost', name, node: first.id });
    await hello;
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['running']);
  },

  async 'a result in the very turn in which the lost node returns leaves nothing behind'({ open }) {
    const fog = await open();
    const { job, first, second } = await running(fog);
    await first.disconnect();
    await fog.advance(LOST_AFTER);
    // What is taken in while a turn is under way is decided together in the next.
    fog.dispatcher.wake();
    const hello = first.connect();
    second.succeed(only(second));
    await hello;
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['superseded', 'valid']);
    assertAgreement(fog);
    assert.equal(first.held.size, 0);
  },

  async 'a node that is removed while it runs loses its work at once and is a stranger afterwards'({ open }) {
    const fog = await open();
    const { job, first, second } = await running(fog);
    await fog.nodes.remove(first.id);
    await fog.settle();
    assert.equal(fog.dispatcher.sessions.get(first.id), undefined);
    assert.notEqual(first.closed, null);
    assert.equal(only(second).job, job);
    const nodes = await fog.database.read.selectFrom('nodes').select('id').execute();
    assert.deepEqual(
      nodes.map((row) => row.id),
      [second.id],
    );
    await assert.rejects(fog.nodes.remove(first.id), { code: 'not-found' });
    assert.equal((await first.connect()).accepted, true, 'it may join again');
  },

  async 'a disconnection that could not be stored is found later'({ open }) {
    const fog = await open();
    const { job, first, second } = await running(fog);
    const { session } = first;
    assert.ok(session !== null);
    first.cut();
    fog.dispatcher.sessions.remove(session);
    await fog.advance(5000);
    await fog.advance(5000);
    await fog.advance(LOST_AFTER);
    assert.equal(only(second).job, job);
  },

  async 'a coordinator taken for dead makes its nodes heard again'({ open }) {
    const fog = await open();
    const { job, first } = await running(fog);
    await fog.database.write((writer) =>
      writer.updateTable('nodes').set({ state: 'unknown', silent_since: fog.clock.now }).execute(),
    );
    await fog.sweeps.takeStock();
    await fog.advance(LOST_AFTER);
    assert.deepEqual(await attemptStates(fog.database, job), ['running']);
    assert.equal(only(first).job, job);
  },

  async 'after a crash nodes that come back go on, and those that do not are replaced'({ open, crash }) {
    const fog = await open();
    const { job, name, first, second } = await running(fog);
    const other = await fog.submit();
    await fog.settle();
    const lost = only(second);
    const next = await crash(fog);
    await first.connect();
    first.succeed(name);
    await next.settle();
    assert.equal((await jobRow(next.database, job)).state, 'completed');
    await next.advance(COORDINATOR_SILENCE);
    await next.advance(LOST_AFTER);
    assert.equal(only(first).job, other);
    assert.equal(lost.job, other);
  },

  async 'an outage of the database costs no report'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const job = await fog.submit({ spec: { count: 4 } });
    await fog.settle();
    const write = fog.database.write;
    fog.database.write = () => Promise.reject(new Error('the database is away'));
    for (const name of agent.attempts) agent.succeed(name);
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.notEqual(agent.session, null, 'the link is kept');
    fog.database.write = write;
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.equal(agent.unacknowledged, 0);
  },
});

/** Agents work, and the coordinator dies at random moments until all is done. */
async function survive(open: () => Promise<Fog>, crash: (fog: Fog) => Promise<Fog>, seed: number): Promise<void> {
  const random = seededRandom(seed);
  let fog = await open();
  const agents = [await fog.connected(), await fog.connected()];
  for (const agent of agents)
    agent.onLease = (name) =>
      setTimeout(
        () => agent.held.has(`${name.job}/${name.partition}/${name.fence}`) && agent.succeed(name),
        random() * 4,
      );
  const jobs = [await fog.submit({ spec: { count: 40 } }), await fog.submit({ spec: { count: 40, priority: 60 } })];
  for (let round = 0; round < 6; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, random() * 12));
    fog = await crash(fog);
    await assertConsistent(fog.database);
    for (const agent of agents) await agent.connect();
  }
  for (let wait = 0; wait < 200; wait += 1) {
    await fog.settle();
    const left = await fog.database.read.selectFrom('jobs').select('id').where('ended_at', 'is', null).execute();
    if (left.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const job of jobs) {
    const row = await jobRow(fog.database, job);
    assert.deepEqual([row.state, row.succeeded], ['completed', 40], `seed ${seed}`);
  }
}

await onBothDatabases(
  'crashes',
  Object.fromEntries(
    [1, 2, 3].map((seed) => [
      `at random moments lose nothing and double nothing, seed ${seed}`,
      ({ open, crash }) => survive(open, crash, seed),
    ]),
  ),
);

test('the seeded randomness depends on the seed alone', () => {
  const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed));
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});
