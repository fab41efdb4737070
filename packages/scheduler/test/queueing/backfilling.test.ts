import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BACKFILL_RULES,
  decideStarts,
  inOrder,
  JOB_SCORES,
  type RigidJob,
  type RunningJob,
  reserve,
} from '@fog/scheduler/queueing';
import fc from 'fast-check';

const TOTAL = 16;
const NOW = 100;

const job = (id: string, processors: number, requestedSeconds: number, submittedAtSeconds = 0): RigidJob => {
  return { id, processors, requestedSeconds, submittedAtSeconds };
};
const running = (id: string, processors: number, expectedEndSeconds: number): RunningJob => {
  return { id, processors, expectedEndSeconds };
};

const situations = fc
  .record({
    waiting: fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 60 })), { maxLength: 12 }),
    running: fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 80, max: 160 })), { maxLength: 6 }),
    rule: fc.constantFrom(...BACKFILL_RULES),
  })
  .map(({ waiting, running: ongoing, rule }) => {
    let free = TOTAL;
    const fitting = ongoing.filter(([processors]) => {
      if (processors > free) return false;
      free -= processors;
      return true;
    });
    return {
      nowSeconds: NOW,
      totalProcessors: TOTAL,
      freeProcessors: free,
      waiting: waiting.map(([processors, seconds], index) => job(`w${index}`, processors, seconds, index)),
      running: fitting.map(([processors, end], index) => running(`r${index}`, processors, end)),
      rule,
    };
  });

test('what starts fits, starts once, and never exceeds what is free', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const { starts } = decideStarts(situation);
      const taken = starts.reduce((sum, { job: { processors } }) => sum + processors, 0);
      assert.ok(taken <= situation.freeProcessors);
      assert.equal(new Set(starts.map(({ job: { id } }) => id)).size, starts.length);
    }),
  );
});

test('no backfilled job delays the head: its reservation stands when everything takes as long as it requested', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const { starts, reservation } = decideStarts(situation);
      if (reservation === null) return;
      const head = situation.waiting.find(({ id }) => id === reservation.jobId) as RigidJob;
      const afterwards = (among: typeof starts) =>
        reserve(head, {
          nowSeconds: NOW,
          free: among.reduce((free, { job: { processors } }) => free - processors, situation.freeProcessors),
          running: [
            ...situation.running,
            ...among.map(({ job: { id, processors, requestedSeconds } }) =>
              running(id, processors, NOW + requestedSeconds),
            ),
          ],
        }).startSeconds;
      assert.equal(afterwards(starts), afterwards(starts.filter(({ isBackfilled }) => !isBackfilled)));
      assert.equal(afterwards(starts), reservation.startSeconds);
    }),
    { numRuns: 500 },
  );
});

test('jobs start in order until one does not fit, which gets the reservation', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const { starts, reservation } = decideStarts({ ...situation, rule: 'none' });
      let free = situation.freeProcessors;
      const expected: string[] = [];
      let head: string | null = null;
      for (const { id, processors } of situation.waiting.filter((one) => one.processors <= TOTAL)) {
        if (processors > free) {
          head = id;
          break;
        }
        free -= processors;
        expected.push(id);
      }
      assert.deepEqual([starts.map((start) => start.job.id), reservation?.jobId ?? null], [expected, head]);
    }),
  );
});

test('a gap takes a job that ends in time, or one that uses spare processors; of the latter no more than there are', () => {
  // 4 of 10 are free; the head wants 8 and gets them at 200, when 10 are free: 2 are spare.
  const question = {
    nowSeconds: NOW,
    totalProcessors: 10,
    freeProcessors: 4,
    running: [running('r', 6, 200)],
    waiting: [
      job('head', 8, 50),
      job('long-wide', 3, 500),
      job('long-spare', 1, 500),
      job('in-time', 2, 100),
      job('long-late', 1, 500),
    ],
  };
  const started = (rule: (typeof BACKFILL_RULES)[number]) =>
    decideStarts({ ...question, rule }).starts.map((start) => start.job.id);
  assert.deepEqual(started('easy'), ['long-spare', 'in-time', 'long-late']);
  assert.deepEqual(started('ends-before'), []);
  assert.deepEqual(started('none'), []);
  const early = { ...question, waiting: [job('head', 8, 50), job('in-time', 2, 99)] };
  assert.equal(decideStarts({ ...early, rule: 'ends-before' }).starts.length, 1);
  assert.deepEqual(decideStarts({ ...early, rule: 'easy' }).reservation, {
    jobId: 'head',
    startSeconds: 200,
    spareProcessors: 2,
  });
});

test('a job that has run over its requested time is expected to end at any moment', () => {
  const { startSeconds } = reserve(job('head', 4, 1), { nowSeconds: NOW, free: 0, running: [running('r', 4, 50)] });
  assert.equal(startSeconds, NOW);
});

test('all that ends at the time of the reservation is there for it, and what the head leaves of it is spare', () => {
  const ending = [running('r1', 4, 200), running('r2', 3, 200), running('r3', 2, 201)];
  const reservation = reserve(job('head', 4, 1), { nowSeconds: NOW, free: 0, running: ending });
  assert.deepEqual(reservation, { jobId: 'head', startSeconds: 200, spareProcessors: 3 });
});

test('a kept head goes first, and its reservation stands', () => {
  const kept = { jobId: 'old', startSeconds: 130, spareProcessors: 0 };
  const question = {
    nowSeconds: NOW,
    totalProcessors: 10,
    freeProcessors: 2,
    running: [running('r', 8, 400)],
    waiting: [job('new', 1, 31), job('old', 5, 10)],
    rule: 'ends-before',
    kept,
  } as const;
  assert.deepEqual(decideStarts(question), { starts: [], reservation: kept, neverFit: [] });
  assert.equal(decideStarts({ ...question, waiting: [job('new', 1, 29), job('old', 5, 10)] }).starts.length, 1);
});

test('a job larger than the machine holds up nobody', () => {
  const decision = decideStarts({
    nowSeconds: 0,
    totalProcessors: 4,
    freeProcessors: 4,
    running: [],
    waiting: [job('huge', 5, 1), job('fits', 4, 1)],
    rule: 'easy',
  });
  assert.deepEqual(
    [decision.neverFit.map(({ id }) => id), decision.starts.map((start) => start.job.id), decision.reservation],
    [['huge'], ['fits'], null],
  );
});

test('orders put the lowest score first, equal ones as they came, and those without a score last', () => {
  const jobs = [job('a', 4, 30), job('b', 1, 60, 1), job('c', 8, 10, 2), job('d', 2, 10, 3)];
  const order = (score: keyof typeof JOB_SCORES) => inOrder(jobs, JOB_SCORES[score], NOW).map(({ id }) => id);
  assert.deepEqual(order('fcfs'), ['a', 'b', 'c', 'd']);
  assert.deepEqual(order('sjf'), ['c', 'd', 'a', 'b']);
  assert.deepEqual(order('smallest-area'), ['d', 'b', 'c', 'a']);
  assert.deepEqual(order('least-slowdown'), ['d', 'c', 'a', 'b']);
  assert.deepEqual(order('f1'), ['a', 'b', 'c', 'd']);
  assert.deepEqual(order('wfp3'), ['c', 'd', 'a', 'b']);
  assert.deepEqual(order('unicep')[0], 'b');
  const nothing = job('never', 1, 0, NOW);
  assert.deepEqual(inOrder([nothing, ...jobs], JOB_SCORES.wfp3, NOW).at(-1), nothing);
});
