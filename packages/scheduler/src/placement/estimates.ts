/**
 * What it would mean to run one task on one node: functions of the pair, each in the unit that its name says.
 */
import { STANDARD_SLICE } from '../market/slices.ts';
import { PLACEMENT_LIMITS } from './limits.ts';
import type { NodeOffer, Resources, TaskToPlace } from './model.ts';

export interface PairEstimate {
  /** From now to the end. */
  completionMilliseconds: number;
  /** Behind the deadline, if the run takes as long as one of twenty does; 0 without one. */
  latenessMilliseconds: number;
  costMicroFog: number;
  energyJoules: number;
  /** Probability that there is no right result at the end: it is wrong, or the node leaves before. */
  failureRisk: number;
}

/** All at once. `now` in milliseconds since 1970. */
export function estimatePair(task: TaskToPlace, node: NodeOffer, now: number): PairEstimate {
  const holding = holdingMilliseconds(task, node);
  const completion = restartMilliseconds(task, node) + holding;
  return {
    completionMilliseconds: completion,
    latenessMilliseconds: lateness(task, node, now, completion),
    costMicroFog: costFor(task, node, holding),
    energyJoules: workingJoules(task, node) + wakingJoules(node, holding),
    failureRisk: riskOf(node, holding),
  };
}

/** Time that so many bytes take. The rate is in bits a second. */
export function transferMilliseconds(bytes: number, bitsPerSecond: number): number {
  return (bytes * 8 * 1000) / bitsPerSecond;
}

/** Bytes of the task's inputs that the node does not have. */
export function missingBytes(task: TaskToPlace, nodeId: string): number {
  let missing = 0;
  for (const { bytes, nodes } of task.inputs) if (!nodes.includes(nodeId)) missing += bytes;
  return missing;
}

function isRunningOn(task: TaskToPlace, node: NodeOffer): boolean {
  return task.running !== null && task.running.node === node.id;
}

/** Of the program itself, from where it is. */
export function runMilliseconds(task: TaskToPlace, node: NodeOffer): number {
  if (task.running === null) return task.expectedRunMilliseconds / node.speed;
  return isRunningOn(task, node)
    ? task.running.remainingMilliseconds
    : task.running.remainingRunMilliseconds / node.speed;
}

/** Before the program can start: latency, transfer of what the node does not have, and what it has to make ready. */
export function startMilliseconds(task: TaskToPlace, node: NodeOffer): number {
  if (isRunningOn(task, node)) return 0;
  const { affinity } = task;
  const coldStart = affinity === null || node.warmKeys.includes(affinity.key) ? 0 : affinity.coldStartMilliseconds;
  const missing = task.inputs.length === 0 ? 0 : missingBytes(task, node.id);
  return node.latencyMilliseconds + transferMilliseconds(missing, node.downloadBitsPerSecond) + coldStart;
}

/** For how long the node's resources are taken. */
export function holdingMilliseconds(task: TaskToPlace, node: NodeOffer): number {
  return startMilliseconds(task, node) + runMilliseconds(task, node);
}

/** From now to the end; a move begins with the restart that it costs. */
export function completionMilliseconds(task: TaskToPlace, node: NodeOffer): number {
  return restartMilliseconds(task, node) + holdingMilliseconds(task, node);
}

function restartMilliseconds(task: TaskToPlace, node: NodeOffer): number {
  return task.running === null || isRunningOn(task, node) ? 0 : task.running.restartMilliseconds;
}

/** By how much the deadline would be missed. A run is taken to be longer than expected, by its deviation. */
export function latenessMilliseconds(task: TaskToPlace, node: NodeOffer, now: number): number {
  return task.deadline === null ? 0 : lateness(task, node, now, completionMilliseconds(task, node));
}

function lateness(task: TaskToPlace, node: NodeOffer, now: number, completion: number): number {
  if (task.deadline === null) return 0;
  const spare = (PLACEMENT_LIMITS.deadlineDeviations * task.runDeviationMilliseconds) / node.speed;
  return Math.max(0, now + completion + spare - task.deadline.atMilliseconds);
}

/** Standard slices that hold these resources for so long: the scarcer of processors and memory decides. */
export function slicesOf(needs: Resources, milliseconds: number): number {
  const { virtualCpus, memoryBytes } = STANDARD_SLICE;
  const atATime = Math.ceil(Math.max(needs.milliCpu / (1000 * virtualCpus), needs.memoryBytes / memoryBytes));
  return atATime * Math.max(1, Math.ceil(milliseconds / STANDARD_SLICE.milliseconds));
}

/** What the whole run is expected to be paid with. */
export function costMicroFog(task: TaskToPlace, node: NodeOffer): number {
  return costFor(task, node, holdingMilliseconds(task, node));
}

/** A multiple is rounded up for the provider. */
function costFor({ needs, priceMultiple }: TaskToPlace, { priceMicroFogPerSlice }: NodeOffer, holding: number): number {
  const cost = slicesOf(needs, holding) * priceMicroFogPerSlice;
  return priceMultiple === 1 ? cost : Math.ceil(cost * priceMultiple);
}

/** What the task's own work draws: its share of the processors, for the time of its run. */
export function workingJoules(task: TaskToPlace, node: NodeOffer): number {
  const share = node.capacity.milliCpu === 0 ? 0 : Math.min(1, task.needs.milliCpu / node.capacity.milliCpu);
  return (share * (node.busyWatts - node.idleWatts) * runMilliseconds(task, node)) / 1000;
}

/** What a node that has nothing to do draws in addition, because it is given something; 0 for one that is at work. */
export function wakingJoules(node: NodeOffer, milliseconds: number): number {
  return isIdle(node) ? (node.idleWatts * milliseconds) / 1000 : 0;
}

export function isIdle(node: NodeOffer): boolean {
  return node.free.milliCpu === node.capacity.milliCpu && node.free.memoryBytes === node.capacity.memoryBytes;
}

export function failureRisk(task: TaskToPlace, node: NodeOffer): number {
  return riskOf(node, holdingMilliseconds(task, node));
}

function riskOf(node: NodeOffer, holding: number): number {
  return 1 - node.reputation * stayProbability(node, holding);
}

/**
 * Probability that the node is there for so long. Straight lines between the points of its forecast; beyond the last it
 * leaves at the mean rate up to there.
 */
export function stayProbability({ staying }: Pick<NodeOffer, 'staying'>, milliseconds: number): number {
  let fromMilliseconds = 0;
  let fromProbability = 1;
  for (const point of staying) {
    if (milliseconds <= point.milliseconds) {
      const width = point.milliseconds - fromMilliseconds;
      const share = width === 0 ? 1 : (milliseconds - fromMilliseconds) / width;
      return fromProbability + share * (point.probability - fromProbability);
    }
    fromMilliseconds = point.milliseconds;
    fromProbability = point.probability;
  }
  if (fromMilliseconds === 0) return fromProbability;
  return fromProbability ** (milliseconds / fromMilliseconds);
}

/**
 * How much earlier a running task is expected to end on this node than where it is, restart and all not counted. Either
 * time counts the repetition that is due if the node leaves before the end.
 */
export function moveGainMilliseconds(task: TaskToPlace, from: NodeOffer, to: NodeOffer): number {
  return expectedEnd(task, from) - expectedEnd(task, to);
}

function expectedEnd(task: TaskToPlace, node: NodeOffer): number {
  const holding = holdingMilliseconds(task, node);
  return holding + (1 - stayProbability(node, holding)) * holding;
}
