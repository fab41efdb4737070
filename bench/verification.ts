/**
 * What wrong results and how many replicas verification leaves, with nodes that start unknown and some that lie.
 *
 * Three policies: `adaptive` (with spot checks), `double` and `triple` (a quorum of 2 and of 3 for every task). Liars
 * give independent wrong values, or, as `colluding`, the same wrong value for the same task. Everything is simulated
 * with the code that ships (`simulated-verification.ts`); the seeds make it repeatable. The table on stderr shows
 * how the adaptive rule fares where liars are fewer, more, rarer or patient.
 */
import { type VerificationPolicy, verificationPolicySchema } from '../packages/verification/src/index.ts';
import type { Benchmark, BenchmarkContext } from './benchmark.ts';
import { type SimulationFigures, type SimulationSettings, simulateVerification } from './simulated-verification.ts';
import { median, rounded } from './statistics.ts';

const POLICIES: Readonly<Record<string, VerificationPolicy>> = {
  adaptive: verificationPolicySchema.parse({ mode: 'adaptive' }),
  double: verificationPolicySchema.parse({ mode: 'replicate', quorum: 2 }),
  triple: verificationPolicySchema.parse({ mode: 'replicate', quorum: 3 }),
};

const FIGURES = [
  'wrongResultRate',
  'replicasPerTask',
  'wrongAtFirstRate',
  'spotChecksPerTask',
  'reverifiedPerTask',
  'adjudications',
  'honestFoundInvalid',
  'provenLiars',
] as const satisfies readonly (keyof SimulationFigures)[];

type Variation = { title: string } & Partial<SimulationSettings>;

export const verification: Benchmark = {
  name: 'verification',
  summary: 'wrong results accepted and replicas per task with lying nodes, adaptive beside fixed quorums',
  options: {
    tasks: { default: 200_000, description: 'tasks' },
    nodes: { default: 1000, description: 'nodes, all unknown at the start' },
    liars: { default: 100, description: 'nodes among them that lie' },
    'lie-percent': { default: 50, description: 'tasks in which a liar lies, in percent' },
    seeds: { default: 5, description: 'runs, of which median and worst are taken' },
    'first-seed': { default: 1, description: 'seed of the first run; the others follow' },
    table: { default: 1, description: '0 leaves out the table of other liars' },
  },
  async run(context) {
    const seeds = Array.from({ length: context.option('seeds') }, (_, index) => context.option('first-seed') + index);
    const independent = measurePolicies(context, seeds, false);
    const colluding = measurePolicies(context, seeds, true);
    if (context.option('table') > 0) printTable(context, seeds.slice(0, 2));
    return {
      tasks: context.option('tasks'),
      nodes: context.option('nodes'),
      liars: context.option('liars'),
      lieProbability: context.option('lie-percent') / 100,
      seeds,
      ...independent,
      colluding,
    };
  },
};

function measurePolicies(context: BenchmarkContext, seeds: readonly number[], areColluding: boolean) {
  const measured = Object.keys(POLICIES).map((name) => {
    const runs = seeds.map((seed) => {
      const figures = simulate(context, name, { seed, areColluding });
      context.progress(`${areColluding ? 'colluding, ' : ''}${name}, seed ${seed}: ${describe(figures)}`);
      return figures;
    });
    return [name, summarise(runs)] as const;
  });
  return Object.fromEntries(measured);
}

function simulate(context: BenchmarkContext, policy: string, settings: Partial<SimulationSettings>): SimulationFigures {
  return simulateVerification({
    tasks: context.option('tasks'),
    nodes: context.option('nodes'),
    liars: context.option('liars'),
    lieProbability: context.option('lie-percent') / 100,
    honestAtFirst: 0,
    areColluding: false,
    areWhitewashing: false,
    areWithholding: false,
    seed: 1,
    policy: POLICIES[policy] as VerificationPolicy,
    ...settings,
  });
}

/** Medians, and the worst of what must not be high. */
function summarise(runs: readonly SimulationFigures[]) {
  const medians = Object.fromEntries(FIGURES.map((name) => [name, rounded(median(runs.map((run) => run[name])))]));
  const worst = {
    wrongResultRate: rounded(Math.max(...runs.map((run) => run.wrongResultRate))),
    replicasPerTask: rounded(Math.max(...runs.map((run) => run.replicasPerTask))),
  };
  return { ...medians, worst };
}

function printTable(context: BenchmarkContext, seeds: readonly number[]): void {
  const nodes = context.option('nodes');
  const share = (percent: number): Variation => ({
    title: `${percent} % liars`,
    liars: Math.round((nodes * percent) / 100),
  });
  const variations: Variation[] = [
    share(0),
    share(5),
    share(20),
    share(30),
    { title: 'liars lie in 10 % of their tasks', lieProbability: 0.1 },
    { title: 'liars lie in 90 % of their tasks', lieProbability: 0.9 },
    { title: 'liars are honest in their first 30 tasks', honestAtFirst: 30 },
  ];
  for (const { title, ...settings } of variations) {
    for (const seed of seeds) {
      const figures = simulate(context, 'adaptive', { ...settings, seed });
      context.progress(`adaptive, ${title}, seed ${seed}: ${describe(figures)}`);
    }
  }
}

function describe(figures: SimulationFigures): string {
  const wrong = `wrong ${figures.wrongResultRate.toExponential(1)} (${figures.wrongAtFirstRate.toExponential(1)} at first)`;
  return `${wrong}, ${figures.replicasPerTask.toFixed(3)} replicas per task, ${figures.provenLiars} liars proven at the end`;
}
