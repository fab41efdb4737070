/** The exact optimum of small instances of placement, which an integer program finds. */
import highsModule from 'highs';
import {
  completionMilliseconds,
  estimatePair,
  type ObjectiveName,
  type TaskToPlace,
  wakingJoules,
  workingJoules,
} from '../../src/placement/index.ts';
import { NOW } from './small-fog.ts';
import type { SmallInstance } from './small-instances.ts';

// Its types describe the CommonJS build; what is imported is the function itself.
const loadHighs = highsModule as unknown as typeof highsModule.default;
const highs = await loadHighs();

/** The least value of the objective, in its unit; null where not all tasks find room. */
export function exactOptimum(name: ObjectiveName, { tasks, nodes }: SmallInstance): number | null {
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
  if (Status === 'Infeasible') return null;
  if (Status !== 'Optimal') throw new Error(`the exact solver ended with "${Status}"`);
  return ObjectiveValue;
}
