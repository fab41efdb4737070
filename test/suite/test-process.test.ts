/** The runner of the tests: what fails, does not start or does not end is named and counted. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { runUnit } from './test-process.ts';
import { findTestFiles, unitsOf } from './test-units.ts';

const folder = mkdtempSync(join(tmpdir(), 'fog-suite-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const IMPORT = "import { test } from 'node:test';\n";

function unit(...texts: string[]) {
  const files = texts.map((text, index) => {
    writeFileSync(join(folder, `${index}.test.mjs`), IMPORT + text);
    return `${index}.test.mjs`;
  });
  return { name: files.join(' '), files, mostlyWaits: false };
}

/** What nobody has reaped yet has a number, and is dead. */
function isAlive(pid: number): boolean {
  const { status, stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return status === 0 && !stdout.startsWith('Z');
}

test('what passes and what fails is counted, alone and with others in one process', async () => {
  const good = await runUnit(unit("test('fine', () => {}); test.skip('left out', () => {});"), folder);
  assert.deepEqual([good.counts.tests, good.counts.pass, good.counts.skipped, good.failures], [2, 1, 1, '']);
  const bad = "test('broken', () => { throw new Error('on purpose'); });";
  const both = await runUnit(unit("test('fine', () => {});", bad), folder);
  assert.deepEqual([both.counts.tests, both.counts.pass, both.counts.fail], [2, 1, 1]);
  assert.match(both.failures, /1\.test\.mjs[\s\S]*broken[\s\S]*on purpose/);
});

test('a file that does not load counts as one that failed', async () => {
  const { counts, failures } = await runUnit(unit("import './nowhere.mjs';"), folder);
  assert.ok(counts.fail >= 1);
  assert.match(failures, /0\.test\.mjs[\s\S]*nowhere/);
});

for (const [what, text] of [
  ['whose test computes for ever', "test('fine', () => {}); test('loops', () => { for (;;); });"],
  ['that keeps something open behind its tests', "test('fine', () => {}); setInterval(() => {}, 1000);"],
  ['that ignores the request to end', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);"],
] as const) {
  test(`a file ${what} is ended, named and counted`, async () => {
    const { counts, failures } = await runUnit(unit(text), folder, 600);
    assert.equal(counts.fail, 1);
    assert.match(failures, /^✖ 0\.test\.mjs did not end in time and was ended\n/);
  });
}

test('what a file leaves behind holds up nothing, and is ended', async () => {
  const child = "spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })";
  const text = `import { spawn } from 'node:child_process';\nconst left = ${child}; left.unref();\nconsole.log('left', left.pid);`;
  const { counts, text: said } = await runUnit(unit(`${text}\ntest('fine', () => {});`), folder);
  assert.equal(counts.pass, 1);
  const pid = Number(/left (\d+)/.exec(said)?.[1]);
  for (let tries = 0; isAlive(pid) && tries < 100; tries += 1) await pause(20);
  assert.ok(!isAlive(pid));
});

test('every test file is in one unit', () => {
  const files = findTestFiles(join(import.meta.dirname, '../..'), []);
  assert.ok(files.length > 200);
  const units = unitsOf(files);
  assert.deepEqual(units.flatMap((each) => each.files).sort(), files);
  assert.ok(units.length < files.length / 1.5);
});
