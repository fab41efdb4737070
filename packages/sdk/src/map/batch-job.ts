/** One batch as one job of one task: submit, follow its events, fetch its result. */
import { type FailureReason, type FogClient, FogError, type JobSpecInput, LIMITS } from '@fog/contract';
import { downloadBytes } from '../download.ts';
import { submitSpec } from '../submit.ts';
import { uploadBytes } from '../upload.ts';
import { BYTES_PATH, decodeResult, type EncodedBatch, type ItemOutcome } from './batch-frames.ts';

export type BatchOutcome =
  | { status: 'succeeded'; job: string; items: ItemOutcome[]; wallMilliseconds: number }
  | { status: 'failed'; job: string; reason: FailureReason; message: string }
  | { status: 'cancelled'; job: string };

/** What all batches of a map have in common. */
export interface BatchJobTemplate {
  name: string;
  labels: Record<string, string>;
  scriptDigest: string;
  engine: 'auto' | 'v8' | 'quickjs';
  /** Parts of `spec` that the caller of the map may set. */
  spec: Pick<JobSpecInput['spec'], 'priority' | 'timeouts' | 'retry' | 'placement'>;
  resources: NonNullable<JobSpecInput['spec']['task']['resources']>;
}

type TaskInput = JobSpecInput['spec']['task'];

export function batchSpec(template: BatchJobTemplate, data: Pick<TaskInput, 'stdin' | 'inputs'>): JobSpecInput {
  return {
    kind: 'Job',
    metadata: { name: template.name, labels: template.labels },
    spec: {
      ...template.spec,
      task: {
        runtime: 'javascript',
        javascript: { script: template.scriptDigest, engine: template.engine },
        resources: template.resources,
        ...data,
      },
    },
  };
}

/** Uploads what is too large for the spec and submits. The job runs on its own from here. */
export async function submitBatch(
  client: FogClient,
  template: BatchJobTemplate,
  batch: EncodedBatch,
  signal: AbortSignal,
): Promise<string> {
  const data: Pick<TaskInput, 'stdin' | 'inputs'> = {};
  const stdin = new TextEncoder().encode(batch.stdin);
  data.stdin =
    stdin.length <= LIMITS.inlineStdinBytes
      ? { text: batch.stdin }
      : { source: (await uploadBytes(client, stdin, { signal })).digest };
  if (batch.bytes !== null) {
    data.inputs = [{ source: (await uploadBytes(client, batch.bytes, { signal })).digest, path: BYTES_PATH }];
  }
  if (signal.aborted) throw new FogError('cancelled', 'the map was aborted', { cause: signal.reason });
  // Without the signal: an aborted submit would leave open whether there is a job to cancel.
  return (await submitSpec(client, batchSpec(template, data))).id;
}

/** Follows the job to its end: one connection, nothing is asked twice. */
export async function followBatch(client: FogClient, job: string, signal: AbortSignal): Promise<BatchOutcome> {
  for await (const { data } of client.follow('jobEvents', { params: { job } }, { signal })) {
    switch (data.type) {
      case 'task.succeeded': {
        const output = data.outputs.find(({ name }) => name === 'result');
        if (output === undefined) throw new FogError('protocol-violation', `batch ${job} has no result`);
        const items = decodeResult(await downloadBytes(client, output.digest, { signal }));
        return { status: 'succeeded', job, items, wallMilliseconds: data.wallMilliseconds };
      }
      case 'task.failed':
        return { status: 'failed', job, reason: data.reason, message: data.message };
      case 'task.expired':
      case 'job.expired':
        return { status: 'failed', job, reason: data.reason, message: 'the batch waited too long' };
      case 'task.cancelled':
      case 'job.cancelled':
        return { status: 'cancelled', job };
      default:
    }
  }
  throw new FogError('protocol-violation', `the events of batch ${job} ended before it did`);
}
