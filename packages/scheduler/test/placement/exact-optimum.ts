/** Small instances of placement, and their exact optimum, which an integer program finds. */
import highsModule from 'highs';
import {
  completionMilliseconds,
  estimatePair,
  type NodeOffer,
  type ObjectiveName,
  type TaskToPlace,
  wakingJoules,
  workingJoules,
} from '../../src/placement/index.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';
import { NOW, node, processors, task } from './small-fog.ts';

// Its types describe the CommonJS build; what is imported is the function itself.
const loadHighs = highsModule as unknown as typeof highsModule.default;
const highs = await loadHighs();

export interface SmallInstance {
  tasks: TaskToPlace[];
  nodes: NodeOffer[];
}

/** Tight: three quarters of all room are needed. */
export function tightInstance(seed: number): SmallInstance {
  const random = new RandomNumbers(seed);
  const nodes = Array.from({ length: 6 }, (_, index) => {
    const cores = 2 + random.below(5);
    const speed = 0.5 + 2 * random.unit();
    return node(`n${index}`, {
      capacity: processors(cores),
      owner: `o${random.below(4)}`,
      prefix: `p${random.below(5)}`,
      speed,
      priceMicroFogPerSlice: 1 + Math.round(500 * speed * random.unit()),
      idleWatts: 20 * random.unit() * cores,
      busyWatts: (20 + 30 * random.unit()) * cores,
      reputation: 0.7 + 0.3 * random.unit(),
      staying: [{ milliseconds: 3_600_000, probability: random.unit() }],
    });
  });
  const room = nodes.reduce((sum, { capacity }) => sum + capacity.milliCpu / 1000, 0);
  const tasks: TaskToPlace[] = [];
  for (let used = 0; used < 0.75 * room; ) {
    const cores = 1 + random.below(2);
    used += cores;
    const run = 60_000 + 1_800_000 * random.unit();
    tasks.push(
      task(`t${tasks.length}`, {
        needs: processors(cores),
        expectedRunMilliseconds: run,
        priority: random.below(101),
        tenant: `x${random.below(3)}`,
      }),
    );
  }
  return { tasks, nodes };
}

/** The least value of the objective, in its unit. */
export function exactOptimum(name: ObjectiveName, { tasks, nodes }: SmallInstance): number {
  const pairs = tasks.flatMap((wanted, t) => nodes.map((offer, n) => ({ t, n, wanted, offer, x: `x${t}_${n}` })));
  const weight = (wanted: TaskToPlace) => 1 + wanted.priority;
  const total = tasks.reduce((sum, wanted) => sum + weight(wanted), 0);
  const least = tasks.map((wanted) => Math.min(...nodes.map((offer) => completionMilliseconds(wanted, offer))));
  const coefficient = ({ t, wanted, offer }: (typeof pairs)[number]) => {
    const estimate = estimatePair(wanted, offer, NOW);
    switch (name) {
      case 'completionTime':
        return (weight(wanted) * estimate.completionMilliseconds) / total;
      case 'cost':
        return estimate.costMicroFog;
      case 'energy':
        return workingJoules(wanted, offer);
      case 'failureRisk':
        return estimate.failureRisk / tasks.length;
      case 'fairness':
        return estimate.completionMilliseconds / (least[t] as number);
    }
  };
  const mean = tasks.reduce((sum, { expectedRunMilliseconds }) => sum + expectedRunMilliseconds, 0) / tasks.length;
  const woken = nodes.map((offer, n) => `${wakingJoules(offer, mean)} y${n}`);
  const sum = (among: typeof pairs) => among.map((pair) => `${coefficient(pair)} ${pair.x}`).join(' + ');
  const goal = name === 'fairness' ? 'z' : sum(pairs) + (name === 'energy' ? ` + ${woken.join(' + ')}` : '');
  const rows = [
    ...tasks.map((_, t) => `${nodes.map((_offer, n) => `x${t}_${n}`).join(' + ')} = 1`),
    ...nodes.map(
      ({ free }, n) => `${tasks.map(({ needs }, t) => `${needs.milliCpu} x${t}_${n}`).join(' + ')} <= ${free.milliCpu}`,
    ),
    ...pairs.map(({ x, n }) => `${x} - y${n} <= 0`),
    ...[...new Set(tasks.map(({ tenant }) => tenant))].map((tenant) => {
      const own = pairs.filter(({ wanted }) => wanted.tenant === tenant);
      return name === 'fairness' ? `${sum(own)} - ${own.length / nodes.length} z <= 0` : 'z >= 0';
    }),
  ];
  const binaries = [...pairs.map(({ x }) => x), ...nodes.map((_, n) => `y${n}`)];
  const text = ['Minimize', goal, 'Subject To', ...rows, 'Binary', binaries.join('\n'), 'End'].join('\n');
  const { Status, ObjectiveValue } = highs.solve(text);
  if (Status !== 'Optimal') throw new Error(`the exact solver ended with "${Status}"`);
  return ObjectiveValue;
}
