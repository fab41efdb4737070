/**
 * The append-only event log. One stream a job and one a node, each numbered from 1 without gaps; logs share the
 * numbers of their job, so one number resumes either stream.
 */
import { z } from 'zod';
import { checkpointSchema, healthReportSchema, taskOutputSchema } from './agent-frames.ts';
import { ARBITRATION_OUTCOME_NAMES, PROVERS } from './stake.ts';
import { failureReasonSchema, yieldReasonSchema } from './states.ts';
import { ACCEPTED_BY, verdictSchema } from './trust.ts';

const onTask = { partition: z.int().nonnegative() };
const onAttempt = { ...onTask, fence: z.int().min(1), node: z.string() };

/** Job, task and attempt events. The comment is the transition it stands for. */
export const jobEventSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('job.submitted'), name: z.string(), tasks: z.int(), by: z.string() }),
  z.strictObject({ type: z.literal('job.queued'), tasks: z.int() }),
  /** What it waited for has completed. */
  z.strictObject({ type: z.literal('job.ready') }),
  z.strictObject({ type: z.literal('job.started') }),
  z.strictObject({ type: z.literal('job.completed') }),
  /** `dependency`: the job that it waited for and that did not complete. */
  z.strictObject({ type: z.literal('job.failed'), failed: z.int(), dependency: z.string().optional() }),
  z.strictObject({ type: z.literal('job.cancelled'), by: z.string() }),
  z.strictObject({ type: z.literal('job.expired'), reason: failureReasonSchema }),
  z.strictObject({ type: z.literal('job.suspended'), by: z.string() }),
  z.strictObject({ type: z.literal('job.resumed'), by: z.string() }),
  z.strictObject({ type: z.literal('task.suspended'), ...onTask, by: z.string() }),
  z.strictObject({ type: z.literal('task.resumed'), ...onTask, by: z.string() }),
  z.strictObject({ type: z.literal('task.leased'), ...onAttempt, nodeName: z.string() }),
  z.strictObject({ type: z.literal('task.preparing'), ...onAttempt }),
  z.strictObject({ type: z.literal('task.started'), ...onAttempt }),
  z.strictObject({ type: z.literal('task.uploading'), ...onAttempt }),
  z.strictObject({ type: z.literal('task.progress'), ...onAttempt, fraction: z.number(), message: z.string() }),
  z.strictObject({
    type: z.literal('task.succeeded'),
    ...onAttempt,
    engine: z.string(),
    wallMilliseconds: z.number(),
    outputs: z.array(taskOutputSchema),
  }),
  /** A replica has run and is bound to its result; it shows it; what was found of it. */
  z.strictObject({ type: z.literal('task.committed'), ...onAttempt }),
  z.strictObject({ type: z.literal('task.revealed'), ...onAttempt }),
  z.strictObject({ type: z.literal('attempt.judged'), ...onAttempt, verdict: verdictSchema }),
  /** The replicas cannot decide it: a trusted node is asked. */
  z.strictObject({ type: z.literal('task.adjudicating'), ...onTask }),
  /** Why its result was accepted, and how many results there were. */
  z.strictObject({
    type: z.literal('task.verified'),
    ...onTask,
    by: z.enum(ACCEPTED_BY),
    results: z.int().min(1),
  }),
  /** The accepted result was wrong; these outputs take its place. May come after the end of the job. */
  z.strictObject({ type: z.literal('task.corrected'), ...onAttempt, outputs: z.array(taskOutputSchema) }),
  /** Its results differed: who ran it again, and which of them (by fence) were proven wrong. May come after the end of the job. */
  z.strictObject({
    type: z.literal('task.arbitrated'),
    ...onTask,
    outcome: z.enum(ARBITRATION_OUTCOME_NAMES),
    by: z.enum(PROVERS).nullable(),
    wrong: z.array(z.int().min(1)),
  }),
  z.strictObject({ type: z.literal('task.declined'), ...onAttempt, message: z.string() }),
  z.strictObject({ type: z.literal('task.checkpointed'), ...onAttempt, checkpoint: checkpointSchema }),
  z.strictObject({ type: z.literal('task.yielded'), ...onAttempt, reason: yieldReasonSchema }),
  z.strictObject({
    type: z.literal('attempt.failed'),
    ...onAttempt,
    reason: failureReasonSchema,
    message: z.string(),
    exitCode: z.int().nullable(),
  }),
  healthReportSchema.extend({ type: z.literal('attempt.health'), ...onAttempt }),
  z.strictObject({ type: z.literal('attempt.lost'), ...onAttempt }),
  z.strictObject({ type: z.literal('attempt.suspended'), ...onAttempt }),
  /** It goes on: its node came back, or it is suspended no more. */
  z.strictObject({ type: z.literal('attempt.resumed'), ...onAttempt }),
  z.strictObject({ type: z.literal('attempt.superseded'), ...onAttempt }),
  z.strictObject({ type: z.literal('task.requeued'), ...onTask, retryAtMilliseconds: z.int() }),
  z.strictObject({ type: z.literal('task.failed'), ...onTask, reason: failureReasonSchema, message: z.string() }),
  z.strictObject({ type: z.literal('task.cancelled'), ...onTask }),
  z.strictObject({ type: z.literal('task.expired'), ...onTask, reason: failureReasonSchema }),
]);
export type JobEventData = z.infer<typeof jobEventSchema>;

export const nodeEventSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('node.joined'), name: z.string(), by: z.string() }),
  z.strictObject({ type: z.literal('node.connected'), session: z.int() }),
  z.strictObject({ type: z.literal('node.disconnected'), why: z.string() }),
  z.strictObject({ type: z.literal('node.lost') }),
  z.strictObject({ type: z.literal('node.cordoned'), by: z.string() }),
  z.strictObject({ type: z.literal('node.uncordoned'), by: z.string() }),
  z.strictObject({ type: z.literal('node.trusted'), by: z.string() }),
  z.strictObject({ type: z.literal('node.untrusted'), by: z.string() }),
  z.strictObject({ type: z.literal('node.draining'), by: z.string() }),
  z.strictObject({ type: z.literal('node.drained') }),
]);
export type NodeEventData = z.infer<typeof nodeEventSchema>;

const numbered = { sequence: z.int().min(1), atMilliseconds: z.int() };
export const jobEventRecordSchema = z.strictObject({ ...numbered, data: jobEventSchema });
export type JobEventRecord = z.infer<typeof jobEventRecordSchema>;
export const nodeEventRecordSchema = z.strictObject({ ...numbered, data: nodeEventSchema });
export type NodeEventRecord = z.infer<typeof nodeEventRecordSchema>;

export const logRecordSchema = z.strictObject({
  ...numbered,
  partition: z.int().nonnegative(),
  fence: z.int().min(1),
  stream: z.enum(['stdout', 'stderr']),
  /** UTF-8 text; bytes that are not UTF-8 appear as U+FFFD. A character never straddles two chunks. */
  text: z.string(),
});
export type LogRecord = z.infer<typeof logRecordSchema>;
