/**
 * Deployments: services and daemons under a name of their owner, and their revisions.
 *
 *     deployment   rolling-out -> stable <-> degraded
 *                      ^  \-> failed, or rolling-back -> stable | failed        any but removing -> removing -> (gone)
 *     revision     rolling-out -> stable -> superseded | rolled-back
 *                       \-> failed | superseded | rolled-back
 *
 * A revision is a specification and the job that runs it; the replicas of a revision are the tasks of its job. A revision
 * whose specification is that of an earlier one shares its job as long as that lives.
 */
import { z } from 'zod';
import { jobIdSchema, nameSchema, nodeIdSchema } from './identifiers.ts';
import { LIMITS } from './limits.ts';
import { taskStateSchema } from './states.ts';

export const DEPLOYMENT_STATES = ['rolling-out', 'stable', 'degraded', 'rolling-back', 'failed', 'removing'] as const;
export const deploymentStateSchema = z.enum(DEPLOYMENT_STATES);
export type DeploymentState = (typeof DEPLOYMENT_STATES)[number];
export type DeploymentEvent = 'deploy' | 'scale' | 'finish' | 'degrade' | 'recover' | 'fail' | 'roll-back' | 'remove';

/** What its owner may ask for at any time. */
const ASKED = { deploy: 'rolling-out', 'roll-back': 'rolling-back', remove: 'removing' } as const;

export const DEPLOYMENT_TRANSITIONS: Readonly<
  Record<DeploymentState, Readonly<Partial<Record<DeploymentEvent, DeploymentState>>>>
> = {
  'rolling-out': { ...ASKED, scale: 'rolling-out', finish: 'stable', fail: 'failed' },
  stable: { ...ASKED, scale: 'stable', degrade: 'degraded' },
  // Fewer replicas are available than are wanted.
  degraded: { ...ASKED, scale: 'degraded', recover: 'stable' },
  'rolling-back': { ...ASKED, scale: 'rolling-back', finish: 'stable', fail: 'failed' },
  // Nothing is added or exchanged any more, but what there is is tried on and may come up after all. Another size is
  // another try.
  failed: { ...ASKED, scale: 'rolling-out', finish: 'stable' },
  removing: {},
};

export const REVISION_STATES = ['rolling-out', 'stable', 'superseded', 'failed', 'rolled-back'] as const;
export const revisionStateSchema = z.enum(REVISION_STATES);
export type RevisionState = (typeof REVISION_STATES)[number];
export type RevisionEvent = 'finish' | 'fail' | 'supersede' | 'roll-back' | 'retry';

export const REVISION_TRANSITIONS: Readonly<
  Record<RevisionState, Readonly<Partial<Record<RevisionEvent, RevisionState>>>>
> = {
  'rolling-out': { finish: 'stable', fail: 'failed', supersede: 'superseded', 'roll-back': 'rolled-back' },
  stable: { supersede: 'superseded', 'roll-back': 'rolled-back' },
  failed: { finish: 'stable', retry: 'rolling-out', 'roll-back': 'rolled-back' },
  superseded: {},
  'rolled-back': {},
};

const time = z.int().nonnegative();
const count = z.int().nonnegative();

export const deploymentSummarySchema = z.strictObject({
  name: nameSchema,
  /** Whose it is; names are per principal. */
  principal: nameSchema,
  type: z.enum(['service', 'daemon']),
  state: deploymentStateSchema,
  /** Why it failed or goes back, or that replicas have no cover; null in every other state. */
  reason: z.string().nullable(),
  /** Number of the current revision. */
  revision: z.int().min(1),
  /** Replicas: wanted, ready now, ready for long enough, and of the last those of the current revision. */
  wanted: count,
  ready: count,
  available: count,
  updated: count,
  createdAt: time,
  updatedAt: time,
});
export type DeploymentSummary = z.infer<typeof deploymentSummarySchema>;

export const revisionSchema = z.strictObject({
  revision: z.int().min(1),
  state: revisionStateSchema,
  /** Why it failed, or was left. */
  reason: z.string().nullable(),
  /** The job whose tasks are its replicas. */
  job: jobIdSchema,
  /** Principal who asked for it. */
  by: z.string(),
  /** Set where it takes up the specification of that revision again. */
  of: z.int().min(1).nullable(),
  createdAt: time,
  /** When it became stable, failed or was left, whichever was last. */
  endedAt: time.nullable(),
});
export type Revision = z.infer<typeof revisionSchema>;

export const replicaSchema = z.strictObject({
  job: jobIdSchema,
  partition: z.int().nonnegative(),
  revision: z.int().min(1),
  state: taskStateSchema,
  /** It runs and its health check, if there is one, says so. */
  ready: z.boolean(),
  /** It has been ready for `update.healthyFor`. */
  available: z.boolean(),
  /** It is being stopped: another takes its place, or fewer are wanted. */
  leaving: z.boolean(),
  /** Since when it has been as it is. */
  since: time,
  nodeId: nodeIdSchema.nullable(),
  nodeName: z.string().nullable(),
  /** Restarts of its program on this node. */
  restarts: count,
  /** Failures in a row; each has it placed again. */
  failures: count,
  /** What its health check, or its last failure, says; null of one that is ready. */
  message: z.string().nullable(),
});
export type Replica = z.infer<typeof replicaSchema>;

export const deploymentSchema = deploymentSummarySchema.extend({
  replicas: z.array(replicaSchema),
  revisions: z.array(revisionSchema),
});
export type Deployment = z.infer<typeof deploymentSchema>;

export const scaleSchema = z.strictObject({ replicas: z.int().min(0).max(LIMITS.replicas) });
export const rollbackSchema = z.strictObject({ revision: z.int().min(1).optional() });
