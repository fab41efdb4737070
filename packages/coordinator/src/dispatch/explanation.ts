/** Why a task waits, and why it was placed where it is, in words. Pure. */
import {
  counted,
  type Explanation,
  FAILURE_REASONS,
  formatDuration,
  type PlacementReason,
  type Plan,
  type RouterStrategyName,
  type TaskWithAttempts,
  type WAITING_REASONS,
  YIELD_REASONS,
} from '@fog/contract';

import type { KeptNode } from './queueing/kept-places.ts';

export interface ExplainedTask {
  task: TaskWithAttempts;
  /** Nodes that suited at its newest lease; null where that was not noted. */
  suitable: number | null;
  /** Why it was placed where it is; null where that was not noted. */
  reason: PlacementReason | null;
  /** Queued tasks of the same needs in front of it; null beyond what is counted. */
  ahead: number | null;
  /** Where it could run now. */
  plan: Plan;
  /** What its submitter may have at a time, in words, where that keeps it from being placed. */
  overQuota: string | null;
  /** The node that is kept for the first task of the same needs. */
  kept: KeptNode | undefined;
  now: number;
}

export function explainTask(explained: ExplainedTask): Explanation {
  const { task, suitable, reason, ahead, plan } = explained;
  return {
    state: task.state,
    waiting: task.state === 'queued' ? { ...waitingOf(explained), ahead } : null,
    placed: placedOf(task, suitable, reason),
    plan,
  };
}

interface Waiting {
  reason: (typeof WAITING_REASONS)[number];
  message: string;
}

function waitingOf(explained: ExplainedTask): Waiting {
  const waiting = waitingForPlace(explained);
  const { task } = explained;
  const last = task.attempts.at(-1);
  if (last?.state !== 'yielded' || !last.message || task.suspended) return waiting;
  return { ...waiting, message: `${waiting.message}; attempt ${last.fence} gave its place up: ${last.message}` };
}

function waitingForPlace({ task, plan, ahead, overQuota, kept, now }: ExplainedTask): Waiting {
  const last = task.attempts.at(-1);
  if (task.suspended)
    return { reason: 'suspended', message: `it is suspended until it is resumed: fog job resume ${task.job}` };
  if (task.notBefore !== null && task.notBefore > now) {
    const after = last?.reason == null ? '' : ` after ${last.reason}: ${FAILURE_REASONS[last.reason].meaning}`;
    return { reason: 'retry', message: `it is tried again in ${formatDuration(task.notBefore - now)}${after}` };
  }
  if (plan.nodes.length === 0) return { reason: 'no-node', message: noNodeText(plan) };
  if (overQuota !== null) return { reason: 'over-quota', message: overQuota };
  const front = ahead === null ? 'very many tasks are' : counted(ahead, 'task is', 'tasks are');
  const queue = ahead === 0 ? '' : `; ${front} in front of it`;
  if (plan.nodes.every(({ freeSlots }) => freeSlots === 0)) {
    return { reason: 'no-room', message: `${noRoomText(plan.nodes.length)}${queue}${keptText(kept, ahead, now)}` };
  }
  const nodes = plan.nodes.length === 1 ? 'the node that suits has' : `the ${plan.nodes.length} nodes that suit have`;
  return { reason: 'next', message: `${nodes} room${queue || ', and it is the next'}` };
}

function keptText(kept: KeptNode | undefined, ahead: number | null, now: number): string {
  if (kept === undefined || ahead !== 0) return '';
  const wait = Math.max(0, kept.startsAt - now);
  return `; node ${kept.nodeName} is kept for it, with room in ${formatDuration(wait)} at the latest if all keeps to its time`;
}

/** Why no node suits: what keeps most of them out. */
export function noNodeText({ nodesKnown, excluded }: Pick<Plan, 'nodesKnown' | 'excluded'>): string {
  if (nodesKnown === 0) return 'no node has joined this fog';
  const [first] = excluded;
  return `no node can run it${first === undefined ? '' : `; ${first.constraint}: excludes ${first.nodes} of ${nodesKnown}`}`;
}

export function noRoomText(suitable: number): string {
  return suitable === 1
    ? 'the node that suits has no room'
    : `none of the ${counted(suitable, 'node')} that suit has room`;
}

function placedOf(
  task: TaskWithAttempts,
  suitable: number | null,
  reason: PlacementReason | null,
): Explanation['placed'] {
  const last = task.attempts.at(-1);
  if (last === undefined) return null;
  const { fence, nodeId, nodeName, leasedAt } = last;
  return { fence, nodeId, nodeName, leasedAt, suitable, reason, message: placedText(suitable, reason) };
}

/** What a strategy prefers, of the nodes that suited and had room. */
const PREFERRED: Readonly<Record<RouterStrategyName, string>> = {
  balanced: 'of it least was taken, less reputation counting as more taken',
  'least-loaded': 'of it least was taken',
  affinity: 'it had most of what the task needs, or the same program before',
  proximity: 'it could begin the soonest',
  'privacy-aware': 'it keeps no higher level of privacy than it has to, and has the best reputation of those',
  'power-of-two-choices': 'less was taken of it than of another that was drawn',
  'round-robin': 'it came next in turn',
};

function placedText(suitable: number | null, reason: PlacementReason | null): string {
  if (reason?.by === 'pinned') return 'the task is for this node';
  if (reason?.by === 'moved') return `it was moved here: ${YIELD_REASONS.moved}`;
  if (suitable === null || reason === null) return 'it suited and had room';
  const reputation = `reputation ${reason.reputation}`;
  if (suitable === 1) return `it was the only connected node that suited, and had room; ${reputation}`;
  const among = `of ${suitable} connected nodes that suited`;
  if (reason.by === 'strategy') {
    const { strategy = 'balanced' } = reason;
    return `${among}, ${PREFERRED[strategy]} (${strategy}); ${reputation}`;
  }
  const weights = Object.entries(reason.objectives ?? {}).map(([name, weight]) => `${name} ${weight}`);
  const how =
    reason.by === 'plan' ? 'a plan for all that waited chose it' : `it was the best of ${reason.compared} with room`;
  return `${among}, ${how}, by ${weights.join(', ')}; ${reputation}${expectedText(reason.expected)}`;
}

function expectedText(expected: PlacementReason['expected']): string {
  if (expected === undefined) return '';
  const { completionMilliseconds, costMicroFog, energyJoules, failureRisk, latenessMilliseconds } = expected;
  const parts = [
    `end within ${formatDuration(Math.round(completionMilliseconds))}`,
    `cost ${costMicroFog} micro-FOG`,
    `draw ${Number(energyJoules.toPrecision(3))} J`,
    `fail with ${Number((failureRisk * 100).toPrecision(3))} %`,
    ...(latenessMilliseconds > 0 ? [`miss its deadline by ${formatDuration(Math.round(latenessMilliseconds))}`] : []),
  ];
  return `; it was expected to ${parts.join(', ')}`;
}
