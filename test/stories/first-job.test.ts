/** The first minutes of a newcomer: start, run, make mistakes, stop, start again and find everything as it was. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fog, startFog, temporaryFolder } from '../support/fog-process.ts';

const isRoot = process.getuid?.() === 0;

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
  writeFileSync(wrong, 'kind: Job\nspec:\n  cuont: 3\n  schedule: daily\n  task: { runtime: docker }\n');
  const mistake = await fog(data, 'run', wrong);
  assert.equal(mistake.code, 2);
  assert.match(mistake.stderr, /spec\.cuont/);
  assert.match(mistake.stderr, /spec\.schedule.*not built yet/);

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

test('a folder that cannot be written is one clear sentence', {
  skip: isRoot && 'root may write everywhere',
}, async () => {
  const data = temporaryFolder('read-only');
  const readOnly = join(data, 'read-only');
  mkdirSync(readOnly);
  chmodSync(readOnly, 0o500);
  const refused = await fog(data, 'up', '--listen', '127.0.0.1:0', '--data', readOnly);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /data folder/);
});
