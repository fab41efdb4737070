/** Health as nodes report it, and what the proxy reads of services, over both databases. */
import assert from 'node:assert/strict';
import { parseJobSpec } from '@fog/contract';
import { PROXY_LIMITS } from '../../src/limits.ts';
import { publishedPort, ServiceJobs } from '../../src/proxy/service-jobs.ts';
import { readEvents, readTasks } from '../../src/store/job-queries.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog } from '../dispatch/fog-harness.ts';

const SERVICE = parseJobSpec({
  kind: 'Job',
  spec: {
    type: 'service',
    task: { runtime: 'process', process: { command: ['x'] }, ports: [{ name: 'web', port: 80, protocol: 'http' }] },
  },
});

async function running(fog: Fog) {
  const agent = await fog.connected();
  const job = await fog.submit({ spec: { count: 2 } });
  await fog.settle();
  const [one, two] = agent.attempts;
  assert.ok(one !== undefined && two !== undefined);
  for (const name of [one, two]) agent.report(name, { event: 'start' });
  await fog.settle();
  return { agent, job, one, two };
}

await onBothDatabases('services', {
  async 'the health of an attempt is stored, told, and kept by what follows'({ open }) {
    const fog = await open();
    const { agent, job, one } = await running(fog);
    const sick = { status: 'unhealthy', message: 'it says "no"\0', restarts: 0 } as const;
    agent.report(one, { event: 'health', ...sick });
    agent.report(one, { event: 'health', status: 'starting', message: '', restarts: 1 });
    agent.report(one, { event: 'progress', fraction: 0.5, message: 'half' });
    await fog.settle();
    const [task] = await readTasks(fog.database.read, job, { from: one.partition, limit: 1 });
    assert.deepEqual(task?.attempts[0]?.health, { status: 'starting', message: '', restarts: 1 });
    const events = await readEvents(fog.database.read, job, { after: 0, limit: 100 });
    const told = events.flatMap(({ data }) => (data.type === 'attempt.health' ? [data] : []));
    assert.deepEqual(told[0], { type: 'attempt.health', partition: one.partition, fence: 1, node: agent.id, ...sick });
    assert.equal(told.length, 2);
    agent.fail(one, 'unhealthy');
    agent.report(one, { event: 'health', status: 'healthy', message: '', restarts: 1 });
    await fog.settle();
    const [after] = await readTasks(fog.database.read, job, { from: one.partition, limit: 1 });
    assert.deepEqual([after?.attempts[0]?.state, after?.attempts[0]?.health?.status], ['failed', 'starting']);
  },

  async 'replicas are found with their health and the coordinator of their node, and remembered for a moment'({
    open,
  }) {
    const fog = await open();
    const { agent, job, one, two } = await running(fog);
    agent.report(two, { event: 'health', status: 'healthy', message: 'well', restarts: 0 });
    await fog.settle();
    let now = 0;
    const jobs = new ServiceJobs(fog.database, () => now);
    const caller = { scope: 'submit', principal: 'alice' } as const;
    const { replicas } = await jobs.find(caller, job);
    assert.deepEqual(
      replicas.map(({ partition, state, node, nodeState, health }) => [
        ...[partition, state, node === agent.id, nodeState],
        health?.status,
      ]),
      [
        [0, 'running', true, 'connected', undefined],
        [1, 'running', true, 'connected', 'healthy'],
      ],
    );
    agent.fail(one);
    await fog.settle();
    assert.equal((await jobs.find(caller, job)).replicas.length, 2);
    now += PROXY_LIMITS.cacheMilliseconds;
    assert.equal((await jobs.find(caller, job)).replicas.length, 1);
    await assert.rejects(jobs.find({ scope: 'submit', principal: 'mallory' }, job), { code: 'not-found' });
    await assert.rejects(jobs.find({ scope: 'node', principal: 'olga' }, job), { code: 'not-found' });
    await jobs.find({ scope: 'admin', principal: 'admin' }, job);
    await assert.rejects(jobs.find(caller, `j${'0'.repeat(18)}`), { code: 'not-found' });
  },

  async 'a port is one that the job publishes, while it lives'({ open }) {
    const fog = await open();
    const { job } = await running(fog);
    const caller = { scope: 'admin', principal: 'admin' } as const;
    const jobs = new ServiceJobs(fog.database);
    const batch = await jobs.find(caller, job);
    assert.throws(() => publishedPort(batch, 'web'), { code: 'not-found', hint: 'only services publish ports' });
    const service = { ...batch, job: { ...batch.job, spec: SERVICE } };
    assert.equal(publishedPort(service, 'web').port, 80);
    assert.throws(() => publishedPort(service, 'other'), { code: 'not-found', hint: 'it publishes web' });
    const ended = { ...service, job: { ...service.job, endedAt: 1, state: 'cancelled' as const } };
    assert.throws(() => publishedPort(ended, 'web'), { code: 'conflict' });
  },
});
