import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  everyNode,
  evictNode,
  groupCrossover,
  listedNodes,
  moveJobs,
  polynomialMutation,
  simulatedBinaryCrossover,
  swapJobs,
} from '../../src/nsga2/index.ts';
import { exp2, log2, power } from '../../src/nsga2/portable-math.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';

test('powers and logarithms are those of the platform, to the last digits', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-200, max: 1e200, noNaN: true }),
      fc.double({ min: -2, max: 2, noNaN: true }),
      (x, y) => {
        assert.ok(Math.abs(log2(x) - Math.log2(x)) <= 1e-15 * Math.max(1, Math.abs(Math.log2(x))));
        if (y !== 0 && Math.abs(y * Math.log2(x)) < 900) assert.ok(Math.abs(power(x, y) / x ** y - 1) < 1e-12);
      },
    ),
  );
  assert.equal(power(0, 3), 0);
  assert.equal(exp2(-5000), 0);
});

const bounds = fc
  .array(
    fc.record({
      low: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      range: fc.double({ min: 0, max: 1e6, noNaN: true }),
    }),
    {
      minLength: 1,
      maxLength: 70,
    },
  )
  .map((rows) => ({
    lower: Float64Array.from(rows.map(({ low }) => low)),
    upper: Float64Array.from(rows.map(({ low, range }) => low + range)),
  }));

test('variation of real variables never leaves the bounds, and leaves the parents alone', () => {
  fc.assert(
    fc.property(bounds, fc.nat(), fc.integer({ min: 0, max: 100 }), ({ lower, upper }, seed, index) => {
      const random = new RandomNumbers(seed);
      const count = lower.length;
      const genes = new Float64Array(4 * count);
      for (let at = 0; at < 2 * count; at += 1) {
        const low = lower[at % count] as number;
        genes[at] = Math.min(upper[at % count] as number, low + random.unit() * ((upper[at % count] as number) - low));
      }
      const parents = genes.slice(0, 2 * count);
      simulatedBinaryCrossover(genes, { lower, upper }, [0, count, 2 * count, 3 * count], index, random);
      polynomialMutation(genes, { lower, upper }, 2 * count, 0.5, index, random);
      polynomialMutation(genes, { lower, upper }, 3 * count, 1, index, random);
      assert.deepEqual(genes.subarray(0, 2 * count), parents);
      genes.forEach((value, at) => {
        assert.ok(value >= (lower[at % count] as number) && value <= (upper[at % count] as number), `${value}`);
      });
    }),
    { numRuns: 200 },
  );
});

test('away from the bounds, children have the middle of their parents, and half of the variables are crossed', () => {
  const count = 10_000;
  const wide = { lower: new Float64Array(count).fill(-1e9), upper: new Float64Array(count).fill(1e9) };
  const genes = new Float64Array(4 * count);
  genes.fill(1, 0, count);
  genes.fill(3, count, 2 * count);
  const crossed = simulatedBinaryCrossover(genes, wide, [0, count, 2 * count, 3 * count], 20, new RandomNumbers(1));
  assert.ok(Math.abs(crossed / count - 0.5) < 0.02);
  let below = 0;
  for (let gene = 0; gene < count; gene += 1) {
    const first = genes[2 * count + gene] as number;
    const second = genes[3 * count + gene] as number;
    assert.ok(Math.abs(first + second - 4) < 1e-9);
    if (Math.abs(first - second) < 2) below += 1;
  }
  // Half of those that were crossed are nearer to each other than their parents.
  assert.ok(Math.abs(below / crossed - 0.5) < 0.03);
});

const assignments = fc
  .record({ jobs: fc.integer({ min: 1, max: 60 }), nodes: fc.integer({ min: 1, max: 70 }), seed: fc.nat() })
  .map(({ jobs, nodes, seed }) => {
    const random = new RandomNumbers(seed);
    const lists = Array.from({ length: jobs }, () => {
      const list = Array.from({ length: nodes }, (_, node) => node).filter(() => random.below(3) === 0);
      return Int32Array.from(list.length > 0 ? list : [random.below(nodes)]);
    });
    const candidates = listedNodes(lists);
    const genes = new Int32Array(4 * jobs);
    for (let at = 0; at < 2 * jobs; at += 1) genes[at] = candidates.draw(at % jobs, -1, random);
    return { jobs, nodes, random, candidates, genes };
  });

test('group crossover passes nodes on with all their jobs; a child has for each job what one of its parents has', () => {
  fc.assert(
    fc.property(assignments, ({ jobs, nodes, random, genes }) => {
      groupCrossover(genes, jobs, [0, jobs, 2 * jobs, 3 * jobs], new Int32Array(Math.ceil(nodes / 32)), random);
      const passedOn = new Map<number, boolean>();
      for (let job = 0; job < jobs; job += 1) {
        const parents = [genes[job] as number, genes[jobs + job] as number];
        const children = [genes[2 * jobs + job] as number, genes[3 * jobs + job] as number];
        assert.deepEqual(children.toSorted(), parents.toSorted());
        if (parents[0] === parents[1]) continue;
        const isPassedOn = children[0] === parents[0];
        assert.equal(passedOn.get(parents[0] as number) ?? isPassedOn, isPassedOn, 'a node is passed on as a whole');
        passedOn.set(parents[0] as number, isPassedOn);
      }
    }),
  );
});

test('no mutation puts a job where it must not be', () => {
  fc.assert(
    fc.property(assignments, ({ jobs, random, candidates, genes }) => {
      moveJobs(genes, 0, jobs, 0.1, candidates, random);
      swapJobs(genes, 0, jobs, candidates, random);
      evictNode(genes, 0, jobs, candidates, random);
      for (let job = 0; job < jobs; job += 1) assert.ok(candidates.has(job, genes[job] as number));
    }),
  );
});

test('an evicted node is empty afterwards, a move moves one job at least, a swap changes two or none', () => {
  const candidates = everyNode(8);
  for (let seed = 0; seed < 200; seed += 1) {
    const random = new RandomNumbers(seed);
    const before = Int32Array.from({ length: 30 }, () => random.below(8));
    const changed = (change: (genes: Int32Array) => void) => {
      const genes = before.slice();
      change(genes);
      return { genes, jobs: [...genes.keys()].filter((job) => genes[job] !== before[job]) };
    };
    assert.ok(changed((genes) => moveJobs(genes, 0, 30, 1 / 30, candidates, random)).jobs.length >= 1);
    assert.ok([0, 2].includes(changed((genes) => swapJobs(genes, 0, 30, candidates, random)).jobs.length));
    const evicted = changed((genes) => evictNode(genes, 0, 30, candidates, random));
    const node = before[evicted.jobs[0] as number] as number;
    assert.ok(!evicted.genes.includes(node));
    assert.equal(evicted.jobs.length, before.filter((other) => other === node).length);
  }
});
