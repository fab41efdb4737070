/** Placement: who gets which task, in which order, and what a failed attempt leads to. */
import assert from 'node:assert/strict';
import type { AttemptName } from '@fog/contract';
import { onBothDatabases } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import { assertAgreement, assertPlaces, attemptStates, eventTypes, jobRow, taskRow } from './invariants.ts';

const ROOMY = { slots: 100, milliCpu: 1e6, memoryBytes: 1e12, diskBytes: 1e12 };

function only(agent: FakeAgent): AttemptName {
  const [name, ...more] = agent.attempts;
  assert.ok(name !== undefined && more.length === 0, `${agent.description.name} holds ${agent.held.size} attempts`);
  return name;
}

function succeedAll(agent: FakeAgent): void {
  for (const name of agent.attempts) agent.succeed(name);
}

await onBothDatabases('dispatcher', {
  async 'runs a job over several agents to its end'({ open }) {
    const fog = await open();
    const agents = [await fog.connected(), await fog.connected(), await fog.connected()];
    for (const agent of agents) agent.onLease = (name) => queueMicrotask(() => agent.succeed(name));
    const job = await fog.submit({ spec: { count: 30 } });
    await fog.settle();
    const row = await jobRow(fog.database, job);
    assert.deepEqual([row.state, row.succeeded], ['completed', 30]);
    const types = await eventTypes(fog.database, job);
    assert.deepEqual(types.slice(0, 2), ['job.submitted', 'job.queued']);
    assert.equal(types.at(-1), 'job.completed');
    for (const agent of agents) assert.ok(agent.groups.length > 0, 'each agent got some of it');
  },

  async 'leases by priority, then by age, across classes'({ open }) {
    const fog = await open();
    const change = (priority: number, cpu: string) => ({
      spec: { priority },
      task: { resources: { cpu, memory: '1Mi', disk: '1Mi' } },
    });
    const jobs: string[] = [];
    for (const [priority, cpu] of [
      [10, '100m'],
      [90, '200m'],
      [50, '100m'],
      [90, '300m'],
      [50, '200m'],
    ] as const) {
      fog.clock.now += 1;
      jobs.push(await fog.submit(change(priority, cpu)));
    }
    const agent = fog.agent({ capacity: { slots: 1 } });
    const order: number[] = [];
    agent.onLease = (name) => {
      order.push(jobs.indexOf(name.job));
      queueMicrotask(() => agent.succeed(name));
    };
    await agent.connect();
    assert.deepEqual(order, [1, 3, 2, 4, 0]);
  },

  async 'never exceeds slots, processors or memory of a node'({ open }) {
    const fog = await open();
    const slots = await fog.connected({ capacity: { slots: 2 } });
    const cpu = await fog.connected({ capacity: { slots: 50, milliCpu: 350 } });
    const memory = await fog.connected({ capacity: { slots: 50, memoryBytes: (5 << 20) - 1 } });
    await fog.submit({ spec: { count: 50 } });
    await fog.settle();
    assert.deepEqual(
      [slots, cpu, memory].map((agent) => agent.held.size),
      [2, 3, 4],
    );
    succeedAll(cpu);
    await fog.settle();
    assert.equal(cpu.held.size, 3, 'freed places are given away again');
  },

  async 'spreads a burst over the nodes'({ open }) {
    const fog = await open();
    const agents = [];
    for (let index = 0; index < 5; index += 1) agents.push(await fog.connected());
    await fog.submit({ spec: { count: 10 } });
    await fog.settle();
    assert.deepEqual(
      agents.map((agent) => agent.held.size),
      [2, 2, 2, 2, 2],
    );
  },

  async 'places by labels and policy, and nothing on cordoned nodes'({ open }) {
    const fog = await open();
    const plain = await fog.connected();
    const gpu = await fog.connected({ labels: { gpu: 'yes' } });
    const foreign = await fog.connected({ labels: { gpu: 'yes' }, accept: ['bob'] });
    await fog.nodes.cordon(gpu.id, true, 'root');
    await fog.submit({ spec: { count: 3, placement: { constraints: ['gpu'] } } });
    await fog.settle();
    assert.deepEqual(
      [plain, gpu, foreign].map((agent) => agent.held.size),
      [0, 0, 0],
    );
    await fog.nodes.cordon(gpu.id, false, 'root');
    await fog.settle();
    assert.deepEqual(
      [plain, gpu, foreign].map((agent) => agent.held.size),
      [0, 3, 0],
    );
  },

  async 'a hundred classes that fit no node keep nobody waiting'({ open }) {
    const fog = await open();
    for (let index = 0; index < 100; index += 1) {
      await fog.submit({ spec: { priority: 100, placement: { constraints: [`missing-${index}`] } } });
    }
    await fog.settle();
    const agent = await fog.connected();
    const job = await fog.submit();
    await fog.settle();
    assert.equal(only(agent).job, job);
  },

  async 'what a node could not do is tried a little later and rather elsewhere, and burns no attempt'({ open }) {
    const fog = await open();
    const agents = [await fog.connected(), await fog.connected()];
    const job = await fog.submit({ spec: { retry: { attempts: 1 } } });
    await fog.settle();
    const first = agents.find(({ held }) => held.size === 1) ?? assert.fail('nobody has it');
    const second = agents.find((agent) => agent !== first) ?? assert.fail('nobody else');
    first.fail(only(first), 'image-pull');
    await fog.settle();
    assert.equal(second.held.size, 0, 'not at once');
    await fog.advance(1000);
    assert.equal(only(second).fence, 2);
    const task = await taskRow(fog.database, job);
    assert.deepEqual([task.job_failures, task.node_failures], [0, 1]);
    await second.disconnect();
    await fog.nodes.remove(second.id);
    await fog.settle();
    assert.equal(only(first).fence, 3, 'who vanished is replaced at once, by whoever is there');
  },

  async 'too many failures of nodes end the task'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    agent.onLease = (name) => queueMicrotask(() => agent.fail(name, 'upload'));
    const job = await fog.submit();
    await fog.settle();
    for (let tries = 0; tries < 12; tries += 1) await fog.advance(60_000);
    const task = await taskRow(fog.database, job);
    assert.deepEqual(
      [task.state, task.node_failures, JSON.parse(task.failure ?? '').reason],
      ['failed', 10, 'too-many-node-failures'],
    );
    assert.equal((await jobRow(fog.database, job)).state, 'failed');
  },

  async 'a failure of the job is retried with backoff until its attempts are used up'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const backoff = { initial: '10s', factor: 2, max: '1m', jitter: 'none' } as const;
    const job = await fog.submit({ spec: { retry: { attempts: 3, backoff } } });
    await fog.settle();
    for (const [fence, wait] of [
      [1, 10_000],
      [2, 20_000],
    ] as const) {
      assert.equal(only(agent).fence, fence);
      agent.fail(only(agent), 'exit-code', 1);
      await fog.settle();
      await fog.advance(wait - 1);
      assert.equal(agent.held.size, 0, 'not before its time');
      await fog.advance(1);
    }
    agent.fail(only(agent), 'exit-code', 1);
    await fog.settle();
    const task = await taskRow(fog.database, job);
    assert.deepEqual([task.state, task.fence, task.job_failures], ['failed', 3, 3]);
  },

  async 'an exit code that is final is not retried'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const job = await fog.submit({ spec: { retry: { attempts: 5, nonRetryableExitCodes: [42] } } });
    await fog.settle();
    agent.fail(only(agent), 'exit-code', 42);
    await fog.settle();
    assert.equal((await taskRow(fog.database, job)).state, 'failed');
  },

  async 'a declined task waits a moment; declined everywhere, it fails as rejected'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    agent.onLease = (name) => queueMicrotask(() => agent.decline(name));
    const job = await fog.submit();
    await fog.settle();
    assert.equal((await taskRow(fog.database, job)).parked, 1);
    for (let index = 1; index < 10; index += 1) await fog.advance(1000);
    const task = await taskRow(fog.database, job);
    assert.deepEqual([task.state, task.fence, task.job_failures], ['failed', 10, 0]);
    assert.equal(JSON.parse(task.failure ?? '').reason, 'rejected');
  },

  async 'a burst fills every place in one turn'({ open }) {
    const fog = await open();
    const agents = [await fog.connected({ capacity: ROOMY }), await fog.connected({ capacity: ROOMY })];
    await fog.submit({ spec: { count: 300 } });
    await fog.settle();
    for (const agent of agents) {
      assert.equal(agent.held.size, ROOMY.slots);
      assert.equal(agent.frames.filter((frame) => frame.type === 'lease').length, 1);
    }
    await assertPlaces(fog);
  },

  async 'an attempt that is declined out of turn, while it uploads, is placed again'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const job = await fog.submit();
    await fog.settle();
    agent.report(only(agent), { event: 'upload' });
    agent.decline(only(agent));
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['declined']);
    await assertPlaces(fog);
    await fog.advance(1000);
    assert.deepEqual(await attemptStates(fog.database, job), ['declined', 'leased']);
  },

  async 'reports of others, repeated ones and those of ended attempts change nothing'({ open }) {
    const fog = await open();
    const [agent, other] = [await fog.connected(), await fog.connected()];
    const job = await fog.submit();
    await fog.settle();
    const [holder, stranger] = agent.held.size === 1 ? [agent, other] : [other, agent];
    const name = only(holder);
    stranger.succeed(name);
    stranger.report({ ...name, job: 'j000000000000000000' }, { event: 'start' });
    stranger.report({ ...name, fence: 7 }, { event: 'start' });
    await fog.settle();
    assert.equal((await taskRow(fog.database, job)).state, 'scheduled');
    assert.equal(stranger.unacknowledged, 0, 'they are acknowledged all the same');
    holder.succeed(name);
    holder.succeed(name);
    holder.fail(name);
    holder.report(name, { event: 'start' });
    await fog.settle();
    const types = await eventTypes(fog.database, job);
    assert.equal(types.filter((type) => type === 'task.succeeded 0/1').length, 1);
    assertAgreement(fog);
  },

  async 'logs and events share one numbered stream, and a repeated piece of log is stored once'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const job = await fog.submit();
    await fog.settle();
    const name = only(agent);
    agent.report(name, { event: 'start' });
    agent.log(name, 0, 'grüße\n');
    agent.log(name, 0, 'grüße\n');
    agent.log(name, 99, 'a gap');
    agent.log(name, Buffer.byteLength('grüße\n'), 'bye');
    agent.report(name, { event: 'progress', fraction: 0.5, message: 'half' });
    agent.succeed(name);
    await fog.settle();
    agent.log(name, Buffer.byteLength('grüße\nbye'), 'too late');
    await fog.settle();
    const logs = await fog.database.read
      .selectFrom('logs')
      .select(['text', 'sequence'])
      .where('job_id', '=', job)
      .orderBy('sequence')
      .execute();
    assert.deepEqual(
      logs.map((row) => row.text),
      ['grüße\n', 'bye'],
    );
    assert.deepEqual(await attemptStates(fog.database, job), ['valid']);
  },
});
