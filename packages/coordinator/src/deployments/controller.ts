/**
 * What has to be done for a deployment: one look at it and its replicas, decided without I/O.
 *
 *     look (under the lock of its row) -> decide -> create and stop replicas, move the states -> look again
 *
 * The controller compares what is with what shall be, and remembers nothing between two looks but what is stored; to
 * decide twice on the same view does nothing twice. By its own doing
 *
 * - never fewer than `wanted - maxUnavailable` replicas are available,
 * - never more than `wanted + maxUnavailable` live.
 *
 * An old replica gives way to an available new one first of all. Only where the nodes have no room for one more, up to
 * `maxUnavailable` old ones go before. A daemon has one place a node, so there the old one always goes first.
 */
import {
  counted,
  type DeploymentEvent,
  type DeploymentState,
  formatDuration,
  LIMITS,
  oneLine,
  type RevisionState,
} from '@fog/contract';
import { DEPLOYMENT_LIMITS } from '../limits.ts';
import type { ReplicaCondition } from './replica-condition.ts';

export interface ReplicaName {
  job: string;
  partition: number;
}

/** A live task of one of the deployment's jobs. */
export interface ControlledReplica extends ReplicaName {
  /** The node that it is pinned to; null for those of services. */
  node: string | null;
  condition: ReplicaCondition;
  since: number;
  /** It was decided to stop it. */
  leaving: boolean;
  /** Failures of the job in a row. */
  jobFailures: number;
  /** Its last failure, or what its health check says of one that is not ready yet; for people. */
  why: string | null;
}

/** A node that suits a daemon, were it connected and not cordoned. */
export interface ControlledNode {
  id: string;
  connected: boolean;
  /** Connected, and new replicas may be placed on it. */
  takesWork: boolean;
}

export interface ControlledDeployment {
  type: 'service' | 'daemon';
  state: DeploymentState;
  /** Of a service. */
  wanted: number;
  /** So many replicas of the current revision may run: for more there is no cover. Null where all that are wanted may. */
  covered: number | null;
  /** Why replicas have no cover, for people. */
  uncovered: string | null;
  update: { maxUnavailable: number; healthyForMilliseconds: number; deadlineMilliseconds: number; rollback: boolean };
  current: { job: string; state: RevisionState; mostAvailable: number; progressAt: number };
  /** The newest other revision that was stable once. */
  lastGood: { revision: number; job: string } | null;
  /** Jobs of its revisions that have not ended and are not being closed. */
  openJobs: readonly string[];
  /** Of all its jobs. */
  replicas: readonly ControlledReplica[];
  /** Of a daemon. */
  nodes: readonly ControlledNode[];
  /** Of a service: a connected node suits the current revision, full or not. */
  hasPlace: boolean;
  /** Why replicas that wait find no place, for people. */
  whyNoPlace: string;
}

export interface ReplicaCounts {
  wanted: number;
  ready: number;
  available: number;
  /** Available ones of the current revision. */
  updated: number;
}

export type DeploymentChange =
  | { event: Extract<DeploymentEvent, 'finish' | 'degrade' | 'recover'> }
  | { event: 'fail'; reason: string }
  | { event: 'roll-back'; to: number; reason: string };

export interface Decision {
  /** Replicas of the current revision to be added: their nodes, null for anywhere. */
  create: (string | null)[];
  /** Replicas that are to leave. */
  cancel: ReplicaName[];
  /** Jobs that nobody needs any more. */
  closeJobs: string[];
  change: DeploymentChange | null;
  counts: ReplicaCounts;
  /** More replicas of the current revision are available than ever before. */
  isProgress: boolean;
  /** All of it has ended: nothing needs to be remembered. */
  isGone: boolean;
}

interface Plan {
  create: (string | null)[];
  cancel: ReplicaName[];
  wanted: number;
  /** All is as it shall be. */
  isComplete: boolean;
}

export function decide(view: ControlledDeployment, now: number): Decision {
  const plan = view.type === 'service' ? planService(view, now) : planDaemon(view, now);
  const staying = view.replicas.filter((replica) => !replica.leaving);
  const available = staying.filter((replica) => isAvailable(view, replica, now));
  const updated = available.filter((replica) => replica.job === view.current.job).length;
  const ready = staying.filter((replica) => replica.condition === 'ready').length;
  const counts = { wanted: plan.wanted, ready, available: available.length, updated };
  const isProgress = updated > view.current.mostAvailable;
  const nothing = { create: [], cancel: [], closeJobs: [], change: null, counts, isProgress, isGone: false };
  if (view.state === 'removing') {
    return { ...nothing, closeJobs: [...view.openJobs], isGone: view.openJobs.length + view.replicas.length === 0 };
  }
  const change = changeOf(view, plan, counts, now);
  // What was right for the revision before is wrong for the one that follows.
  if (change?.event === 'roll-back' || change?.event === 'fail') return { ...nothing, change };
  const steps = view.state === 'failed' ? {} : { create: plan.create, cancel: plan.cancel };
  return { ...nothing, ...steps, closeJobs: jobsToClose(view), change };
}

export function isAvailable(
  { update }: Pick<ControlledDeployment, 'update'>,
  replica: Pick<ControlledReplica, 'condition' | 'since' | 'leaving'>,
  now: number,
): boolean {
  return !replica.leaving && replica.condition === 'ready' && now - replica.since >= update.healthyForMilliseconds;
}

function planService(view: ControlledDeployment, now: number): Plan {
  const { wanted, update, replicas, hasPlace } = view;
  const staying = replicas.filter((replica) => !replica.leaving);
  const current = staying.filter((replica) => replica.job === view.current.job);
  const old = staying.filter((replica) => replica.job !== view.current.job);
  const available = staying.filter((replica) => isAvailable(view, replica, now)).length;
  const room = wanted + update.maxUnavailable - replicas.length;
  const missing = Math.max(0, Math.min(mayRun(view) - current.length, room));
  const stuck = current.filter(
    ({ condition, since }) => condition === 'waiting' && now - since >= DEPLOYMENT_LIMITS.placeMilliseconds,
  );
  const floor = wanted - (hasPlace ? Math.min(update.maxUnavailable, stuck.length) : 0);
  const surplus = leavingOrder(view, current, now).slice(0, Math.max(0, current.length - wanted));
  return {
    create: Array.from({ length: missing }, () => null),
    cancel: within(view, [...leavingOrder(view, old, now), ...surplus], available - floor, now),
    wanted,
    isComplete:
      replicas.length === wanted &&
      current.length === wanted &&
      current.every((replica) => isAvailable(view, replica, now)),
  };
}

/** Replicas of the current revision that may be made, those that are there among them. */
function mayRun({ type, wanted, covered }: ControlledDeployment): number {
  const most = type === 'service' ? wanted : Number.POSITIVE_INFINITY;
  return Math.min(most, covered ?? most);
}

function planDaemon(view: ControlledDeployment, now: number): Plan {
  const { update, replicas, nodes } = view;
  const byNode = Map.groupBy(replicas, (replica) => replica.node);
  const known = new Set<string | null>(nodes.map((node) => node.id));
  const strays = replicas.filter((replica) => !known.has(replica.node) && !replica.leaving);
  const create: string[] = [];
  const old: ControlledReplica[] = [];
  let [reachable, served, wanted] = [0, 0, 0];
  let isComplete = replicas.every((replica) => known.has(replica.node));
  for (const node of nodes) {
    const here = byNode.get(node.id) ?? [];
    const isServed = here.some((replica) => isAvailable(view, replica, now));
    if (node.takesWork || here.length > 0) wanted += 1;
    if (node.connected && (node.takesWork || here.length > 0)) reachable += 1;
    if (node.connected && isServed) served += 1;
    // A cordoned node keeps what it has, and one that is away cannot be given anything.
    if (!node.takesWork) continue;
    const current = here.filter((replica) => replica.job === view.current.job);
    if (here.length === 0) create.push(node.id);
    old.push(...here.filter((replica) => replica.job !== view.current.job && !replica.leaving));
    isComplete &&= here.length === 1 && current.length === 1 && isServed;
  }
  const budget = served - (reachable - update.maxUnavailable);
  const staying = replicas.filter(({ job, leaving }) => job === view.current.job && !leaving).length;
  return {
    create: create.slice(0, Math.max(0, Math.min(LIMITS.replicas - replicas.length, mayRun(view) - staying))),
    cancel: [...strays.map(nameOf), ...within(view, leavingOrder(view, old, now), budget, now)],
    wanted,
    isComplete,
  };
}

/** Those that nobody will miss first, then the youngest. */
function leavingOrder(
  view: ControlledDeployment,
  replicas: readonly ControlledReplica[],
  now: number,
): ControlledReplica[] {
  const rank = (replica: ControlledReplica) =>
    isAvailable(view, replica, now) ? 2 : replica.condition === 'ready' ? 1 : 0;
  return replicas.toSorted((left, right) => rank(left) - rank(right) || right.partition - left.partition);
}

/** All that are not available, and of the others as many as may be missed. */
function within(
  view: ControlledDeployment,
  candidates: readonly ControlledReplica[],
  budget: number,
  now: number,
): ReplicaName[] {
  let left = budget;
  const chosen = candidates.filter((replica) => {
    if (!isAvailable(view, replica, now)) return true;
    left -= 1;
    return left >= 0;
  });
  return chosen.map(nameOf);
}

function nameOf({ job, partition }: ReplicaName): ReplicaName {
  return { job, partition };
}

function changeOf(
  view: ControlledDeployment,
  { isComplete }: Plan,
  counts: ReplicaCounts,
  now: number,
): DeploymentChange | null {
  const { state, lastGood, current, update } = view;
  if (state === 'stable') return counts.available < counts.wanted ? { event: 'degrade' } : null;
  if (state === 'degraded') return counts.available < counts.wanted ? null : { event: 'recover' };
  if (isComplete) return { event: 'finish' };
  const reason = state === 'failed' ? null : failureOf(view, counts, now);
  if (reason === null) return null;
  // A way back that fails as well would lead back and forth for ever.
  const canGoBack = state === 'rolling-out' && update.rollback && lastGood !== null && lastGood.job !== current.job;
  return canGoBack ? { event: 'roll-back', to: lastGood.revision, reason } : { event: 'fail', reason };
}

/** Of what a replica said, in the reason of a failure. */
const CAUSE_CHARACTERS = 120;

/** Why the current revision cannot come up, or null while it may. */
function failureOf(view: ControlledDeployment, counts: ReplicaCounts, now: number): string | null {
  const { current, update } = view;
  if (counts.updated > current.mostAvailable) return null;
  const fresh = view.replicas.filter((replica) => replica.job === current.job && !replica.leaving);
  const failing = fresh.reduce<ControlledReplica | null>(
    (worst, replica) => (replica.jobFailures > (worst?.jobFailures ?? 0) ? replica : worst),
    null,
  );
  if (current.mostAvailable === 0 && (failing?.jobFailures ?? 0) >= DEPLOYMENT_LIMITS.hopelessFailures) {
    const why = failing?.why == null ? '' : `: ${oneLine(failing.why, CAUSE_CHARACTERS)}`;
    return `replica ${failing?.partition} failed ${counted(failing?.jobFailures ?? 0, 'time')} in a row${why}`;
  }
  if (now - current.progressAt < update.deadlineMilliseconds) return null;
  const { updated, wanted } = counts;
  const since = formatDuration(update.deadlineMilliseconds);
  return `${updated} of ${counted(wanted, 'replica')} available, and no more for ${since}; ${missingText(view, fresh, now)}`;
}

/** What keeps the replicas of the current revision that are not available from it: never empty. */
function missingText(view: ControlledDeployment, fresh: readonly ControlledReplica[], now: number): string {
  const missing = fresh.filter((replica) => !isAvailable(view, replica, now));
  const waiting = missing.filter(({ condition }) => condition === 'waiting').length;
  const failing = missing
    .filter(({ condition, why }) => why !== null && condition !== 'ready')
    .toSorted((left, right) => right.jobFailures - left.jobFailures)[0];
  const causes = [
    ...(failing?.why == null ? [] : [`replica ${failing.partition}: ${oneLine(failing.why, CAUSE_CHARACTERS)}`]),
    ...(view.uncovered === null ? [] : [view.uncovered]),
    ...(waiting === 0 ? [] : [`${counted(waiting, 'replica waits', 'replicas wait')}: ${view.whyNoPlace}`]),
  ];
  if (causes.length > 0) return causes.join('; ');
  const [first] = missing;
  if (first === undefined) return 'there is no room for more beside those that run';
  return first.condition === 'ready'
    ? `replica ${first.partition} has not been ready for long enough`
    : `replica ${first.partition} has not become ready`;
}

/** While an update is under way, the job that it may return to is kept even without replicas. */
function jobsToClose({ state, openJobs, replicas, current, lastGood }: ControlledDeployment): string[] {
  const used = new Set(replicas.map((replica) => replica.job)).add(current.job);
  const isSettled = state === 'stable' || state === 'degraded';
  if (!isSettled && lastGood !== null) used.add(lastGood.job);
  return openJobs.filter((job) => !used.has(job));
}
