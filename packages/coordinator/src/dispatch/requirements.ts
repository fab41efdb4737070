/**
 * What a task needs of a node, and whether a node has it. Pure.
 *
 * Tasks with equal requirements form a placement class; the dispatcher matches classes with nodes.
 */
import { createHash } from 'node:crypto';
import {
  type Capacity,
  type Constraint,
  formatBytes,
  type JobSpec,
  type NodeDescription,
  type ObjectiveWeights,
  parseBytes,
  parseConstraint,
  parseCpu,
  parseDuration,
  policyIncludes,
  type RouterStrategyName,
  type RuntimeName,
  type ServiceTier,
  satisfies,
} from '@fog/contract';
import { type Exclusions, isExcluded } from '@fog/verification';
import { PLACEMENT_LIMITS } from '../limits.ts';
import { blobsOf } from './job-blobs.ts';

export interface Needs {
  milliCpu: number;
  memoryBytes: number;
  diskBytes: number;
}

export interface Requirements extends Needs {
  runtime: RuntimeName;
  /** The engine a script insists on. */
  engine: 'v8' | 'quickjs' | null;
  submitter: string;
  constraints: readonly string[];
  /** Only this node: tasks of ops jobs and daemons. */
  node: string | null;
  /** How soon it shall find a node. Left out for bronze. */
  tier?: Exclude<ServiceTier, 'bronze'>;
  /** Any other node rather than this one, on which a replica failed. Left out where there is none. */
  avoid?: string;
  /** This node rather than others: the task was moved there. */
  prefer?: string;
  /** It may be stopped when work that is not spot needs its room. */
  spot?: true;
  /** Results are verified. Left out where they are not, as what follows where there is nothing to say. */
  verified?: true;
  /** None of these: another replica of the task is theirs. Sorted. */
  excluded?: Exclusions;
  /** The results of others differ, and the node decides. */
  trustedOnly?: true;
  /** Tasks that are decided and verified again: they wait in a queue of their own. */
  reverify?: true;
  strategy?: RouterStrategyName;
  objectives?: ObjectiveWeights;
  /** Least reputation. */
  trust?: number;
  /** Longest round trip, in milliseconds. */
  latency?: number;
  /** Of one run, in micro-FOG. */
  budget?: number;
  /** Bits of what a lease binds: tasks that bind much wait apart from those that bind little. Left out for nothing. */
  bond?: number;
  /** The node has to count it. */
  meter?: 'fuel';
  privacy?: 'private';
  /** Counted from the submit, in milliseconds. */
  deadline?: { within: number; strict: boolean };
  /** Blobs that a node needs, where it matters which nodes have them. */
  data?: readonly string[];
}

export interface PlacementClass {
  id: string;
  requirements: Requirements;
  constraints: readonly Constraint[];
}

export function requirementsOf(spec: JobSpec, submitter: string, node: string | null = null): Requirements {
  const { task, placement, tier = 'bronze', spot } = spec.spec;
  const engine = task.javascript?.engine ?? 'auto';
  return {
    runtime: task.runtime,
    engine: engine === 'auto' ? null : engine,
    milliCpu: parseCpu(task.resources.cpu),
    memoryBytes: parseBytes(task.resources.memory),
    diskBytes: parseBytes(task.resources.disk),
    submitter,
    constraints: placement.constraints,
    node,
    ...(tier === 'bronze' ? {} : { tier }),
    ...(spot === true ? { spot } : {}),
    ...(isVerified(spec) ? { verified: true } : {}),
    ...termsOf(spec),
  };
}

/** What the job asks for besides; nothing where it asks for nothing. */
function termsOf(spec: JobSpec): Partial<Requirements> {
  const { placement, objectives, budget, privacy, deadline } = spec.spec;
  const { strategy, trust, maxLatency } = placement;
  const usesData = strategy === 'affinity' || strategy === 'proximity' || (objectives?.completionTime ?? 0) > 0;
  const data = usesData ? [...new Set(blobsOf(spec))].sort().slice(0, PLACEMENT_LIMITS.choosingBlobs) : [];
  return {
    ...(strategy === undefined ? {} : { strategy }),
    ...(objectives === undefined ? {} : { objectives }),
    ...(trust === undefined || trust === 0 ? {} : { trust }),
    ...(maxLatency === undefined ? {} : { latency: parseDuration(maxLatency) }),
    ...(budget?.perTask === undefined ? {} : { budget: budget.perTask }),
    ...(budget?.meter === 'fuel' ? { meter: 'fuel' as const } : {}),
    ...(privacy === undefined || privacy === 'public' ? {} : { privacy: 'private' as const }),
    ...(deadline === undefined
      ? {}
      : { deadline: { within: parseDuration(deadline.within), strict: deadline.strict } }),
    ...(data.length === 0 ? {} : { data }),
  };
}

export function isVerified({ spec: { verification } }: JobSpec): boolean {
  return verification !== undefined && verification.mode !== 'none';
}

/** Tasks of the class have begun: they want another replica, or a trusted node to decide. */
export function hasBegun({ excluded, trustedOnly, reverify }: Requirements): boolean {
  return excluded !== undefined || trustedOnly === true || reverify === true;
}

export function placementClass(requirements: Requirements): PlacementClass {
  const text = JSON.stringify(requirements);
  return {
    id: createHash('sha256').update(text).digest('hex').slice(0, 16),
    requirements,
    constraints: requirements.constraints.map(parseConstraint),
  };
}

/** What placement knows of a node. */
export interface PlacementNode {
  id: string;
  description: NodeDescription;
  state: 'connected' | 'unknown' | 'lost';
  cordoned: boolean;
  owner: string;
  /** Network prefix of the address that it connected from. */
  prefix: string;
  trusted: boolean;
}

export interface Hurdle {
  /** A constraint of the job that is not met, or what is so of the node: it reads well before "excludes 2 nodes". */
  constraint: string;
  hint?: string;
}

/** The first hurdle that keeps this class off the node whatever runs there now, or null. */
export function hurdleOf(placement: PlacementClass, node: PlacementNode): Hurdle | null {
  const { requirements } = placement;
  const { description } = node;
  if (requirements.node !== null && requirements.node !== node.id) return { constraint: 'not the node of the task' };
  if (node.state !== 'connected') return { constraint: 'not connected' };
  if (node.cordoned) return { constraint: 'cordoned', hint: 'fog node uncordon NAME' };
  if (!policyIncludes(description.policy.accept, requirements.submitter)) {
    return { constraint: `does not accept jobs of ${requirements.submitter}` };
  }
  if (requirements.privacy === 'private' && !node.trusted && node.owner !== requirements.submitter) {
    return { constraint: `privacy: neither trusted nor of ${requirements.submitter}`, hint: 'fog node trust NAME' };
  }
  if (requirements.trustedOnly === true && !node.trusted) {
    return { constraint: 'not trusted', hint: 'fog node trust NAME' };
  }
  if (requirements.excluded !== undefined && isExcluded(node, requirements.excluded)) {
    return { constraint: 'of the owner or network of another replica' };
  }
  return (
    runtimeHurdle(requirements, description) ?? labelHurdle(placement, node) ?? sizeHurdle(requirements, description)
  );
}

/** Whether this much is free, a slot included. */
export function fits(needs: Needs, free: Capacity): boolean {
  return (
    free.slots >= 1 &&
    free.milliCpu >= needs.milliCpu &&
    free.memoryBytes >= needs.memoryBytes &&
    free.diskBytes >= needs.diskBytes
  );
}

/** How many tasks fit at the same time. */
export function capacityFor(needs: Needs, free: Capacity): number {
  const times = [
    free.slots,
    Math.floor(free.milliCpu / Math.max(1, needs.milliCpu)),
    Math.floor(free.memoryBytes / Math.max(1, needs.memoryBytes)),
    Math.floor(free.diskBytes / Math.max(1, needs.diskBytes)),
  ];
  return Math.max(0, Math.min(...times));
}

function runtimeHurdle(requirements: Requirements, description: NodeDescription): Hurdle | null {
  const probe = description.runtimes[requirements.runtime];
  if (probe === undefined) return { constraint: `no runtime ${requirements.runtime}` };
  if (!probe.available) {
    const constraint = `runtime ${requirements.runtime}: ${probe.reason}`;
    return probe.hint === undefined ? { constraint } : { constraint, hint: probe.hint };
  }
  const feature = requirements.engine === null ? null : probe.features[requirements.engine];
  if (feature === undefined) return { constraint: `no engine ${requirements.engine}` };
  if (requirements.meter === 'fuel' && probe.features.meter !== 'fuel') {
    return { constraint: 'does not count fuel', hint: 'update fog on the node, or leave budget.meter out' };
  }
  const isStranger = !policyIncludes(description.policy.trusted, requirements.submitter);
  if (requirements.engine === 'v8' && isStranger && feature?.startsWith('trusted only')) {
    return { constraint: `engine v8 for jobs of ${requirements.submitter}: ${feature}` };
  }
  return null;
}

function labelHurdle(placement: PlacementClass, node: PlacementNode): Hurdle | null {
  if (placement.constraints.length === 0) return null;
  const labels = labelsOf(node);
  const failed = placement.constraints.findIndex((constraint) => !satisfies(constraint, labels));
  return failed === -1 ? null : { constraint: placement.requirements.constraints[failed] ?? '' };
}

/** What the node says of itself, but for what the coordinator knows better. */
function labelsOf({ description, owner, trusted }: PlacementNode): Record<string, string> {
  const { trusted: _, ...labels } = description.labels;
  return { ...labels, owner, ...(trusted ? { trusted: 'true' } : {}) };
}

function sizeHurdle(requirements: Requirements, { capacity }: NodeDescription): Hurdle | null {
  if (capacity.slots < 1) return { constraint: 'offers no slots' };
  for (const dimension of ['milliCpu', 'memoryBytes', 'diskBytes'] as const) {
    if (requirements[dimension] > capacity[dimension]) {
      const name = { milliCpu: 'cpu', memoryBytes: 'memory', diskBytes: 'disk' }[dimension];
      const amount = (value: number) => (dimension === 'milliCpu' ? `${value}m` : formatBytes(value));
      return {
        constraint: `${name}: needs ${amount(requirements[dimension])}, the node offers ${amount(capacity[dimension])}`,
      };
    }
  }
  return null;
}
