/**
 * What placement knows of tasks and nodes. Plain data, so that it can be handed to another thread.
 *
 * Times are milliseconds throughout. Sizes are bytes, rates bits a second, money whole micro-FOG.
 */
import { type Constraint, PRIVACY_LEVELS, type PrivacyLevel } from '@fog/contract';

export { OBJECTIVES, type ObjectiveName, PRIVACY_LEVELS, type PrivacyLevel } from '@fog/contract';

/** Whole numbers. */
export interface Resources {
  milliCpu: number;
  memoryBytes: number;
  /** By name, e.g. `slots`, `diskBytes`, `gpus`; what is left out is 0. */
  others: Readonly<Record<string, number>>;
}

export interface TaskInput {
  bytes: number;
  /** Ids of nodes that have it already. */
  nodes: readonly string[];
}

export interface TaskToPlace {
  id: string;
  /** Grows whenever something of the task changes, e.g. its fence. */
  version: number;
  /** Whose task it is; fairness is between tenants. */
  tenant: string;
  /** 0 to 100: who gets room first, and how much its time counts. */
  priority: number;
  needs: Resources;
  /** On a node of speed 1, from start to end. */
  expectedRunMilliseconds: number;
  /** Standard deviation of that. */
  runDeviationMilliseconds: number;
  /** Strict: a node that would miss it is out of the question. Else it is the last resort. */
  deadline: { atMilliseconds: number; isStrict: boolean } | null;
  inputs: readonly TaskInput[];
  /** One of these; any where the list is empty. */
  regions: readonly string[];
  /** Over the labels of nodes. */
  constraints: readonly Constraint[];
  /** Each has to be among the features of the node, e.g. `runtime wasm`. */
  features: readonly string[];
  privacyLevel: PrivacyLevel;
  /** Least reputation of its node, 0 to 1. */
  trustFloor: number;
  /** What it pays for a slice, as a multiple of what the node asks: that of its tier. */
  priceMultiple: number;
  /** For the whole run. */
  priceCapMicroFog: number | null;
  latencyCapMilliseconds: number | null;
  onlyNode: string | null;
  excludedNodes: readonly string[];
  excludedOwners: readonly string[];
  excludedPrefixes: readonly string[];
  /** Tasks of one group compute the same, and go to nodes that have neither owner nor network prefix in common. */
  replicaGroup: string | null;
  /** What a node has ready after it ran another task with this key, e.g. an unpacked root; else it takes that long. */
  affinity: { key: string; coldStartMilliseconds: number } | null;
  /** Set while it runs. It stays where it is unless a move gains more than it costs. */
  running: RunningState | null;
}

export interface RunningState {
  node: string;
  /** On that node, from now to the end. */
  remainingMilliseconds: number;
  /** What a move costs: work since the last checkpoint that is done again, and the stop and start. */
  restartMilliseconds: number;
  /** The same on a node of speed 1. */
  remainingRunMilliseconds: number;
}

export interface NodeOffer {
  id: string;
  /** Grows whenever something of the node but its free capacity changes, e.g. with a new session or description. */
  version: number;
  owner: string;
  /** Of the address that it connected from, see `replicaPrefix`. Nodes without one count as neighbours of each other. */
  prefix: string | null;
  /** False while it is cordoned or drained, or cannot be reached. */
  takesWork: boolean;
  capacity: Resources;
  free: Resources;
  /** As a multiple of the node that run times are given for. */
  speed: number;
  priceMicroFogPerSlice: number;
  idleWatts: number;
  /** With all of its processors at work. */
  busyWatts: number;
  /** A lower bound from verification for the probability that its next result is right. There is no value to fall back on. */
  reputation: number;
  /** Probability that it stays for so long, at growing times; nothing is known beyond where the list is empty: it stays. */
  staying: readonly StayingPoint[];
  latencyMilliseconds: number;
  downloadBitsPerSecond: number;
  region: string | null;
  labels: Readonly<Record<string, string>>;
  features: readonly string[];
  /** The highest level that it can keep. */
  privacyLevel: PrivacyLevel;
  /** Keys of `affinity` that it has ready. */
  warmKeys: readonly string[];
}

export interface StayingPoint {
  milliseconds: number;
  probability: number;
}

type TaskDefaults = Omit<TaskToPlace, 'id' | 'needs' | 'expectedRunMilliseconds'>;

const TASK_DEFAULTS: TaskDefaults = {
  version: 0,
  tenant: '',
  priority: 50,
  runDeviationMilliseconds: 0,
  deadline: null,
  inputs: [],
  regions: [],
  constraints: [],
  features: [],
  privacyLevel: 'public',
  trustFloor: 0,
  priceMultiple: 1,
  priceCapMicroFog: null,
  latencyCapMilliseconds: null,
  onlyNode: null,
  excludedNodes: [],
  excludedOwners: [],
  excludedPrefixes: [],
  replicaGroup: null,
  affinity: null,
  running: null,
};

/** A task that asks for nothing but what is said. */
export function taskToPlace(
  task: Pick<TaskToPlace, 'id' | 'needs' | 'expectedRunMilliseconds'> & Partial<TaskDefaults>,
): TaskToPlace {
  return { ...TASK_DEFAULTS, ...task };
}

type NodeDefaults = Omit<NodeOffer, 'id' | 'capacity' | 'reputation'>;

/**
 * A node that nothing else is known of: of speed 1, free of charge, all of it free. Its reputation has to be said, since
 * any value made up here would be trust that nobody earned.
 */
export function nodeOffer(node: Pick<NodeOffer, 'id' | 'capacity' | 'reputation'> & Partial<NodeDefaults>): NodeOffer {
  const defaults: NodeDefaults = {
    version: 0,
    owner: node.id,
    prefix: null,
    takesWork: true,
    free: node.capacity,
    speed: 1,
    priceMicroFogPerSlice: 0,
    idleWatts: 0,
    busyWatts: 0,
    staying: [],
    latencyMilliseconds: 0,
    downloadBitsPerSecond: 1e9,
    region: null,
    labels: {},
    features: [],
    privacyLevel: 'public',
    warmKeys: [],
  };
  return { ...defaults, ...node };
}

/** Higher levels include lower ones. */
export function privacyRank(level: PrivacyLevel): number {
  return PRIVACY_LEVELS.indexOf(level);
}

/** What all of these resources are called, processors and memory first; the order of flat arrays. */
export function resourceNames(resources: readonly Resources[]): string[] {
  const others = new Set<string>();
  for (const { others: named } of resources) for (const name in named) others.add(name);
  return ['milliCpu', 'memoryBytes', ...[...others].sort()];
}

export function amountOf(resources: Resources, name: string): number {
  if (name === 'milliCpu') return resources.milliCpu;
  if (name === 'memoryBytes') return resources.memoryBytes;
  return Object.hasOwn(resources.others, name) ? (resources.others[name] as number) : 0;
}

/** Whether this much is there. */
export function holds(free: Resources, needs: Resources): boolean {
  if (free.milliCpu < needs.milliCpu || free.memoryBytes < needs.memoryBytes) return false;
  for (const name in needs.others) if (amountOf(free, name) < (needs.others[name] as number)) return false;
  return true;
}

/** The first resource of which there is too little, or null. */
export function scarceResource(free: Resources, needs: Resources): string | null {
  return resourceNames([needs]).find((name) => amountOf(free, name) < amountOf(needs, name)) ?? null;
}

/** `sign` 1 gives back, -1 takes. */
export function changedResources(free: Resources, needs: Resources, sign: 1 | -1): Resources {
  const others: Record<string, number> = { ...free.others };
  for (const [name, amount] of Object.entries(needs.others)) others[name] = (others[name] ?? 0) + sign * amount;
  return {
    milliCpu: free.milliCpu + sign * needs.milliCpu,
    memoryBytes: free.memoryBytes + sign * needs.memoryBytes,
    others,
  };
}

/** Whether two nodes may be in one hand: the same owner or network. Nodes of unknown networks may be of one. */
export function areNeighbours(left: NodeOffer, right: NodeOffer): boolean {
  return left.owner === right.owner || left.prefix === right.prefix;
}
