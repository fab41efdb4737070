/** A verified job from its document to its result, with real agents that nobody trusts, of two owners and networks. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startAgent } from '@fog/agent';
import { agentSettingsSchema, coordinatorSettingsSchema, FogClient } from '@fog/contract';
import { startCoordinator } from '@fog/coordinator';
import { temporaryFolder } from '../support/fog-process.ts';

const SCRIPT = 'export default ({ args }, ctx) => ({ args, partition: ctx.partition.index, drawn: Math.random() });';
const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

test('two strangers compute the same, and are believed', { skip: hasIPv6 ? false : 'no ::1 here' }, async () => {
  const data = temporaryFolder('verified-job');
  await using stack = new AsyncDisposableStack();
  const settings = coordinatorSettingsSchema.parse({ listen: '[::]:0', plainHttp: true });
  const coordinator = await startCoordinator({ dataDirectory: join(data, 'coordinator'), settings });
  stack.defer(() => coordinator.close());
  const { port } = new URL(coordinator.url);
  for (const [owner, host] of [
    ['olga', '127.0.0.1'],
    ['oleg', '[::1]'],
  ] as const) {
    const { token } = await coordinator.createToken({ scope: 'node', principal: owner });
    const agent = await startAgent({
      dataDirectory: join(data, owner),
      url: `http://${host}:${port}`,
      token,
      settings: agentSettingsSchema.parse({ name: owner, slots: 1, runtimes: ['javascript'] }),
    });
    stack.defer(() => agent.stop());
    await agent.connected();
  }
  const client = new FogClient({ url: `http://127.0.0.1:${port}`, token: coordinator.adminToken });
  const bytes = Buffer.from(SCRIPT);
  const script = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await client.putBlob(script, bytes);
  const task = { runtime: 'javascript', javascript: { script }, args: ['a'] };
  const spec = { kind: 'Job', spec: { count: 4, task, verification: { mode: 'replicate' } } };
  let job = await client.call('submitJob', { body: { spec } });
  const deadline = performance.now() + 60_000;
  while (job.endedAt === null && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    job = await client.call('getJob', { params: { job: job.id } });
  }
  assert.equal(job.state, 'completed', JSON.stringify(job.tasks));
  const { items } = await client.call('listTasks', { params: { job: job.id }, query: {} });
  for (const { attempts, verification, outputs } of items) {
    assert.deepEqual([verification?.acceptedBy, verification?.replicas], ['quorum', 2]);
    assert.deepEqual(attempts.map(({ state }) => state).sort(), ['confirmed', 'valid']);
    assert.equal(outputs[0]?.name, 'result');
  }
  const nodes = await client.call('listNodes', { query: {} });
  for (const { trusted, trust } of nodes.items) {
    assert.deepEqual([trusted, trust.javascript?.valid, trust.javascript?.standing], [false, 4, 'unknown']);
  }
});
