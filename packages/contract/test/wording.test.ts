import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, formatDuration, oneLine } from '../src/index.ts';

test('one is not many', () => {
  assert.deepEqual(
    [counted(1, 'task'), counted(0, 'task'), counted(2, 'entry', 'entries')],
    [...['1 task', '0 tasks', '2 entries']],
  );
});

test('what others said is one line, and no page', () => {
  assert.equal(oneLine(' a\r\n\tb  c '), 'a b c');
  assert.equal(oneLine('x'.repeat(300)).length, 200);
  assert.ok(oneLine(`${'x'.repeat(96)}\u{1f600}yy`, 100).isWellFormed());
});

test('whole seconds have no fraction', () => {
  assert.deepEqual([8000, 8100, 8040, 999, 59_600].map(formatDuration), ['8s', '8.1s', '8s', '999ms', '1m']);
});
