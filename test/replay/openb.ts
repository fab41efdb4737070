/**
 * Lists of tasks of the openb GPU traces: they come one after the other, 1.3 times what the cluster's GPUs can take, each is
 * placed at once or refused, none is moved. Ten seeds; the list of nodes lies beside the list of tasks.
 */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DEFAULT_PACKING_POLICY, PACKING_POLICIES, type PackingPolicyName } from '@fog/scheduler/packing';
import { parseOpenbNodes, parseOpenbTasks, replayGpuCluster } from '@fog/scheduler/simulation/openb';
import { readText } from './read-text.ts';
import type { Replay } from './replay.ts';

const NODE_LISTS = ['openb_node_list_gpu_node.csv.gz', 'openb_node_list_gpu_node.csv'];
const LOAD_RATIO = 1.3;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

export const OPENB_REPLAY: Replay = {
  name: 'openb',
  summary: 'tasks of a GPU cluster (openb_pod_list_*.csv, .csv.gz): 130 % of its GPUs asked for, ten seeds',
  async run(file) {
    const tasks = parseOpenbTasks(await readText(file), basename(file));
    const nodeFile = await nodeListBeside(file);
    const nodes = parseOpenbNodes(await readText(nodeFile), basename(nodeFile));
    const policies = Object.fromEntries(
      PACKING_POLICIES.map((policy) => [policy, summaryOf(policy, { nodes, tasks })] as const),
    ) as Record<PackingPolicyName, ReturnType<typeof summaryOf>>;
    const own = policies[DEFAULT_PACKING_POLICY];
    return {
      file: basename(file),
      nodes: nodes.length,
      tasks: tasks.length,
      loadPercent: 100 * LOAD_RATIO,
      seeds: SEEDS,
      policy: DEFAULT_PACKING_POLICY,
      allocationPercent: own.allocationPercent,
      allocationDeviation: own.allocationDeviation,
      policies,
    };
  },
};

function summaryOf(
  policy: PackingPolicyName,
  { nodes, tasks }: { nodes: ReturnType<typeof parseOpenbNodes>; tasks: ReturnType<typeof parseOpenbTasks> },
) {
  const started = performance.now();
  const runs = SEEDS.map((seed) => replayGpuCluster({ nodes, tasks, policy, loadRatio: LOAD_RATIO, seed }));
  const placed = runs.reduce((sum, { placedTasks, refusedTasks }) => sum + placedTasks + refusedTasks, 0);
  const seconds = (performance.now() - started) / 1000;
  const mean = (of: (run: (typeof runs)[number]) => number) =>
    runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  const allocationPercent = mean((run) => run.allocationPercent);
  const squares = runs.reduce((sum, run) => sum + (run.allocationPercent - allocationPercent) ** 2, 0);
  return {
    allocationPercent,
    allocationDeviation: Math.sqrt(squares / (runs.length - 1)),
    fragmentationPercent: mean((run) => run.fragmentationPercent),
    refusedTasks: mean((run) => run.refusedTasks),
    decisionsPerSecond: Math.round(placed / seconds),
  };
}

async function nodeListBeside(file: string): Promise<string> {
  for (const name of NODE_LISTS) {
    const path = join(dirname(file), name);
    const isThere = await readFile(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  throw new Error(`there is no ${NODE_LISTS[0]} beside ${file}: copy the list of nodes there`);
}
