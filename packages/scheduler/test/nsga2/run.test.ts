import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Front,
  hypervolume,
  Nsga2,
  type Nsga2Settings,
  optimise,
  type Problem,
  type RealProblem,
  type SlotWorkers,
  standardProblem,
} from '../../src/nsga2/index.ts';
import { startWorkers } from '../../src/nsga2/workers/worker-threads.ts';
import { smallPlacement } from './small-placement.ts';

function digestOf(front: Front): string {
  const hash = createHash('sha256');
  for (const part of [front.genes, front.objectives, front.violations]) {
    hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  }
  return hash.digest('hex');
}

async function frontOf(problem: Problem, settings: Nsga2Settings, generations: number, workers?: SlotWorkers) {
  const options = { budget: { generations }, ...(workers === undefined ? {} : { workers }) };
  return (await optimise(problem, settings, options)).front;
}

/** Makes everything in this thread, the last first, in parts as of several workers. */
function backwards(): SlotWorkers {
  let run: Nsga2 | null = null;
  return {
    async begin(started) {
      run = started;
    },
    async createIndividuals(from, to) {
      for (let slot = to - 1; slot >= from; slot -= 1) run?.breeder.createIndividual(slot);
    },
    async breedPairs(generation, from, to) {
      for (let pair = to - 1; pair >= from; pair -= 1) run?.breeder.breedPair(generation, pair);
    },
  };
}

test('the same seed gives the same bytes, whoever makes them in which order; another seed gives others', async () => {
  for (const problem of [standardProblem('zdt3'), standardProblem('osy'), smallPlacement(60, 12)]) {
    const settings = { seed: 7, population: 24 };
    const digest = digestOf(await frontOf(problem, settings, 30));
    assert.equal(digestOf(await frontOf(problem, settings, 30)), digest);
    assert.equal(digestOf(await frontOf(problem, settings, 30, backwards())), digest);
    assert.notEqual(digestOf(await frontOf(problem, { ...settings, seed: 8 }, 30)), digest);
  }
});

test('threads give the same bytes as one', async () => {
  const source = { module: new URL('./fifty-jobs.ts', import.meta.url).href, name: 'fiftyJobs', argument: 11 };
  const settings = { seed: 3, population: 30 };
  const digest = digestOf(await frontOf(smallPlacement(50, 11), settings, 20));
  for (const count of [1, 3]) {
    await using workers = startWorkers(count, source);
    assert.equal(digestOf(await frontOf(smallPlacement(50, 11), settings, 20, workers)), digest);
  }
});

test('what goes wrong in a thread rejects the run', async () => {
  await using workers = startWorkers(2, { module: import.meta.url, name: 'nothing', argument: null });
  const run = optimise(standardProblem('zdt1'), { seed: 1 }, { budget: { generations: 1 }, workers });
  await assert.rejects(run, { code: 'invalid-configuration' });
});

test('the bytes that a seed gave are those that it gives', async () => {
  const front = await frontOf(standardProblem('zdt1', { variables: 5 }), { seed: 1, population: 12 }, 20);
  assert.equal(digestOf(front).slice(0, 16), 'ebe8152c0d69d103');
});

test('a budget of evaluations is kept to; whole generations are made', async () => {
  const problem = standardProblem('zdt1');
  let calls = 0;
  const counted: RealProblem = {
    ...problem,
    evaluate: (...parameters) => {
      calls += 1;
      return problem.evaluate(...parameters);
    },
  };
  const outcome = await optimise(counted, { seed: 1, population: 20 }, { budget: { evaluations: 119 } });
  assert.deepEqual([outcome.evaluations, calls, outcome.stoppedBy], [100, 100, 'budget']);
  assert.deepEqual(outcome.record, { generations: 4, firstPopulation: 20 });
  const small = await optimise(problem, { seed: 1, population: 20 }, { budget: { evaluations: 7 } });
  assert.deepEqual(small.record, { generations: 0, firstPopulation: 7 });
});

test('a run that time ended is repeated by its record, wherever time ended it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 300 }), async (milliseconds) => {
      let time = 0;
      const settings = { seed: 5, population: 10 };
      // Each look at the clock takes a millisecond.
      const now = () => time++;
      const problem = smallPlacement(20, 5);
      const timed = await optimise(problem, settings, { budget: { milliseconds }, now });
      assert.equal(timed.stoppedBy, 'time');
      assert.ok(timed.front.count > 0);
      const repeated = await optimise(problem, settings, { budget: timed.record });
      assert.deepEqual(repeated.record, timed.record);
      assert.equal(digestOf(repeated.front), digestOf(timed.front));
    }),
    { numRuns: 40 },
  );
});

test('rows are never lost or doubled, and objectives are those of the genes, however many there were at first', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(), (first, seed) => {
      const problem = smallPlacement(15, 4);
      const nsga2 = new Nsga2(problem, { seed, population: 12 });
      for (let slot = 0; slot < first; slot += 1) nsga2.breeder.createIndividual(slot);
      nsga2.settle(first);
      for (let generation = 0; generation < 4; generation += 1) {
        nsga2.advance();
        const { rows, genes, objectives } = nsga2.population;
        assert.deepEqual(
          [...rows].sort((left, right) => left - right),
          [...rows.keys()],
        );
        for (const row of rows.subarray(0, 12)) {
          const result = new Float64Array(2);
          problem.evaluate(genes as Int32Array, row * 15, result, 0, new Float64Array(4), 0);
          assert.deepEqual(objectives.slice(2 * row, 2 * row + 2), result);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('a signal stops a run with what it has; before the first individual there is nothing', async () => {
  const stop = new AbortController();
  const outcome = await optimise(
    standardProblem('zdt1'),
    { seed: 1 },
    {
      budget: { generations: 100_000 },
      signal: stop.signal,
      onProgress: ({ generation }) => {
        if (generation === 3) stop.abort();
      },
    },
  );
  assert.deepEqual([outcome.stoppedBy, outcome.record.generations], ['signal', 3]);
  const late = optimise(standardProblem('zdt1'), { seed: 1 }, { budget: { generations: 1 }, signal: stop.signal });
  await assert.rejects(late, { code: 'cancelled' });
});

test('a signal that comes from outside is heard while a run goes on', async () => {
  const signal = AbortSignal.timeout(30);
  const { stoppedBy } = await optimise(
    standardProblem('zdt1'),
    { seed: 1 },
    { budget: { generations: 400_000 }, signal },
  );
  assert.equal(stoppedBy, 'signal');
});

test('progress tells of each generation, and the front never gets worse by the best of an objective', async () => {
  const seen: number[] = [];
  let best = Number.POSITIVE_INFINITY;
  await optimise(
    standardProblem('zdt2'),
    { seed: 2, population: 20 },
    {
      budget: { generations: 30 },
      onProgress: ({ generation, evaluations, front }) => {
        seen.push(generation);
        assert.equal(evaluations, 20 * (generation + 1));
        const { objectives } = front();
        const least = Math.min(...objectives.filter((_, at) => at % 2 === 1));
        assert.ok(least <= best);
        best = least;
      },
    },
  );
  assert.deepEqual(
    seen,
    Array.from({ length: 31 }, (_, at) => at),
  );
});

test('evaluation from a change gives the same run as evaluation anew', async () => {
  const { evaluateChange: _, ...anew } = smallPlacement(80, 9);
  const settings = { seed: 4, population: 40 };
  const digest = digestOf(await frontOf(anew, settings, 60));
  assert.equal(digestOf(await frontOf(smallPlacement(80, 9), settings, 60)), digest);
});

test('a repaired individual is what is evaluated and kept', async () => {
  const problem = smallPlacement(30, 6);
  const pinned: Problem = {
    ...problem,
    repair(genes, genesAt) {
      genes[genesAt] = 5;
    },
  };
  const { genes, genesPerIndividual } = await frontOf(pinned, { seed: 1, population: 20 }, 20);
  for (let at = 0; at < genes.length; at += genesPerIndividual) assert.equal(genes[at], 5);
});

test('ZDT1 is solved to the published quality with 25,000 evaluations', async () => {
  const { front } = await optimise(standardProblem('zdt1'), { seed: 1 }, { budget: { evaluations: 25_000 } });
  assert.ok(hypervolume(front.objectives, front.count, [1, 1]) > 0.6589);
});

test('where nobody meets the constraints, the front is who comes nearest', async () => {
  const hopeless: RealProblem = {
    ...standardProblem('zdt1'),
    evaluate(genes, at, objectives, to) {
      objectives.fill(0, to, to + 2);
      return 1 + (genes[at] as number);
    },
  };
  const front = await frontOf(hopeless, { seed: 1, population: 20 }, 60);
  assert.ok(front.count === 1 && (front.violations[0] as number) < 1.05 && (front.violations[0] as number) >= 1);
});
