/** Submitting, safe against lost answers. */
import { randomUUID } from 'node:crypto';
import { type FogClient, FogError, type Job } from '@fog/contract';
import { retried } from './retry.ts';

/** Submits under a key, so that repeating a call whose answer was lost cannot make a second job. */
export function submitSpec(
  client: FogClient,
  spec: unknown,
  idempotencyKey: string = randomUUID(),
  signal?: AbortSignal,
): Promise<Job> {
  if (signal?.aborted) throw new FogError('cancelled', 'the submit was aborted', { cause: signal.reason });
  const options = signal === undefined ? {} : { signal };
  return retried(() => client.call('submitJob', { body: { spec, idempotencyKey } }, options), signal);
}
