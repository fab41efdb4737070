import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import {
  AGING_POLICY,
  BACKFILL_RULES,
  decideQueue,
  EASY_FCFS_POLICY,
  JOB_ORDERS,
  JOB_SCORES,
  type QueuePolicy,
} from '@fog/scheduler/queueing';
import {
  compatiblePolicy,
  evenStarts,
  parseSwf,
  replayableJobs,
  replaySequence,
  type SimulatedJob,
  simulateQueue,
} from '@fog/scheduler/simulation';
import fc from 'fast-check';

const PROCESSORS = 8;

const jobs: fc.Arbitrary<SimulatedJob[]> = fc
  .array(
    fc.record({
      processors: fc.integer({ min: 1, max: PROCESSORS }),
      runSeconds: fc.nat({ max: 30 }),
      overRequest: fc.integer({ min: -5, max: 20 }),
      pause: fc.nat({ max: 8 }),
    }),
    { maxLength: 30 },
  )
  .map((drawn) => {
    let submittedAtSeconds = 0;
    return drawn.map(({ processors, runSeconds, overRequest, pause }, index) => {
      submittedAtSeconds += pause;
      const requestedSeconds = Math.max(0, runSeconds + overRequest);
      return { id: `${index}`, processors, runSeconds, requestedSeconds, submittedAtSeconds };
    });
  });

const policies: fc.Arbitrary<QueuePolicy> = fc.oneof(
  fc.constant(AGING_POLICY),
  fc.record({
    order: fc.constantFrom(...JOB_ORDERS).map((order) => JOB_SCORES[order]),
    backfill: fc.constantFrom(...BACKFILL_RULES),
    keepsHead: fc.boolean(),
    aging: fc.constantFrom(null, { kind: 'bound' as const, boundSeconds: 20 }),
  }),
);

test('every job starts once, not before it came, and the machine never runs more than it has', () => {
  fc.assert(
    fc.property(jobs, policies, fc.boolean(), (some, policy, isEventByEvent) => {
      const run = () =>
        simulateQueue({
          jobs: some,
          processors: PROCESSORS,
          decide: (state) => decideQueue(policy, state),
          isEventByEvent,
        });
      const { startSeconds, startOrder } = run();
      assert.deepEqual(
        [...startOrder].sort((a, b) => a - b),
        some.map((_, index) => index),
      );
      some.forEach(({ submittedAtSeconds }, index) => {
        assert.ok((startSeconds[index] as number) >= submittedAtSeconds);
      });
      for (const at of startSeconds) {
        const busy = some.reduce((sum, { processors, runSeconds }, index) => {
          const start = startSeconds[index] as number;
          return sum + (start <= at && at < start + runSeconds ? processors : 0);
        }, 0);
        assert.ok(busy <= PROCESSORS);
      }
      assert.deepEqual(run(), { startSeconds, startOrder });
    }),
    { numRuns: 300 },
  );
});

test('a worked case: the narrow job fills the gap, the long one waits for the head', () => {
  const at = (id: string, submittedAtSeconds: number, processors: number, runSeconds: number) => {
    return { id, submittedAtSeconds, processors, runSeconds, requestedSeconds: runSeconds };
  };
  const some = [at('a', 0, 6, 10), at('head', 1, 8, 5), at('narrow', 2, 2, 8), at('long', 3, 2, 8)];
  const decide = (state: Parameters<typeof decideQueue>[1]) => decideQueue(EASY_FCFS_POLICY, state);
  const { startSeconds } = simulateQueue({ jobs: some, processors: 8, decide });
  assert.deepEqual([...startSeconds], [0, 10, 2, 15]);
});

test('jobs that cannot be replayed are refused, and a decision that breaks its promise is told', () => {
  const good = { id: 'a', processors: 1, runSeconds: 1, requestedSeconds: 1, submittedAtSeconds: 5 };
  const decide = () => ({ starts: [], memory: { reservation: null, longestDrainSeconds: 0 } });
  const bad: SimulatedJob[][] = [
    [{ ...good, processors: 9 }],
    [{ ...good, runSeconds: Number.NaN }],
    [{ ...good, processors: 0 }],
    [good, good],
    [good, { ...good, id: 'b', submittedAtSeconds: 4 }],
  ];
  for (const some of bad) assert.throws(() => simulateQueue({ jobs: some, processors: 8, decide }), FogError);
  assert.throws(() => simulateQueue({ jobs: [good], processors: 8, decide }), /wait on an idle machine/);
});

const LOG = `; Version: 2
; MaxNodes: 4
; MaxProcs: 8
; Note: first
;  Note: second
1 0 -1 100 4 -1 -1 -1 -1 -1 1 7 8 -1 -1 -1 -1 -1

2 5 3 50 -1 -1 -1 2 60 -1 1 7 8 -1 -1 -1 -1 -1
3 6 3 -1 1 -1 -1 2 60 -1 5 7 8 -1 -1 -1 -1 -1
4 7 3 9 16 -1 -1 2 60 -1 1 7 8 -1 -1 -1 -1 -1`;

test('a log tells its machine and its jobs; what was not asked for is what was used', () => {
  const log = parseSwf(LOG);
  assert.deepEqual([log.processors, log.header.get('Note'), log.jobs.length], [8, 'first', 4]);
  const fields = log.jobs.map(({ processors, requestedSeconds }) => [processors, requestedSeconds]);
  assert.deepEqual(fields.slice(0, 2), [
    [4, 100],
    [2, 60],
  ]);
  assert.deepEqual(
    replayableJobs(log, 8).map(({ submittedAtSeconds }) => submittedAtSeconds),
    [0, 5],
  );
  assert.equal(parseSwf('; MaxNodes: 4\n').processors, 4);
  assert.equal(parseSwf('').processors, null);
});

test('a line that is no job is refused with its number', () => {
  for (const [line, says] of [
    ['1 2 3', /line 2 .* 3 fields/],
    ['1 0 -1 x 4 -1 -1 -1 -1 -1 1 7 8 -1 -1 -1 -1 -1', /line 2 .*"x"/],
    ['<html>', /line 2/],
  ] as const) {
    assert.throws(
      () => parseSwf(`; Version: 2\n${line}`),
      (error) => error instanceof FogError && error.code === 'invalid-request' && says.test(error.message),
    );
  }
});

test('sequences are evenly spaced, and a short log is one', () => {
  assert.deepEqual(evenStarts(10_000), [0, 997, 1994, 2992, 3989, 4986, 5984, 6981, 7978, 8976]);
  assert.deepEqual(evenStarts(1024), [0]);
  assert.deepEqual(evenStarts(3), [0]);
  assert.deepEqual(evenStarts(1026), [0, 1, 2]);
});

test('the compatible rules keep the head and know no spare processors', () => {
  // The head wants 8 at once; a long job of 1 would fit beside it only by spare processors, of which there are none
  // here, and one that ends exactly with the reservation is too late for these rules.
  const at = (id: string, submittedAtSeconds: number, processors: number, runSeconds: number) => {
    return { id, submittedAtSeconds, processors, runSeconds, requestedSeconds: runSeconds };
  };
  const some = [at('a', 0, 6, 10), at('head', 1, 7, 5), at('exact', 2, 1, 8), at('spare', 2, 1, 100)];
  const wait = (policy: QueuePolicy, isCompatible: boolean) =>
    replaySequence(some, 0, { processors: 8, policy, isCompatible }).meanWaitSeconds * some.length;
  // Head at 10; the textbook starts both small ones at once.
  assert.equal(wait(EASY_FCFS_POLICY, false), 9);
  assert.equal(wait(compatiblePolicy('fcfs', 'ends-before'), true), 9 + 8 + 13);
});
