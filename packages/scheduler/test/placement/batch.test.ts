import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AssignmentChange, hypervolume } from '../../src/nsga2/index.ts';
import { assertPossible, type Batch, batchOf } from '../../src/placement/batch/batch.ts';
import { pairTableOf } from '../../src/placement/batch/pair-table.ts';
import { Scores } from '../../src/placement/batch/scores.ts';
import {
  applyPlan,
  type BatchOptions,
  OBJECTIVES,
  type ObjectiveName,
  optimiseBatch,
  type PlacementPlan,
  type TradeOffs,
} from '../../src/placement/index.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';
import { type DrawnFog, drawnFog, NOW, node, processors, task } from './small-fog.ts';

const FOUR: ObjectiveName[] = ['completionTime', 'cost', 'energy', 'failureRisk'];
const drawnObjectives = fc.subarray([...OBJECTIVES], { minLength: 1, maxLength: 4 });

function run(fog: DrawnFog, objectives: readonly ObjectiveName[], options: Partial<BatchOptions> = {}) {
  return optimiseBatch(
    { ...fog, objectives, now: NOW, pick: { by: 'knee' } },
    { seed: 1, generations: 4, population: 20, ...options },
  );
}

/** Throws if a point of the front puts more on a node than it has, or replicas together. */
function checkFront({ tasks, nodes }: DrawnFog, front: TradeOffs): void {
  const placed = front.tasks.map(({ id }) => tasks.find((each) => each.id === id) as (typeof tasks)[number]);
  const batch: Batch = batchOf(placed, nodes, FOUR, NOW);
  for (const point of front.points) assertPossible(batch, Int32Array.from(point.nodes));
}

test('batch: no placement of a front ever exceeds capacity, meets a hurdle or brings replicas together', async () => {
  await fc.assert(
    fc.asyncProperty(drawnFog, drawnObjectives, async (fog, objectives) => {
      const plans: PlacementPlan[] = [];
      const { front, plan } = await run(fog, objectives, { onFirstPlan: (first) => void plans.push(first) });
      checkFront(fog, front);
      // A plan of what has not changed holds but for room that running tasks have still to give up.
      for (const each of [...plans, plan]) {
        const { stale } = applyPlan(each, { ...fog, now: NOW });
        assert.ok(stale.every(({ reason }) => reason === 'no-room' || reason === 'replica'));
      }
      const told = plan.left.map((each) => each.task);
      const staying = fog.tasks.filter(({ running }) => running !== null).map(({ id }) => id);
      const known = new Set([...plan.assignments.map((each) => each.task), ...told, ...staying]);
      assert.equal(known.size, fog.tasks.length, 'every task is placed, stays, or is told to be left');
    }),
    { numRuns: 150 },
  );
});

test('batch: what is computed from a change is the very number that is computed from the start', () => {
  fc.assert(
    fc.property(drawnFog, drawnObjectives, fc.nat(), (fog, objectives, seed) => {
      fc.pre(fog.tasks.length > 0 && fog.nodes.length > 0);
      const batch = batchOf(fog.tasks, fog.nodes, objectives, NOW);
      const scores = new Scores(batch, pairTableOf(batch));
      const random = new RandomNumbers(seed);
      const jobs = fog.tasks.length;
      const suiting = fog.tasks.map((_, at) =>
        [...fog.nodes.keys(), fog.nodes.length].filter(
          (place) =>
            place === fog.nodes.length ||
            pairTableOf(batch).values[(at * fog.nodes.length + place) * (objectives.length + 1)] !== Infinity,
        ),
      );
      const draw = (at: number) => suiting[at]?.[random.below(suiting[at]?.length ?? 1)] as number;
      const genes = new Int32Array(2 * jobs);
      for (let at = 0; at < jobs; at += 1) genes[at] = draw(at);
      for (let at = 0; at < jobs; at += 1) genes[jobs + at] = random.below(3) === 0 ? draw(at) : (genes[at] as number);
      const values = new Float64Array(3 * objectives.length);
      const state = new Float64Array(3 * scores.stateNumbers);
      const width = scores.stateNumbers;
      const parentViolation = scores.evaluate(genes, 0, values, 0, state, 0);
      const whole = scores.evaluate(genes, jobs, values, objectives.length, state, width);
      state.copyWithin(2 * width, 0, width);
      const moved = [...fog.tasks.keys()].filter((at) => genes[at] !== genes[jobs + at]);
      const change: AssignmentChange = {
        ...{
          genes,
          genesAt: jobs,
          parentGenesAt: 0,
          jobs: Int32Array.from(moved),
          jobCount: moved.length,
          parentViolation,
        },
        ...{
          objectives: values,
          objectivesAt: 2 * objectives.length,
          parentObjectivesAt: 0,
          state,
          stateAt: 2 * width,
        },
      };
      assert.equal(scores.evaluateChange(change), whole);
      assert.deepEqual(values.slice(2 * objectives.length), values.slice(objectives.length, 2 * objectives.length));
      assert.deepEqual(state.slice(2 * width), state.slice(width, 2 * width));
    }),
    { numRuns: 300 },
  );
});

function manyTasks(): DrawnFog {
  const nodes = Array.from({ length: 30 }, (_, index) =>
    node(`n${index}`, {
      speed: 0.5 + (index % 7) / 3,
      priceMicroFogPerSlice: 50 + ((index * 37) % 101),
      reputation: 0.8 + (index % 10) / 60,
      owner: `o${index % 9}`,
      prefix: `p${index % 11}`,
      idleWatts: 10,
      busyWatts: 60,
    }),
  );
  const tasks = Array.from({ length: 80 }, (_, index) =>
    task(`t${index}`, {
      expectedRunMilliseconds: 10_000 * (1 + (index % 13)),
      tenant: `x${index % 5}`,
      replicaGroup: index < 8 ? `g${index % 4}` : null,
    }),
  );
  return { tasks, nodes };
}

test('batch: the same seed gives the same bytes, another seed others; a timed run is repeated by its record', async () => {
  const fog = manyTasks();
  const options = { generations: 45, population: 40, isExhaustive: true };
  const text = async (changes: Partial<BatchOptions>) =>
    JSON.stringify((await run(fog, FOUR, { ...options, ...changes })).front);
  const first = await text({});
  assert.equal(await text({}), first);
  assert.notEqual(await text({ seed: 2 }), first);
  // A clock that grows with each look, so that time is up in the middle of something.
  for (const milliseconds of [3, 60, 400, 1000]) {
    let clock = 0;
    const { generations: _, ...timed } = options;
    const once = await run(fog, FOUR, { ...timed, milliseconds, clock: () => (clock += 0.5) });
    const again = await run(fog, FOUR, { ...timed, record: once.record });
    assert.equal(JSON.stringify(again.front), JSON.stringify(once.front), JSON.stringify(once.record));
  }
});

test('batch: a signal ends the search with what it has found; before that there is a first plan', async () => {
  const fog = manyTasks();
  const stop = new AbortController();
  let firstPlan: PlacementPlan | null = null;
  const result = await run(fog, FOUR, {
    ...{ generations: 100_000, isExhaustive: true, signal: stop.signal },
    onFirstPlan: (plan) => {
      firstPlan = plan;
    },
    onProgress: ({ generation }) => {
      if (generation === 3) stop.abort();
    },
  });
  assert.equal(result.stoppedBy, 'signal');
  assert.equal((firstPlan as PlacementPlan | null)?.assignments.length, 80);
  assert.equal(result.plan.assignments.length, 80);
  const aborted = await run(fog, FOUR, { signal: AbortSignal.abort() });
  assert.deepEqual([aborted.stoppedBy, aborted.evaluations, aborted.plan.assignments.length], ['signal', 0, 80]);
});

test('batch: what is found never gets worse: the hypervolume of the archive does not shrink between looks', async () => {
  const volumes: number[] = [];
  let reference: number[] = [];
  await run(manyTasks(), ['completionTime', 'cost'], {
    ...{ generations: 60, population: 40, isExhaustive: true },
    onProgress: ({ front }) => {
      const { points } = front();
      if (reference.length === 0)
        reference = [0, 1].map((at) => 1.1 * Math.max(...points.map(({ values }) => values[at] as number)));
      volumes.push(
        hypervolume(
          points.flatMap(({ values }) => values),
          points.length,
          reference,
        ),
      );
    },
  });
  volumes.forEach((volume, at) => {
    assert.ok(at === 0 || volume >= (volumes[at - 1] as number) * 0.999, `look ${at}`);
  });
  assert.ok((volumes.at(-1) as number) >= (volumes[0] as number));
});

test('batch: tasks that no node can take are told, with what excludes how many nodes', async () => {
  const nodes = [
    node('a', { region: 'eu' }),
    node('b', { region: 'us', reputation: 0.2 }),
    node('c', { region: 'us' }),
  ];
  const tasks = [
    task('fits'),
    task('nowhere', { regions: ['asia'] }),
    task('picky', { regions: ['us'], trustFloor: 0.99 }),
    task('huge', { needs: processors(64) }),
    ...Array.from({ length: 14 }, (_, index) => task(`more${index}`, { priority: 40 })),
  ];
  const { plan } = await run({ tasks, nodes }, ['cost', 'completionTime']);
  const left = Object.fromEntries(plan.left.map((each) => [each.task, each]));
  assert.deepEqual(left.nowhere?.excluded, [{ kind: 'region', constraint: 'region in (asia)', nodes: 3 }]);
  assert.deepEqual(
    left.picky?.excluded.map(({ kind, nodes: count }) => [kind, count]),
    [
      ['trust', 2],
      ['region', 1],
    ],
  );
  assert.deepEqual(
    left.huge?.excluded.map(({ kind }) => kind),
    ['size'],
  );
  assert.equal(plan.assignments.length, 12, 'all twelve processors are used');
  assert.deepEqual(
    new Set(plan.left.filter(({ reason }) => reason === 'no-room').map(({ task: id }) => id.slice(0, 4))),
    new Set(['more']),
  );
});

test('batch: empty sets, one node, no nodes; bad input is refused with what is wrong', async () => {
  const one = node('only');
  assert.deepEqual((await run({ tasks: [], nodes: [one] }, FOUR)).plan.assignments, []);
  const none = await run({ tasks: [task('a')], nodes: [] }, FOUR);
  assert.deepEqual([none.plan.left[0]?.reason, none.picked], ['no-node', -1]);
  assert.equal((await run({ tasks: [task('a'), task('b')], nodes: [one] }, FOUR)).plan.assignments.length, 2);
  const refused: [string, Parameters<typeof task>[1]][] = [
    ['milliCpu', { needs: { ...processors(1), milliCpu: -1 } }],
    ['memoryBytes', { needs: { ...processors(1), memoryBytes: 1e300 } }],
    ['slots', { needs: { ...processors(1), others: { slots: Number.NaN } } }],
    ['expectedRunMilliseconds', { expectedRunMilliseconds: Number.POSITIVE_INFINITY }],
    ['runDeviationMilliseconds', { runDeviationMilliseconds: Number.NaN }],
    ['trustFloor', { trustFloor: 1.5 }],
    ['priority', { priority: -5 }],
  ];
  for (const [word, changes] of refused) {
    await assert.rejects(
      run({ tasks: [task('a'), task('b', changes)], nodes: [one] }, FOUR),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'invalid-request');
        return error.message.includes(word) && error.message.includes('task b');
      },
    );
  }
  await assert.rejects(run({ tasks: [task('a'), task('a')], nodes: [one] }, FOUR), { code: 'invalid-request' });
  await assert.rejects(run({ tasks: [], nodes: [one, one] }, FOUR), { code: 'invalid-request' });
  await assert.rejects(
    run({ tasks: [], nodes: [node('n', { staying: [{ milliseconds: 5, probability: 2 }] })] }, FOUR),
    { code: 'invalid-request' },
  );
  await assert.rejects(
    optimiseBatch({ tasks: [], nodes: [], objectives: FOUR, now: NOW, pick: { by: 'knee' } }, { seed: 1 }),
    { code: 'invalid-configuration' },
  );
});

test('batch: a running task moves only when the gain exceeds its restart cost', async () => {
  // By cost it would always move.
  const slow = node('slow', { speed: 1, free: processors(3), priceMicroFogPerSlice: 100 });
  const fast = node('fast', { speed: 2 });
  const running = (restartMilliseconds: number) =>
    task('a', {
      expectedRunMilliseconds: 100_000,
      running: { node: 'slow', remainingMilliseconds: 60_000, remainingRunMilliseconds: 60_000, restartMilliseconds },
    });
  const other = task('b', { onlyNode: 'slow' });
  for (const [restart, moves] of [
    [29_000, true],
    [30_000, false],
    [31_000, false],
  ] as const) {
    const { plan } = await run({ tasks: [running(restart), other], nodes: [slow, fast] }, ['cost']);
    assert.equal(
      plan.assignments.some((each) => each.task === 'a' && each.node === 'fast' && each.from === 'slow'),
      moves,
    );
  }
  // A node that is about to leave is worth leaving.
  const leaving = { ...slow, staying: [{ milliseconds: 60_000, probability: 0 }] };
  const { plan } = await run({ tasks: [running(50_000), other], nodes: [leaving, fast] }, ['failureRisk']);
  assert.equal(
    plan.assignments.some(({ from }) => from === 'slow'),
    true,
  );
});

test('batch: replicas of one task have neither owner nor network in common', async () => {
  const nodes = [
    node('a', { owner: 'ann', prefix: '10.1.0.0/16', speed: 9 }),
    node('b', { owner: 'ann', prefix: '10.2.0.0/16', speed: 8 }),
    node('c', { owner: 'ben', prefix: '10.1.0.0/16', speed: 7 }),
    node('d', { owner: 'ben', prefix: '10.3.0.0/16', speed: 1 }),
    node('e', { owner: 'cyd', prefix: null, speed: 0.5 }),
    node('f', { owner: 'dan', prefix: null, speed: 6 }),
  ];
  const tasks = [0, 1, 2].map((index) => task(`r${index}`, { replicaGroup: 'r' }));
  const { plan } = await run({ tasks, nodes }, ['completionTime'], { generations: 20 });
  const chosen = plan.assignments.map((each) => nodes.find(({ id }) => id === each.node));
  assert.equal(new Set(chosen.map((each) => each?.owner)).size, 3);
  assert.equal(new Set(chosen.map((each) => each?.prefix)).size, 3);
});
