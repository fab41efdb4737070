/**
 * Every trace through the simulator: it is recognised by its content, each policy accounts for all work, figures are
 * numbers or have a reason, and they agree with what is known of them from elsewhere: the replay of RLScheduler's
 * protocol for logs, the lower bound for workflows.
 */
import assert from 'node:assert/strict';
import { gunzipSync } from 'node:zlib';
import {
  isAvailable,
  nodePowerOf,
  queuePolicyOf,
  RLSCHEDULER_PROTOCOL,
  readTrace,
  replayableJobs,
  replaySequence,
  type SimulationReport,
  type SimulationSettings,
  type SwfLog,
  simulateTrace,
  type Trace,
} from '@fog/scheduler/simulation';
import { drawGantt, ganttChart } from '@fog/scheduler/simulation/gantt';
import { parseOpenbNodes } from '@fog/scheduler/simulation/openb';
import type { CaseOptions, VectorFile } from '../areas.ts';
import type { Check } from '../vector-shape.ts';

const MOST_UNPACKED_BYTES = 1 << 28;
const GZIP_MAGIC = [0x1f, 0x8b];
const NODE_LISTS = ['openb_node_list_gpu_node.csv.gz', 'openb_node_list_gpu_node.csv'];
const AGING_BOUND_SECONDS = 86_400;
/** Sums in another order differ by their rounding. */
const ROUNDING = 1e-9;

const SETTINGS: SimulationSettings = {
  policies: [],
  nodes: null,
  coresPerNode: null,
  nodeList: null,
  seed: 1,
  start: null,
  jobs: null,
  loadRatio: null,
  agingBoundSeconds: AGING_BOUND_SECONDS,
  power: { node: nodePowerOf('proliant-ml110-g5'), gpu: null },
  slicePriceMicroFog: 1000,
};

/** Lists of GPU tasks have checks only where their nodes are. */
export async function simulationChecks(file: VectorFile, { isQuick }: CaseOptions): Promise<Check[]> {
  const trace = readTrace(unpacked(file.content), file.path);
  const policies = isQuick ? [] : ['all'];
  switch (trace.kind) {
    case 'log': {
      const processors = trace.log.processors ?? widestJob(trace.log);
      const changes = { policies, nodes: processors, jobs: RLSCHEDULER_PROTOCOL.jobsPerSequence };
      return [check(trace, 'policies of the queue', changes, (reports) => assertLog(trace.log, processors, reports))];
    }
    case 'workflow':
      return [check(trace, 'policies of graphs', {}, assertWorkflow)];
    case 'gpu-tasks': {
      const nodeList = await nodesBeside(file);
      if (nodeList === null) return [];
      const filling = check(trace, 'a cluster that fills', { nodeList, policies, loadRatio: 1.3 }, () => {});
      const hasTimes = trace.tasks.some(({ times }) => times !== null);
      return hasTimes
        ? [check(trace, 'tasks in time', { nodeList, nodes: 50, policies }, () => {}), filling]
        : [filling];
    }
  }
}

function check(
  trace: Trace,
  name: string,
  changes: Partial<SimulationSettings>,
  assertMore: (reports: SimulationReport[]) => void,
): Check {
  const run = () => {
    const { outcomes } = simulateTrace(trace, { ...SETTINGS, ...changes });
    const reports = outcomes.map(({ report }) => report);
    const totals = reports.map(({ finished, leftOut }) => leftOut.reduce((sum, { count }) => sum + count, finished));
    for (const [index, report] of reports.entries()) {
      assert.equal(totals[index], totals[0], `${report.policy} loses work`);
      assertFigures(report);
    }
    const drawn = outcomes[0]?.run ?? null;
    if (drawn !== null) drawGantt(ganttChart(drawn, { title: name, subtitle: '', coresPerNode: null }));
    assertMore(reports);
  };
  return { name, run };
}

function assertFigures(report: SimulationReport): void {
  const { utilisationPercent, waitSeconds, serviceLevels: _, leftOut: _leftOut, policy, ...figures } = report;
  const waits = isAvailable(waitSeconds) ? { ...waitSeconds } : { waits: waitSeconds };
  for (const [name, figure] of Object.entries({ ...figures, ...utilisationPercent, ...waits })) {
    if (isAvailable(figure)) assert.ok(Number.isFinite(figure) && figure >= 0, `${policy}: ${name} is ${figure}`);
    else assert.ok(figure.unavailable.length > 0, `${policy}: ${name} has no reason`);
  }
  for (const share of Object.values(utilisationPercent)) {
    if (isAvailable(share)) assert.ok(share <= 100 + ROUNDING, `${policy} uses ${share} %`);
  }
}

/** Stands for the machine where the header tells none. */
function widestJob({ jobs }: SwfLog): number {
  return jobs.reduce((widest, { processors }) => Math.max(widest, processors), 1);
}

function assertLog(log: SwfLog, processors: number, reports: SimulationReport[]): void {
  const jobs = replayableJobs(log, processors);
  for (const { policy: name, boundedSlowdown, waitSeconds } of reports) {
    const policy = queuePolicyOf(name, AGING_BOUND_SECONDS);
    const expected = replaySequence(jobs, 0, { processors, policy });
    const difference = Math.abs((boundedSlowdown as number) - expected.boundedSlowdown);
    assert.ok(difference <= ROUNDING * expected.boundedSlowdown, `${name}: the slowdown is ${boundedSlowdown}`);
    assert.ok(isAvailable(waitSeconds));
    assert.equal(waitSeconds.longest, expected.longestWaitSeconds, `${name}: the longest wait`);
  }
}

function assertWorkflow(reports: SimulationReport[]): void {
  const makespans = new Map(reports.map(({ policy, makespanSeconds }) => [policy, makespanSeconds as number]));
  for (const { policy, makespanRatio } of reports) {
    if (isAvailable(makespanRatio)) assert.ok(makespanRatio >= 1 - ROUNDING, `${policy} beats the bound`);
  }
  assert.ok((makespans.get('search') as number) <= (makespans.get('heft') as number), 'the search is worse than HEFT');
}

async function nodesBeside({ path, sibling }: VectorFile) {
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  for (const name of NODE_LISTS) {
    const content = await sibling(`${folder}${name}`);
    if (content !== null) return parseOpenbNodes(unpacked(content), name);
  }
  return null;
}

function unpacked(content: Uint8Array): string {
  const isPacked = GZIP_MAGIC.every((byte, at) => content[at] === byte);
  const bytes = isPacked ? gunzipSync(content, { maxOutputLength: MOST_UNPACKED_BYTES }) : content;
  return Buffer.from(bytes).toString('utf8');
}
