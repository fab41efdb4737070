/** Verified jobs from their document to their result, with real agents that nobody trusts, of two owners and networks. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { skipProcess } from '../../packages/runtimes/test/process/programs.ts';
import { tarArchive } from '../support/tar-archive.ts';
import { hasIPv6, VerifyingFog } from '../support/verifying-fog.ts';

const SCRIPT = 'export default ({ args }, ctx) => ({ args, partition: ctx.partition.index, drawn: Math.random() });';
const COMPARE = `export default ({ files }) =>
  Math.abs(files['/left/time'].json() - files['/right/time'].json()) < 600;`;

describe('verified jobs', { skip: hasIPv6 ? false : 'no ::1 here' }, () => {
  test('two strangers compute the same, and are believed', async () => {
    await using fog = await VerifyingFog.start();
    await fog.addNode('olga', '127.0.0.1', ['javascript']);
    await fog.addNode('oleg', '[::1]', ['javascript']);
    const task = { runtime: 'javascript', javascript: { script: 'main.js' }, args: ['a'] };
    const job = await fog.run({ count: 4, task, verification: { mode: 'replicate' } }, { 'main.js': SCRIPT });
    assert.equal(job.state, 'completed', JSON.stringify(job.tasks));
    const { items } = await fog.client.call('listTasks', { params: { job: job.id }, query: {} });
    for (const { attempts, verification, outputs } of items) {
      assert.deepEqual([verification?.acceptedBy, verification?.replicas], ['quorum', 2]);
      assert.deepEqual(attempts.map(({ state }) => state).sort(), ['confirmed', 'valid']);
      assert.equal(outputs[0]?.name, 'result');
    }
    const nodes = await fog.client.call('listNodes', { query: {} });
    for (const { trusted, trust } of nodes.items) {
      assert.deepEqual([trusted, trust.javascript?.valid, trust.javascript?.standing], [false, 4, 'unknown']);
    }
  });

  test('programs in a root that their job brings compute the same everywhere', {
    skip: skipProcess || (existsSync('/bin/busybox') ? false : 'busybox is not installed (Debian: busybox-static)'),
  }, async () => {
    await using fog = await VerifyingFog.start();
    await fog.addNode('olga', '127.0.0.1', ['process']);
    await fog.addNode('oleg', '[::1]', ['process']);
    const root = tarArchive([
      { name: 'bin/busybox', content: readFileSync('/bin/busybox'), mode: 0o755 },
      { name: 'bin/sh', type: 'symlink', target: 'busybox' },
      { name: 'etc/', type: 'folder', modifiedSeconds: 1_000_000_000 },
    ]);
    const look = '/bin/busybox ls -lnR /bin /etc > /out/result; /bin/busybox stat -c %Y /etc >> /out/result';
    const task = {
      runtime: 'process',
      process: { root: 'rootfs.tar', command: ['/bin/sh', '-c', look] },
      outputs: [{ name: 'result', path: '/out/result' }],
    };
    const job = await fog.run({ task, verification: { mode: 'replicate' } }, { 'rootfs.tar': root });
    const { items } = await fog.client.call('listTasks', { params: { job: job.id }, query: {} });
    assert.equal(job.state, 'completed', JSON.stringify(items));
    assert.deepEqual(items[0]?.attempts.map(({ state }) => state).sort(), ['confirmed', 'valid']);
  });

  test('results that differ are compared by the script of their job, on a trusted node', {
    skip: skipProcess,
  }, async () => {
    await using fog = await VerifyingFog.start();
    await fog.addNode('olga', '127.0.0.1', ['process']);
    await fog.addNode('oleg', '[::1]', ['process']);
    await fog.addNode('root', '127.0.0.1', ['javascript'], { isTrusted: true });
    const task = {
      runtime: 'process',
      process: { command: ['/bin/sh', '-c', 'date +%s.%N > /tmp/time'] },
      outputs: [{ name: 'time', path: '/tmp/time' }],
    };
    const verification = { mode: 'replicate', compare: { script: './compare.js' } };
    const job = await fog.run({ task, verification }, { './compare.js': COMPARE });
    const { items } = await fog.client.call('listTasks', { params: { job: job.id }, query: {} });
    assert.equal(job.state, 'completed', JSON.stringify(items));
    assert.deepEqual(items[0]?.attempts.map(({ state }) => state).sort(), ['confirmed', 'valid']);
    const { items: jobs } = await fog.client.call('listJobs', { query: {} });
    assert.deepEqual(
      jobs.map(({ id }) => id),
      [job.id],
      'nobody sees the comparing',
    );
  });
});
