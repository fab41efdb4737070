/** Worked graphs of papers: ranks, tables, schedules and makespans, and the optimum that the search has to find. */
import assert from 'node:assert/strict';
import {
  type GraphSchedule,
  heftSchedule,
  optimiseSchedule,
  optimisticCosts,
  peftSchedule,
  prepareGraph,
  type TaskGraph,
  upwardRanks,
} from '@fog/scheduler/queueing';
import { RandomNumbers } from '@fog/scheduler/random-numbers';
import { z } from 'zod';
import type { VectorFile } from '../areas.ts';
import { type Check, parseShape, readJson } from '../vector-shape.ts';

/** Papers print three digits after the point. */
const PRINTED = 0.001;
const SEARCH = { evaluations: 20_000, seed: 1 };

const times = z.array(z.array(z.number().nonnegative()));
const scheduleSchema = z.record(z.string().regex(/^P\d+$/), z.array(z.tuple([z.int(), z.number(), z.number()])));
const graphSchema = z.strictObject({
  cost: times,
  /** From, to, and the time to move the result. */
  edges: z.array(z.tuple([z.int(), z.int(), z.number().nonnegative()])),
  rank_u: z.array(z.number()).optional(),
  oct: times.optional(),
  /** Names that are not known here belong to methods that are not ours. */
  makespan: z.record(z.string(), z.number()),
  heft_schedule: scheduleSchema.optional(),
  peft_schedule: scheduleSchema.optional(),
});
type GraphVector = z.output<typeof graphSchema>;
const fileSchema = z.object({ note: z.string().optional() }).catchall(z.union([z.string(), graphSchema]));

export function graphChecks(file: VectorFile): Check[] {
  const { note: _, ...graphs } = parseShape(fileSchema, readJson(file));
  return Object.entries(graphs).flatMap(([name, vector]) => {
    if (typeof vector === 'string') throw new Error(`unknown shape: ${name} is no graph`);
    return checksOf(name, vector);
  });
}

function checksOf(name: string, vector: GraphVector): Check[] {
  const graph: TaskGraph = {
    runTimes: vector.cost,
    edges: vector.edges.map(([from, to, transferTime]) => ({ from, to, transferTime })),
  };
  const checks: Check[] = [];
  const check = (what: string, run: () => void) => checks.push({ name: `${name}: ${what}`, run });
  const { HEFT, PEFT, OPTIMAL } = vector.makespan;
  if (vector.rank_u !== undefined) {
    check('upward ranks', () => assertNear([...upwardRanks(prepareGraph(graph))], vector.rank_u as number[]));
  }
  if (vector.oct !== undefined) {
    check('optimistic costs', () => {
      assertNear([...optimisticCosts(prepareGraph(graph))], (vector.oct as number[][]).flat());
    });
  }
  if (HEFT !== undefined) check('HEFT', () => assert.equal(heftSchedule(graph).makespan, HEFT));
  if (PEFT !== undefined) check('PEFT', () => assert.equal(peftSchedule(graph).makespan, PEFT));
  if (vector.heft_schedule !== undefined) {
    check('schedule of HEFT', () => assertSchedule(heftSchedule(graph), vector.heft_schedule ?? {}));
  }
  if (vector.peft_schedule !== undefined) {
    check('schedule of PEFT', () => assertSchedule(peftSchedule(graph), vector.peft_schedule ?? {}));
  }
  if (OPTIMAL !== undefined) {
    check('search', () => {
      const random = new RandomNumbers(SEARCH.seed);
      assert.equal(optimiseSchedule(graph, { evaluations: SEARCH.evaluations, random }).makespan, OPTIMAL);
    });
  }
  return checks;
}

function assertNear(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, index) => {
    const wanted = expected[index] as number;
    assert.ok(Math.abs(value - wanted) <= PRINTED, `entry ${index} is ${value} instead of ${wanted}`);
  });
}

function assertSchedule({ placements }: GraphSchedule, expected: z.output<typeof scheduleSchema>): void {
  const actual: Record<string, [number, number, number][]> = {};
  for (const { task, processor, start, end } of placements.toSorted((a, b) => a.start - b.start)) {
    const timeline = actual[`P${processor}`] ?? [];
    actual[`P${processor}`] = timeline;
    timeline.push([task, start, end]);
  }
  assert.deepEqual(actual, expected);
}
