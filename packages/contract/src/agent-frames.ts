/**
 * The agent link: one WebSocket that the agent dials, JSON text frames both ways.
 *
 *     coordinator                                agent
 *     challenge {nonce, protocols}        ->
 *                                         <-     hello {node, signature, journal, attempts}
 *     welcome {session, acknowledged, ..} ->            or refuse {problem}, then close
 *     lease {groups}                      ->            a lease uses one credit; there is no accept step
 *                                         <-     journal {first, entries}      what became of attempts, in order
 *     ack {sequence}                      ->            durable: the agent forgets these entries
 *                                         <-     heartbeat {usage}             renews every lease of the node
 *     beat {}                             ->
 *                                         <-     log {attempt, stream, offset, data}
 *                                         <-     samples {samples}             what attempts use; lost ones are not missed
 *     stop {attempts}                     ->            cancelled or superseded: kill, report, forget
 *     tunnel {id, attempt, port}          ->            dial AGENT_TUNNEL_PATH and join it to that port of the sandbox
 *     suspend {attempts, keepLease..}     ->            freeze; give the place up when keepLease has passed
 *     resume {attempts}                   ->            let them go on
 *     yield {attempts, reason..}           ->            give the place up: at once, or with a last checkpoint
 *     reveal {attempts}                   ->            store the outputs, report the result that was committed to
 *                                         <-     capacity {capacity}           credits granted from now on
 *                                         <-     goodbye {}                    drained: nothing runs, nothing is owed
 *
 * An attempt is named by (job, partition, fence); the fence counts the leases of its task. Journal entries carry
 * sequence numbers that grow by one over the life of the journal and survive restarts of either side; entries at or
 * below the acknowledged one are ignored, a gap is a protocol violation.
 */
import { z } from 'zod';
import { digestSchema, jobIdSchema, nodeIdSchema } from './identifiers.ts';
import { jobSpecSchema } from './job-spec.ts';
import { LIMITS } from './limits.ts';
import { capacitySchema, nodeDescriptionSchema } from './node-description.ts';
import { DEPARTURE_REASONS, failureReasonSchema, yieldReasonSchema } from './states.ts';
import { tunnelIdSchema } from './tunnels.ts';

/** Both sides must speak the same one; there is no downgrade. */
export const AGENT_PROTOCOL = 3;
export const AGENT_PATH = '/v1/agent';

export const attemptNameSchema = z.strictObject({
  job: jobIdSchema,
  partition: z.int().min(0).max(LIMITS.partitions),
  fence: z.int().min(1),
});
export type AttemptName = z.infer<typeof attemptNameSchema>;

/** Unique text form of an attempt's name: `j…/12/1`. */
export function attemptKey(name: AttemptName): string {
  return `${name.job}/${name.partition}/${name.fence}`;
}

const messageText = z.string().max(LIMITS.messageBytes);

export const usageSchema = z.strictObject({
  wallMilliseconds: z.number().nonnegative(),
  cpuMilliseconds: z.number().nonnegative().nullable(),
  peakMemoryBytes: z.number().nonnegative().nullable(),
  /** Of a metered program that came to its end, up to 2^53 - 1, which stands for more too. Left out: nothing was counted. */
  fuel: z.int().nonnegative().optional(),
});
export type Usage = z.infer<typeof usageSchema>;

const counter = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER).nullable();
/** What an attempt uses at a moment. Counters grow from its start; null is unknown. */
export const usageSampleSchema = z.strictObject({
  cpuMilliseconds: counter,
  memoryBytes: counter,
  networkReceivedBytes: counter,
  networkSentBytes: counter,
  diskBytes: counter,
  processes: counter,
});
export type UsageSample = z.infer<typeof usageSampleSchema>;

export const taskOutputSchema = z.strictObject({
  name: z.string().max(64),
  /** folder: the digest names a folder manifest. */
  type: z.enum(['file', 'folder']),
  digest: digestSchema,
  /** Of the file, or of all files of the folder. */
  bytes: z.int().nonnegative(),
});
export type TaskOutput = z.infer<typeof taskOutputSchema>;

const checkpointFields = {
  /** Digest of the folder manifest of /checkpoint. */
  manifest: digestSchema,
  /** Of all its files. */
  bytes: z.int().nonnegative(),
  files: z.int().min(1).max(LIMITS.folderEntries),
};
/** What the next attempt of a task finds in /checkpoint. */
export const checkpointSchema = z.strictObject(checkpointFields);
export type Checkpoint = z.infer<typeof checkpointSchema>;
/** Of a verified task: the result that the node had committed to, and its signature (`@fog/verification`). */
export const revealedResultSchema = z.strictObject({
  digest: digestSchema,
  /** 32 random bytes, hex. */
  nonce: z.string().length(64),
  /** Ed25519, base64url. */
  signature: z.string().length(86),
});
export type RevealedResult = z.infer<typeof revealedResultSchema>;

const outcomeFields = {
  usage: usageSchema,
  engine: z.string().max(LIMITS.engineBytes),
  logBytes: z.int().nonnegative(),
};

export const HEALTH_STATUSES = ['starting', 'healthy', 'unhealthy'] as const;
/** How the program of a service or daemon does. */
export const healthReportSchema = z.strictObject({
  status: z.enum(HEALTH_STATUSES),
  /** Why it is so; empty where there is nothing to say. */
  message: messageText,
  /** Of the program, on this node, since its agent was started. */
  restarts: z.int().nonnegative(),
});
export type HealthReport = z.infer<typeof healthReportSchema>;

export const attemptReportSchema = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('prepare') }),
  z.strictObject({ event: z.literal('start') }),
  z.strictObject({ event: z.literal('upload') }),
  healthReportSchema.extend({ event: z.literal('health') }),
  z.strictObject({ event: z.literal('progress'), fraction: z.number().min(0).max(1), message: messageText }),
  /** Of a verified task: it has run, and its result, which nobody sees yet, is bound to the hash. */
  z.strictObject({ event: z.literal('commit'), commitment: z.string().length(64) }),
  z.strictObject({
    event: z.literal('succeed'),
    outputs: z.array(taskOutputSchema).max(LIMITS.outputs + 1),
    result: revealedResultSchema.optional(),
    ...outcomeFields,
  }),
  z.strictObject({
    event: z.literal('fail'),
    reason: failureReasonSchema,
    message: messageText,
    exitCode: z.int().nullable(),
    ...outcomeFields,
  }),
  z.strictObject({ event: z.literal('decline'), message: messageText }),
  z.strictObject({ event: z.literal('checkpoint'), ...checkpointFields }),
  z.strictObject({ event: z.literal('suspend') }),
  z.strictObject({ event: z.literal('resume') }),
  z.strictObject({
    event: z.literal('yield'),
    reason: yieldReasonSchema,
    /** Null leaves the task with the one it had. */
    checkpoint: checkpointSchema.nullable(),
    ...outcomeFields,
  }),
]);
export type AttemptReport = z.infer<typeof attemptReportSchema>;

export const journalEntrySchema = z.strictObject({
  attempt: attemptNameSchema,
  atMilliseconds: z.int(),
  report: attemptReportSchema,
});
export type JournalEntry = z.infer<typeof journalEntrySchema>;

/** What the agent still holds of an attempt when it connects. */
const heldAttemptSchema = z.strictObject({
  attempt: attemptNameSchema,
  state: z.enum(['leased', 'preparing', 'running', 'suspended', 'committed', 'uploading', 'reported']),
});
export type HeldAttempt = z.infer<typeof heldAttemptSchema>;

/** Made by the agent and stored as they are: no character that a database might not take. */
const printable = z.string().regex(/^[!-~]{8,64}$/, 'must be 8 to 64 printable characters');

export const agentFrameSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('hello'),
    protocol: z.int(),
    nodeId: nodeIdSchema,
    /** Raw Ed25519 public key, base64url; the node id is a hash of it. */
    publicKey: z.string().length(43),
    /** Over `helloSigningInput`, base64url. */
    signature: z.string().length(86),
    /** Needed once, until the node is known. */
    joinToken: z.string().max(256).optional(),
    bootId: printable,
    /** Names the journal; a node that lost its journal starts another. */
    journalId: printable,
    /** The sequence number the next new entry will carry. */
    nextSequence: z.int().min(1),
    node: nodeDescriptionSchema,
    attempts: z.array(heldAttemptSchema).max(10_000),
  }),
  z.strictObject({
    type: z.literal('journal'),
    /** Sequence number of the first entry; the others follow by one. */
    first: z.int().min(1),
    entries: z.array(journalEntrySchema).min(1).max(LIMITS.journalEntries),
  }),
  z.strictObject({
    type: z.literal('heartbeat'),
    /** Busy share of the machine's processors, 0 to 1, and free memory; null where unknown. */
    cpuBusy: z.number().min(0).max(1).nullable(),
    memoryFreeBytes: z.number().nonnegative().nullable(),
  }),
  z.strictObject({
    type: z.literal('log'),
    attempt: attemptNameSchema,
    stream: z.enum(['stdout', 'stderr']),
    /** Bytes of both streams of this attempt before this chunk. */
    offset: z.int().nonnegative(),
    data: z.base64().max(LIMITS.logChunkBytes * 2),
  }),
  z.strictObject({
    type: z.literal('samples'),
    samples: z
      .array(z.strictObject({ attempt: attemptNameSchema, usage: usageSampleSchema }))
      .min(1)
      .max(LIMITS.samplesPerFrame),
  }),
  z.strictObject({ type: z.literal('capacity'), capacity: capacitySchema }),
  z.strictObject({ type: z.literal('goodbye') }),
]);
export type AgentFrame = z.infer<typeof agentFrameSchema>;
export type HelloFrame = Extract<AgentFrame, { type: 'hello' }>;

const leaseSchema = z.strictObject({
  partition: z.int().nonnegative(),
  fence: z.int().min(1),
  /** Folder manifest of the checkpoint from which the attempt goes on. */
  checkpoint: digestSchema.optional(),
});

/** Leases of one job; the specification travels once for all of them. */
export const leaseGroupSchema = z.strictObject({
  job: jobIdSchema,
  /** Principal of the submitter, for the node's policy. */
  submitter: z.string(),
  submittedAtMilliseconds: z.int(),
  partitions: z.int().min(1),
  /** What the random numbers of its tasks start from; left out, the id of the job. */
  seed: z.string().max(64).optional(),
  spec: jobSpecSchema,
  /** The node commits to its result before it shows it. Says nothing of how many others run the task. */
  verified: z.literal(true).optional(),
  /** Values of the secrets that the environment names. */
  secrets: z.record(z.string(), z.string()),
  leases: z.array(leaseSchema).min(1),
});
export type LeaseGroup = z.infer<typeof leaseGroupSchema>;

const problemSchema = z.looseObject({ code: z.string(), detail: z.string() });

export const coordinatorFrameSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('challenge'), nonce: z.string(), protocols: z.array(z.int()) }),
  z.strictObject({
    type: z.literal('welcome'),
    session: z.int(),
    coordinatorVersion: z.string(),
    /** Entries up to this one are durable. */
    acknowledged: z.int().nonnegative(),
    heartbeatMilliseconds: z.int().min(1),
    /** The largest blob that is taken. */
    blobBytes: z.int().min(1),
    /** Bearer token for blobs, valid for this session. */
    blobToken: z.string(),
    /** Held attempts that go on; the bytes of log already stored for each. */
    keep: z.array(z.strictObject({ attempt: attemptNameSchema, logBytes: z.int().nonnegative() })),
    /** Held attempts that are decided: kill and forget. */
    stop: z.array(attemptNameSchema),
    /** No new work will be pushed. */
    cordoned: z.boolean(),
  }),
  z.strictObject({ type: z.literal('refuse'), problem: problemSchema }),
  z.strictObject({ type: z.literal('lease'), groups: z.array(leaseGroupSchema).min(1) }),
  z.strictObject({ type: z.literal('ack'), sequence: z.int().nonnegative() }),
  z.strictObject({ type: z.literal('beat') }),
  z.strictObject({
    type: z.literal('stop'),
    attempts: z.array(z.strictObject({ attempt: attemptNameSchema, reason: failureReasonSchema })).min(1),
  }),
  /** Answered by another WebSocket, or not at all; see tunnels.ts. */
  z.strictObject({
    type: z.literal('tunnel'),
    id: tunnelIdSchema,
    attempt: attemptNameSchema,
    port: z.int().min(1).max(65_535),
  }),
  z.strictObject({
    type: z.literal('suspend'),
    attempts: z.array(attemptNameSchema).min(1),
    /** How long they keep their places from now on. */
    keepLeaseMilliseconds: z.int().nonnegative(),
  }),
  z.strictObject({ type: z.literal('resume'), attempts: z.array(attemptNameSchema).min(1) }),
  /** Give the place up without having failed; who has checkpoints leaves one first. What has run goes on to its report. */
  z.strictObject({
    type: z.literal('yield'),
    attempts: z.array(attemptNameSchema).min(1),
    reason: z.enum(DEPARTURE_REASONS),
    /** The longest that a program gets for its last checkpoint. */
    graceMilliseconds: z.int().nonnegative(),
  }),
  /** Committed attempts whose results are asked for. */
  z.strictObject({ type: z.literal('reveal'), attempts: z.array(attemptNameSchema).min(1) }),
  /** Finish what runs within the deadline, then say goodbye. */
  z.strictObject({ type: z.literal('drain'), deadlineMilliseconds: z.int().nonnegative() }),
]);
export type CoordinatorFrame = z.infer<typeof coordinatorFrameSchema>;

/** What a node signs to prove its key: the challenge binds the signature to this connection. */
export function helloSigningInput(nonce: string, nodeId: string, bootId: string): Uint8Array {
  return new TextEncoder().encode(`fog agent link ${AGENT_PROTOCOL}\n${nonce}\n${nodeId}\n${bootId}`);
}
