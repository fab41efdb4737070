/** One look at a deployment: what the store says of it, as the controller sees it. */
import {
  type DeploymentState,
  isTerminal,
  type JobSpec,
  parseDuration,
  type RevisionState,
  TASK_TRANSITIONS,
  updatePolicy,
} from '@fog/contract';
import { noNodeText, noRoomText } from '../dispatch/explanation.ts';
import type { JobCache } from '../dispatch/job-cache.ts';
import {
  hurdleOf,
  type PlacementClass,
  type PlacementNode,
  placementClass,
  requirementsOf,
} from '../dispatch/requirements.ts';
import { failureText } from '../dispatch/turn-records.ts';
import type { Reader } from '../store/database.ts';
import { type ReplicaRow, type RevisionWithJob, readReplicas, readRevisions } from '../store/deployment-rows.ts';
import type { DeploymentRow } from '../store/tables.ts';
import type { ControlledDeployment, ControlledReplica, ReplicaName } from './controller.ts';
import { readHealth, remember } from './replica-condition.ts';

export interface LookDependencies {
  jobs: JobCache;
  /** All nodes; asked for only where they matter. */
  nodes: () => Promise<readonly PlacementNode[]>;
  now: number;
  /** Since when looks have been taken: an update makes no progress while nobody looks, and is not to blame for that. */
  lookingSince: number;
  /** Replicas need cover. */
  isPaid: boolean;
}

export interface Look {
  row: DeploymentRow;
  /** Newest first; the first is the current one. */
  revisions: RevisionWithJob[];
  /** Of the current revision. */
  spec: JobSpec;
  view: ControlledDeployment;
  /** Live replicas as the store has them, with what they do now. */
  replicas: ReplicaRow[];
  /** Those of which something else is to be remembered. */
  changed: ReplicaRow[];
  /** Replicas whose tasks have ended. */
  ended: ReplicaName[];
}

export async function lookAt(reader: Reader, row: DeploymentRow, dependencies: LookDependencies): Promise<Look> {
  const { jobs, now, lookingSince, isPaid } = dependencies;
  const revisions = await readRevisions(reader, row);
  const current = revisions[0];
  if (current === undefined) throw new Error(`deployment ${row.principal}/${row.name} has no revision`);
  const ids = [...new Set(revisions.map((revision) => revision.job_id))];
  const stored = await readReplicas(reader, ids);
  await jobs.load(reader, new Set([current.job_id, ...stored.map((replica) => replica.job)]));
  const isEnded = (replica: ReplicaRow) => isTerminal(TASK_TRANSITIONS, replica.state);
  const replicas = stored.filter((replica) => !isEnded(replica)).map((replica) => observed(replica, jobs, now));
  const known = new Set(stored);
  const { spec } = jobs.get(current.job_id);
  const good = lastGoodOf(revisions);
  const seen = replicas.map(toControlled);
  return {
    row,
    revisions,
    spec,
    view: {
      type: row.type as ControlledDeployment['type'],
      state: row.state as DeploymentState,
      wanted: row.wanted,
      covered: isPaid ? row.covered : null,
      uncovered: isPaid ? row.uncovered : null,
      update: policyOf(spec),
      current: {
        job: current.job_id,
        state: current.state as RevisionState,
        mostAvailable: row.most_available,
        progressAt: Math.max(row.progress_at, lookingSince),
      },
      lastGood: good?.isOpen ? { revision: good.revision, job: good.job_id } : null,
      openJobs: ids.filter((id) => revisions.some((revision) => revision.job_id === id && revision.isOpen)),
      replicas: seen,
      ...(await placesOf(row, spec, seen, dependencies)),
    },
    replicas,
    changed: replicas.filter((replica) => !known.has(replica)),
    ended: stored.filter(isEnded),
  };
}

/** The newest revision but the current one that was stable once. */
export function lastGoodOf(revisions: readonly RevisionWithJob[]): RevisionWithJob | null {
  return revisions.slice(1).find((revision) => revision.stable_at !== null) ?? null;
}

/** The last failure of a replica, for people. */
export function lastFailure({ lastOutcome }: ReplicaRow): string | null {
  return failureText(lastOutcome);
}

function policyOf(spec: JobSpec): ControlledDeployment['update'] {
  const { maxUnavailable, healthyFor, deadline, rollback } = updatePolicy(spec);
  return {
    maxUnavailable,
    healthyForMilliseconds: parseDuration(healthyFor),
    deadlineMilliseconds: parseDuration(deadline),
    rollback,
  };
}

/** The same object when all is as it was. */
function observed(replica: ReplicaRow, jobs: JobCache, now: number): ReplicaRow {
  const { attempt } = replica;
  const facts = {
    task: replica.state,
    parked: replica.parked,
    attempt: attempt === null ? null : { ...attempt, health: readHealth(attempt.health) },
  };
  const memory = remember(replica, facts, hasHealthCheck(jobs.get(replica.job).spec), now);
  return memory === replica ? replica : { ...replica, ...memory };
}

function hasHealthCheck({ spec }: JobSpec): boolean {
  return (spec.task as { health?: unknown }).health !== undefined;
}

function toControlled(replica: ReplicaRow): ControlledReplica {
  const { job, partition, pinned, condition, since, leaving, jobFailures, attempt } = replica;
  const health = condition === 'starting' ? readHealth(attempt?.health ?? null) : null;
  const said = health === null || health.status === 'healthy' ? '' : health.message;
  return {
    job,
    partition,
    node: pinned,
    condition,
    since,
    leaving,
    jobFailures,
    why: lastFailure(replica) ?? (said || null),
  };
}

async function placesOf(
  row: DeploymentRow,
  spec: JobSpec,
  replicas: readonly ControlledReplica[],
  { nodes }: LookDependencies,
): Promise<Pick<ControlledDeployment, 'nodes' | 'hasPlace' | 'whyNoPlace'>> {
  const isDaemon = row.type === 'daemon';
  // Of a service only whether there is a place at all, and only when a replica has not found one.
  if (!isDaemon && !replicas.some((replica) => replica.condition === 'waiting')) {
    return { nodes: [], hasPlace: true, whyNoPlace: '' };
  }
  const placement = placementClass(requirementsOf(spec, row.principal));
  const known = await nodes();
  const suitable = known.filter((node) => {
    return hurdleOf(placement, { ...node, state: 'connected', cordoned: false }) === null;
  });
  const places = suitable.map(({ id, state, cordoned }) => {
    return { id, connected: state === 'connected', takesWork: state === 'connected' && !cordoned };
  });
  const hasPlace = places.some((place) => place.takesWork);
  const whyNoPlace = isDaemon ? 'their nodes have no room, or are away' : noPlaceText(placement, known);
  return { nodes: isDaemon ? places : [], hasPlace, whyNoPlace };
}

function noPlaceText(placement: PlacementClass, nodes: readonly PlacementNode[]): string {
  const hurdles = nodes.map((node) => hurdleOf(placement, node)?.constraint ?? null);
  const suitable = hurdles.filter((hurdle) => hurdle === null).length;
  if (suitable > 0) return noRoomText(suitable);
  const counts = [...Map.groupBy(hurdles, (hurdle) => hurdle ?? '')].map(([constraint, these]) => {
    return { constraint, nodes: these.length };
  });
  return noNodeText({ nodesKnown: nodes.length, excluded: counts.sort((left, right) => right.nodes - left.nodes) });
}
