import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { loadNative, requestTimeSlice } from '../src/index.ts';

const cannot = process.platform !== 'linux' || !loadNative().available;

test('all threads of a process ask for short turns, but for those under another policy', { skip: cannot }, () => {
  const program = `
    import { readdirSync } from 'node:fs';
    import { requestTimeSlice } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)};
    const threads = readdirSync('/proc/self/task').length;
    console.log(JSON.stringify({ threads, asked: requestTimeSlice(0.1), wrong: (() => {
      try { return requestTimeSlice(0); } catch (error) { return error.name; }
    })() }));`;
  const text = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  const { threads, asked, wrong } = JSON.parse(text) as { threads: number; asked: number; wrong: unknown };
  assert.ok(asked > 1 && asked <= threads, `${asked} of ${threads}`);
  assert.equal(wrong, 'TypeError', 'a turn has a length');
});

test('where there is nothing to ask, nobody has it', { skip: !cannot }, () => {
  assert.equal(requestTimeSlice(0.1), 0);
});
