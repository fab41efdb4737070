import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { TARGETS as BROKEN } from './broken-targets.ts';
import { FuzzRandom } from './fuzz-random.ts';
import { type FuzzTarget, runTarget } from './fuzz-target.ts';
import { supervise } from './supervise.ts';
import { TARGETS } from './targets.ts';

const BROKEN_PATH = new URL('./broken-targets.ts', import.meta.url).href;
const THROWS = BROKEN.get('throws') as FuzzTarget;

test('a finding is told with its place, and comes again from there', () => {
  const range = { name: 'throws', seed: 1, from: 0, inputs: 5_000 };
  const { findings, outcomes, inputs } = runTarget(THROWS, range);
  const [first] = findings;
  assert.ok(first !== undefined && /seven/.test(first.message));
  assert.equal(outcomes.finding, findings.length);
  assert.equal(
    Object.values(outcomes).reduce((sum, amount) => sum + amount, 0),
    inputs,
  );
  const again = runTarget(THROWS, { ...range, from: first.index, inputs: 1 });
  assert.ok(again.findings.some(({ index }) => index === first.index));
  assert.equal(again.inputs, 64);
});

test('pieces of a range add up to the whole, and another seed gives other inputs', () => {
  const target = TARGETS.get('sphinx-commands') as FuzzTarget;
  const run = (seed: number, from: number, inputs: number) =>
    runTarget(target, { name: 'sphinx-commands', seed, from, inputs }).outcomes;
  const [whole, first, second] = [run(1, 0, 1280), run(1, 0, 640), run(1, 640, 640)];
  for (const [name, amount] of Object.entries(whole)) {
    assert.equal((first[name] ?? 0) + (second[name] ?? 0), amount, name);
  }
  assert.notDeepEqual(run(2, 0, 1280), whole);
});

test('a process that dies is a finding at its batch', async () => {
  const range = { name: 'dies', seed: 1, from: 0, inputs: 1000 };
  const { findings, inputs } = await supervise(range, { modulePath: BROKEN_PATH });
  assert.deepEqual(
    findings.map(({ index }) => index),
    [192],
  );
  assert.match(findings[0]?.message ?? '', /died \(SIGSEGV\)/);
  assert.equal(inputs, 192);
});

test('so is one that does not come back', async () => {
  const range = { name: 'hangs', seed: 1, from: 0, inputs: 1000 };
  const { findings } = await supervise(range, { modulePath: BROKEN_PATH, standstillMilliseconds: 1000 });
  assert.deepEqual(
    findings.map(({ index }) => index),
    [192],
  );
  assert.match(findings[0]?.message ?? '', /did not come back/);
});

test('bytes of any length come from the seed alone', () => {
  const [one, other] = [new FuzzRandom(), new FuzzRandom()];
  one.begin(1, 2, 3);
  other.begin(1, 2, 3);
  for (const length of [0, 1, 3, 4, 17, 4096]) assert.deepEqual(one.bytes(length), other.bytes(length));
  other.begin(1, 2, 4);
  assert.notDeepEqual(one.bytes(16), other.bytes(16));
  const seen = new Set(Array.from({ length: 200 }, () => one.below(7)));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5, 6]);
});

test('the command runs every target, and refuses what it does not know', async () => {
  const call = (...args: string[]) =>
    new Promise<{ code: number; output: string }>((resolve) => {
      const program = join(import.meta.dirname, 'main.ts');
      const child = execFile(process.execPath, [program, ...args], (_error, output) => {
        resolve({ code: child.exitCode ?? -1, output });
      });
    });
  const listed = await call('--list');
  for (const name of TARGETS.keys()) assert.match(listed.output, new RegExp(`^${name}: `, 'm'));
  const only = ['unwrap', 'authority-messages'].flatMap((name) => ['--only', name]);
  const { code, output } = await call('--inputs', '256', '--json', ...only);
  assert.equal(code, 0);
  const { targets } = JSON.parse(output) as { targets: { name: string; inputs: number; findings: unknown[] }[] };
  assert.deepEqual(
    targets.map(({ name, findings }) => [name, findings.length]),
    [
      ['unwrap', 0],
      ['authority-messages', 0],
    ],
  );
  for (const wrong of [
    ['--only', 'nothing'],
    ['--from', '5'],
    ['--inputs', '0'],
    ['--quick', '--inputs', '9'],
  ]) {
    assert.equal((await call(...wrong)).code, 2, wrong.join(' '));
  }
});
