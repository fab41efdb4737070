/** Why a task waits, and why it was placed where it is, in words. Pure. */
import {
  counted,
  type Explanation,
  FAILURE_REASONS,
  formatDuration,
  type Plan,
  type TaskWithAttempts,
  type WAITING_REASONS,
} from '@fog/contract';

import type { KeptNode } from './queueing/kept-places.ts';

export interface ExplainedTask {
  task: TaskWithAttempts;
  /** Nodes that suited at its newest lease; null where that was not noted. */
  suitable: number | null;
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
  const { task, suitable, ahead, plan } = explained;
  return {
    state: task.state,
    waiting: task.state === 'queued' ? { ...waitingOf(explained), ahead } : null,
    placed: placedOf(task, suitable),
    plan,
  };
}

function waitingOf({ task, plan, ahead, overQuota, kept, now }: ExplainedTask): {
  reason: (typeof WAITING_REASONS)[number];
  message: string;
} {
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

function placedOf(task: TaskWithAttempts, suitable: number | null): Explanation['placed'] {
  const last = task.attempts.at(-1);
  if (last === undefined) return null;
  const { fence, nodeId, nodeName, leasedAt } = last;
  const among =
    suitable === null
      ? 'it suited and had room'
      : suitable === 1
        ? 'it was the only connected node that suited, and had room'
        : `it came next in turn of ${suitable} connected nodes that suited, and had room`;
  return { fence, nodeId, nodeName, leasedAt, suitable, message: among };
}
