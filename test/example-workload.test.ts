/** The workload of the examples is what its generator makes, so that nobody edits one without the other. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dayOfJobs } from '../examples/workload/generate.ts';

test('the log of a day of jobs is the one that the generator writes', () => {
  const log = readFileSync(join(import.meta.dirname, '../examples/workload/day.swf'), 'utf8');
  assert.equal(dayOfJobs(), log);
  assert.notEqual(dayOfJobs(2), log);
});
