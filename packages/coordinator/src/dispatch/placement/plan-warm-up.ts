/**
 * Small plans for nobody, so that V8 has compiled what makes plans before the first is asked for: the first one that a
 * thread makes would take several times as long as later ones.
 */
import { parseConstraint } from '@fog/contract';
import {
  type BatchRequest,
  type NodeOffer,
  nodeOffer,
  optimiseBatch,
  planAtOnce,
  type TaskToPlace,
  taskToPlace,
} from '@fog/scheduler/placement';
import { PLACEMENT_LIMITS } from '../../limits.ts';

const GIBIBYTE = 2 ** 30;
const NOW = 1_800_000_000_000;
/** Enough for V8 to compile what they all go through. */
const FIRST_PLANS = 60;
const TASKS = 60;
const NODES = 20;

/** Ends between two steps, some milliseconds apart, once `signal` is aborted. */
export async function warmUpPlans(signal: AbortSignal): Promise<void> {
  const nodes = Array.from({ length: NODES }, (_, index) => node(index));
  const tasks = Array.from({ length: TASKS }, (_, index) => task(index));
  const request: BatchRequest = {
    ...{ tasks, nodes, now: NOW },
    objectives: ['completionTime', 'cost', 'failureRisk'],
    pick: { by: 'knee' },
  };
  for (let plan = 0; plan < FIRST_PLANS && !signal.aborted; plan += 1) {
    planAtOnce(request);
    await nextTurn();
  }
  if (signal.aborted) return;
  await optimiseBatch(request, { seed: 0, milliseconds: PLACEMENT_LIMITS.warmUpMilliseconds, generations: 2, signal });
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function node(index: number): NodeOffer {
  const cores = 4 + (index % 13);
  const capacity = {
    milliCpu: 1000 * cores,
    memoryBytes: 2 * GIBIBYTE * cores,
    others: { slots: cores, diskBytes: 10 * GIBIBYTE * cores },
  };
  return nodeOffer({
    ...{ id: `warm-${index}`, version: 1, capacity },
    ...{ owner: `owner-${index % 7}`, prefix: `10.${index % 11}.0.0/16`, region: index % 2 === 0 ? 'eu' : 'us' },
    ...{ speed: 0.5 + (index % 5) / 4, priceMicroFogPerSlice: 500 + 37 * index, reputation: 0.9 + (index % 9) / 100 },
    ...{ idleWatts: 5 * cores, busyWatts: 15 * cores },
    staying: [{ milliseconds: 600_000, probability: 0.9 }],
    ...{ latencyMilliseconds: index, downloadBitsPerSecond: 1e8 },
    ...{ labels: { arch: index % 3 === 0 ? 'arm64' : 'x64' }, features: ['warm'] },
  });
}

function task(index: number): TaskToPlace {
  const milliCpu = 250 * (1 + (index % 8));
  const run = 5000 + 700 * index;
  return taskToPlace({
    ...{ id: `warm ${index}`, version: 1, tenant: `tenant-${index % 5}`, priority: index % 101 },
    needs: { milliCpu, memoryBytes: milliCpu * 1_000_000, others: { slots: 1, diskBytes: GIBIBYTE } },
    ...{ expectedRunMilliseconds: run, runDeviationMilliseconds: run / 5 },
    deadline: index % 5 === 0 ? { atMilliseconds: NOW + 4 * run, isStrict: false } : null,
    inputs: index % 2 === 0 ? [{ bytes: 1e6, nodes: [`warm-${index % NODES}`] }] : [],
    regions: index % 5 === 1 ? ['eu'] : [],
    constraints: index % 3 === 0 ? [parseConstraint('arch == x64')] : [],
    features: ['warm'],
    replicaGroup: index % 20 < 2 ? `group-${Math.floor(index / 20)}` : null,
  });
}
