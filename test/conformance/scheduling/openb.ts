/**
 * Replays of GPU clusters against published results: for each list of tasks that is there, and each policy, the mean
 * allocation of ten runs with seeds of our own.
 */
import assert from 'node:assert/strict';
import { gunzipSync } from 'node:zlib';
import type { NodeShape, PackingPolicyName } from '@fog/scheduler/packing';
import { type OpenbTask, parseOpenbNodes, parseOpenbTasks, replayGpuCluster } from '@fog/scheduler/simulation/openb';
import { z } from 'zod';
import type { CaseOptions, VectorFile } from '../areas.ts';
import { type Check, parseShape } from '../vector-shape.ts';

const POLICIES: ReadonlyMap<string, PackingPolicyName> = new Map([
  ['01-Random', 'random'],
  ['02-DotProd', 'dot-product'],
  ['03-GpuClustering', 'gpu-clustering'],
  ['04-GpuPacking', 'gpu-packing'],
  ['05-BestFit', 'best-fit'],
  ['06-FGD', 'fgd'],
]);
const LOAD_PERCENT = '130';
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/** Points that means may differ by in any case; otherwise so many standard errors of their difference. */
const TOLERANCE_POINTS = 0.3;
const STANDARD_ERRORS = 3;
const QUICK_LIST = 'openb_pod_list_default';
const NODE_LIST = 'openb_node_list_gpu_node';
const MOST_UNPACKED_BYTES = 1 << 28;

const loads = z.record(z.string().regex(/^\d+$/), z.number()).refine((percents) => LOAD_PERCENT in percents, {
  error: `no result at ${LOAD_PERCENT} % load`,
});
const fileSchema = z.strictObject({
  source: z.string().optional(),
  columns: z.string().optional(),
  /** By list of tasks and policy: of each seed, or the mean alone. */
  allocation_pct: z.record(
    z.string().regex(/^\w+$/),
    z.partialRecord(z.enum([...POLICIES.keys()]), z.union([loads, z.record(z.string().regex(/^\d+$/), loads)])),
  ),
  frag_ratio_pct: z.unknown(),
  /** The same again. */
  mean_over_10_seeds: z.unknown().optional(),
});

interface Sample {
  mean: number;
  /** Null when only the mean is known. */
  deviation: number | null;
  size: number;
}

/** Results by list and policy; several files tell of the same runs. */
const ownSamples = new Map<string, Sample>();

/** The checks of all lists that are there; without the list of nodes there is none. */
export async function openbChecks(file: VectorFile, { isQuick }: CaseOptions): Promise<Check[]> {
  const { allocation_pct: published } = parseShape(fileSchema, JSON.parse(unpacked(file.content, file.path)));
  const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1);
  const nodeText = await readTable(file, `${folder}${NODE_LIST}`);
  if (nodeText === null) return [];
  const nodes = parseOpenbNodes(nodeText, NODE_LIST);
  const checks: Check[] = [];
  for (const [list, policies] of Object.entries(published)) {
    if (isQuick && list !== QUICK_LIST) continue;
    const taskText = await readTable(file, `${folder}${list}`);
    if (taskText === null) continue;
    const tasks = parseOpenbTasks(taskText, list);
    for (const [name, results] of Object.entries(policies)) {
      const policy = POLICIES.get(name) as PackingPolicyName;
      const expected = publishedSample(results as PublishedResults);
      checks.push({
        name: `${list}, ${policy}`,
        run: () => checkMean(ownSample({ list, nodes, tasks, policy }), expected),
      });
    }
  }
  return checks;
}

type PublishedResults = Record<string, number | Record<string, number>>;

function publishedSample(results: PublishedResults): Sample {
  const mean = results[LOAD_PERCENT];
  if (typeof mean === 'number') return { mean, deviation: null, size: SEEDS.length };
  return sampleOf(Object.values(results).map((seed) => (seed as Record<string, number>)[LOAD_PERCENT] as number));
}

function ownSample({
  list,
  nodes,
  tasks,
  policy,
}: {
  list: string;
  nodes: readonly NodeShape[];
  tasks: readonly OpenbTask[];
  policy: PackingPolicyName;
}): Sample {
  const key = `${list} ${policy}`;
  const known = ownSamples.get(key);
  if (known !== undefined) return known;
  const loadRatio = Number(LOAD_PERCENT) / 100;
  const run = (seed: number) => replayGpuCluster({ nodes, tasks, policy, loadRatio, seed }).allocationPercent;
  const sample = sampleOf(SEEDS.map(run));
  ownSamples.set(key, sample);
  return sample;
}

function sampleOf(values: readonly number[]): Sample {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length < 2 ? null : Math.sqrt(squares / (values.length - 1)), size: values.length };
}

function checkMean(own: Sample, expected: Sample): void {
  const ownDeviation = own.deviation as number;
  const error = Math.sqrt(ownDeviation ** 2 / own.size + (expected.deviation ?? ownDeviation) ** 2 / expected.size);
  const tolerance = Math.max(TOLERANCE_POINTS, STANDARD_ERRORS * error);
  const difference = Math.abs(own.mean - expected.mean);
  assert.ok(
    difference <= tolerance,
    `${own.mean.toFixed(3)} %, published ${expected.mean.toFixed(3)} %: ${difference.toFixed(3)} points apart, ${tolerance.toFixed(3)} allowed`,
  );
}

async function readTable(file: VectorFile, path: string): Promise<string | null> {
  for (const name of [`${path}.csv.gz`, `${path}.csv`]) {
    const content = await file.sibling(name);
    if (content !== null) return unpacked(content, name);
  }
  return null;
}

function unpacked(content: Uint8Array, path: string): string {
  const bytes = path.endsWith('.gz') ? gunzipSync(content, { maxOutputLength: MOST_UNPACKED_BYTES }) : content;
  return Buffer.from(bytes).toString('utf8');
}
