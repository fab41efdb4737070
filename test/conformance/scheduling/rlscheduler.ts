/**
 * Replays of workload logs by the rules of RLScheduler's simulator, against its figures: each value of each sequence to
 * the last digit, means to the rounding of their sum.
 */
import assert from 'node:assert/strict';
import { gunzipSync } from 'node:zlib';
import {
  COMPATIBLE_ORDERS,
  type CompatibleOrder,
  compatiblePolicy,
  parseSwf,
  type ReplayMetrics,
  replayableJobs,
  replaySequence,
  type SwfLog,
} from '@fog/scheduler/simulation';
import { z } from 'zod';
import type { VectorFile } from '../areas.ts';
import { type Check, parseShape, readJson } from '../vector-shape.ts';

const METRICS: Readonly<Record<string, (metrics: ReplayMetrics) => number>> = {
  avg_bounded_slowdown: ({ boundedSlowdown }) => boundedSlowdown,
  avg_wait_s: ({ meanWaitSeconds }) => meanWaitSeconds,
  avg_turnaround_s: ({ meanTurnaroundSeconds }) => meanTurnaroundSeconds,
  neg_utilisation: ({ utilisation }) => -utilisation,
};
const MEAN_TOLERANCE = 1e-12;

const byOrder = <Value extends z.ZodType>(value: Value) => z.record(z.enum(COMPATIBLE_ORDERS), value);
const metricSchema = z.strictObject({
  mean: byOrder(z.number()).optional(),
  per_sequence: byOrder(z.array(z.number())),
});
const runSchema = z.record(z.enum(Object.keys(METRICS)), metricSchema);
const fileSchema = z.strictObject({
  source: z.string().optional(),
  protocol: z.looseObject({ sequence_len: z.literal(1024), cluster: z.int().optional() }),
  results: z.record(z.string().regex(/^[^/]+$/), z.record(z.enum(['backfill=0', 'backfill=1']), runSchema)),
  start_indices: z.array(z.int().nonnegative()),
  /** Of the textbook, rounded, and with ties that are not described: for people to compare. */
  true_easy_reference: z.unknown().optional(),
});
type ExpectedFile = z.output<typeof fileSchema>;
type ExpectedRun = z.output<typeof runSchema>;

/** The checks of all logs that are there. */
export async function rlschedulerChecks(file: VectorFile): Promise<Check[]> {
  const expected = parseShape(fileSchema, readJson(file));
  const folder = file.path.slice(0, file.path.lastIndexOf('/') + 1);
  const checks: Check[] = [];
  for (const [name, runs] of Object.entries(expected.results)) {
    const log = await readLog(file, `${folder}${name}`);
    if (log === null) continue;
    for (const [run, metrics] of Object.entries(runs)) {
      const backfill = run === 'backfill=1' ? 'ends-before' : 'none';
      for (const order of ordersOf(metrics)) {
        const check = () => checkRun(log, { order, backfill, metrics, expected });
        checks.push({ name: `${name}, ${run}, ${order}`, run: check });
      }
    }
  }
  return checks;
}

function ordersOf(metrics: ExpectedRun): CompatibleOrder[] {
  return COMPATIBLE_ORDERS.filter((order) =>
    Object.values(metrics).some((metric) => metric.per_sequence[order] !== undefined),
  );
}

function checkRun(
  log: SwfLog,
  {
    order,
    backfill,
    metrics,
    expected,
  }: { order: CompatibleOrder; backfill: 'none' | 'ends-before'; metrics: ExpectedRun; expected: ExpectedFile },
): void {
  const processors = log.processors ?? expected.protocol.cluster;
  assert.ok(processors !== undefined, 'neither the log nor the file tells the size of the machine');
  const jobs = replayableJobs(log, processors);
  const policy = compatiblePolicy(order, backfill);
  const replays = expected.start_indices.map((start) =>
    replaySequence(jobs, start, { processors, policy, isCompatible: true }),
  );
  for (const [name, { mean, per_sequence }] of Object.entries(metrics)) {
    const actual = replays.map(METRICS[name] as (replay: ReplayMetrics) => number);
    assert.deepEqual(actual, per_sequence[order], `${name} of each sequence`);
    const wanted = mean?.[order];
    if (wanted === undefined) continue;
    const value = actual.reduce((sum, one) => sum + one, 0) / actual.length;
    assert.ok(Math.abs(value - wanted) <= Math.abs(wanted) * MEAN_TOLERANCE, `${name} is ${value}, not ${wanted}`);
  }
}

/** A log as it is or compressed; null when there is neither. */
async function readLog({ sibling }: VectorFile, path: string): Promise<SwfLog | null> {
  const plain = await sibling(path);
  if (plain !== null) return parseSwf(Buffer.from(plain).toString('utf8'));
  const compressed = await sibling(`${path}.gz`);
  return compressed === null ? null : parseSwf(gunzipSync(compressed).toString('utf8'));
}
