import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JOB_SCORES } from '@fog/scheduler/queueing';
import {
  isAvailable,
  POLICY_NAMES,
  parseSwf,
  queuePolicyOf,
  replayableJobs,
  replaySequence,
  type SimulationReport,
  simulateTrace,
  USUAL_POLICIES,
} from '@fog/scheduler/simulation';
import fc from 'fast-check';
import { GPU_NODES, GPU_TASKS, logText, settings, traceOf, workflowText } from './simulation-samples.ts';

const LOG = logText([
  [0, 100, 6],
  [1, 50, 8],
  [2, 20, 2],
  [3, 1000, 2],
  [4, 5, 9],
  [5, -1, 1],
]);
const WORKFLOW = workflowText([
  { id: 'a', seconds: 2 },
  { id: 'b', seconds: 3, parents: ['a'] },
  { id: 'c', seconds: 4, parents: ['a'] },
  { id: 'd', seconds: 1, parents: ['b', 'c'] },
]);

function reports(text: string, changes: Parameters<typeof settings>[0] = {}): SimulationReport[] {
  return simulateTrace(traceOf(text), settings(changes)).outcomes.map(({ report }) => report);
}

function longestWait(report: SimulationReport | undefined): number | null {
  const waits = report?.waitSeconds;
  return waits !== undefined && isAvailable(waits) ? waits.longest : null;
}

const refused = (text: string, changes: Parameters<typeof settings>[0], message: RegExp) =>
  assert.throws(() => simulateTrace(traceOf(text), settings(changes)), { code: 'invalid-request', message });

test('every policy of every kind runs, gives the same again, and accounts for all work', () => {
  for (const [text, changes, all] of [
    [LOG, {}, 6],
    [WORKFLOW, { nodes: 1, coresPerNode: 2 }, 4],
    [GPU_TASKS, { nodeList: GPU_NODES }, 5],
    [GPU_TASKS, { nodeList: GPU_NODES, loadRatio: 1.5 }, null],
  ] as const) {
    const found = reports(text, { ...changes, policies: ['all'] });
    assert.deepEqual(found, reports(text, { ...changes, policies: ['all'] }));
    const { kind } = traceOf(text);
    assert.deepEqual(
      found.map(({ policy }) => policy),
      POLICY_NAMES[kind],
    );
    for (const { finished, leftOut } of found) {
      if (all !== null) assert.equal(finished + leftOut.reduce((sum, { count }) => sum + count, 0), all);
    }
    assert.deepEqual(
      reports(text, changes).map(({ policy }) => policy),
      USUAL_POLICIES[kind],
    );
  }
});

test('a job larger than the machine and one without a run time are counted, by reason', () => {
  const [report] = reports(LOG);
  assert.deepEqual(report?.leftOut, [
    { reason: 'larger than the machine', count: 1 },
    { reason: 'without a run time', count: 1 },
  ]);
  const [small] = reports(LOG, { nodes: 1, coresPerNode: 1 });
  assert.deepEqual(
    [small?.finished, small?.leftOut],
    [
      0,
      [
        { reason: 'larger than the machine', count: 5 },
        { reason: 'without a run time', count: 1 },
      ],
    ],
  );
  assert.deepEqual(small?.makespanSeconds, { unavailable: 'nothing ran' });
});

test('a log has the slowdown and waits of the replay by the published protocol', () => {
  const jobs = fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 8 })), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(jobs, fc.constantFrom(...POLICY_NAMES.log), (some, name) => {
      const text = logText(some);
      const policy = queuePolicyOf(name, 86_400);
      const [report] = reports(text, { policies: [name] });
      const expected = replaySequence(replayableJobs(parseSwf(text), 8), 0, { processors: 8, policy });
      assert.ok(Math.abs((report?.boundedSlowdown as number) - expected.boundedSlowdown) < 1e-9);
      assert.equal(longestWait(report), expected.longestWaitSeconds);
    }),
    { numRuns: 150 },
  );
});

test('names choose the order, the backfilling and the aging', () => {
  const policy = queuePolicyOf('smallest-area-easy-aged', 60);
  assert.deepEqual(policy, {
    order: JOB_SCORES['smallest-area'],
    backfill: 'easy',
    aging: { kind: 'bound', boundSeconds: 60 },
  });
  assert.equal(queuePolicyOf('f1', 60).backfill, 'none');
  assert.equal(queuePolicyOf('fog', 60).aging?.kind, 'gradual');
  refused(LOG, { policies: ['heft'] }, /no policy "heft" for a workload log/);
  refused(WORKFLOW, { policies: ['fcfs'] }, /no policy "fcfs" for a workflow/);
  refused(LOG, { policies: ['fcfs-aged'], agingBoundSeconds: Number.NaN }, /bound of NaN/);
});

test('a window and a load choose jobs and stretch their arrivals', () => {
  const [windowed] = reports(LOG, { start: 1, jobs: 2, policies: ['fcfs'] });
  assert.equal(windowed?.finished, 2);
  assert.equal(windowed?.makespanSeconds, 70);
  refused(LOG, { start: 4 }, /no job from number 4/);
  // 50 s x 8 and 20 s x 2 within 1 s: at a load of 1 they come 55 s apart.
  const [stretched] = reports(LOG, { start: 1, jobs: 2, loadRatio: 1, policies: ['fcfs'] });
  assert.equal(stretched?.makespanSeconds, 75);
  for (const loadRatio of [0, 11, Number.NaN]) refused(LOG, { loadRatio }, /a load of/);
  refused(logText([[7, 1, 1]]), { loadRatio: 1 }, /all come at once/);
});

test('a log without a machine asks for one, and absurd machines are refused', () => {
  refused(logText([[0, 1, 1]], ';'), {}, /neither MaxProcs nor MaxNodes/);
  assert.equal(reports(logText([[0, 1, 1]], ';'), { nodes: 2, coresPerNode: 4 })[0]?.finished, 1);
  for (const nodes of [0, -1, Number.NaN, 0.5, 1e12]) refused(LOG, { nodes }, /a machine of/);
  for (const nodes of [0, Number.NaN, 1e9]) refused(WORKFLOW, { nodes }, /cores/);
});

test('one core does a workflow in turn, many reach the lower bound', () => {
  for (const { makespanSeconds, makespanRatio, utilisationPercent } of reports(WORKFLOW, {
    nodes: 1,
    coresPerNode: 1,
  })) {
    assert.deepEqual([makespanSeconds, makespanRatio, utilisationPercent.processors], [10, 1, 100]);
  }
  const [heft] = reports(WORKFLOW, { nodes: 1, coresPerNode: 2, policies: ['heft'] });
  assert.deepEqual([heft?.makespanSeconds, heft?.makespanRatio, heft?.boundedSlowdown], [7, 1, 1]);
  // The task that waits for b and c waits from the end of c on: not at all.
  assert.equal(longestWait(heft), 0);
  assert.equal(heft?.fragmentationPercent, 0);
});

test('GPU tasks wait for those before them; those that never ran or never fit are counted', () => {
  const [report] = reports(GPU_TASKS, { nodeList: GPU_NODES, policies: ['fgd'] });
  assert.deepEqual(report?.leftOut, [
    { reason: 'never placed in the trace', count: 1 },
    { reason: 'larger than every node', count: 1 },
  ]);
  assert.deepEqual([report?.finished, report?.makespanSeconds], [3, 100]);
  assert.deepEqual(report?.waitSeconds, { mean: 40 / 3, p50: 0, p95: 40, longest: 40 });
  assert.equal(report?.utilisationPercent.gpus, (100 * (200 + 100 + 15)) / 400);
  const [one] = reports(GPU_TASKS, { nodeList: GPU_NODES, nodes: 1, policies: ['fgd'] });
  assert.deepEqual([one?.finished, one?.makespanSeconds], [3, 180]);
});

test('a cluster that fills knows no time, and says so for each figure of time', () => {
  const [report] = reports(GPU_TASKS, { nodeList: GPU_NODES, loadRatio: 1, policies: ['remnant'] });
  assert.ok((report?.utilisationPercent.gpus as number) > 0);
  for (const figure of [report?.makespanSeconds, report?.waitSeconds, report?.costMicroFog, report?.serviceLevels]) {
    assert.match((figure as { unavailable: string }).unavailable, /without times/);
  }
});

test('settings that mean nothing for a kind are refused by name', () => {
  refused(WORKFLOW, { loadRatio: 1 }, /--load means nothing for a workflow/);
  refused(WORKFLOW, { start: 1 }, /--start/);
  refused(WORKFLOW, { jobs: 1 }, /--jobs/);
  refused(LOG, { nodeList: GPU_NODES }, /--node-list/);
  refused(LOG, { power: { ...settings().power, gpu: { idleWatts: 1, busyWatts: 2 } } }, /--gpu-watts/);
  refused(GPU_TASKS, { nodeList: GPU_NODES, coresPerNode: 2 }, /--cores/);
  refused(GPU_TASKS, {}, /need a list of nodes/);
  refused(GPU_TASKS, { nodeList: [] }, /need a list of nodes/);
  refused(GPU_TASKS, { nodeList: GPU_NODES, nodes: 3 }, /3 nodes of a list of 2/);
});
