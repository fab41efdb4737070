/** What outlives an agent is taken over by the next one. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { HeldAttempts } from '../src/held-attempts.ts';
import { startSite } from './agent-under-test.ts';
import { JOB, leaseGroup } from './fake-coordinator.ts';
import { FakeRuntime, OutlivingRuntime } from './fake-runtime.ts';

const name = (partition: number) => ({ job: JOB, partition, fence: 1 });
const idOf = (partition: number) => `${JOB}.${partition}.1`;

test('an attempt that still runs is taken over and reported; one that is gone is not held', async () => {
  await using site = await startSite();
  await site.agent.stop();
  const held = await HeldAttempts.open(join(site.folder, 'held'));
  const scratch = join(site.folder, 'scratch');
  for (const partition of [0, 1]) {
    await held.remember(leaseGroup([partition]), name(partition));
    await mkdir(join(scratch, 'wasm', idOf(partition)));
  }
  await mkdir(join(scratch, 'of an engine that is not offered any more'));
  const runtime = new OutlivingRuntime();
  runtime.left.add(idOf(0));
  await site.restart(runtime);
  await site.agent.connected();
  const hello = site.coordinator.hellos.at(-1);
  assert.deepEqual(hello?.attempts, [{ attempt: name(0), state: 'running' }]);
  assert.equal(runtime.reaped, 1);
  assert.deepEqual(await readdir(scratch), ['wasm'], 'what is in there is left to the runtime');
  const attempt = runtime.attempts[0];
  assert.deepEqual(attempt?.request.env, {}, 'it has its environment already');
  attempt?.host.log('stdout', Buffer.from('still here\n'));
  attempt?.succeed();
  await site.coordinator.until(() => site.coordinator.ending(0) !== undefined, 'the outcome');
  assert.equal(site.coordinator.ending(0)?.event, 'succeed');
  assert.equal(site.coordinator.log(0), 'still here\n');
  assert.deepEqual(await readdir(join(site.folder, 'held')), []);
});

test('an attempt whose runtime cannot look for it is not held: its task is placed anew', async () => {
  await using site = await startSite();
  await site.agent.stop();
  const held = await HeldAttempts.open(join(site.folder, 'held'));
  await held.remember(leaseGroup([0]), name(0));
  const runtime = new OutlivingRuntime();
  runtime.adopt = () => Promise.reject(new Error('the engine is away'));
  await site.restart(runtime);
  await site.agent.connected();
  assert.deepEqual(site.coordinator.hellos.at(-1)?.attempts, []);
  assert.deepEqual(await readdir(join(site.folder, 'held')), []);
  site.coordinator.lease(leaseGroup([0]));
  await site.coordinator.until(() => runtime.attempts.length === 1, 'the same attempt can be leased again');
});

test('a running attempt is remembered without secrets until it has ended', async () => {
  await using site = await startSite({ runtime: new OutlivingRuntime() });
  await site.agent.connected();
  const group = leaseGroup([0], { task: { env: { KEY: { secret: 'key' } } } });
  site.coordinator.lease({ ...group, secrets: { key: 'not on the disk' } });
  await site.coordinator.until(() => site.runtime.attempts.length === 1, 'the start');
  const path = join(site.folder, 'held', `${idOf(0)}.json`);
  const text = await readFile(path, 'utf8');
  assert.deepEqual(JSON.parse(text).leases, [{ partition: 0, fence: 1 }]);
  assert.ok(!text.includes('not on the disk'));
  site.runtime.attempts[0]?.succeed();
  await site.coordinator.until(() => site.coordinator.ending(0) !== undefined && !existsSync(path), 'the end');
});

test('with secrets, the log of what is taken over ends: they cannot be masked any more', async () => {
  await using site = await startSite();
  await site.agent.stop();
  const held = await HeldAttempts.open(join(site.folder, 'held'));
  await held.remember(leaseGroup([0], { task: { env: { KEY: { secret: 'key' } } } }), name(0));
  const runtime = new OutlivingRuntime();
  runtime.left.add(idOf(0));
  await site.restart(runtime);
  await site.agent.connected();
  runtime.attempts[0]?.host.log('stdout', Buffer.from('swordfish\n'));
  runtime.attempts[0]?.succeed();
  await site.coordinator.until(() => site.coordinator.ending(0) !== undefined, 'the outcome');
  assert.match(site.coordinator.log(0), /^\[fog: the agent was started anew[^\n]*\]\n$/);
});

test('a file that nobody can read is removed', async () => {
  await using site = await startSite();
  await site.agent.stop();
  await writeFile(join(site.folder, 'held', 'j.0.1.json'), '{"job":');
  await site.restart(new FakeRuntime());
  assert.deepEqual(await readdir(join(site.folder, 'held')), []);
});
