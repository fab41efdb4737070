/** Attempts that are told to leave: to make room for others, or to go on elsewhere; over both databases. */
import assert from 'node:assert/strict';
import { attemptKey, type Checkpoint } from '@fog/contract';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { readTasks } from '../../src/store/job-queries.ts';
import { type Cases, onBothDatabases } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import { CHECKPOINTED, type Fog } from './fog-harness.ts';
import { assertAgreement, attemptStates, eventTypes, jobRow, taskRow } from './invariants.ts';

const CHECKPOINT: Checkpoint = { manifest: `sha256:${'1'.repeat(64)}`, bytes: 10, files: 2 };
const LOOK = DISPATCH_LIMITS.sweepMilliseconds;
const SMALL = { slots: 2, milliCpu: 200 };

/** Does as it is told: gives up its place at once. */
function obedient(agent: FakeAgent, checkpoint: Checkpoint | null = null): FakeAgent {
  agent.onYield = (name, reason) => {
    if (agent.held.has(attemptKey(name))) queueMicrotask(() => agent.yields(name, checkpoint, reason));
  };
  return agent;
}

/** All that the agent holds has begun to run this long ago. */
async function begin(fog: Fog, agent: FakeAgent, milliseconds = 60_000): Promise<void> {
  for (const name of agent.attempts) agent.report(name, { event: 'start' });
  await fog.settle();
  fog.clock.now += milliseconds;
}

async function jobsOf(agent: FakeAgent): Promise<string[]> {
  return agent.attempts.map(({ job }) => job);
}

const yieldsOf = (agent: FakeAgent) => agent.frames.filter(({ type }) => type === 'yield');

const CASES: Cases = {
  async 'work that is not spot takes the place of spot work, which waits, costs nothing and goes on later'({ open }) {
    const fog = await open();
    const agent = obedient(await fog.connected({ capacity: { slots: 1 } }));
    const spot = await fog.submit({ spec: { spot: true, priority: 90 } });
    await fog.settle();
    await begin(fog, agent);
    const urgent = await fog.submit({ spec: { priority: 10 } });
    await fog.advance(LOOK);
    assert.deepEqual(await jobsOf(agent), [urgent], 'whatever the priority of spot work');
    const [task] = await readTasks(fog.database.read, spot, { from: 0, limit: 1 });
    assert.deepEqual([task?.state, task?.jobFailures, task?.nodeFailures], ['queued', 0, 0]);
    assert.deepEqual(await attemptStates(fog.database, spot), ['yielded']);
    await fog.advance(60_000);
    assert.deepEqual(await jobsOf(agent), [urgent], 'it does not take the room back');
    agent.succeed(agent.attempts[0] as FakeAgent['attempts'][number]);
    await fog.settle();
    assert.deepEqual(await jobsOf(agent), [spot]);
    agent.succeed(agent.attempts[0] as FakeAgent['attempts'][number]);
    await fog.settle();
    assert.equal((await jobRow(fog.database, spot)).state, 'completed');
    assert.equal(fog.dispatcher.holds.size, 0);
    assertAgreement(fog);
  },

  async 'spot work is not stopped for spot work, nor where there is room, nor for what finds none all the same'({
    open,
  }) {
    const fog = await open();
    const agent = obedient(await fog.connected({ capacity: SMALL }));
    await fog.submit({ spec: { spot: true } });
    await fog.submit({ spec: { spot: true } });
    await fog.settle();
    await begin(fog, agent);
    await fog.submit({ spec: { spot: true, priority: 99 } });
    await fog.submit({ spec: { placement: { constraints: ['gpu'] } } });
    const [held] = agent.attempts;
    await fog.advance(LOOK);
    assert.deepEqual(yieldsOf(agent), []);
    agent.succeed(held as FakeAgent['attempts'][number]);
    await fog.settle();
    const other = await fog.connected({ capacity: SMALL });
    await fog.submit();
    await fog.advance(LOOK);
    assert.equal(other.attempts.length, 1);
    assert.deepEqual(yieldsOf(agent), []);
  },

  async 'several that leave one by one make room for one large task, and none of it goes to small ones'({ open }) {
    const fog = await open();
    const agent = await fog.connected({ capacity: { slots: 4, milliCpu: 400 } });
    await fog.submit({ spec: { spot: true, count: 4 } });
    await fog.settle();
    await begin(fog, agent);
    const large = await fog.submit({ task: { resources: { cpu: '300m', memory: '1Mi', disk: '1Mi' } } });
    await fog.submit({ spec: { spot: true, priority: 100, count: 3 } });
    await fog.advance(LOOK);
    const told = yieldsOf(agent).flatMap((frame) => (frame.type === 'yield' ? frame.attempts : []));
    assert.equal(told.length, 3, 'as many as the large one needs');
    for (const name of told) {
      assert.deepEqual((await taskRow(fog.database, large)).state, 'queued');
      agent.yields(name, null, 'preempted');
      await fog.settle();
    }
    assert.ok((await jobsOf(agent)).includes(large));
    assert.equal(agent.attempts.length, 2);
  },

  async 'least work is lost: what has just begun leaves, or what has a fresh checkpoint'({ open }) {
    const fog = await open();
    const agent = await fog.connected({ capacity: SMALL });
    const old = await fog.submit({ spec: { spot: true }, task: CHECKPOINTED });
    await fog.settle();
    await begin(fog, agent);
    const young = await fog.submit({ spec: { spot: true }, task: CHECKPOINTED });
    await fog.settle();
    const fresh = agent.attempts.find(({ job }) => job === young) as FakeAgent['attempts'][number];
    agent.report(fresh, { event: 'start' });
    await fog.settle();
    fog.clock.now += 10_000;
    const ancient = agent.attempts.find(({ job }) => job === old) as FakeAgent['attempts'][number];
    agent.report(ancient, { event: 'checkpoint', ...CHECKPOINT });
    await fog.settle();
    fog.clock.now += 5_000;
    await fog.submit();
    await fog.advance(LOOK);
    const [frame] = yieldsOf(agent);
    assert.deepEqual(frame?.type === 'yield' && frame.attempts, [ancient]);
    assert.equal(yieldsOf(agent).length, 1);
  },

  async 'a checkpoint goes along, and what leaves without an answer is lost'({ open }) {
    const fog = await open();
    const agent = obedient(await fog.connected({ capacity: { slots: 1 } }), CHECKPOINT);
    const spot = await fog.submit({ spec: { spot: true }, task: CHECKPOINTED });
    await fog.settle();
    await begin(fog, agent);
    const first = await fog.submit();
    await fog.advance(LOOK);
    agent.succeed(agent.attempts[0] as FakeAgent['attempts'][number]);
    await fog.settle();
    assert.equal((await jobRow(fog.database, first)).state, 'completed');
    assert.equal(agent.groups.at(-1)?.leases[0]?.checkpoint, CHECKPOINT.manifest);
    await begin(fog, agent);
    agent.onYield = null;
    const second = await fog.submit();
    await fog.advance(LOOK);
    assert.deepEqual(await jobsOf(agent), [spot]);
    await fog.advance(DISPATCH_LIMITS.lastCheckpointMilliseconds + DISPATCH_LIMITS.departureGraceMilliseconds);
    assert.deepEqual(await attemptStates(fog.database, spot), ['yielded', 'lost']);
    assert.ok((await jobsOf(agent)).includes(second));
  },

  async 'a crash of the coordinator forgets who was told, and who needs the room asks again'({ open, crash }) {
    const before = await open();
    const agent = await before.connected({ capacity: { slots: 1 } });
    const spot = await before.submit({ spec: { spot: true } });
    await before.settle();
    await begin(before, agent);
    const urgent = await before.submit();
    await before.advance(LOOK);
    assert.equal(yieldsOf(agent).length, 1);
    const fog = await crash(before);
    await agent.connect();
    assert.deepEqual(await jobsOf(agent), [spot]);
    obedient(agent);
    await fog.advance(LOOK);
    assert.deepEqual(await jobsOf(agent), [urgent]);
  },

  async 'a task that moves goes on at its target, where room is kept for it, with its checkpoint'({ open }) {
    const fog = await open();
    const one = await fog.connected({ capacity: { slots: 1 } });
    const job = await fog.submit({ task: CHECKPOINTED });
    await fog.settle();
    await begin(fog, one);
    const two = await fog.connected({ capacity: { slots: 1 } });
    const three = await fog.connected({ capacity: { slots: 1 } });
    const [name] = one.attempts;
    fog.dispatcher.take({ kind: 'yield', name: name as NonNullable<typeof name>, reason: 'moved', target: three.id });
    await fog.settle();
    assert.equal(yieldsOf(one).length, 1);
    await fog.submit({ spec: { count: 2 } });
    await fog.settle();
    assert.deepEqual([two.attempts.length, three.attempts.length], [1, 0], 'the room of the target is kept');
    one.yields(name as NonNullable<typeof name>, CHECKPOINT, 'moved');
    await fog.settle();
    assert.deepEqual(await jobsOf(three), [job]);
    const { placement } = await fog.database.read
      .selectFrom('attempts')
      .select('placement')
      .where('job_id', '=', job)
      .where('fence', '=', 2)
      .executeTakeFirstOrThrow();
    assert.equal(JSON.parse(placement ?? '{}').by, 'moved');
    assert.equal(three.groups.at(-1)?.leases[0]?.checkpoint, CHECKPOINT.manifest);
    const types = (await eventTypes(fog.database, job)).filter((type) => /yielded|requeued/.test(type));
    assert.deepEqual(types, ['task.yielded 0/1', 'task.requeued 0']);
  },

  async 'a task goes anywhere when its target is gone, full, or when it was told twice'({ open }) {
    const fog = await open();
    const one = obedient(await fog.connected({ capacity: { slots: 1 } }));
    const job = await fog.submit();
    await fog.settle();
    await begin(fog, one);
    const [name] = one.attempts as [FakeAgent['attempts'][number]];
    const two = await fog.connected({ capacity: { slots: 1 } });
    const order = { kind: 'yield', name, reason: 'moved', target: `n${'0'.repeat(32)}` } as const;
    fog.dispatcher.take(order, order);
    await fog.settle();
    assert.deepEqual([...(await jobsOf(one)), ...(await jobsOf(two))], [job]);
    fog.dispatcher.take(order);
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['yielded', 'leased'], 'an old order changes nothing');
    const [now] = [...one.attempts, ...two.attempts];
    (one.attempts.length > 0 ? one : two).succeed(now as NonNullable<typeof now>);
    fog.dispatcher.take({ kind: 'yield', name: now as NonNullable<typeof now>, reason: 'moved' });
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },
};

await onBothDatabases('departures', CASES);
