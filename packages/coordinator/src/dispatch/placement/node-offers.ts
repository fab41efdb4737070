/** What the scheduler is told of nodes and tasks, from what the coordinator knows of them. Pure. */
import type { Capacity, Node, NodeDescription, PlacementReason, RuntimeName, ServiceTier } from '@fog/contract';
import { placementReputation, type ReputationRecord, unknownReputation, valueClass } from '@fog/economy/reputation';
import {
  hurdleText,
  type NodeOffer,
  nodeOffer,
  type PairEstimate,
  pairHurdle,
  type Resources,
  type TaskToPlace,
  taskToPlace,
} from '@fog/scheduler/placement';
import { SERVICE_LEVELS } from '@fog/scheduler/queueing';
import { PLACEMENT_LIMITS } from '../../limits.ts';
import type { Hurdle, Needs, PlacementClass } from '../requirements.ts';
import type { ExpectedRun } from './run-times.ts';

/** A node as placement sees it. */
export interface NodeFacts {
  id: string;
  description: NodeDescription;
  owner: string;
  prefix: string;
  trusted: boolean;
  /** What checks of its results say, by runtime, and of those of all its owner's nodes. */
  reputation: Partial<Record<RuntimeName, ReputationRecord>>;
  ownerReputation: ReputationRecord;
  /** How often it fell silent, and in how long a time of being connected. */
  losses: number;
  connectedMilliseconds: number;
  /** Null before it was measured. */
  roundTripMilliseconds: number | null;
  /** As a multiple of what is usual. */
  speed: number;
}

/** What stands in for what a node does not say, and what slices cost. */
export interface FleetFacts {
  prices: Prices;
  /** Of the hungriest node that says it: power that is not told is not taken for little. */
  idleWatts: number;
  busyWatts: number;
}

type PricedNode = Pick<NodeDescription, 'labels' | 'offer'>;

export interface Prices {
  /** Micro-FOG for a slice of bronze. */
  priceOn(node: PricedNode): number;
  /** Whether it asks so much that only jobs that name a budget may be given to it. */
  isTooDear(node: PricedNode): boolean;
  /** What a tier costs, as a multiple of bronze. */
  multipleOf(tier: ServiceTier): number;
}

/** Where there is no market, it is what the node asks. */
export const ASKED_PRICES: Prices = {
  priceOn: ({ offer }) => offer?.pricePerSlice ?? 0,
  isTooDear: () => false,
  multipleOf: (tier) => SERVICE_LEVELS[tier].pricePermille / 1000,
};

/** How far the next result is relied on, for a task of such a price. */
export interface AtRisk {
  valueMicroFog: bigint;
  now: number;
}

/** 1 for a trusted node: its results are taken as they are. */
export function reputationIn(runtime: RuntimeName, node: NodeFacts, { valueMicroFog, now }: AtRisk): number {
  if (node.trusted) return 1;
  const records = [node.reputation[runtime] ?? UNKNOWN, node.ownerReputation];
  return placementReputation(records, now, { valueMicroFog, servicePpm: servicePpm(node) });
}

const UNKNOWN = unknownReputation();

/** How much of its time the node was there, and how soon it answers: parts per million. */
function servicePpm({ losses, connectedMilliseconds, roundTripMilliseconds }: NodeFacts): number {
  const { firstLossMilliseconds, silenceMilliseconds, promptMilliseconds } = PLACEMENT_LIMITS;
  const there = connectedMilliseconds + firstLossMilliseconds;
  const uptime = there / (there + losses * silenceMilliseconds);
  return Math.floor(1_000_000 * uptime * Math.min(1, promptMilliseconds / (roundTripMilliseconds ?? 1)));
}

/** Values of one order of size are taken for the least of them, so that few indexes are kept. */
export function orderOf(valueMicroFog: bigint): bigint {
  const { valueClassesOfOrder } = PLACEMENT_LIMITS;
  const most = (1n << 64n) - 1n;
  const order = Math.floor(valueClass(valueMicroFog < most ? valueMicroFog : most) / valueClassesOfOrder);
  return order === 0 ? 0n : 1n << BigInt(order * valueClassesOfOrder - 1);
}

export function offerOf(
  node: NodeFacts,
  runtime: RuntimeName,
  free: Capacity,
  { fleet, ...atRisk }: AtRisk & { fleet: FleetFacts },
): NodeOffer {
  const { description, trusted } = node;
  const { idleWatts = fleet.idleWatts, busyWatts = fleet.busyWatts } = description.offer ?? {};
  return nodeOffer({
    id: node.id,
    owner: node.owner,
    prefix: node.prefix === '' ? null : node.prefix,
    capacity: resourcesOf(description.capacity),
    free: resourcesOf(free),
    speed: node.speed,
    priceMicroFogPerSlice: fleet.prices.priceOn(description),
    idleWatts,
    busyWatts,
    reputation: reputationIn(runtime, node, atRisk),
    staying: stayingOf(node),
    latencyMilliseconds: node.roundTripMilliseconds ?? 0,
    downloadBitsPerSecond: PLACEMENT_LIMITS.assumedDownloadBitsPerSecond,
    privacyLevel: trusted ? 'private' : 'public',
  });
}

/** From what everybody is told of a node. */
export function offerOfNode(node: Node, runtime: RuntimeName, fleet: FleetFacts): NodeOffer {
  const { id, description, owner, trusted, free } = node;
  const unmeasured = { losses: 0, connectedMilliseconds: 0, roundTripMilliseconds: null, speed: 1 };
  const unknown = { reputation: {}, ownerReputation: UNKNOWN };
  const facts = { id, description, owner, prefix: '', trusted, ...unknown, ...unmeasured };
  const offer = offerOf(facts, runtime, free, { fleet, valueMicroFog: 0n, now: 0 });
  return trusted ? offer : { ...offer, reputation: node.trust[runtime]?.reputation ?? offer.reputation };
}

export function resourcesOf(capacity: Capacity): Resources {
  const { milliCpu, memoryBytes, slots, diskBytes } = capacity;
  // A node that was given more than it offers now has less than nothing free.
  return {
    milliCpu: Math.max(0, milliCpu),
    memoryBytes: Math.max(0, memoryBytes),
    others: { slots: Math.max(0, slots), diskBytes: Math.max(0, diskBytes) },
  };
}

export function needsOf({ milliCpu, memoryBytes, diskBytes }: Needs): Resources {
  return { milliCpu, memoryBytes, others: { slots: 1, diskBytes } };
}

/** As if it fell silent by chance, at the rate at which it did, and one more time in a week to begin with. */
function stayingOf({ losses, connectedMilliseconds }: NodeFacts): NodeOffer['staying'] {
  const rate = (losses + 1) / (connectedMilliseconds + PLACEMENT_LIMITS.firstLossMilliseconds);
  return FORECAST_MILLISECONDS.map((milliseconds) => ({ milliseconds, probability: Math.exp(-rate * milliseconds) }));
}

const FORECAST_MILLISECONDS = [60_000, 600_000, 3_600_000, 6 * 3_600_000, 86_400_000];

export interface TaskFacts {
  expected: ExpectedRun;
  /** Submit of the job that is first in the class; deadlines count from it. */
  submittedAt: number;
  inputs: TaskToPlace['inputs'];
  /** What its tier costs, as a multiple of what nodes ask. */
  priceMultiple: number;
}

/** Any task of the class. */
export function taskOf(placement: PlacementClass, { expected, submittedAt, ...facts }: TaskFacts): TaskToPlace {
  const { requirements } = placement;
  const { deadline, data } = requirements;

  return taskToPlace({
    id: placement.id,
    tenant: requirements.submitter,
    needs: needsOf(requirements),
    expectedRunMilliseconds: expected.milliseconds,
    runDeviationMilliseconds: expected.deviationMilliseconds,
    deadline:
      deadline === undefined ? null : { atMilliseconds: submittedAt + deadline.within, isStrict: deadline.strict },
    ...facts,
    trustFloor: requirements.trust ?? 0,
    priceCapMicroFog: requirements.budget ?? null,
    latencyCapMilliseconds: requirements.latency ?? null,
    onlyNode: requirements.node,
    affinity: data?.[0] === undefined ? null : { key: data[0], coldStartMilliseconds: 0 },
  });
}

/** An estimate as it is told. */
export function expectedOf(estimate: PairEstimate): PlacementReason['expected'] {
  return { ...estimate, failureRisk: rounded(estimate.failureRisk) };
}

/** Four places tell probabilities well enough. */
export function rounded(probability: number): number {
  return Math.round(probability * 10_000) / 10_000;
}

/** Whether the class says anything that `pairHurdle` looks at. */
export function hasTerms({ requirements }: PlacementClass): boolean {
  const { trust, budget, latency, deadline } = requirements;
  return (trust ?? budget ?? latency ?? deadline) !== undefined;
}

/** What in the terms of a task keeps it off the node at this moment, or null. */
export function termsHurdle(task: TaskToPlace, offer: NodeOffer, now: number): Hurdle | null {
  const kind = pairHurdle(task, offer, now);
  if (kind === null) return null;
  const constraint = hurdleText(kind, task, offer);
  return kind === 'trust' ? { constraint, hint: 'verified jobs prove nodes; or fog node trust NAME' } : { constraint };
}
