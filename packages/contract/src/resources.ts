/** What the HTTP API answers with. Times are milliseconds since 1970 (UTC), sizes are bytes. */
import { z } from 'zod';
import {
  attemptNameSchema,
  checkpointSchema,
  healthReportSchema,
  taskOutputSchema,
  usageSampleSchema,
  usageSchema,
} from './agent-frames.ts';
import { digestSchema, jobIdSchema, nameSchema, nodeIdSchema, tokenIdSchema } from './identifiers.ts';
import { jobSpecSchema } from './job-spec.ts';
import { capacitySchema, nodeDescriptionSchema, RUNTIME_NAMES } from './node-description.ts';
import { OBJECTIVES, placementReasonSchema, SERVICE_TIERS } from './placement-policy.ts';
import { attemptStateSchema, failureReasonSchema, jobStateSchema, TASK_STATES, taskStateSchema } from './states.ts';
import { reputationEvidenceSchema, runtimeTrustSchema, taskVerificationSchema } from './trust.ts';

const time = z.int().nonnegative();

export const taskCountsSchema = z.strictObject(
  Object.fromEntries(TASK_STATES.map((state) => [state, z.int().nonnegative()])) as Record<
    (typeof TASK_STATES)[number],
    z.ZodInt
  >,
);
export type TaskCounts = z.infer<typeof taskCountsSchema>;

export const jobSchema = z.strictObject({
  id: jobIdSchema,
  name: z.string(),
  state: jobStateSchema,
  submitter: z.string(),
  submittedAt: time,
  /** First lease of any of its tasks. */
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  /** Its tasks are not placed, and those that run are frozen where that is possible. */
  suspended: z.boolean(),
  tasks: taskCountsSchema,
  /** Why it ended as failed or expired. */
  reason: failureReasonSchema.nullable(),
  /** With the reason `dependency-failed`: the job that it waited for and that did not complete. */
  failedDependency: jobIdSchema.optional(),
  spec: jobSpecSchema,
});
export type Job = z.infer<typeof jobSchema>;

export const jobSummarySchema = jobSchema.omit({ spec: true });
export type JobSummary = z.infer<typeof jobSummarySchema>;

export const attemptSchema = z.strictObject({
  fence: z.int().min(1),
  state: attemptStateSchema,
  nodeId: nodeIdSchema,
  nodeName: z.string(),
  leasedAt: time,
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  reason: failureReasonSchema.nullable(),
  message: z.string().nullable(),
  exitCode: z.int().nullable(),
  engine: z.string().nullable(),
  usage: usageSchema.nullable(),
  progress: z.strictObject({ fraction: z.number(), message: z.string() }).nullable(),
  /** Of services and daemons, since the node first told. */
  health: healthReportSchema.nullable(),
});
export type Attempt = z.infer<typeof attemptSchema>;

export const taskCheckpointSchema = checkpointSchema.extend({
  /** Fence of the attempt that took it. */
  fence: z.int().min(1),
  at: time,
});
export type TaskCheckpoint = z.infer<typeof taskCheckpointSchema>;

export const taskSchema = z.strictObject({
  job: jobIdSchema,
  partition: z.int().nonnegative(),
  state: taskStateSchema,
  fence: z.int().nonnegative(),
  /** Attempts that count against retry.attempts, and failures of nodes, which do not. */
  jobFailures: z.int().nonnegative(),
  nodeFailures: z.int().nonnegative(),
  /** A retry waits until then. */
  notBefore: time.nullable(),
  suspended: z.boolean(),
  /** What the next attempt goes on from; null once the task has ended. */
  checkpoint: taskCheckpointSchema.nullable(),
  reason: failureReasonSchema.nullable(),
  message: z.string().nullable(),
  exitCode: z.int().nullable(),
  /** Fence of the attempt whose result was accepted. */
  acceptedFence: z.int().min(1).nullable(),
  outputs: z.array(taskOutputSchema),
  /** Null where nothing is verified: the job does not ask for it, or its first node was a trusted one. */
  verification: taskVerificationSchema.nullable(),
});
export type Task = z.infer<typeof taskSchema>;

export const taskWithAttemptsSchema = taskSchema.extend({
  /** The last of them, by fence: as many as `LIMITS.shownAttempts`. */
  attempts: z.array(attemptSchema),
});
export type TaskWithAttempts = z.infer<typeof taskWithAttemptsSchema>;

/** What an attempt used at a moment, as its node measured it; counters grow from its start. */
export const attemptSampleSchema = usageSampleSchema.extend({ fence: z.int().min(1), at: time });
export type AttemptSample = z.infer<typeof attemptSampleSchema>;

export const NODE_STATES = ['connected', 'unknown', 'lost'] as const;
export const nodeSchema = z.strictObject({
  id: nodeIdSchema,
  name: z.string(),
  /** connected; unknown: the link is down, work may go on; lost: silent for longer than its jobs allow. */
  state: z.enum(NODE_STATES),
  cordoned: z.boolean(),
  draining: z.boolean(),
  /** Principal whose token it joined with. */
  owner: z.string(),
  /** Its results are accepted as they are, and decide where those of others differ. */
  trusted: z.boolean(),
  /** By runtime, as far as results of the node were verified. */
  trust: z.partialRecord(z.enum(RUNTIME_NAMES), runtimeTrustSchema),
  /** What is known of all nodes of its owner. */
  ownerReputation: reputationEvidenceSchema,
  joinedAt: time,
  lastSeenAt: time,
  description: nodeDescriptionSchema,
  free: capacitySchema,
  running: z.array(attemptNameSchema),
  cpuBusy: z.number().nullable(),
  memoryFreeBytes: z.number().nullable(),
});
export type Node = z.infer<typeof nodeSchema>;

/** One hurdle and the nodes it keeps out; a node is counted at the first hurdle it fails. */
export const exclusionSchema = z.strictObject({
  constraint: z.string(),
  nodes: z.int().min(1),
  /** Present when an action of the user would help. */
  hint: z.string().optional(),
});
export const planSchema = z.strictObject({
  tasks: z.int(),
  nodesKnown: z.int(),
  /** Nodes that could run a task of this job, best first, and how many at the same time. */
  nodes: z.array(z.strictObject({ id: nodeIdSchema, name: z.string(), slots: z.int(), freeSlots: z.int() })),
  excluded: z.array(exclusionSchema),
});
export type Plan = z.infer<typeof planSchema>;

/** Placements of tasks none of which is better than another in every objective. */
export const frontSchema = z.strictObject({
  computedAt: time,
  /** All are minimised: mean milliseconds to the end, micro-FOG in all, joules in all, mean failure risk, worst slowdown of a tenant. */
  objectives: z.array(z.enum(OBJECTIVES)),
  tasks: z.int().nonnegative(),
  /** Why the search ended. */
  stoppedBy: z.enum(['nothing-to-do', 'budget', 'time', 'signal', 'converged']),
  /** Index of the point that the weights of the job pick; -1 where there is none. */
  picked: z.int().min(-1),
  points: z.array(
    z.strictObject({
      /** One for each objective. */
      values: z.array(z.number()),
      /** By how many milliseconds deadlines are missed in all, beyond what no placement can keep. */
      violation: z.number().nonnegative(),
      /** How many tasks go to which node: those with most of them. */
      nodes: z.array(z.strictObject({ id: nodeIdSchema, name: z.string(), tasks: z.int().positive() })),
      /** Nodes besides these. */
      otherNodes: z.int().nonnegative(),
    }),
  ),
});
export type Front = z.infer<typeof frontSchema>;

export const WAITING_REASONS = [
  'dependencies',
  'suspended',
  'retry',
  'no-node',
  'over-quota',
  'no-room',
  'next',
] as const;
/** Why a task waits, and why its newest attempt is where it is. As of now, but for what was noted at the lease. */
export const explanationSchema = z.strictObject({
  state: taskStateSchema,
  /** Null unless it is queued. */
  waiting: z
    .strictObject({
      /** dependencies: its job waits for others; suspended: until it is resumed; retry: its pause is not over; no-node: none suits; over-quota: its submitter has as much as it may; no-room: those that suit are full; next: its turn is here. */
      reason: z.enum(WAITING_REASONS),
      message: z.string(),
      /** Queued tasks of the same needs in front of it; null beyond what is counted. */
      ahead: z.int().nonnegative().nullable(),
    })
    .nullable(),
  /** Null before its first lease. */
  placed: z
    .strictObject({
      fence: z.int().min(1),
      nodeId: nodeIdSchema,
      nodeName: z.string(),
      leasedAt: time,
      /** Connected nodes among which it was chosen; null where that was not noted. */
      suitable: z.int().nullable(),
      /** Why this one; null where that was not noted. */
      reason: placementReasonSchema.nullable(),
      message: z.string(),
    })
    .nullable(),
  /** Where it could run now. */
  plan: planSchema,
});
export type Explanation = z.infer<typeof explanationSchema>;

const limit = z.int().nonnegative().nullable();
/** What a principal may have at a time; null is not limited. */
export const quotaLimitsSchema = z.strictObject({
  milliCpu: limit.default(null).meta({ description: 'Thousandths of processors of what runs' }),
  memoryBytes: limit.default(null).meta({ description: 'Memory of what runs' }),
  running: limit.default(null).meta({ description: 'Tasks that run; replicas count one by one' }),
  queued: limit.default(null).meta({ description: 'Tasks that wait; a submit beyond it is refused' }),
});
export type QuotaLimits = z.infer<typeof quotaLimitsSchema>;
export const quotaSchema = quotaLimitsSchema.extend({
  principal: nameSchema,
  /** Now. */
  used: z.strictObject({
    milliCpu: z.int().nonnegative(),
    memoryBytes: z.int().nonnegative(),
    running: z.int().nonnegative(),
    queued: z.int().nonnegative(),
  }),
});
export type Quota = z.infer<typeof quotaSchema>;

/** How long the tasks of a principal and tier waited for their first node in one period, against what was promised. */
export const serviceLevelSchema = z.strictObject({
  principal: nameSchema,
  tier: z.enum(SERVICE_TIERS),
  periodStart: time,
  periodEnd: time,
  /** The period is over and its numbers do not change any more. */
  settled: z.boolean(),
  count: z.int().nonnegative(),
  /** Of these, those that waited longer than 95 of 100 may. */
  missed: z.int().nonnegative(),
  /** 95 of 100 waited no longer: one of the bounds by which waits are counted. */
  p95WaitMilliseconds: z.int().nonnegative(),
  promisedMilliseconds: z.int().positive(),
  isMet: z.boolean(),
  /** Thousandths of the price that the miss gives back; nothing is paid yet. */
  creditPermille: z.int().min(0).max(1000),
});
export type ServiceLevelRecord = z.infer<typeof serviceLevelSchema>;

export const SCOPES = ['admin', 'submit', 'node', 'read'] as const;
export const scopeSchema = z.enum(SCOPES);
export type Scope = (typeof SCOPES)[number];

export const tokenSchema = z.strictObject({
  id: tokenIdSchema,
  scope: scopeSchema,
  /** Whose token it is: the submitter of jobs, the owner of nodes, the holder of secrets. */
  principal: nameSchema,
  /** Nodes that join with it are trusted. */
  trusted: z.boolean(),
  createdAt: time,
  expiresAt: time.nullable(),
  revokedAt: time.nullable(),
});
export type Token = z.infer<typeof tokenSchema>;
export const createdTokenSchema = tokenSchema.extend({ token: z.string() });
export type CreatedToken = z.infer<typeof createdTokenSchema>;

export const secretSchema = z.strictObject({ name: nameSchema, principal: nameSchema, updatedAt: time });
export type Secret = z.infer<typeof secretSchema>;

export const blobSchema = z.strictObject({ digest: digestSchema, bytes: z.int().nonnegative() });
export type Blob = z.infer<typeof blobSchema>;

export const statusSchema = z.strictObject({
  version: z.string(),
  url: z.string(),
  database: z.enum(['sqlite', 'postgres']),
  startedAt: time,
  nodes: z.strictObject({ connected: z.int(), unknown: z.int(), lost: z.int() }),
  tasks: z.strictObject({ queued: z.int(), leased: z.int() }),
  disk: z.strictObject({
    databaseBytes: z.int().nullable(),
    databaseLimitBytes: z.int(),
    blobBytes: z.int(),
    blobLimitBytes: z.int(),
    blobs: z.int(),
  }),
});
export type Status = z.infer<typeof statusSchema>;
