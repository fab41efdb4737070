/** A JSON file of small cases: dominance, fronts, crowding, hypervolume, distances, ideal and nadir. */
import assert from 'node:assert/strict';
import {
  type CrowdingVariant,
  crowdingDistances,
  dominates,
  hypervolume,
  idealPoint,
  invertedGenerationalDistance,
  invertedGenerationalDistancePlus,
  nadirPoint,
  nondominatedRanks,
} from '@fog/scheduler/nsga2';
import { z } from 'zod';
import { type Check, parseShape } from '../vector-shape.ts';
import { assertClose } from './closeness.ts';

const TOLERANCE = 1e-12;
const HYPERVOLUME_TOLERANCE = 1e-9;

const point = z.array(z.number()).min(1);
const points = z
  .array(point)
  .min(1)
  .refine((rows) => rows.every((row) => row.length === rows[0]?.length), 'points of different lengths');
const wholes = z.array(z.int().min(0));
const crowding = z.strictObject({
  points,
  cd: z.array(z.union([z.number(), z.literal('inf').transform(() => Number.POSITIVE_INFINITY)])),
  note: z.string().optional(),
});

/** Every section is known; whatever else stands in the file is a failure. */
const schema = z.strictObject({
  note: z.string().optional(),
  dominance: z.array(z.strictObject({ a: point, b: point, a_dominates_b: z.boolean() })).default([]),
  nondominated_sort: z
    .array(z.strictObject({ points, rank: wholes, dominated_by_count: wholes.optional() }))
    .default([]),
  crowding_textbook: z.array(crowding).default([]),
  crowding_pymoo_dedup_mean: z.array(crowding).default([]),
  rank_then_crowding_order: z.array(z.strictObject({ points, order: wholes })).default([]),
  hypervolume: z.array(z.strictObject({ points, ref: point, hv: z.number() })).default([]),
  igd: z
    .array(z.strictObject({ A: points, ref: points, igd: z.number().optional(), igd_plus: z.number().optional() }))
    .default([]),
  ideal_nadir: z.array(z.strictObject({ points, nadir_of_first_front: point, ideal: point })).default([]),
  /** Closed forms in words: for readers. */
  true_front_hv_closed_form: z.record(z.string(), z.string()).optional(),
});

type Sections = z.output<typeof schema>;
type Points = readonly (readonly number[])[];

export function smallCaseChecks(content: unknown): Check[] {
  const sections = parseShape(schema, content);
  return [
    ...checksOf(sections, 'dominance', ({ a, b, a_dominates_b }) => assert.equal(dominates(a, b), a_dominates_b)),
    ...checksOf(sections, 'nondominated_sort', checkSort),
    ...checksOf(sections, 'crowding_textbook', checkCrowding('sum')),
    ...checksOf(sections, 'crowding_pymoo_dedup_mean', checkCrowding('distinct-mean')),
    ...checksOf(sections, 'rank_then_crowding_order', checkOrder),
    ...checksOf(sections, 'hypervolume', ({ points, ref, hv }) =>
      assertClose(hypervolume(points.flat(), points.length, ref), hv, HYPERVOLUME_TOLERANCE, 'the hypervolume'),
    ),
    ...checksOf(sections, 'igd', checkDistances),
    ...checksOf(sections, 'ideal_nadir', checkExtremes),
  ];
}

type SectionName = {
  [Name in keyof Sections]: Sections[Name] extends readonly unknown[] ? Name : never;
}[keyof Sections];

function checksOf<Name extends NonNullable<SectionName>>(
  sections: Sections,
  name: Name,
  run: (data: Sections[Name][number]) => void,
): Check[] {
  return sections[name].map((data, at) => ({ name: `${name} ${at + 1}`, run: () => run(data) }));
}

function flat(rows: Points): { values: Float64Array; count: number; dimensions: number } {
  return { values: Float64Array.from(rows.flat()), count: rows.length, dimensions: rows[0]?.length ?? 0 };
}

function checkSort({ points: rows, rank, dominated_by_count }: Sections['nondominated_sort'][number]): void {
  const { values, count, dimensions } = flat(rows);
  assert.deepEqual([...nondominatedRanks(values, count, dimensions)], rank, 'fronts');
  const counts = rows.map((row) => rows.filter((other) => dominates(other, row)).length);
  if (dominated_by_count !== undefined) assert.deepEqual(counts, dominated_by_count, 'who is dominated by how many');
}

function checkCrowding(variant: CrowdingVariant) {
  return ({ points: rows, cd }: Sections['crowding_textbook'][number]): void => {
    const { values, count, dimensions } = flat(rows);
    const distances = crowdingDistances(values, count, dimensions, variant);
    assert.equal(distances.length, cd.length);
    cd.forEach((expected, at) => {
      const actual = distances[at] as number;
      if (actual !== expected) assertClose(actual, expected, TOLERANCE, `the distance of point ${at}`);
    });
  };
}

/** By front, then by crowding distance; points that are alike in both may change places. */
function checkOrder({ points: rows, order }: Sections['rank_then_crowding_order'][number]): void {
  const { values, count, dimensions } = flat(rows);
  const ranks = nondominatedRanks(values, count, dimensions);
  const distances = new Float64Array(count);
  for (const rank of new Set(ranks)) {
    const front = [...ranks.keys()].filter((at) => ranks[at] === rank);
    const own = Float64Array.from(front.flatMap((at) => rows[at] as readonly number[]));
    crowdingDistances(own, front.length, dimensions, 'sum').forEach((distance, at) => {
      distances[front[at] as number] = distance;
    });
  }
  assert.deepEqual([...order].sort(), [...ranks.keys()].sort(), 'the order has every point once');
  order.forEach((point, at) => {
    const before = order[at - 1];
    if (before === undefined) return;
    const isWorse = (ranks[before] as number) < (ranks[point] as number);
    const isAlike = ranks[before] === ranks[point];
    assert.ok(isWorse || (isAlike && (distances[before] as number) >= (distances[point] as number)), `point ${point}`);
  });
}

function checkDistances({ A, ref, igd, igd_plus }: Sections['igd'][number]): void {
  const dimensions = ref[0]?.length ?? 0;
  const arguments_ = [A.flat(), ref.flat(), dimensions] as const;
  if (igd !== undefined) assertClose(invertedGenerationalDistance(...arguments_), igd, TOLERANCE, 'IGD');
  if (igd_plus !== undefined) assertClose(invertedGenerationalDistancePlus(...arguments_), igd_plus, TOLERANCE, 'IGD+');
}

function checkExtremes({ points: rows, ideal, nadir_of_first_front }: Sections['ideal_nadir'][number]): void {
  const { values, count, dimensions } = flat(rows);
  assert.deepEqual([...idealPoint(values, count, dimensions)], ideal, 'ideal');
  assert.deepEqual([...nadirPoint(values, count, dimensions)], nadir_of_first_front, 'nadir of the first front');
}
