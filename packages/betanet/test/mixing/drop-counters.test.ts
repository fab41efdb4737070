import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DROP_CAUSE_NAMES, DROP_CAUSES, type DropCause, DropCounters } from '../../src/mixing/front.ts';

test('drop counters: each cause is counted apart', () => {
  const counters = new DropCounters();
  DROP_CAUSE_NAMES.forEach((cause, index) => void counters.add(cause, index + 1));
  counters.add('replay');
  for (const [index, cause] of DROP_CAUSE_NAMES.entries()) {
    assert.equal(counters.count(cause), index + 1 + (cause === 'replay' ? 1 : 0));
  }
  assert.deepEqual(
    counters.entries().map(([cause]) => cause),
    DROP_CAUSE_NAMES,
  );
  assert.throws(() => counters.add('bad luck' as DropCause), RangeError);
});

test('drop counters: names are of one form, and each says what it counts in a sentence', () => {
  for (const [cause, help] of Object.entries(DROP_CAUSES)) {
    assert.match(cause, /^[a-z]+(-[a-z]+)*$/);
    assert.match(help, /^Packets .*\.$/);
  }
});
