/** Which nodes are out of the question for a task, and why. */
import { type Constraint, FogError, formatBytes, satisfies } from '@fog/contract';
import { costMicroFog, latenessMilliseconds, moveGainMilliseconds } from './estimates.ts';
import { amountOf, holds, type NodeOffer, privacyRank, scarceResource, type TaskToPlace } from './model.ts';

/** In the order in which they are looked at; a node is counted at the first that it fails. */
export const HURDLES = [
  'node',
  'takes-work',
  'replica',
  'feature',
  'region',
  'label',
  'privacy',
  'size',
  'trust',
  'latency',
  'price',
  'deadline',
  'restart-cost',
] as const;
export type HurdleKind = (typeof HURDLES)[number];

export interface Exclusion {
  kind: HurdleKind;
  /** Reads well before "excludes 2 nodes". */
  constraint: string;
  nodes: number;
}

export interface Feasibility {
  nodesKnown: number;
  /** Indices of nodes that suit and have room. */
  ready: number[];
  /** Indices of nodes that suit, and whose free capacity is too small. */
  full: number[];
  /** The one that keeps out most nodes first. */
  excluded: Exclusion[];
}

/** Where a task could go now, and what keeps it from the other nodes. O(nodes). */
export function feasibility(task: TaskToPlace, nodes: readonly NodeOffer[], now: number): Feasibility {
  const running = runningNode(task, nodes);
  const result: Feasibility = { nodesKnown: nodes.length, ready: [], full: [], excluded: [] };
  const byText = new Map<string, Exclusion>();
  nodes.forEach((node, index) => {
    const kind = hurdleOf(task, node, now, running);
    if (kind === null) {
      (node === running || holds(node.free, task.needs) ? result.ready : result.full).push(index);
      return;
    }
    const constraint = hurdleText(kind, task, node);
    const known = byText.get(constraint);
    if (known === undefined) byText.set(constraint, { kind, constraint, nodes: 1 });
    else known.nodes += 1;
  });
  result.excluded = [...byText.values()].sort((left, right) => right.nodes - left.nodes);
  return result;
}

/** What is thrown when a task has no place: `unavailable`, with the exclusions in `details`. */
export function noFeasibleNode(task: TaskToPlace, { nodesKnown, full, excluded }: Feasibility): FogError {
  const [first] = excluded;
  const why =
    nodesKnown === 0
      ? 'there are no nodes'
      : full.length > 0
        ? `${full.length} of ${nodesKnown} nodes suit, and none of them has room`
        : `${first?.constraint} excludes ${first?.nodes} of ${nodesKnown}`;
  return new FogError('unavailable', `no node can take task ${task.id}: ${why}`, {
    details: { task: task.id, nodesKnown, full: full.length, excluded },
    hint:
      full.length > 0 ? 'wait until one of them has room, or add nodes' : 'relax what the task asks for, or add nodes',
  });
}

export function runningNode(task: TaskToPlace, nodes: readonly NodeOffer[]): NodeOffer | null {
  const { running } = task;
  return running === null ? null : (nodes.find(({ id }) => id === running.node) ?? null);
}

/**
 * The first hurdle that keeps the task off the node, whatever is free there; null if it suits. `running`: the node on
 * which it runs, if it does. `ofKind`: what `kindHurdle` says, for who knows it already.
 */
export function hurdleOf(
  task: TaskToPlace,
  node: NodeOffer,
  now: number,
  running: NodeOffer | null,
  ofKind: HurdleKind | null = kindHurdle(task, node),
): HurdleKind | null {
  if (task.onlyNode !== null && task.onlyNode !== node.id) return 'node';
  // Where it runs it may stay: that was decided when it was placed.
  if (running === node) return null;
  if (!node.takesWork) return 'takes-work';
  return (
    (isExcluded(task, node) ? 'replica' : null) ??
    ofKind ??
    (holds(node.capacity, task.needs) ? null : 'size') ??
    pairHurdle(task, node, now) ??
    (running !== null && isNotWorthAMove(task, running, node) ? 'restart-cost' : null)
  );
}

/** A running task moves only if what it gains exceeds what the restart costs. */
export function isNotWorthAMove(task: TaskToPlace, from: NodeOffer, to: NodeOffer): boolean {
  return task.running !== null && moveGainMilliseconds(task, from, to) <= task.running.restartMilliseconds;
}

export function isExcluded(task: TaskToPlace, node: NodeOffer): boolean {
  const { excludedNodes, excludedOwners, excludedPrefixes } = task;
  return (
    (excludedNodes.length > 0 && excludedNodes.includes(node.id)) ||
    (excludedOwners.length > 0 && excludedOwners.includes(node.owner)) ||
    (excludedPrefixes.length > 0 && node.prefix !== null && excludedPrefixes.includes(node.prefix))
  );
}

/** What is the same for all tasks of one kind, as `kindOf` tells them apart, while the node does not change. */
export function kindHurdle(task: TaskToPlace, node: NodeOffer): HurdleKind | null {
  for (const feature of task.features) if (!node.features.includes(feature)) return 'feature';
  if (task.regions.length > 0 && (node.region === null || !task.regions.includes(node.region))) return 'region';
  for (const constraint of task.constraints) if (!satisfies(constraint, node.labels)) return 'label';
  return privacyRank(node.privacyLevel) < privacyRank(task.privacyLevel) ? 'privacy' : null;
}

/** Equal texts: `kindHurdle` says the same of both tasks on every node. */
export function kindOf({ features, regions, constraints, privacyLevel }: TaskToPlace): string {
  return JSON.stringify([features, regions, constraints, privacyLevel]);
}

/** What depends on numbers of this very task and node. */
export function pairHurdle(task: TaskToPlace, node: NodeOffer, now: number): HurdleKind | null {
  if (node.reputation < task.trustFloor) return 'trust';
  if (task.latencyCapMilliseconds !== null && node.latencyMilliseconds > task.latencyCapMilliseconds) return 'latency';
  if (task.priceCapMicroFog !== null && costMicroFog(task, node) > task.priceCapMicroFog) return 'price';
  if (task.deadline?.isStrict === true && latenessMilliseconds(task, node, now) > 0) return 'deadline';
  return null;
}

/** Reads well before "excludes 2 nodes". */
export function hurdleText(kind: HurdleKind, task: TaskToPlace, node: NodeOffer): string {
  switch (kind) {
    case 'node':
      return `not the node ${task.onlyNode}`;
    case 'takes-work':
      return 'takes no work';
    case 'replica':
      return 'of the owner or network of another replica';
    case 'feature':
      return `no ${task.features.find((feature) => !node.features.includes(feature))}`;
    case 'region':
      return `region in (${task.regions.join(', ')})`;
    case 'label':
      return constraintText(task.constraints.find((constraint) => !satisfies(constraint, node.labels)));
    case 'privacy':
      return `privacy: needs ${task.privacyLevel}`;
    case 'size':
      return sizeText(task, node);
    case 'trust':
      return `trust: needs at least ${task.trustFloor}`;
    case 'latency':
      return `latency: at most ${task.latencyCapMilliseconds} ms`;
    case 'price':
      return `price: at most ${task.priceCapMicroFog} micro-FOG`;
    case 'deadline':
      return 'deadline: would be missed';
    case 'restart-cost':
      return 'a move would gain less than the restart costs';
  }
}

function constraintText(constraint: Constraint | undefined): string {
  if (constraint === undefined) return 'a constraint';
  if ('values' in constraint) return `${constraint.label} ${constraint.operator} (${constraint.values.join(', ')})`;
  if ('value' in constraint) return `${constraint.label} ${constraint.operator} ${constraint.value}`;
  return constraint.operator === 'exists' ? constraint.label : `!${constraint.label}`;
}

function sizeText(task: TaskToPlace, node: NodeOffer): string {
  const name = scarceResource(node.capacity, task.needs) ?? 'milliCpu';
  const amount = amountOf(task.needs, name);
  if (name === 'milliCpu') return `cpu: needs ${amount}m`;
  return `${name.replace(/Bytes$/, '')}: needs ${name.endsWith('Bytes') ? formatBytes(amount) : amount}`;
}
