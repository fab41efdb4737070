/**
 * A trace under several policies: `simulateTrace` runs the shipped decisions and reports the same figures for each.
 * Deterministic: the same trace and settings give the same figures.
 */
import { FogError } from '@fog/contract';
import type { NodeShape, PackingPolicyName } from '../packing/index.ts';
import { RandomNumbers } from '../random-numbers.ts';
import { SIMULATION_LIMITS } from './limits.ts';
import { logMachine, replayableLog, runLog } from './log-simulation.ts';
import { machineOf, runGpuFilling, runGpuTasks } from './openb/gpu-run.ts';
import { chosenPolicies, TRACE_TITLES, type WorkflowPolicyName } from './policy-names.ts';
import { isAvailable } from './report/figures.ts';
import type { PowerFigures } from './report/node-power.ts';
import { reportOf, type SimulationReport, type TimedRun } from './report/report.ts';
import type { SimulatedMachine } from './report/simulated-run.ts';
import type { Trace } from './trace.ts';
import { coreMachine, runWorkflow } from './workflow/workflow-run.ts';

/** Null where nothing was asked for. */
export interface SimulationSettings {
  /** Names of `POLICY_NAMES`; none means the usual ones, `all` every one. */
  policies: readonly string[];
  nodes: number | null;
  coresPerNode: number | null;
  /** Of GPU tasks: the cluster. */
  nodeList: readonly NodeShape[] | null;
  seed: number;
  /** Of a log: the first job, and how many. */
  start: number | null;
  jobs: number | null;
  loadRatio: number | null;
  agingBoundSeconds: number;
  power: PowerFigures;
  slicePriceMicroFog: number;
}

export interface Simulation {
  kind: Trace['kind'];
  format: Trace['format'];
  machine: SimulatedMachine;
  /** What the figures rest on and the trace does not tell, for people. */
  assumptions: string[];
  outcomes: SimulationOutcome[];
}

export interface SimulationOutcome {
  report: SimulationReport;
  /** Null when the replay knows no time. */
  run: TimedRun | null;
}

/** What a workflow runs on when nobody says. */
const WORKFLOW_MACHINE = { nodes: 4, coresPerNode: 48 };
/** Of tasks without times, in parts of the cluster's GPUs: that of the evaluation of FGD. */
const FILLING_LOAD = 1.3;
const NODE_STREAM = 2;

/**
 * Throws `invalid-request` for a policy that does not exist, a setting that means nothing for this kind of trace, and as
 * the replays do.
 */
export function simulateTrace(trace: Trace, settings: SimulationSettings): Simulation {
  const policies = chosenPolicies(trace.kind, settings.policies);
  if (policies.length > SIMULATION_LIMITS.policies) {
    throw new FogError('invalid-request', `${policies.length} policies`, {
      hint: `compare at most ${SIMULATION_LIMITS.policies}`,
    });
  }
  refuseMeaningless(trace, settings);
  const { machine, assumptions, outcomeOf } = replayOf(trace, settings);
  return {
    kind: trace.kind,
    format: trace.format,
    machine,
    assumptions: [...assumptions, ...moneyAndPower(machine, settings)],
    outcomes: policies.map(outcomeOf),
  };
}

interface Replay {
  machine: SimulatedMachine;
  assumptions: string[];
  outcomeOf(policy: string): SimulationOutcome;
}

function replayOf(trace: Trace, settings: SimulationSettings): Replay {
  const reported = (run: TimedRun): SimulationOutcome => ({ report: reportOf(run, settings), run });
  switch (trace.kind) {
    case 'log':
      return replayOfLog(trace, settings, reported);
    case 'workflow':
      return replayOfWorkflow(trace, settings, reported);
    case 'gpu-tasks':
      return replayOfGpuTasks(trace, settings, reported);
  }
}

type Reported = (run: TimedRun) => SimulationOutcome;

function replayOfLog(
  { log }: Extract<Trace, { kind: 'log' }>,
  settings: SimulationSettings,
  reported: Reported,
): Replay {
  const { nodes, coresPerNode, start, jobs, loadRatio, agingBoundSeconds } = settings;
  const given = nodes === null && coresPerNode === null ? null : (nodes ?? 1) * (coresPerNode ?? 1);
  const replayable = replayableLog(log, given, { start: start ?? 0, jobs, loadRatio });
  return {
    machine: logMachine(replayable.processors),
    assumptions: [
      `${replayable.jobs.length} of the log's ${log.jobs.length} jobs; the machine is empty when the first of them comes`,
    ],
    outcomeOf: (policy) => reported(runLog(replayable, policy, agingBoundSeconds)),
  };
}

function replayOfWorkflow(
  { workflow }: Extract<Trace, { kind: 'workflow' }>,
  { nodes, coresPerNode, seed }: SimulationSettings,
  reported: Reported,
): Replay {
  const cores = (nodes ?? WORKFLOW_MACHINE.nodes) * (coresPerNode ?? WORKFLOW_MACHINE.coresPerNode);
  const assumptions = ['each task takes one core for as long as it ran; moving data takes no time'];
  if (workflow.correctedTasks > 0) {
    assumptions.push(`${workflow.correctedTasks} tasks are recorded with less than no time, and take none`);
  }
  return {
    machine: coreMachine(cores),
    assumptions,
    outcomeOf: (policy) => reported(runWorkflow(workflow, cores, policy as WorkflowPolicyName, seed)),
  };
}

function replayOfGpuTasks(
  { tasks }: Extract<Trace, { kind: 'gpu-tasks' }>,
  settings: SimulationSettings,
  reported: Reported,
): Replay {
  const { seed } = settings;
  const nodes = chosenNodes(settings);
  const options = (policy: string) => ({ nodes, tasks, policy: policy as PackingPolicyName, seed });
  const machine = machineOf(nodes);
  const isTimed = settings.loadRatio === null && tasks.some(({ times }) => times !== null);
  if (isTimed) {
    return {
      machine,
      assumptions: ['tasks run as long as in the trace; what does not fit is passed over until something ends'],
      outcomeOf: (policy) => reported(runGpuTasks(options(policy))),
    };
  }
  const loadRatio = settings.loadRatio ?? FILLING_LOAD;
  return {
    machine,
    assumptions: [`tasks come until they ask for ${100 * loadRatio} % of the GPUs; none ends`],
    outcomeOf: (policy) => ({ report: runGpuFilling({ ...options(policy), loadRatio }), run: null }),
  };
}

function chosenNodes({ nodeList, nodes, seed }: SimulationSettings): NodeShape[] {
  if (nodeList === null || nodeList.length === 0) {
    throw new FogError('invalid-request', 'GPU tasks need a list of nodes that is not empty', {
      hint: 'give it by --node-list, or lay openb_node_list_gpu_node.csv beside the tasks',
    });
  }
  if (nodes === null) return [...nodeList];
  if (nodes < 1 || nodes > nodeList.length) {
    throw new FogError('invalid-request', `${nodes} nodes of a list of ${nodeList.length}`, {
      hint: `give --nodes 1 to ${nodeList.length}`,
    });
  }
  const order = Uint32Array.from(nodeList.keys());
  new RandomNumbers(seed, NODE_STREAM).shuffle(order);
  return Array.from(order.subarray(0, nodes), (node) => nodeList[node] as NodeShape);
}

function refuseMeaningless({ kind }: Trace, settings: SimulationSettings): void {
  const { start, jobs, loadRatio, nodeList, coresPerNode, power } = settings;
  const meaningless: [name: string, isGiven: boolean][] = [
    ['--start', kind !== 'log' && start !== null],
    ['--jobs', kind !== 'log' && jobs !== null],
    ['--load', kind === 'workflow' && loadRatio !== null],
    ['--node-list', kind !== 'gpu-tasks' && nodeList !== null],
    ['--cores', kind === 'gpu-tasks' && coresPerNode !== null],
    ['--gpu-watts', kind !== 'gpu-tasks' && power.gpu !== null],
  ];
  const [first] = meaningless.filter(([, isGiven]) => isGiven);
  if (first === undefined) return;
  throw new FogError('invalid-request', `${first[0]} means nothing for ${TRACE_TITLES[kind]}`, {
    hint: 'leave it out; "fog sim --help" tells what belongs to which kind of file',
  });
}

function moneyAndPower({ gpus }: SimulatedMachine, { power, slicePriceMicroFog }: SimulationSettings): string[] {
  const { title, cores, idleWatts, busyWatts } = power.node;
  const lines = [`energy as if of nodes like ${title}: ${cores} cores, ${idleWatts} W idle, ${busyWatts} W busy`];
  if (isAvailable(gpus) && gpus > 0) {
    if (power.gpu !== null) lines.push(`GPUs of ${power.gpu.idleWatts} W idle, ${power.gpu.busyWatts} W busy`);
    return power.gpu === null ? [] : lines;
  }
  lines.push(`cost as bronze, at ${slicePriceMicroFog} micro-FOG a slice of one core and five minutes`);
  return lines;
}
