import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import {
  type GraphSchedule,
  heftSchedule,
  optimiseSchedule,
  peftSchedule,
  prepareGraph,
  type TaskGraph,
  upwardRanks,
} from '@fog/scheduler/queueing';
import { RandomNumbers } from '@fog/scheduler/random-numbers';
import fc from 'fast-check';

const graphs: fc.Arbitrary<TaskGraph> = fc
  .record({ tasks: fc.integer({ min: 1, max: 9 }), processors: fc.integer({ min: 1, max: 3 }) })
  .chain(({ tasks, processors }) =>
    fc.record({
      runTimes: fc.array(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: processors, maxLength: processors }), {
        minLength: tasks,
        maxLength: tasks,
      }),
      edges: fc
        .array(fc.record({ a: fc.nat({ max: tasks - 1 }), b: fc.nat({ max: tasks - 1 }), transferTime: fc.nat(15) }))
        .map((drawn) =>
          drawn
            .filter(({ a, b }) => a !== b)
            .map(({ a, b, transferTime }) => ({ from: Math.min(a, b), to: Math.max(a, b), transferTime })),
        ),
    }),
  );

function assertValid({ runTimes, edges }: TaskGraph, { placements, makespan }: GraphSchedule): void {
  placements.forEach(({ task, processor, start, end }, index) => {
    assert.equal(task, index);
    assert.equal(end - start, runTimes[task]?.[processor]);
    for (const other of placements.slice(index + 1).filter((one) => one.processor === processor)) {
      assert.ok(other.end <= start || end <= other.start || other.start === other.end || start === end, 'overlap');
    }
  });
  for (const { from, to, transferTime } of edges) {
    const [before, after] = [placements[from], placements[to]];
    assert.ok(before !== undefined && after !== undefined);
    assert.ok(after.start >= before.end + (before.processor === after.processor ? 0 : transferTime));
  }
  assert.equal(makespan, Math.max(...placements.map(({ end }) => end)));
}

test('schedules respect dependencies, transfers and processors; the search is never worse than both methods', () => {
  fc.assert(
    fc.property(graphs, fc.integer({ min: 0, max: 99 }), (graph, seed) => {
      const [heft, peft] = [heftSchedule(graph), peftSchedule(graph)];
      const search = () => optimiseSchedule(graph, { evaluations: 200, random: new RandomNumbers(seed) });
      const found = search();
      for (const schedule of [heft, peft, found]) assertValid(graph, schedule);
      assert.ok(found.makespan <= Math.min(heft.makespan, peft.makespan));
      assert.ok(found.makespan >= found.lowerBound);
      assert.deepEqual(search(), found);
    }),
  );
});

/** A search by chance finds it nearly always; so the graphs are always the same. */
test('the search finds the optimum of forty small graphs, as trying everything does', () => {
  const small = graphs.filter(({ runTimes }) => runTimes.length <= 5);
  fc.assert(
    fc.property(small, (graph) => {
      const found = optimiseSchedule(graph, { evaluations: 3000, random: new RandomNumbers(7) });
      assert.equal(found.makespan, shortest(graph));
    }),
    { numRuns: 40, seed: 1 },
  );
});

/** Every order and every assignment, each task as early as it can behind the last of its processor. */
function shortest({ runTimes, edges }: TaskGraph): number {
  const processors = runTimes[0]?.length ?? 0;
  const ends = new Map<number, { end: number; processor: number }>();
  const ready = new Array<number>(processors).fill(0);
  const search = (latest: number): number => {
    if (ends.size === runTimes.length) return latest;
    let best = Number.POSITIVE_INFINITY;
    for (let task = 0; task < runTimes.length; task += 1) {
      const needs = edges.filter(({ to }) => to === task);
      if (ends.has(task) || needs.some(({ from }) => !ends.has(from))) continue;
      for (let processor = 0; processor < processors; processor += 1) {
        const free = ready[processor] as number;
        const arrivals = needs.map(({ from, transferTime }) => {
          const before = ends.get(from) as { end: number; processor: number };
          return before.end + (before.processor === processor ? 0 : transferTime);
        });
        const end = Math.max(free, ...arrivals) + (runTimes[task]?.[processor] as number);
        ends.set(task, { end, processor });
        ready[processor] = end;
        best = Math.min(best, search(Math.max(latest, end)));
        ends.delete(task);
        ready[processor] = free;
      }
    }
    return best;
  };
  return search(0);
}

test('on one processor nothing is moved, so ranks are sums of run times', () => {
  const graph = { runTimes: [[3], [4]], edges: [{ from: 0, to: 1, transferTime: 100 }] };
  assert.deepEqual([...upwardRanks(prepareGraph(graph))], [7, 4]);
});

test('cycles are named; other faults of a graph are refused', () => {
  const runTimes = [[1], [1], [1], [1]];
  const edge = (from: number, to: number, transferTime = 0) => ({ from, to, transferTime });
  assert.throws(
    () => heftSchedule({ runTimes, edges: [edge(0, 1), edge(1, 2), edge(2, 3), edge(3, 1)] }),
    (error) => {
      assert.ok(error instanceof FogError && error.code === 'invalid-request');
      assert.deepEqual(error.details.cycle, ['1', '2', '3']);
      return true;
    },
  );
  const bad: TaskGraph[] = [
    { runTimes: [], edges: [] },
    { runTimes: [[]], edges: [] },
    { runTimes: [[1], [1, 2]], edges: [] },
    { runTimes: [[-1]], edges: [] },
    { runTimes: [[Number.NaN]], edges: [] },
    { runTimes, edges: [edge(0, 4)] },
    { runTimes, edges: [edge(0, 1, Number.NaN)] },
  ];
  for (const graph of bad) {
    for (const schedule of [heftSchedule, peftSchedule]) assert.throws(() => schedule(graph), FogError);
  }
});
