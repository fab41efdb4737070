import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERROR_CODES, FogError, type JobState } from '@fog/contract';
import { errorExitCode, jobExitCode } from '../src/exit-code.ts';

const job = (state: JobState) => ({ state, reason: null });

test('a job tells its end by the exit code', () => {
  assert.equal(jobExitCode(job('completed'), null), 0);
  assert.equal(jobExitCode(job('cancelled'), null), 130);
  assert.equal(jobExitCode({ state: 'expired', reason: 'queue-timeout' }, null), 124);
  assert.equal(jobExitCode(job('running'), null), 125, 'a job that has not ended has no result');
});

test('a failed job has the exit code of its failed task, 1 where there is none', () => {
  const failed = (exitCode: number | null, reason: 'exit-code' | 'oom' | 'timeout') =>
    jobExitCode(job('failed'), { exitCode, reason });
  assert.equal(failed(3, 'exit-code'), 3);
  assert.equal(failed(255, 'exit-code'), 255);
  assert.equal(failed(null, 'oom'), 1);
  assert.equal(failed(null, 'timeout'), 124);
  assert.equal(failed(256, 'exit-code'), 1, 'what the process cannot tell must not look like success');
  assert.equal(failed(0, 'oom'), 1);
  assert.equal(jobExitCode(job('failed'), null), 1);
});

test('errors: what the caller can mend is 2, time 124, cancelled 130, what is wrong with fog 125', () => {
  const others: Record<string, number> = {
    'task-failed': 1,
    'timed-out': 124,
    cancelled: 130,
    unavailable: 125,
    'too-many-requests': 125,
    'storage-full': 125,
    'blob-digest-mismatch': 125,
    'blob-offset-mismatch': 125,
    'protocol-version': 125,
    'protocol-violation': 125,
    internal: 125,
  };
  for (const code of ERROR_CODES) assert.equal(errorExitCode(new FogError(code, 'x')), others[code] ?? 2, code);
});
