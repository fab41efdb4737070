/**
 * Brings one attempt into the cluster.
 *
 *     POST Job (suspended) -> POST its Secrets -> PATCH: not suspended       with environment or inputs
 *     POST Job                                                              without
 *          \-> 409: ours, its answer was lost -> on with it
 *          \-> 409: of a dead agent -> DELETE, wait until it is gone -> POST
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { FogError } from '@fog/contract';
import type { AttemptRequest, KubernetesProgram } from '../runtime.ts';
import type { ClusterClient } from './cluster-client.ts';
import { type Fields, record, text } from './fields.ts';
import {
  environmentSecretName,
  jobManifest,
  jobName,
  labels,
  type ManifestSettings,
  type MountedInput,
  placeInputs,
  START_ANNOTATION,
  secretManifest,
  secretPrefix,
} from './job-manifest.ts';
import type { KubernetesTiming } from './timing.ts';

export interface JobCreation {
  client: ClusterClient;
  request: AttemptRequest;
  program: KubernetesProgram;
  settings: ManifestSettings;
  timing: KubernetesTiming;
  /** Random; 8 characters of a Kubernetes name. */
  start: string;
  signal: AbortSignal;
}

/** The uid of the Job, when it may start. Throws a FogError; what it has made by then goes with the Job. */
export async function createJob(creation: JobCreation): Promise<string> {
  const { client, request, program, settings, start, signal } = creation;
  const name = jobName(settings.nodeId, request.attemptId);
  const prefix = secretPrefix(name, start);
  const inputs = placeInputs(prefix, request.inputs);
  const hasEnvironment = Object.keys(request.env).length > 0;
  const job = await post(creation, name, jobManifest(request, program, settings, { start, inputs, hasEnvironment }));
  const owner = { name, uid: text(record(job.metadata).uid) };
  if (owner.uid === '') throw new FogError('protocol-violation', 'the cluster made a Job without a uid');
  if (!hasEnvironment && inputs.length === 0) return owner.uid;
  const secretLabels = labels(settings.nodeId, request.attemptId);
  const postSecret = async (secret: string, entries: Iterable<readonly [string, Uint8Array]>): Promise<void> => {
    const body = secretManifest(secret, owner, secretLabels, entries);
    // The name is ours alone: one that is there is one whose answer was lost.
    await client.create('secrets', body, { signal }).catch((error: unknown) => {
      if (!isConflict(error)) throw error;
    });
  };
  if (hasEnvironment) {
    const entries = Object.entries(request.env).map(([key, value]) => [key, Buffer.from(value)] as const);
    await postSecret(environmentSecretName(prefix), entries);
  }
  for (const [secret, mounted] of Map.groupBy(inputs, (input) => input.secret)) {
    await postSecret(secret, await contents(request, mounted));
  }
  await client.patch('jobs', name, { spec: { suspend: false } }, signal);
  return owner.uid;
}

async function contents(
  request: AttemptRequest,
  mounted: readonly MountedInput[],
): Promise<(readonly [string, Uint8Array])[]> {
  return Promise.all(
    mounted.map(async ({ sandboxPath, key }) => {
      const input = request.inputs.find((candidate) => candidate.sandboxPath === sandboxPath);
      if (input === undefined) throw new FogError('internal', `the input ${sandboxPath} has no file`);
      return [key, await readFile(input.hostPath)] as const;
    }),
  );
}

async function post(creation: JobCreation, name: string, manifest: unknown): Promise<Fields> {
  const { client, start, timing, signal } = creation;
  // A request that is under way is not given up: it would be carried out after the deletion that follows a kill.
  const create = async (): Promise<Fields> => {
    const job = await client.create('jobs', manifest);
    signal.throwIfAborted();
    return job;
  };
  try {
    return await create();
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
  const existing = await client.get('jobs', name, signal);
  if (existing !== null && text(record(record(existing.metadata).annotations)[START_ANNOTATION]) === start) {
    return existing;
  }
  await client.remove('jobs', name);
  const endMilliseconds = performance.now() + timing.replaceMilliseconds;
  while ((await client.get('jobs', name, signal)) !== null) {
    if (performance.now() > endMilliseconds) {
      throw new FogError('conflict', `the Job ${name} of an earlier agent does not go away`);
    }
    await delay(timing.reopenMilliseconds, undefined, { signal });
  }
  return create();
}

function isConflict(error: unknown): boolean {
  return error instanceof FogError && error.code === 'conflict';
}
