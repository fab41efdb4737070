import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '@fog/contract';
import {
  type AssignmentProblem,
  crowdingDistances,
  dominates,
  generationalDistance,
  hypervolume,
  leastContributor,
  type Nsga2Settings,
  nondominatedRanks,
  optimise,
  type Problem,
  type RealProblem,
  standardProblem,
} from '../../src/nsga2/index.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';
import { smallPlacement } from './small-placement.ts';

const real = standardProblem('zdt1', { variables: 3 });
const placement = smallPlacement(4, 2);

function withResult(values: readonly number[], violation: number): RealProblem {
  return {
    ...real,
    evaluate(_genes, _at, objectives, to) {
      objectives.set(values, to);
      return violation;
    },
  };
}

const CASES: readonly [what: string, code: ErrorCode, problem: Problem, settings?: Partial<Nsga2Settings>][] = [
  ['an objective that is NaN', 'invalid-request', withResult([0, Number.NaN], 0)],
  ['an objective without bound', 'invalid-request', withResult([Number.POSITIVE_INFINITY, 0], 0)],
  ['a negative violation', 'invalid-request', withResult([0, 0], -1)],
  ['a violation that is NaN', 'invalid-request', withResult([0, 0], Number.NaN)],
  ['no objective', 'invalid-configuration', { ...real, objectives: 0 }],
  ['more objectives than can be told apart', 'invalid-configuration', { ...real, objectives: 17 }],
  ['bounds that cross', 'invalid-configuration', { ...real, lower: Float64Array.of(0, 2, 0) }],
  ['a bound that is NaN', 'invalid-configuration', { ...real, upper: Float64Array.of(1, Number.NaN, 1) }],
  ['bounds of different numbers', 'invalid-configuration', { ...real, upper: Float64Array.of(1, 1) }],
  ['no variables', 'invalid-configuration', { ...real, lower: new Float64Array(0), upper: new Float64Array(0) }],
  ['a seed outside of the bounds', 'invalid-configuration', { ...real, seeds: [Float64Array.of(0, 3, 0)] }],
  ['no jobs', 'invalid-configuration', { ...placement, jobs: 0 }],
  ['no nodes', 'invalid-configuration', { ...placement, nodes: 0 }],
  [
    'a seed with a node that is not there',
    'invalid-configuration',
    { ...placement, seeds: [Int32Array.of(0, 1, 2, 0)] },
  ],
  ['a seed that leaves a job out', 'invalid-configuration', { ...placement, seeds: [Int32Array.of(0, 1, 1)] }],
  ['a job without a node', 'invalid-request', withCandidates((job) => (job === 2 ? [] : [0]))],
  ['candidates out of order', 'invalid-configuration', withCandidates(() => [1, 0])],
  ['a candidate that is not there', 'invalid-configuration', withCandidates(() => [0, 2])],
  ['an odd population', 'invalid-configuration', real, { population: 11 }],
  ['a population of nobody', 'invalid-configuration', real, { population: 0 }],
  ['a seed that is no whole number', 'invalid-configuration', real, { seed: 0.5 }],
  ['a probability above 1', 'invalid-configuration', real, { crossoverProbability: 1.5 }],
  ['a probability that is NaN', 'invalid-configuration', real, { mutationProbability: Number.NaN }],
  ['an unknown crowding', 'invalid-configuration', real, { crowding: 'none' as 'sum' }],
];

function withCandidates(candidates: (job: number) => number[]): AssignmentProblem {
  return { ...placement, seeds: [], candidates: (job) => Int32Array.from(candidates(job)) };
}

for (const [what, code, problem, settings = {}] of CASES) {
  test(`${what} is refused`, async () => {
    const run = optimise(problem, { seed: 1, population: 10, ...settings }, { budget: { generations: 1 } });
    await assert.rejects(run, { name: 'FogError', code });
  });
}

test('a budget without end, or without sense, is refused', async () => {
  for (const budget of [
    {},
    { evaluations: 0 },
    { generations: -1 },
    { milliseconds: Number.NaN },
    { generations: 1e9 },
  ]) {
    await assert.rejects(optimise(real, { seed: 1 }, { budget }), { code: 'invalid-configuration' });
  }
});

test('one job on one node, two individuals, and bounds without room are problems like others', async () => {
  const budget = { generations: 3 };
  const one = await optimise(smallPlacement(1, 1), { seed: 1, population: 2 }, { budget });
  assert.deepEqual([...one.front.genes], [0]);
  const fixed: RealProblem = { ...real, lower: Float64Array.of(0.25, 0, 0), upper: Float64Array.of(0.25, 0, 0) };
  const { front } = await optimise(fixed, { seed: 1, population: 2 }, { budget });
  assert.deepEqual([...front.objectives], [0.25, 0.5]);
});

test('standard problems are refused by another name, or in a size that they cannot have', () => {
  assert.throws(() => standardProblem('zdt5'), { code: 'not-found' });
  assert.throws(() => standardProblem('bnh', { variables: 3 }), { code: 'invalid-configuration' });
  assert.throws(() => standardProblem('dtlz2', { objectives: 5, variables: 4 }), { code: 'invalid-configuration' });
});

test('points that are NaN, missing or of no objective are refused by every measure; NaN dominates nobody', () => {
  const broken = Float64Array.of(0, 1, Number.NaN, 0);
  const measures: ((points: Float64Array, count: number) => unknown)[] = [
    (points, count) => nondominatedRanks(points, count, 2),
    (points, count) => crowdingDistances(points, count, 2, 'sum'),
    (points, count) => hypervolume(points, count, [2, 2]),
    (points, count) => leastContributor(points, count, [2, 2]),
  ];
  for (const measure of measures) {
    assert.throws(() => measure(broken, 2), { name: 'FogError', code: 'invalid-request' });
    assert.throws(() => measure(Float64Array.of(0, 1), 2), { name: 'FogError', code: 'invalid-request' });
    assert.throws(() => measure(broken, -1), { name: 'FogError', code: 'invalid-configuration' });
    measure(new Float64Array(0), 0);
  }
  assert.throws(() => generationalDistance(broken, Float64Array.of(0, 0), 2), { code: 'invalid-request' });
  assert.throws(() => generationalDistance([], [0, 0], 2), { code: 'invalid-request' });
  assert.throws(() => crowdingDistances(broken, 1, 0, 'sum'), { code: 'invalid-configuration' });
  assert.deepEqual([dominates([0, Number.NaN], [1, 1]), dominates([0, 0], [1, Number.NaN])], [false, false]);
});

test('a bound below which there is nothing is told, and not drawn from for ever', () => {
  const random = new RandomNumbers(1);
  for (const bound of [0, Number.NaN, 2 ** 33]) assert.throws(() => random.below(bound), { code: 'internal' });
});
