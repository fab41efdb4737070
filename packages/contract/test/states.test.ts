import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ATTEMPT_STATES,
  ATTEMPT_TRANSITIONS,
  DEPLOYMENT_STATES,
  DEPLOYMENT_TRANSITIONS,
  FAILURE_REASONS,
  isTerminal,
  JOB_STATES,
  JOB_TRANSITIONS,
  RETRYABLE_REASONS,
  REVISION_STATES,
  REVISION_TRANSITIONS,
  TASK_STATES,
  TASK_TRANSITIONS,
  transition,
} from '../src/index.ts';

const TABLES: Record<
  string,
  { states: readonly string[]; table: Record<string, Record<string, string>>; first: string; terminal: string[] }
> = {
  job: {
    states: JOB_STATES,
    table: JOB_TRANSITIONS,
    first: 'pending',
    terminal: ['completed', 'failed', 'cancelled', 'expired'],
  },
  task: {
    states: TASK_STATES,
    table: TASK_TRANSITIONS,
    first: 'queued',
    terminal: ['succeeded', 'failed', 'cancelled', 'expired'],
  },
  attempt: {
    states: ATTEMPT_STATES,
    table: ATTEMPT_TRANSITIONS,
    first: 'leased',
    terminal: [
      'revealed',
      'valid',
      'confirmed',
      'invalid',
      'inconclusive',
      'failed',
      'yielded',
      'declined',
      'cancelled',
      'superseded',
    ],
  },
  deployment: {
    states: DEPLOYMENT_STATES,
    table: DEPLOYMENT_TRANSITIONS,
    first: 'rolling-out',
    terminal: ['removing'],
  },
  revision: {
    states: REVISION_STATES,
    table: REVISION_TRANSITIONS,
    first: 'rolling-out',
    terminal: ['superseded', 'rolled-back'],
  },
};

for (const [name, { states, table, first, terminal }] of Object.entries(TABLES)) {
  test(`the table of the ${name} is closed, and every state can be reached`, () => {
    assert.deepEqual(Object.keys(table).sort(), [...states].sort());
    for (const targets of Object.values(table))
      for (const target of Object.values(targets)) assert.ok(states.includes(target), target);
    assert.deepEqual(
      states.filter((state) => isTerminal(table, state)),
      terminal,
    );
    const reached = new Set([first]);
    for (const state of reached) for (const target of Object.values(table[state] ?? {})) reached.add(target);
    assert.deepEqual([...reached].sort(), [...states].sort());
    for (const state of states) {
      const ends = new Set([state]);
      for (const from of ends) for (const target of Object.values(table[from] ?? {})) ends.add(target);
      assert.ok(
        [...ends].some((end) => terminal.includes(end)),
        `${state} has an end`,
      );
    }
  });
}

test('a pair that is not in the table is no transition', () => {
  assert.equal(transition(ATTEMPT_TRANSITIONS, 'running', 'prepare'), null);
  assert.equal(transition(TASK_TRANSITIONS, 'succeeded', 'fail'), null);
  assert.equal(transition(TASK_TRANSITIONS, 'queued', 'lease'), 'scheduled');
});

test('only reasons that the job is to blame for can be retried on demand', () => {
  for (const reason of RETRYABLE_REASONS) assert.equal(FAILURE_REASONS[reason].blame, 'job', reason);
});
