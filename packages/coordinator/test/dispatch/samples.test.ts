/** What attempts use over time: stored for what a node holds, thinned, read in order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptName, UsageSample } from '@fog/contract';
import { sampleDistance } from '../../src/dispatch/samples.ts';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { readSamples } from '../../src/store/sample-rows.ts';
import { onBothDatabases } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import type { Fog } from './fog-harness.ts';

const usage: UsageSample = {
  cpuMilliseconds: 12.4,
  memoryBytes: 5e9,
  networkReceivedBytes: 0,
  networkSentBytes: null,
  diskBytes: 7,
  processes: 2,
};

async function running(fog: Fog): Promise<{ agent: FakeAgent; job: string; name: AttemptName }> {
  const agent = await fog.connected();
  const job = await fog.submit();
  await fog.settle();
  return { agent, job, name: agent.attempts[0] as AttemptName };
}

async function add(fog: Fog, agent: FakeAgent, attempt: AttemptName): Promise<void> {
  assert.ok(agent.session !== null);
  fog.samples.add(agent.session, [{ attempt, usage }]);
  await fog.samples.store();
}

await onBothDatabases('samples', {
  async 'are read in order, page by page, with what is unknown left unknown'({ open }) {
    const fog = await open();
    const { agent, job, name } = await running(fog);
    for (let count = 0; count < 3; count += 1) {
      await add(fog, agent, name);
      fog.clock.now += DISPATCH_LIMITS.sampleMilliseconds;
    }
    const task = { job, partition: 0 };
    const [first, second] = await readSamples(fog.database.read, task, {
      fence: undefined,
      after: undefined,
      limit: 2,
    });
    assert.deepEqual(first, { ...usage, cpuMilliseconds: 12, fence: 1, at: (second?.at ?? 0) - 8000 });
    const after = { fence: 1, at: second?.at ?? 0 };
    const rest = await readSamples(fog.database.read, task, { fence: 1, after, limit: 9 });
    assert.equal(rest.length, 1);
    assert.deepEqual(await readSamples(fog.database.read, task, { fence: 2, after: undefined, limit: 9 }), []);
  },

  async 'come too often or of attempts that the node does not hold: they are dropped'({ open }) {
    const fog = await open();
    const { agent, job, name } = await running(fog);
    await add(fog, agent, name);
    await add(fog, agent, name);
    await add(fog, agent, { ...name, fence: 9 });
    await add(fog, agent, { ...name, job: 'j000000000000000000' });
    const all = await fog.database.read.selectFrom('samples').select(['job_id', 'fence']).execute();
    assert.deepEqual(
      all.map((row) => `${row.job_id}/${row.fence}`),
      [`${job}/1`],
    );
  },

  async 'go with their job'({ open }) {
    const fog = await open({ keepJobs: '1d' });
    const { agent, name } = await running(fog);
    await add(fog, agent, name);
    agent.succeed(name);
    await fog.settle();
    fog.clock.now += 2 * 86_400_000;
    await fog.sweeps.sweepOnce();
    assert.deepEqual(await fog.database.read.selectFrom('samples').select('job_id').execute(), []);
  },
});

test('the longer an attempt runs, the further its samples stand apart', () => {
  let [at, count] = [0, 0];
  for (; at < 30 * 86_400_000; at += sampleDistance(count)) count += 1;
  assert.ok(count < 3000, `${count} samples of a month`);
  assert.equal(sampleDistance(1), DISPATCH_LIMITS.sampleMilliseconds);
});
