/** Checkpoints, yields, suspending and resuming, over both databases. */
import assert from 'node:assert/strict';
import { type Checkpoint, LIMITS, type TaskWithAttempts } from '@fog/contract';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { readJob, readTasks } from '../../src/store/job-queries.ts';
import { type Cases, onBothDatabases } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import { CHECKPOINTED, type Fog } from './fog-harness.ts';
import { assertObedience, attemptStates, eventTypes, jobRow, taskRow } from './invariants.ts';
import { acceptedOutput, outputsOf, RIGHT, stranger, submitVerified, wrong } from './strangers.ts';

const checkpoint = (digit: string): Checkpoint => ({ manifest: `sha256:${digit.repeat(64)}`, bytes: 10, files: 2 });
const RUN_MILLISECONDS = DISPATCH_LIMITS.yieldPauseMilliseconds;

function only(agent: FakeAgent) {
  assert.equal(agent.attempts.length, 1);
  return agent.attempts[0] as FakeAgent['attempts'][number];
}

function leased(agent: FakeAgent): (string | undefined)[] {
  return agent.groups.flatMap((group) => group.leases.map((lease) => lease.checkpoint));
}

async function shown(fog: Fog, job: string, partition = 0): Promise<TaskWithAttempts> {
  const [task] = await readTasks(fog.database.read, job, { from: partition, limit: 1 });
  return task as TaskWithAttempts;
}

const suspend = (fog: Fog, job: string, partition?: number) =>
  fog.suspensions.change(job, { suspend: true, partition, by: 'alice' });
const resume = (fog: Fog, job: string, partition?: number) =>
  fog.suspensions.change(job, { suspend: false, partition, by: 'alice' });

const CASES: Cases = {
  async 'the next attempt is leased with the last checkpoint, which goes with the end of the task'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const job = await fog.submit({ task: CHECKPOINTED });
    await fog.settle();
    const first = only(agent);
    agent.report(first, { event: 'start' });
    agent.report(first, { event: 'checkpoint', ...checkpoint('1') });
    await fog.settle();
    assert.deepEqual((await shown(fog, job)).checkpoint, { ...checkpoint('1'), fence: 1, at: fog.clock.now });
    fog.clock.now += RUN_MILLISECONDS;
    agent.yields(first, checkpoint('2'));
    await fog.settle();
    assert.deepEqual(leased(agent), [undefined, checkpoint('2').manifest]);
    const task = await shown(fog, job);
    assert.deepEqual([task.jobFailures, task.nodeFailures, task.attempts[0]?.state], [0, 0, 'yielded']);
    agent.succeed(only(agent));
    await fog.settle();
    assert.equal((await shown(fog, job)).checkpoint, null);
    const types = (await eventTypes(fog.database, job)).filter((type) => /checkpointed|yielded/.test(type));
    assert.deepEqual(types, ['task.checkpointed 0/1', 'task.checkpointed 0/1', 'task.yielded 0/1']);
  },

  async 'a lost node: its replacement has the last checkpoint, and takes no older one back from it'({ open }) {
    const fog = await open();
    const [one, two] = [await fog.connected(), fog.agent()];
    const job = await fog.submit({ task: CHECKPOINTED });
    await fog.settle();
    const old = only(one);
    one.report(old, { event: 'checkpoint', ...checkpoint('1') });
    await fog.settle();
    await one.disconnect();
    await two.connect();
    await fog.advance(61_000);
    assert.deepEqual(leased(two), [checkpoint('1').manifest]);
    one.report(old, { event: 'checkpoint', ...checkpoint('2') });
    await one.connect();
    assert.equal((await shown(fog, job)).checkpoint?.manifest, checkpoint('1').manifest);
    const fresh = only(two);
    two.report(fresh, { event: 'checkpoint', ...checkpoint('3') });
    two.fail(fresh, 'sandbox');
    await fog.settle();
    one.report(old, { event: 'checkpoint', ...checkpoint('4') });
    await fog.settle();
    assert.deepEqual((await shown(fog, job)).checkpoint?.fence, 2, 'the fence only grows');
  },

  async 'a checkpoint that the specification does not ask for is not taken'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const job = await fog.submit();
    await fog.settle();
    agent.report(only(agent), { event: 'checkpoint', ...checkpoint('1') });
    await fog.settle();
    assert.equal((await shown(fog, job)).checkpoint, null);
  },

  async 'a program that yields at once waits a moment'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    await fog.submit({ task: CHECKPOINTED });
    await fog.settle();
    agent.report(only(agent), { event: 'start' });
    agent.yields(only(agent), checkpoint('1'));
    await fog.settle();
    assert.deepEqual(agent.attempts, []);
    await fog.advance(RUN_MILLISECONDS);
    assert.equal(only(agent).fence, 2);
  },

  async 'nobody gives a task up in a loop without a pause, whatever the reason that is told'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    agent.onLease = (name) => queueMicrotask(() => agent.yields(name, null, 'drained'));
    const job = await fog.submit({ task: CHECKPOINTED });
    await fog.settle();
    assert.equal((await taskRow(fog.database, job)).fence, 1);
    await fog.advance(RUN_MILLISECONDS);
    assert.equal((await taskRow(fog.database, job)).fence, 2);
  },

  async 'who gives up a verified task is replaced, also who is to decide'({ open }) {
    const fog = await open();
    const lazy = await stranger(fog);
    lazy.onLease = (name) => queueMicrotask(() => lazy.yields(name, null));
    const job = await submitVerified(fog, { mode: 'replicate', maxReplicas: 2 });
    await fog.settle();
    await stranger(fog, () => wrong(1));
    await stranger(fog, () => wrong(2));
    for (let round = 0; round < 5; round += 1) await fog.advance(RUN_MILLISECONDS);
    const decider = await stranger(fog, () => RIGHT, { trusted: true });
    await fog.nodes.cordon(lazy.id, true, 'root');
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.equal(await acceptedOutput(fog, job), RIGHT);

    await fog.nodes.cordon(decider.id, true, 'root');
    const other = await submitVerified(fog, { mode: 'replicate', maxReplicas: 2 });
    await fog.settle();
    decider.onLease = (name) => queueMicrotask(() => decider.yields(name, null));
    await fog.nodes.cordon(decider.id, false, 'root');
    await fog.settle();
    assert.equal((await taskRow(fog.database, other)).state, 'queued');
    decider.onLease = (name) => queueMicrotask(() => decider.succeed(name, outputsOf(RIGHT)));
    await fog.advance(RUN_MILLISECONDS);
    assert.equal(await acceptedOutput(fog, other), RIGHT);
  },

  async 'of very many attempts the last are shown'({ open }) {
    const fog = await open();
    const job = await fog.submit({ task: CHECKPOINTED });
    const fences = Array.from({ length: LIMITS.shownAttempts + 10 }, (_, index) => index + 1);
    const placement = JSON.stringify({ by: 'strategy', strategy: 'balanced', reputation: 1 });
    const ended = { state: 'yielded', node_id: 'n', placement, leased_at: 1, ended_at: 2, log_bytes: 0 };
    await fog.database.write(async (writer) => {
      const rows = fences.map((fence) => ({ job_id: job, partition: 0, fence, ...ended }));
      await writer.insertInto('attempts').values(rows).execute();
      await writer.updateTable('tasks').set({ fence: fences.length }).where('job_id', '=', job).execute();
    });
    const { attempts } = await shown(fog, job);
    assert.deepEqual([attempts.length, attempts[0]?.fence], [LIMITS.shownAttempts, 11]);
  },

  async 'a suspended job waits in the queue and on its nodes until it is resumed'({ open }) {
    const fog = await open();
    const agent = await fog.connected({ capacity: { slots: 1 } });
    const job = await fog.submit({ spec: { count: 2 } });
    await fog.settle();
    const first = only(agent);
    agent.report(first, { event: 'start' });
    await suspend(fog, job);
    await suspend(fog, job);
    assert.equal((await readJob(fog.database.read, job))?.suspended, true);
    await assertObedience(fog);
    agent.report(first, { event: 'suspend' });
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['suspended']);
    const other = await fog.submit();
    await fog.settle();
    assert.deepEqual(agent.attempts, [first], 'it keeps its place');
    agent.yields(first, null, 'suspended');
    await fog.settle();
    assert.equal(only(agent).job, other, 'what is queued of it is not claimed, also what it gives back');
    agent.succeed(only(agent));
    await fog.advance(86_400_000 + 1);
    assert.equal((await shown(fog, job, 1)).state, 'queued', 'the queue timeout does not count meanwhile');
    await resume(fog, job);
    await fog.settle();
    assert.equal(only(agent).job, job);
    for (let rest = 0; rest < 2; rest += 1) {
      agent.succeed(only(agent));
      await fog.settle();
    }
    const types = (await eventTypes(fog.database, job)).filter((type) => /job\.|suspended|resumed/.test(type));
    assert.deepEqual(types.slice(2), [
      'job.started',
      'job.suspended',
      'attempt.suspended 0/1',
      'job.resumed',
      'job.completed',
    ]);
  },

  async 'one task is suspended by itself; a failed attempt of it is not tried again before'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const job = await fog.submit({ spec: { count: 2, retry: { attempts: 2 } } });
    await fog.settle();
    await suspend(fog, job, 1);
    assert.deepEqual([(await shown(fog, job, 0)).suspended, (await shown(fog, job, 1)).suspended], [false, true]);
    for (const name of agent.attempts) agent.fail(name);
    await fog.settle();
    await fog.advance(600_000);
    assert.deepEqual(
      agent.attempts.map(({ partition }) => partition),
      [0],
    );
    await resume(fog, job, 1);
    await fog.settle();
    assert.deepEqual(agent.attempts.map(({ partition }) => partition).sort(), [0, 1]);
    await assert.rejects(suspend(fog, job, 7), { code: 'not-found' });
    for (const name of agent.attempts) agent.succeed(name);
    await fog.settle();
    await assert.rejects(suspend(fog, job, 1), { code: 'conflict' });
    await assert.rejects(resume(fog, job), { code: 'conflict' });
  },

  async 'what a node does not hear it is told when it comes back, with what is left of keepLease'({ open, crash }) {
    const before = await open();
    const agent = await before.connected();
    const job = await before.submit({ spec: { suspend: { keepLease: '60s' } } });
    await before.settle();
    await agent.disconnect();
    await suspend(before, job);
    const fog = await crash(before);
    await fog.advance(20_000);
    await agent.connect();
    const order = agent.frames.findLast(({ type }) => type === 'suspend');
    assert.deepEqual(order, { type: 'suspend', attempts: [only(agent)], keepLeaseMilliseconds: 40_000 });
    agent.report(only(agent), { event: 'suspend' });
    await fog.settle();
    await agent.disconnect();
    await fog.advance(61_000);
    assert.deepEqual(await attemptStates(fog.database, job), ['lost']);
    await agent.connect();
    assert.deepEqual(await attemptStates(fog.database, job), ['suspended'], 'it comes back as what it is');
    await agent.disconnect();
    await resume(fog, job);
    await agent.connect();
    await assertObedience(fog);
    agent.report(only(agent), { event: 'resume' });
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['running']);
  },

  async 'tasks that are spread out later are suspended too, and a suspended job can be cancelled'({ open }) {
    const fog = await open();
    const job = await fog.submit({ spec: { count: DISPATCH_LIMITS.jobStep + 10 } });
    await suspend(fog, job);
    await fog.jobs.spreadOut(job);
    await fog.advance(2000);
    const agent = await fog.connected();
    assert.deepEqual(agent.attempts, []);
    assert.equal((await taskRow(fog.database, job, DISPATCH_LIMITS.jobStep + 9)).parked, 1);
    await fog.jobs.close(job, 'cancelled', 'alice');
    assert.equal((await readJob(fog.database.read, job))?.state, 'cancelled');
  },

  async 'a suspension that a crash left half done is gone on with'({ open }) {
    const fog = await open();
    const job = await fog.submit({ spec: { count: 3 } });
    const marks = { suspended_at: fog.clock.now, suspension_due: 1 };
    await fog.database.write((writer) => writer.updateTable('jobs').set(marks).where('id', '=', job).execute());
    await fog.advance(1);
    const agent = await fog.connected();
    assert.deepEqual(agent.attempts, []);
    await resume(fog, job);
    await fog.settle();
    assert.equal(agent.attempts.length, 3);
  },
};

await onBothDatabases('suspensions', CASES);
