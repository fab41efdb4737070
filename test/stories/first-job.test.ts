/** The first minutes of a newcomer: start, run, make mistakes, stop, start again and find everything as it was. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fog, startFog, temporaryFolder } from '../support/fog-process.ts';

test('a fog comes up, runs a job, stops, and comes up again with everything in place', async () => {
  const data = temporaryFolder('first-job');
  const first = await startFog(data);
  assert.equal(first.ready.nodes.length, 3);
  assert.equal(first.ready.dataDirectory, data);
  assert.equal((await fetch(`${first.ready.url}/readyz`)).status, 200);
  assert.equal(statSync(join(data, 'admin.token')).mode & 0o777, 0o600);

  const ran = await fog(data, 'run', 'examples/hello/job.yaml', '--json');
  assert.equal(ran.code, 0, ran.stderr);
  const wrong = join(data, 'wrong.yaml');
  writeFileSync(wrong, 'kind: Job\nspec:\n  cuont: 3\n  budget: 5\n  task: { runtime: docker }\n');
  const mistake = await fog(data, 'run', wrong);
  assert.equal(mistake.code, 2);
  assert.match(mistake.stderr, /spec\.cuont/);
  assert.match(mistake.stderr, /spec\.budget.*not built yet/);

  const before = (await fog(data, 'job', 'ls', '--json')).stdout;
  assert.equal(await first.interrupt(), 0);
  assert.equal(existsSync(join(data, 'endpoint.json')), false);
  const gone = await fog(data, 'job', 'ls');
  assert.equal(gone.code, 125);
  assert.match(gone.stderr, /fog up/);

  const second = await startFog(data);
  assert.equal((await fog(data, 'job', 'ls', '--json')).stdout, before);
  const nodes = JSON.parse((await fog(data, 'node', 'ls', '--json')).stdout) as { items: { state: string }[] };
  assert.deepEqual(
    nodes.items.map((node) => node.state),
    ['connected', 'connected', 'connected'],
  );
  assert.equal(await second.interrupt(), 0);
});

test('a failing task gives its exit code, a plan tells why nothing fits', async () => {
  const data = temporaryFolder('exit-code');
  const running = await startFog(data, ['--nodes', '1']);
  writeFileSync(join(data, 'throws.js'), 'export default () => { throw new Error("on purpose"); };');
  writeFileSync(
    join(data, 'throws.yaml'),
    'kind: Job\nspec:\n  task: { runtime: javascript, javascript: { script: ./throws.js } }\n',
  );
  const failed = await fog(data, 'run', join(data, 'throws.yaml'));
  assert.equal(failed.code, 1);
  assert.match(failed.stderr + failed.stdout, /on purpose/);
  writeFileSync(
    join(data, 'picky.yaml'),
    'kind: Job\nspec:\n  placement: { constraints: ["os == plan9"] }\n  task: { runtime: javascript, javascript: { script: ./throws.js } }\n',
  );
  const plan = await fog(data, 'plan', join(data, 'picky.yaml'));
  assert.match(plan.stdout, /os == plan9/);
  assert.equal(await running.interrupt(), 0);
});

test('a taken port and an unusable folder are one clear sentence each', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const data = temporaryFolder('taken');
  const taken = await fog(data, 'up', '--listen', `127.0.0.1:${port}`, '--data', data);
  server.close();
  assert.notEqual(taken.code, 0);
  assert.match(taken.stderr.trim(), new RegExp(`port ${port}.*in use`));

  const file = join(data, 'a-file');
  writeFileSync(file, '');
  const unusable = await fog(data, 'up', '--listen', '127.0.0.1:0', '--data', join(file, 'below'));
  assert.notEqual(unusable.code, 0);
  assert.match(unusable.stderr, /data folder/);
  if (process.getuid?.() !== 0) {
    const readOnly = join(data, 'read-only');
    mkdirSync(readOnly);
    chmodSync(readOnly, 0o500);
    const refused = await fog(data, 'up', '--listen', '127.0.0.1:0', '--data', readOnly);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /data folder/);
  }
});
