/** Turns without a database: what fits no transition changes nothing, whatever the state. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ATTEMPT_STATES,
  ATTEMPT_TRANSITIONS,
  type AttemptReport,
  type AttemptState,
  isTerminal,
  parseJobSpec,
  TASK_STATES,
  TASK_TRANSITIONS,
  type TaskState,
  transition,
} from '@fog/contract';
import fc from 'fast-check';
import { Turn } from '../../src/dispatch/turn.ts';
import { PLACED } from '../../src/dispatch/turn-names.ts';
import type { TurnAttempt, TurnTask } from '../../src/dispatch/turn-records.ts';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { CHECKPOINTED, jobSpec, MODULE } from './fog-harness.ts';

const NAME = { job: 'j1', partition: 0, fence: 1 };
const OUTCOME = {
  usage: { wallMilliseconds: 1, cpuMilliseconds: null, peakMemoryBytes: null },
  engine: 'test',
  logBytes: 0,
};
const CHECKPOINT = { manifest: MODULE, bytes: 1, files: 1 };
const REPORTS: AttemptReport[] = [
  { event: 'prepare' },
  { event: 'start' },
  { event: 'upload' },
  { event: 'progress', fraction: 0.1, message: '' },
  { event: 'health', status: 'healthy', message: '', restarts: 0 },
  { event: 'succeed', outputs: [], ...OUTCOME },
  { event: 'fail', reason: 'oom', message: '', exitCode: null, ...OUTCOME },
  { event: 'decline', message: '' },
  { event: 'checkpoint', ...CHECKPOINT },
  { event: 'suspend' },
  { event: 'resume' },
  { event: 'yield', reason: 'exit-85', checkpoint: CHECKPOINT, ...OUTCOME },
];

function attemptOf(part: Partial<TurnAttempt>): TurnAttempt {
  return {
    ...NAME,
    state: 'running',
    node: 'n1',
    startedAt: null,
    endedAt: null,
    outcome: null,
    progress: null,
    health: null,
    logBytes: 0,
    price: null,
    payee: null,
    ...part,
  };
}

function scene(task: Partial<TurnTask> = {}, attempt: Partial<TurnAttempt> = {}) {
  const spec = parseJobSpec(jobSpec({ spec: { retry: { attempts: 3 } }, task: CHECKPOINTED }));
  const turn = new Turn({
    now: 1000,
    listeningSince: 0,
    random: () => 0.5,
    specOf: () => spec,
    submitterOf: () => 'alice',
    policyOf: () => null,
    isCheck: () => false,
    valuesOf: (_job, results) => results.map(() => 0n),
  });
  const ofTask: TurnTask = {
    job: 'j1',
    partition: 0,
    state: 'running',
    classId: 'c',
    rank: 50,
    fence: 1,
    parked: false,
    notBefore: null,
    jobFailures: 0,
    nodeFailures: 0,
    failure: null,
    acceptedFence: null,
    outputs: null,
    suspendedAt: null,
    checkpoint: null,
    verification: null,
    reverifying: false,
    ...task,
  };
  const ofAttempt = attemptOf(attempt);
  turn.rows.load([ofTask], [ofAttempt]);
  return { turn, task: ofTask, attempt: ofAttempt };
}

function assertUntouched(turn: Turn, what: string): void {
  assert.deepEqual(
    [
      turn.changedTasks.size,
      turn.changedAttempts.size,
      turn.entries.size,
      turn.counts.size,
      turn.stops.length,
      turn.freed().length,
      turn.requeued.length,
      turn.blobs.length,
      turn.suspensions.orders.length,
      turn.suspensions.changedCheckpoints.size,
      turn.suspensions.changedSuspensions.size,
    ],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    what,
  );
}

test('a report that fits no transition of its attempt changes nothing at all', () => {
  for (const attemptState of ATTEMPT_STATES) {
    for (const taskState of TASK_STATES) {
      for (const report of REPORTS) {
        const { turn } = scene({ state: taskState }, { state: attemptState });
        turn.report('n1', NAME, report);
        const isKnown =
          report.event === 'progress' || report.event === 'health' || report.event === 'checkpoint'
            ? !isTerminal(ATTEMPT_TRANSITIONS, attemptState)
            : transition(ATTEMPT_TRANSITIONS, attemptState, report.event) !== null;
        if (!isKnown) assertUntouched(turn, `${report.event} of a ${attemptState} attempt of a ${taskState} task`);
      }
    }
  }
});

test('whatever is reported, states follow the tables and counters the states', () => {
  for (const attemptState of ATTEMPT_STATES) {
    for (const taskState of TASK_STATES) {
      for (const report of REPORTS) {
        const { turn, task, attempt } = scene({ state: taskState }, { state: attemptState });
        turn.report('n1', NAME, report);
        const what = `${report.event} of a ${attemptState} attempt of a ${taskState} task`;
        assertReachable(ATTEMPT_TRANSITIONS, attemptState, attempt.state, what);
        assertReachable(TASK_TRANSITIONS, taskState, task.state, what);
        const changes = turn.counts.get('j1') ?? {};
        const expected: Partial<Record<TaskState, number>> =
          task.state === taskState ? {} : { [taskState]: -1, [task.state]: 1 };
        assert.deepEqual(changes, expected, what);
        if (isTerminal(TASK_TRANSITIONS, taskState)) assert.equal(task.state, taskState, what);
        if (attempt.state === 'valid' && attemptState !== 'valid')
          assert.deepEqual([task.state, task.acceptedFence], ['succeeded', 1], what);
      }
    }
  }
});

function assertReachable<State extends string>(
  table: Readonly<Record<State, object>>,
  from: State,
  to: State,
  what: string,
): void {
  if (from !== to) assert.ok(Object.values(table[from]).includes(to), `${what}: ${from} to ${to}`);
}

test('reports of another node, and of attempts that are not loaded, change nothing', () => {
  for (const report of REPORTS) {
    const { turn } = scene();
    turn.report('n2', NAME, report);
    turn.report('n1', { ...NAME, fence: 2 }, report);
    turn.report('n1', { ...NAME, partition: 1 }, report);
    assertUntouched(turn, report.event);
  }
});

test('orders on attempts that are over change nothing', () => {
  for (const state of ATTEMPT_STATES.filter((candidate) => isTerminal(ATTEMPT_TRANSITIONS, candidate))) {
    const { turn } = scene({ state: 'succeeded' }, { state });
    turn.lose(NAME);
    turn.forgotten(NAME, 'node-lost');
    turn.forgotten(NAME, 'undelivered');
    turn.failLease(NAME, 'input-missing', '');
    turn.close(NAME, 'cancelled');
    turn.expire(NAME);
    turn.log('n1', { ...NAME, stream: 'stdout', text: 'x' }, 0, 1, 100);
    assert.equal(turn.resume(NAME), false);
    assertUntouched(turn, state);
  }
});

test('a place is freed once, and not when the attempt is back in the same turn', () => {
  const back = scene();
  back.turn.lose(NAME);
  assert.deepEqual(back.turn.freed().length, 1);
  assert.equal(back.turn.resume(NAME), true);
  assert.deepEqual(back.turn.freed(), []);
  assert.equal(back.task.state, 'running');
  const gone = scene();
  gone.turn.lose(NAME);
  gone.turn.report('n1', NAME, REPORTS[4] as AttemptReport);
  assert.deepEqual(gone.turn.freed(), [gone.attempt]);
});

test('the log ends at its limit', () => {
  const { turn, attempt } = scene();
  for (let piece = 0; piece < 5; piece += 1)
    turn.log('n1', { ...NAME, stream: 'stdout', text: 'xxxx' }, piece * 4, 4, 10);
  assert.equal(attempt.logBytes, 12);
  assert.equal(turn.entries.get('j1')?.length, 3);
});

test('a task with a lease of its own does not expire in the queue', () => {
  for (const [fence, state, expected] of [
    [0, 'queued', 'expired'],
    [1, 'queued', 'queued'],
    [1, 'scheduled', 'scheduled'],
  ] as const) {
    const { turn, task } = scene({ fence, state }, { state: 'failed' });
    turn.expire(NAME);
    assert.equal(task.state, expected);
  }
});

const states: AttemptState[] = ['leased', 'preparing', 'running', 'suspended', 'uploading', 'lost'];
test('closing ends the task with all its attempts and stops each on its node', () => {
  for (const state of states) {
    const { turn, task, attempt } = scene({}, { state });
    turn.close(NAME, 'total-timeout');
    assert.deepEqual([task.state, attempt.state], ['expired', 'cancelled']);
    assert.deepEqual(turn.stops, [{ node: 'n1', attempt: NAME, reason: 'total-timeout' }]);
  }
});

test('a task that gives up its place again and again has an end', () => {
  for (const [fence, state] of [
    [DISPATCH_LIMITS.leasesPerTask - 1, 'queued'],
    [DISPATCH_LIMITS.leasesPerTask, 'failed'],
  ] as const) {
    const { turn, task } = scene({ fence }, { fence });
    turn.report('n1', { ...NAME, fence }, { event: 'yield', reason: 'drained', checkpoint: null, ...OUTCOME });
    assert.equal(task.state, state);
  }
});

test('in whatever order checkpoints come in, their fence only grows, and a live replacement takes none back', () => {
  const states = fc.constantFrom(...ATTEMPT_STATES);
  fc.assert(
    fc.property(fc.array(states, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(3)), (siblings, order) => {
      const { turn, task } = scene({ fence: siblings.length }, { fence: 0 });
      const attempts = siblings.map((state, index) => attemptOf({ fence: index + 1, state }));
      turn.rows.load([], attempts);
      for (const index of order) {
        const before = task.checkpoint?.fence ?? 0;
        const name = { ...NAME, fence: index + 1 };
        turn.report('n1', name, { event: 'checkpoint', ...CHECKPOINT });
        const after = task.checkpoint?.fence ?? 0;
        assert.ok(after >= before);
        const replacements = attempts.filter(({ fence, state }) => fence > after && PLACED.includes(state));
        if (after !== before) assert.deepEqual(replacements, []);
      }
    }),
  );
});
