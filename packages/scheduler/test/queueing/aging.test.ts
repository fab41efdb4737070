import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AGING_POLICY,
  decideQueue,
  EASY_FCFS_POLICY,
  LEAST_SLOWDOWN_POLICY,
  NO_MEMORY,
  type QueuePolicy,
} from '@fog/scheduler/queueing';
import { type SimulatedJob, simulateQueue } from '@fog/scheduler/simulation';
import fc from 'fast-check';

const PROCESSORS = 8;

/** A job for the whole machine, and for half an hour more small ones than it can take. */
function starvingJobs(): SimulatedJob[] {
  const small = Array.from({ length: 600 }, (_, index) => {
    const submittedAtSeconds = index * 3;
    return { id: `s${index}`, processors: 2, requestedSeconds: 15, runSeconds: 15, submittedAtSeconds };
  });
  const wide = { id: 'wide', processors: PROCESSORS, requestedSeconds: 100, runSeconds: 100, submittedAtSeconds: 100 };
  return [...small, wide].sort((a, b) => a.submittedAtSeconds - b.submittedAtSeconds);
}

function waitOf(jobs: readonly SimulatedJob[], policy: QueuePolicy): (id: string) => number {
  const { startSeconds } = simulateQueue({
    jobs,
    processors: PROCESSORS,
    decide: (state) => decideQueue(policy, state),
  });
  return (id) => {
    const index = jobs.findIndex((job) => job.id === id);
    return (startSeconds[index] as number) - (jobs[index] as SimulatedJob).submittedAtSeconds;
  };
}

test('a bound ends the wait of a job that the order would let starve', () => {
  const jobs = starvingJobs();
  assert.ok(waitOf(jobs, LEAST_SLOWDOWN_POLICY)('wide') > 1700);
  for (const boundSeconds of [50, 200]) {
    const wait = waitOf(jobs, { ...LEAST_SLOWDOWN_POLICY, aging: { kind: 'bound', boundSeconds } })('wide');
    // After the bound, what runs has its 15 seconds; the bound is looked at when something happens.
    assert.ok(wait <= boundSeconds + 15 + 3, `waited ${wait}`);
  }
  assert.ok(waitOf(jobs, AGING_POLICY)('wide') < 1000);
});

const randomJobs = fc
  .array(
    fc.record({
      processors: fc.integer({ min: 1, max: PROCESSORS }),
      runSeconds: fc.integer({ min: 1, max: 40 }),
      pause: fc.integer({ min: 0, max: 10 }),
    }),
    { minLength: 1, maxLength: 30 },
  )
  .map((drawn) => {
    let submittedAtSeconds = 0;
    return drawn.map(({ processors, runSeconds, pause }, index) => {
      submittedAtSeconds += pause;
      return { id: `j${index}`, processors, runSeconds, requestedSeconds: runSeconds, submittedAtSeconds };
    });
  });

test('the bound on the wait: no job waits longer than the bound and the work of all that aged before it', () => {
  const boundSeconds = 60;
  fc.assert(
    fc.property(randomJobs, (jobs) => {
      const wait = waitOf(jobs, { ...LEAST_SLOWDOWN_POLICY, aging: { kind: 'bound', boundSeconds } });
      let before = 0;
      const longest = Math.max(...jobs.map(({ runSeconds }) => runSeconds));
      for (const { id, runSeconds } of jobs) {
        assert.ok(wait(id) <= boundSeconds + longest + before, `${id} waited ${wait(id)}`);
        before += runSeconds;
      }
    }),
  );
});

test('with a bound of nothing every order is first come, first served', () => {
  fc.assert(
    fc.property(randomJobs, (jobs) => {
      const starts = (policy: QueuePolicy) =>
        simulateQueue({ jobs, processors: PROCESSORS, decide: (state) => decideQueue(policy, state) }).startSeconds;
      const aged = starts({ ...LEAST_SLOWDOWN_POLICY, aging: { kind: 'bound', boundSeconds: 0 } });
      assert.deepEqual(aged, starts(EASY_FCFS_POLICY));
    }),
  );
});

test('gradual aging: a job that waits overtakes a smaller one that came much later, not one that came soon after', () => {
  const large = { id: 'large', processors: 8, requestedSeconds: 100, submittedAtSeconds: 0 };
  const decide = (submittedAtSeconds: number) => {
    const small = { id: 'small', processors: 8, requestedSeconds: 10, submittedAtSeconds };
    // The longest drain was 400 s, so areas shrink by e every 100 s: a tenth takes some 230 s.
    const state = { nowSeconds: submittedAtSeconds, totalProcessors: 8, freeProcessors: 8, running: [] };
    const memory = { ...NO_MEMORY, longestDrainSeconds: 400 };
    const { starts } = decideQueue(AGING_POLICY, { ...state, waiting: [large, small], memory });
    return starts[0]?.job.id;
  };
  assert.equal(decide(220), 'small');
  assert.equal(decide(240), 'large');
});

test('the memory of a decision holds the longest drain so far', () => {
  const waiting = [{ id: 'a', processors: 4, requestedSeconds: 100, submittedAtSeconds: 0 }];
  const state = { nowSeconds: 0, totalProcessors: 8, freeProcessors: 2, waiting, memory: NO_MEMORY };
  const running = [{ id: 'r', processors: 6, expectedEndSeconds: 40 }];
  const { memory } = decideQueue(AGING_POLICY, { ...state, running });
  assert.equal(memory.longestDrainSeconds, (4 * 100 + 6 * 40) / 8);
  assert.equal(
    decideQueue(AGING_POLICY, { ...state, waiting: [], running: [], memory }).memory.longestDrainSeconds,
    80,
  );
});
