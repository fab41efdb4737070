/**
 * What wrong results and how many replicas verification leaves, with nodes that start unknown and some that lie.
 *
 * Three policies: `adaptive` (with spot checks), `double` and `triple` (a quorum of 2 and of 3 for every task). Liars
 * give independent wrong values, or, as `colluding`, the same wrong value for the same task. Everything is simulated
 * with the code that ships (`simulated-verification.ts`); the seeds make it repeatable.
 */
import { type VerificationPolicy, verificationPolicySchema } from '../packages/contract/src/index.ts';
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

export const verification: Benchmark = {
  name: 'verification',
  summary: 'wrong results accepted and replicas per task with lying nodes, adaptive beside fixed quorums',
  options: {
    tasks: { default: 200_000, description: 'tasks' },
    nodes: { default: 1000, description: 'nodes, all unknown at the start' },
    liars: { default: 100, description: 'nodes among them that lie' },
    'lie-percent': { default: 50, description: 'tasks in which a liar lies, in percent' },
    seeds: { default: 3, description: 'runs, of which median and worst are taken' },
    'first-seed': { default: 1, description: 'seed of the first run; the others follow' },
    cases: { default: 0, description: '1: the adaptive rule against other liars, in place of the policies' },
  },
  async run(context) {
    const seeds = Array.from({ length: context.option('seeds') }, (_, index) => context.option('first-seed') + index);
    const figures = context.option('cases') > 0 ? { cases: measureCases(context, seeds) } : measureAll(context, seeds);
    return {
      tasks: context.option('tasks'),
      nodes: context.option('nodes'),
      liars: context.option('liars'),
      lieProbability: context.option('lie-percent') / 100,
      seeds,
      ...figures,
    };
  },
};

function measureAll(context: BenchmarkContext, seeds: readonly number[]) {
  const independent = measurePolicies(context, seeds, false);
  return { ...independent, colluding: measurePolicies(context, seeds, true) };
}

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

/** Of the adaptive rule, where liars are fewer, more, rarer, patient or clever. */
function measureCases(context: BenchmarkContext, seeds: readonly number[]) {
  const nodes = context.option('nodes');
  const share = (percent: number): Partial<SimulationSettings> => ({ liars: Math.round((nodes * percent) / 100) });
  const cases: Record<string, Partial<SimulationSettings>> = {
    noLiars: share(0),
    fivePercentLiars: share(5),
    twentyPercentLiars: share(20),
    thirtyPercentLiars: share(30),
    lieInTenthOfTasks: { lieProbability: 0.1 },
    lieInAllTasks: { lieProbability: 1 },
    honestForFirst50Tasks: { honestAtFirst: 50 },
    honestForFirst150Tasks: { honestAtFirst: 150 },
    comeBackAsNewNodes: { areWhitewashing: true },
    proveThemselvesAndComeBack: { areWhitewashing: true, honestAtFirst: 15, lieProbability: 1 },
    withholdWhenChecked: { areWithholding: true },
    proveThemselvesAndWithhold: { areWithholding: true, honestAtFirst: 15, lieProbability: 1 },
    colludeInAllTasks: { areColluding: true, lieProbability: 1 },
  };
  const measured = Object.entries(cases).map(([name, settings]) => {
    const runs = seeds.map((seed) => simulate(context, 'adaptive', { ...settings, seed }));
    for (const figures of runs) context.progress(`${name}: ${describe(figures)}`);
    return [name, summarise(runs)] as const;
  });
  return Object.fromEntries(measured);
}

function describe(figures: SimulationFigures): string {
  const wrong = `wrong ${figures.wrongResultRate.toExponential(1)} (${figures.wrongAtFirstRate.toExponential(1)} at first)`;
  return `${wrong}, ${figures.replicasPerTask.toFixed(3)} replicas per task, ${figures.provenLiars} liars proven at the end`;
}
