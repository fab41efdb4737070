/**
 * Every HTTP route, defined once: the server registers and validates from this table, the client is typed by it, and
 * the OpenAPI document is printed from it.
 */
import { z } from 'zod';
import { DAO_ROUTES } from './dao-routes.ts';
import {
  deploymentSchema,
  deploymentSummarySchema,
  revisionSchema,
  rollbackSchema,
  scaleSchema,
} from './deployments.ts';
import { jobEventRecordSchema, logRecordSchema, nodeEventRecordSchema } from './events.ts';
import { digestSchema, jobIdSchema, nameSchema, nodeIdSchema, tokenIdSchema } from './identifiers.ts';
import { LIMITS } from './limits.ts';
import { MONEY_ROUTES } from './money-routes.ts';
import { OWNER_ROUTES } from './owner-routes.ts';
import { page, pageQuery } from './pages.ts';
import { QUEUE_ROUTES } from './queue-routes.ts';
import {
  attemptSampleSchema,
  blobSchema,
  createdTokenSchema,
  explanationSchema,
  frontSchema,
  jobSchema,
  jobSummarySchema,
  nodeSchema,
  planSchema,
  scopeSchema,
  secretSchema,
  statusSchema,
  taskWithAttemptsSchema,
  tokenSchema,
} from './resources.ts';
import { STAKE_ROUTES } from './stake-routes.ts';
import { jobStateSchema, taskStateSchema } from './states.ts';
import { DURATION_PATTERN } from './units.ts';

export interface RouteDefinition {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  summary: string;
  /** Scopes that may call it; admin always may; an empty list leaves it to admin alone. */
  scopes: readonly ('submit' | 'node' | 'read')[];
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** Body of the 200 answer; null is an empty 204. */
  response: z.ZodType | null;
  /** With `Accept: text/event-stream`: records of this schema, `id:` is the sequence number. */
  stream?: z.ZodType;
}

const jobParams = z.strictObject({ job: jobIdSchema });
const taskParams = z.strictObject({ job: jobIdSchema, partition: z.coerce.number().int().nonnegative() });
const deploymentParams = z.strictObject({ name: nameSchema });
/** Whose deployment it is; only those who see everything may name another than themselves. */
const ofPrincipal = { principal: nameSchema.optional() };
const deploymentQuery = z.strictObject(ofPrincipal);
const nodeParams = z.strictObject({ node: nodeIdSchema });

/** Records after this sequence number; a reconnecting event stream sends it as `Last-Event-ID` instead. */
const streamQuery = z.strictObject({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(LIMITS.pageSize).default(LIMITS.pageSize),
});

/** Only the records of this task. */
const ofOneTask = { partition: z.coerce.number().int().nonnegative().optional() };

export const submitSchema = z.strictObject({
  /** Checked by `parseJobSpec`, which reports every fault at once. */
  spec: z.unknown(),
  /** The same key from the same submitter answers with the first job; with another spec it is an error. */
  idempotencyKey: z.string().min(1).max(LIMITS.idempotencyKeyBytes).optional(),
});

/** Which of its tasks; all of them by default. */
const suspensionSchema = z.strictObject({ partition: z.int().nonnegative().optional() }).nullish();

export const ROUTES = {
  status: {
    method: 'GET',
    path: '/v1/status',
    summary: 'Version, storage and counts of this coordinator',
    scopes: ['submit', 'read'],
    response: statusSchema,
  },
  submitJob: {
    method: 'POST',
    path: '/v1/jobs',
    summary: 'Submit a job; the answer means it is on disk',
    scopes: ['submit'],
    body: submitSchema,
    response: jobSchema,
  },
  listJobs: {
    method: 'GET',
    path: '/v1/jobs',
    summary: 'Jobs, newest first',
    scopes: ['submit', 'read'],
    query: z.strictObject({ ...pageQuery, state: jobStateSchema.optional() }),
    response: page(jobSummarySchema),
  },
  getJob: {
    method: 'GET',
    path: '/v1/jobs/:job',
    summary: 'One job with its specification',
    scopes: ['submit', 'read'],
    params: jobParams,
    response: jobSchema,
  },
  listTasks: {
    method: 'GET',
    path: '/v1/jobs/:job/tasks',
    summary: 'Tasks of a job by partition, with their attempts',
    scopes: ['submit', 'read'],
    params: jobParams,
    query: z.strictObject({ ...pageQuery, state: taskStateSchema.optional() }),
    response: page(taskWithAttemptsSchema),
  },
  getTask: {
    method: 'GET',
    path: '/v1/jobs/:job/tasks/:partition',
    summary: 'One task with its attempts',
    scopes: ['submit', 'read'],
    params: taskParams,
    response: taskWithAttemptsSchema,
  },
  taskSamples: {
    method: 'GET',
    path: '/v1/jobs/:job/tasks/:partition/samples',
    summary: 'What the attempts of a task used over time: processor, memory, network, disk',
    scopes: ['submit', 'read'],
    params: taskParams,
    query: z.strictObject({ ...pageQuery, fence: z.coerce.number().int().min(1).optional() }),
    response: page(attemptSampleSchema),
  },
  explainTask: {
    method: 'GET',
    path: '/v1/jobs/:job/tasks/:partition/placement',
    summary: 'Why a task waits, and why it was placed where it is',
    scopes: ['submit', 'read'],
    params: taskParams,
    response: explanationSchema,
  },
  cancelJob: {
    method: 'POST',
    path: '/v1/jobs/:job/cancel',
    summary: 'Cancel a job and all its tasks that have not ended',
    scopes: ['submit'],
    params: jobParams,
    response: jobSchema,
  },
  suspendJob: {
    method: 'POST',
    path: '/v1/jobs/:job/suspend',
    summary: 'Place none of its tasks, and freeze those that run; or one task alone',
    scopes: ['submit'],
    params: jobParams,
    body: suspensionSchema,
    response: jobSchema,
  },
  resumeJob: {
    method: 'POST',
    path: '/v1/jobs/:job/resume',
    summary: 'Let a suspended job go on, or one task of it',
    scopes: ['submit'],
    params: jobParams,
    body: suspensionSchema,
    response: jobSchema,
  },
  rerunJob: {
    method: 'POST',
    path: '/v1/jobs/:job/rerun',
    summary: 'Submit the same specification again as a new job',
    scopes: ['submit'],
    params: jobParams,
    response: jobSchema,
  },
  jobEvents: {
    method: 'GET',
    path: '/v1/jobs/:job/events',
    summary: 'Events of a job and its tasks, or of one task; as an event stream it follows until the job has ended',
    scopes: ['submit', 'read'],
    params: jobParams,
    query: streamQuery.extend(ofOneTask),
    response: z.strictObject({ items: z.array(jobEventRecordSchema), ended: z.boolean() }),
    stream: jobEventRecordSchema,
  },
  jobLogs: {
    method: 'GET',
    path: '/v1/jobs/:job/logs',
    summary: 'Output of the attempts of a job; as an event stream it follows until the job has ended',
    scopes: ['submit', 'read'],
    params: jobParams,
    query: streamQuery.extend(ofOneTask),
    response: z.strictObject({ items: z.array(logRecordSchema), ended: z.boolean() }),
    stream: logRecordSchema,
  },
  deploy: {
    method: 'PUT',
    path: '/v1/deployments/:name',
    summary: 'Deploy a service or daemon; another specification than the current one becomes a new revision',
    scopes: ['submit'],
    params: deploymentParams,
    query: deploymentQuery,
    body: z.strictObject({ spec: z.unknown() }),
    response: deploymentSchema,
  },
  listDeployments: {
    method: 'GET',
    path: '/v1/deployments',
    summary: 'Deployments by owner and name',
    scopes: ['submit', 'read'],
    query: z.strictObject({ ...pageQuery, ...ofPrincipal }),
    response: page(deploymentSummarySchema),
  },
  getDeployment: {
    method: 'GET',
    path: '/v1/deployments/:name',
    summary: 'One deployment with its revisions, and its replicas unless they are not asked for',
    scopes: ['submit', 'read'],
    params: deploymentParams,
    query: deploymentQuery.extend({ replicas: z.enum(['all', 'none']).default('all') }),
    response: deploymentSchema,
  },
  listRevisions: {
    method: 'GET',
    path: '/v1/deployments/:name/revisions',
    summary: 'Revisions of a deployment, newest first',
    scopes: ['submit', 'read'],
    params: deploymentParams,
    query: deploymentQuery,
    response: z.strictObject({ items: z.array(revisionSchema) }),
  },
  scaleDeployment: {
    method: 'POST',
    path: '/v1/deployments/:name/scale',
    summary: 'Keep this many replicas of a service running, until a deploy names another count',
    scopes: ['submit'],
    params: deploymentParams,
    query: deploymentQuery,
    body: scaleSchema,
    response: deploymentSchema,
  },
  rollBackDeployment: {
    method: 'POST',
    path: '/v1/deployments/:name/rollback',
    summary: 'Deploy an earlier revision again; without a number, the last one that was stable',
    scopes: ['submit'],
    params: deploymentParams,
    query: deploymentQuery,
    body: rollbackSchema,
    response: deploymentSchema,
  },
  removeDeployment: {
    method: 'DELETE',
    path: '/v1/deployments/:name',
    summary: 'Stop all replicas of a deployment and forget it; its jobs stay as long as other ended ones',
    scopes: ['submit'],
    params: deploymentParams,
    query: deploymentQuery,
    response: null,
  },
  plan: {
    method: 'POST',
    path: '/v1/plan',
    summary: 'Where a job would run, or which constraint excludes how many nodes',
    scopes: ['submit', 'read'],
    body: z.strictObject({ spec: z.unknown() }),
    response: planSchema,
  },
  planFront: {
    method: 'POST',
    path: '/v1/plan/front',
    summary: 'The trade-offs between the objectives of a job, over where its tasks could run now; nothing is placed',
    scopes: ['submit', 'read'],
    body: z.strictObject({
      spec: z.unknown(),
      /** How long to look for them. */
      milliseconds: z.int().min(1).max(LIMITS.frontMilliseconds).optional(),
    }),
    response: frontSchema,
  },
  getFront: {
    method: 'GET',
    path: '/v1/fronts/:index',
    summary: 'Trade-offs that a batch was placed from, or that were asked for, as they are kept; 0: the newest',
    scopes: ['submit', 'read'],
    params: z.strictObject({
      index: z.coerce
        .number()
        .int()
        .min(0)
        .max(LIMITS.keptFronts - 1),
    }),
    response: frontSchema,
  },
  listNodes: {
    method: 'GET',
    path: '/v1/nodes',
    summary: 'Nodes by name',
    scopes: ['submit', 'read'],
    query: z.strictObject(pageQuery),
    response: page(nodeSchema),
  },
  getNode: {
    method: 'GET',
    path: '/v1/nodes/:node',
    summary: 'One node',
    scopes: ['submit', 'read'],
    params: nodeParams,
    response: nodeSchema,
  },
  ...OWNER_ROUTES,
  nodeEvents: {
    method: 'GET',
    path: '/v1/nodes/:node/events',
    summary: 'Events of a node; as an event stream it follows',
    scopes: ['read'],
    params: nodeParams,
    query: streamQuery,
    response: z.strictObject({ items: z.array(nodeEventRecordSchema), ended: z.boolean() }),
    stream: nodeEventRecordSchema,
  },
  cordonNode: {
    method: 'POST',
    path: '/v1/nodes/:node/cordon',
    summary: 'Place nothing new on a node, or lift that',
    scopes: [],
    params: nodeParams,
    body: z.strictObject({ cordoned: z.boolean() }),
    response: nodeSchema,
  },
  trustNode: {
    method: 'POST',
    path: '/v1/nodes/:node/trust',
    summary: 'Accept results of a node as they are and let it decide where others differ, or lift that',
    scopes: [],
    params: nodeParams,
    body: z.strictObject({ trusted: z.boolean() }),
    response: nodeSchema,
  },
  drainNode: {
    method: 'POST',
    path: '/v1/nodes/:node/drain',
    summary: 'Cordon a node and let it finish what runs within the deadline; the rest is placed elsewhere',
    scopes: [],
    params: nodeParams,
    body: z.strictObject({ deadline: z.string().regex(DURATION_PATTERN).default('10m') }),
    response: nodeSchema,
  },
  removeNode: {
    method: 'DELETE',
    path: '/v1/nodes/:node',
    summary: 'Forget a node; to come back it must join again',
    scopes: [],
    params: nodeParams,
    response: null,
  },
  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Create a token; its text is shown this once',
    scopes: [],
    body: z
      .strictObject({
        scope: scopeSchema,
        principal: nameSchema.optional(),
        /** With scope `node`: the nodes that join with it are trusted. */
        trusted: z.boolean().default(false),
        expires: z.string().regex(DURATION_PATTERN, 'must be a duration such as 30d').optional(),
      })
      .refine(({ scope, trusted }) => scope === 'node' || !trusted, { path: ['trusted'], error: 'is for scope: node' }),
    response: createdTokenSchema,
  },
  listTokens: {
    method: 'GET',
    path: '/v1/tokens',
    summary: 'Tokens, newest first, without their text',
    scopes: [],
    query: z.strictObject(pageQuery),
    response: page(tokenSchema),
  },
  revokeToken: {
    method: 'DELETE',
    path: '/v1/tokens/:token',
    summary: 'Revoke a token at once',
    scopes: [],
    params: z.strictObject({ token: tokenIdSchema }),
    response: tokenSchema,
  },
  ...QUEUE_ROUTES,
  ...MONEY_ROUTES,
  ...STAKE_ROUTES,
  ...DAO_ROUTES,
  setSecret: {
    method: 'PUT',
    path: '/v1/secrets/:name',
    summary: 'Set a secret of the caller; no route ever answers with its value',
    scopes: ['submit'],
    params: z.strictObject({ name: nameSchema }),
    body: z.strictObject({ value: z.string().max(LIMITS.secretBytes) }),
    response: secretSchema,
  },
  listSecrets: {
    method: 'GET',
    path: '/v1/secrets',
    summary: 'Names of the secrets of the caller',
    scopes: ['submit'],
    query: z.strictObject(pageQuery),
    response: page(secretSchema),
  },
  deleteSecret: {
    method: 'DELETE',
    path: '/v1/secrets/:name',
    summary: 'Delete a secret of the caller',
    scopes: ['submit'],
    params: z.strictObject({ name: nameSchema }),
    response: null,
  },
} as const satisfies Record<string, RouteDefinition>;

export type RouteName = keyof typeof ROUTES;

/**
 * Blobs travel as bytes, outside the JSON table above:
 *
 *     HEAD /v1/blobs/:digest            200 with Content-Length, or 404 with Fog-Upload-Offset: bytes already here
 *     PUT  /v1/blobs/:digest?offset=N   the bytes from N to the end; 201 when verified and on disk, 200 when it was
 *                                       there before
 *     GET  /v1/blobs/:digest            the bytes; Range and If-Range are understood
 *
 * A broken upload keeps what arrived; the next PUT goes on from the offset that HEAD tells.
 */
export const BLOB_PATH = '/v1/blobs/:digest';
export const blobParamsSchema = z.strictObject({ digest: digestSchema });
export const blobQuerySchema = z.strictObject({ offset: z.coerce.number().int().nonnegative().default(0) });
export const UPLOAD_OFFSET_HEADER = 'fog-upload-offset';
/** No query at all: an unknown key is a fault. */
export const emptySchema = z.strictObject({});
export { blobSchema };
