/** A stand-in cluster, a runtime that uses it, and programs for it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { KubernetesOptions } from '../../src/kubernetes/index.ts';
import { createKubernetesRuntime } from '../../src/kubernetes/index.ts';
import type { KubernetesTiming } from '../../src/kubernetes/timing.ts';
import type { AttemptRequest, RuntimeSettings, TaskRuntime } from '../../src/runtime.ts';
import type { Stage } from '../runtime-stage.ts';
import { ApiServer } from './api-server.ts';

export const IMAGE = 'registry.test/programs:1';
export const STDOUT = '/dev/stdout';

/** Short enough for tests, long enough for a busy machine. */
export const QUICK: Partial<KubernetesTiming> = {
  retryFirstMilliseconds: 10,
  retryMostMilliseconds: 50,
  reopenMilliseconds: 20,
  patienceMilliseconds: 20,
  settleMilliseconds: 200,
  positionMilliseconds: 20,
  logDrainMilliseconds: 2_000,
};

export interface ClusterStage {
  server: ApiServer;
  kubeconfigPath: string;
  options(changes?: Partial<KubernetesOptions>): KubernetesOptions;
  create(settings: RuntimeSettings, changes?: Partial<KubernetesOptions>): TaskRuntime;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function createClusterStage(): Promise<ClusterStage> {
  const server = await ApiServer.start();
  const folder = await mkdtemp(join(tmpdir(), 'fog-kubeconfig-'));
  const kubeconfigPath = join(folder, 'config');
  await writeFile(kubeconfigPath, stringify(kubeconfig(server)));
  const options = (changes: Partial<KubernetesOptions> = {}): KubernetesOptions => ({
    access: { kind: 'kubeconfig', path: kubeconfigPath },
    ...changes,
    timing: { ...QUICK, ...changes.timing },
  });
  return {
    server,
    kubeconfigPath,
    options,
    create: (settings, changes) => createKubernetesRuntime(settings, options(changes)),
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: tests spoil single fields of it.
export function kubeconfig(server: ApiServer): any {
  const authority = Buffer.from(server.certificates.authority).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'stand-in', user: 'node', namespace: server.namespace } }],
    clusters: [{ name: 'stand-in', cluster: { server: server.url, 'certificate-authority-data': authority } }],
    users: [{ name: 'node', user: { token: 'test-token' } }],
  };
}

/** A request that runs this command in a pod. */
export function pod(
  stage: Stage,
  command: readonly string[] | null,
  part: Partial<AttemptRequest> & { image?: string } = {},
): AttemptRequest {
  const { image = IMAGE, ...rest } = part;
  return stage.request({
    program: { runtime: 'kubernetes', image, command, workingDirectory: null, network: { allow: [], inbound: false } },
    ...rest,
  });
}

export function shell(stage: Stage, script: string, part: Partial<AttemptRequest> = {}): AttemptRequest {
  return pod(stage, ['sh', '-c', script], part);
}

export const RESULT = [{ name: 'result', sandboxPath: STDOUT }];

export async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let round = 0; round < 1000; round += 1) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${what} did not happen`);
}
