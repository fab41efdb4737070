/** `fog sim`: what it prints, draws and refuses. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { drawingFile } from '../src/sim/simulation-choice.ts';
import { fog } from './test-terminal.ts';

const DAY = join(dirname(import.meta.dirname), '../../examples/workload/day.swf');
const GPU_TASKS = `name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time,scheduled_time
a,1000,10,1,1000,0,100,0
b,1000,10,1,1000,5,100,5
`;
const GPU_NODES = 'sn,cpu_milli,memory_mib,gpu,model\nn,8000,100,1,A\n';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fog-sim-cli-'));
  await writeFile(join(folder, 'tasks.csv'), GPU_TASKS);
  await writeFile(join(folder, 'day.swf.gz'), gzipSync(readFileSync(DAY)));
});
after(() => rm(folder, { recursive: true, force: true }));

const sim = (...args: string[]) => fog(['sim', ...args], { workingDirectory: folder });

describe('what it prints', () => {
  test('a table of policies, what was promised, and what is not known', async () => {
    const { code, stdout, stderr } = await sim(DAY, '--policy', 'fcfs, fog');
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^day\.swf \(SWF\) on 64 processors\n {2}240 of the log's 240 jobs/);
    assert.match(
      stdout,
      /\nPOLICY +MAKESPAN +MEAN WAIT +P50 +P95 +LONGEST +SLOWDOWN +CORES +FRAGMENTED +ENERGY +COST\n/,
    );
    assert.match(stdout, /\nfcfs +[\d.]+ h .*\nfog +[\d.]+ h/);
    assert.match(stdout, /BRONZE \(2\.5 S\).*\nfcfs +\d+ late +100 % back of [\d.]+ FOG/);
    assert.match(stdout, /Not known: use of memory \(a log does not tell the memory of its machine\)/);
  });

  test('one JSON document, the same for a file that is compressed, whatever its name', async () => {
    const { code, stdout } = await sim(DAY, '--policy', 'fog', '--json');
    assert.equal(code, 0);
    const plain = JSON.parse(stdout);
    assert.deepEqual([plain.file, plain.kind, plain.reports.length], ['day.swf', 'log', 1]);
    assert.deepEqual(plain.reports[0].utilisationPercent.gpus, { unavailable: 'a log knows no GPUs' });
    await writeFile(join(folder, 'renamed'), gzipSync(readFileSync(DAY)));
    const packed = JSON.parse((await sim('renamed', '--policy', 'fog', '--json')).stdout);
    assert.deepEqual(packed, { ...plain, file: 'renamed' });
  });

  test('jobs that do not fit are counted', async () => {
    const { stdout } = await sim(DAY, '--policy', 'fog', '--nodes', '4', '--cores', '4');
    assert.match(stdout, /\nLeft out: \d+ larger than the machine\n/);
  });

  test('nodes of GPU tasks lie beside them or are named', async () => {
    const without = await sim('tasks.csv');
    assert.deepEqual([without.code, /--node-list/.test(without.stderr)], [2, true]);
    await writeFile(join(folder, 'nodes.csv'), GPU_NODES);
    const named = await sim('tasks.csv', '--node-list', 'nodes.csv', '--policy', 'fgd');
    assert.match(named.stdout, /on 8 cores, 1 GPU\n/);
    await writeFile(join(folder, 'openb_node_list_gpu_node.csv'), GPU_NODES);
    assert.deepEqual(await sim('tasks.csv', '--policy', 'fgd'), named);
    const filled = await sim('tasks.csv', '--load', '1', '--policy', 'fgd');
    assert.match(filled.stdout, /Not known: makespan, .*the cluster is filled without times/);
  });
});

describe('drawings', () => {
  test('one file, or one for each policy', async () => {
    const one = await sim(DAY, '--policy', 'fog', '--gantt', 'one.svg');
    assert.deepEqual([one.code, one.stderr], [0, 'drawn: one.svg\n']);
    assert.match(readFileSync(join(folder, 'one.svg'), 'utf8'), /^<svg .*day\.swf, fog<.*<\/svg>\n$/s);
    const two = await sim(DAY, '--policy', 'fcfs,fog', '--gantt', 'two.svg', '--json');
    assert.deepEqual(JSON.parse(two.stdout).drawings, ['two-fcfs.svg', 'two-fog.svg']);
    assert.ok(existsSync(join(folder, 'two-fcfs.svg')));
    assert.equal(drawingFile('a.b/c', 'p', true), 'a.b/c-p');
  });

  test('a file that cannot be written and a run without times are refused', async () => {
    const nowhere = await sim(DAY, '--policy', 'fog', '--gantt', 'no/where.svg');
    assert.deepEqual([nowhere.code, /cannot write no\/where\.svg/.test(nowhere.stderr)], [2, true]);
    await writeFile(join(folder, 'n.csv'), GPU_NODES);
    const filled = await sim('tasks.csv', '--node-list', 'n.csv', '--load', '1', '--gantt', 'x.svg');
    assert.deepEqual([filled.code, /no times to draw/.test(filled.stderr)], [2, true]);
  });
});

test('what cannot be simulated is refused in words', async () => {
  const packed = readFileSync(join(folder, 'day.swf.gz'));
  const files: [name: string, content: string | Uint8Array, says: RegExp][] = [
    [
      'cut.swf.gz',
      packed.subarray(0, packed.length / 2),
      /cut\.swf\.gz cannot be unpacked: .*\n {2}hint: it is cut off/,
    ],
    ['empty', '', /empty is empty\n {2}hint: these are read: /],
    ['empty.gz', gzipSync(''), /empty\.gz is empty/],
    ['picture.png', Buffer.from([0x89, 0x50, 0x4e, 0x47]), /nobody knows the shape of picture\.png/],
    ['nan.swf', '; MaxProcs: 8\n1 0 -1 NaN 4 -1 -1 -1 -1 -1 1 7 8 -1 -1 -1 -1 -1', /"NaN" is no number/],
  ];
  for (const [name, content, says] of files) {
    await writeFile(join(folder, name), content);
    const { code, stderr, stdout } = await sim(name);
    assert.deepEqual([code, stdout], [2, ''], name);
    assert.match(stderr, says);
  }
  const options: [args: string[], says: RegExp][] = [
    [['--policy', 'nope'], /no policy "nope" for a workload log\n {2}hint: there are: fog, fcfs, fcfs-easy, /],
    [['--power', 'toaster'], /no figure of power for "toaster"\n {2}hint: there is: proliant/],
    [['--gpu-watts', '300:40'], /"300:40" is no power of a GPU/],
    [['--nodes', '0'], /"0" is not a whole number from 1/],
    [['--load', '-1'], /"-1" is not a number/],
    [['--aging-bound', 'long'], /"long" is not a duration/],
    [['--start', '9999'], /no job from number 9999/],
  ];
  for (const [args, says] of options) {
    const { code, stderr } = await sim(DAY, ...args);
    assert.equal(code, 2);
    assert.match(stderr, says);
  }
  assert.match((await sim('absent')).stderr, /there is no file absent/);
});
