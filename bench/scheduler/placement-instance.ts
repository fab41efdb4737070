/** Tasks and nodes of a fog that nobody tuned for: every figure is drawn, the same for the same seed. */
import { parseConstraint } from '../../packages/contract/src/index.ts';
import {
  type NodeOffer,
  nodeOffer,
  PRIVACY_LEVELS,
  type TaskToPlace,
  taskToPlace,
} from '../../packages/scheduler/src/placement/index.ts';
import { RandomNumbers } from '../../packages/scheduler/src/random-numbers.ts';

const GIBIBYTE = 2 ** 30;
const REGIONS = ['eu', 'us', 'asia'] as const;
const CORES = [2, 4, 8, 16, 32] as const;
const NEEDS = [250, 500, 1000, 1000, 2000, 4000] as const;
export const INSTANCE_NOW = 1_800_000_000_000;

export interface PlacementInstance {
  tasks: TaskToPlace[];
  nodes: NodeOffer[];
}

export function placementInstance(taskCount: number, nodeCount: number, seed: number): PlacementInstance {
  const random = new RandomNumbers(seed);
  const nodes = Array.from({ length: nodeCount }, (_, index) => drawnNode(index, random));
  const tasks = Array.from({ length: taskCount }, (_, index) => drawnTask(index, nodes, random));
  return { tasks, nodes };
}

function drawnNode(index: number, random: RandomNumbers): NodeOffer {
  const cores = CORES[random.below(CORES.length)] as number;
  const capacity = {
    milliCpu: 1000 * cores,
    memoryBytes: cores * 2 * GIBIBYTE,
    others: { slots: cores, diskBytes: cores * 10 * GIBIBYTE },
  };
  const isIdle = random.unit() < 0.5;
  const taken = isIdle ? 0 : random.below(cores);
  const speed = 0.5 + random.unit() * 1.5;
  return nodeOffer({
    id: `node-${index}`,
    version: 1,
    owner: `owner-${random.below(40)}`,
    prefix: `10.${random.below(60)}.0.0/16`,
    capacity,
    free: {
      milliCpu: capacity.milliCpu - 1000 * taken,
      memoryBytes: capacity.memoryBytes - taken * 2 * GIBIBYTE,
      others: { slots: cores - taken, diskBytes: capacity.others.diskBytes - taken * 10 * GIBIBYTE },
    },
    speed,
    // Fast nodes cost more, as a rule.
    priceMicroFogPerSlice: Math.round(1000 * speed * (0.5 + random.unit())),
    idleWatts: 5 * cores,
    busyWatts: (5 + 3 + 7 * random.unit()) * cores,
    reputation: 0.8 + 0.199 * random.unit(),
    staying: [
      { milliseconds: 600_000, probability: 0.9 + 0.1 * random.unit() },
      { milliseconds: 3_600_000, probability: 0.5 + 0.4 * random.unit() },
    ],
    latencyMilliseconds: 1 + 150 * random.unit(),
    downloadBitsPerSecond: 10e6 * 10 ** (2 * random.unit()),
    region: REGIONS[random.below(REGIONS.length)] as string,
    labels: { arch: random.unit() < 0.7 ? 'x64' : 'arm64', tier: random.unit() < 0.5 ? 'a' : 'b' },
    features: random.unit() < 0.8 ? ['runtime wasm', 'runtime process'] : ['runtime wasm'],
    privacyLevel: PRIVACY_LEVELS[random.below(PRIVACY_LEVELS.length)] as (typeof PRIVACY_LEVELS)[number],
  });
}

function drawnTask(index: number, nodes: readonly NodeOffer[], random: RandomNumbers): TaskToPlace {
  const milliCpu = NEEDS[random.below(NEEDS.length)] as number;
  const run = 5000 * 10 ** (2 * random.unit());
  const holder = () => (nodes[random.below(nodes.length)] as NodeOffer).id;
  return taskToPlace({
    id: `task-${index}`,
    version: 1,
    tenant: `tenant-${random.below(20)}`,
    priority: random.below(101),
    needs: { milliCpu, memoryBytes: milliCpu * 1_500_000, others: { slots: 1, diskBytes: GIBIBYTE } },
    expectedRunMilliseconds: run,
    runDeviationMilliseconds: 0.2 * run,
    deadline: random.unit() < 0.2 ? { atMilliseconds: INSTANCE_NOW + 3 * run + 60_000, isStrict: false } : null,
    inputs: random.unit() < 0.5 ? [{ bytes: 10 ** (6 + 2 * random.unit()), nodes: [holder(), holder()] }] : [],
    regions: random.unit() < 0.2 ? [REGIONS[random.below(REGIONS.length)] as string] : [],
    constraints: random.unit() < 0.3 ? [parseConstraint('arch == x64')] : [],
    features: [random.unit() < 0.3 ? 'runtime process' : 'runtime wasm'],
    privacyLevel: random.unit() < 0.1 ? 'private' : 'public',
    trustFloor: random.unit() < 0.1 ? 0.9 : 0,
    replicaGroup: index % 20 < 2 ? `group-${Math.floor(index / 20)}` : null,
  });
}
