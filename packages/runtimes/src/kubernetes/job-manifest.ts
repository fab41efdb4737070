/**
 * What is asked of a cluster for one attempt, as pure functions: a Job, and the Secrets that carry its environment and
 * input files.
 *
 * Nothing of a user's stands here but image, command, arguments, working directory and the paths of inputs. The pod
 * is what the restricted Pod Security Standard asks for, and stricter: root file system read-only, no token of the
 * cluster inside.
 */
import { createHash } from 'node:crypto';
import { KUBERNETES_LIMITS } from '../limits.ts';
import type { AttemptRequest, KubernetesProgram } from '../runtime.ts';

export const NODE_LABEL = 'fog.node';
export const ATTEMPT_LABEL = 'fog.attempt';
/** Tells two starts of one attempt apart. */
export const START_ANNOTATION = 'fog.start';
export const CONTAINER = 'task';
export const NETWORK_POLICY = 'fog-deny-all';
const OWNED = { 'app.kubernetes.io/managed-by': 'fog-compute' };
/** `nobody` nearly everywhere. An image needs no entry for it. */
const UNPRIVILEGED = 65534;
/** The one writable place. */
export const WRITABLE_PATH = '/tmp';

export interface ManifestSettings {
  nodeId: string;
  runtimeClassName: string | null;
  imagePullSecret: string | null;
  pendingMilliseconds: number;
}

/** A file to be mounted, and where its bytes are. */
export interface MountedInput {
  sandboxPath: string;
  secret: string;
  key: string;
}

/** The id itself where it is a label value, otherwise a hash of it. Labels: at most 63 of [A-Za-z0-9._-]. */
export function labelValue(id: string): string {
  if (/^(?!sha256-)[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(id)) return id;
  return `sha256-${createHash('sha256').update(id).digest('hex').slice(0, 40)}`;
}

/** One name for one attempt of one node, whichever agent asks. */
export function jobName(nodeId: string, attemptId: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([nodeId, attemptId]))
    .digest('hex');
  return `fog-${digest.slice(0, 32)}`;
}

export function labels(nodeId: string, attemptId: string): Record<string, string> {
  return { ...OWNED, [NODE_LABEL]: labelValue(nodeId), [ATTEMPT_LABEL]: labelValue(attemptId) };
}

export function nodeSelector(nodeId: string): string {
  return Object.entries({ ...OWNED, [NODE_LABEL]: labelValue(nodeId) })
    .map(([label, value]) => `${label}=${value}`)
    .join(',');
}

/**
 * The Job of an attempt. With Secrets it is created suspended: they name it as their owner, so that nothing is left
 * when it is gone, and have to be there before its pod.
 */
export function jobManifest(
  request: AttemptRequest,
  program: KubernetesProgram,
  settings: ManifestSettings,
  parts: { start: string; inputs: readonly MountedInput[]; hasEnvironment: boolean },
): Record<string, unknown> {
  const name = jobName(settings.nodeId, request.attemptId);
  const runSeconds = Math.ceil(
    (request.limits.runMilliseconds + settings.pendingMilliseconds + KUBERNETES_LIMITS.deadlineGraceMilliseconds) /
      1000,
  );
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      labels: labels(settings.nodeId, request.attemptId),
      annotations: { [START_ANNOTATION]: parts.start, 'fog.attempt-id': request.attemptId },
    },
    spec: {
      // One pod, once: what a failure means, and where the next attempt runs, is decided by the coordinator.
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      suspend: parts.hasEnvironment || parts.inputs.length > 0,
      activeDeadlineSeconds: runSeconds,
      ttlSecondsAfterFinished: KUBERNETES_LIMITS.ttlSeconds,
      podFailurePolicy: {
        rules: [
          { action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          { action: 'FailJob', onExitCodes: { containerName: CONTAINER, operator: 'NotIn', values: [0] } },
        ],
      },
      template: {
        metadata: { labels: labels(settings.nodeId, request.attemptId) },
        spec: podSpec(request, program, settings, { prefix: secretPrefix(name, parts.start), ...parts }),
      },
    },
  };
}

interface PodParts {
  prefix: string;
  inputs: readonly MountedInput[];
  hasEnvironment: boolean;
}

function podSpec(
  request: AttemptRequest,
  program: KubernetesProgram,
  settings: ManifestSettings,
  { prefix, inputs, hasEnvironment }: PodParts,
): Record<string, unknown> {
  return {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: KUBERNETES_LIMITS.terminationSeconds,
    ...(settings.runtimeClassName === null ? {} : { runtimeClassName: settings.runtimeClassName }),
    ...(settings.imagePullSecret === null ? {} : { imagePullSecrets: [{ name: settings.imagePullSecret }] }),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: UNPRIVILEGED,
      runAsGroup: UNPRIVILEGED,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [container(request, program, { prefix, inputs, hasEnvironment })],
    volumes: [
      { name: 'writable', emptyDir: { sizeLimit: String(request.limits.diskBytes) } },
      ...(inputs.length === 0 ? [] : [{ name: 'inputs', projected: { defaultMode: 0o444, sources: sources(inputs) } }]),
    ],
  };
}

function container(
  { args, limits, partition }: AttemptRequest,
  program: KubernetesProgram,
  { prefix, inputs, hasEnvironment }: PodParts,
): Record<string, unknown> {
  const amounts = {
    cpu: `${limits.milliCpu}m`,
    memory: String(limits.memoryBytes),
    'ephemeral-storage': String(limits.diskBytes + KUBERNETES_LIMITS.logSlackBytes),
  };
  return {
    name: CONTAINER,
    image: program.image,
    imagePullPolicy: 'IfNotPresent',
    ...(program.command === null ? {} : { command: program.command.map(literal) }),
    ...(args.length === 0 ? {} : { args: args.map(literal) }),
    ...(program.workingDirectory === null ? {} : { workingDir: program.workingDirectory }),
    env: [
      { name: 'FOG_PARTITION_INDEX', value: String(partition.index) },
      { name: 'FOG_PARTITION_COUNT', value: String(partition.count) },
    ],
    ...(hasEnvironment ? { envFrom: [{ secretRef: { name: environmentSecretName(prefix) } }] } : {}),
    resources: { requests: amounts, limits: amounts },
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'writable', mountPath: WRITABLE_PATH },
      // File by file, so that the rest of a folder stays as the image has it.
      ...inputs.map(({ sandboxPath, key }) => ({
        name: 'inputs',
        mountPath: sandboxPath,
        subPath: key,
        readOnly: true,
      })),
    ],
  };
}

/** Kubernetes replaces $(NAME) in commands and arguments; $$ is how a dollar is written. */
function literal(argument: string): string {
  return argument.replaceAll('$', '$$$$');
}

function sources(inputs: readonly MountedInput[]): unknown[] {
  return [...Map.groupBy(inputs, (input) => input.secret)].map(([name, mounted]) => ({
    secret: { name, items: mounted.map(({ key }) => ({ key, path: key })) },
  }));
}

/**
 * What the names of an attempt's Secrets begin with. Those of an earlier start go by themselves, sooner or later, and
 * must not be taken for ours until then.
 */
export function secretPrefix(job: string, start: string): string {
  return `${job}-${start}`;
}

/** Spreads inputs over Secrets of at most `secretBytes` each, in their order. */
export function placeInputs(prefix: string, inputs: AttemptRequest['inputs']): MountedInput[] {
  let secret = 0;
  let bytesInSecret = 0;
  return inputs.map(({ sandboxPath, bytes }, index) => {
    if (bytesInSecret + bytes > KUBERNETES_LIMITS.secretBytes) {
      secret += 1;
      bytesInSecret = 0;
    }
    bytesInSecret += bytes;
    return { sandboxPath, secret: `${prefix}-in-${secret}`, key: `input-${index}` };
  });
}

export function environmentSecretName(prefix: string): string {
  return `${prefix}-env`;
}

/** A Secret that goes when its Job goes. Values are bytes. */
export function secretManifest(
  name: string,
  owner: { name: string; uid: string },
  secretLabels: Record<string, string>,
  entries: Iterable<readonly [string, Uint8Array]>,
): Record<string, unknown> {
  const data = Object.fromEntries([...entries].map(([key, bytes]) => [key, Buffer.from(bytes).toString('base64')]));
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    immutable: true,
    metadata: {
      name,
      labels: secretLabels,
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: owner.name, uid: owner.uid, controller: true }],
    },
    data,
  };
}

/** No traffic in or out for all pods of ours. Whether it holds is up to the network plugin of the cluster. */
export function networkPolicyManifest(): Record<string, unknown> {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: NETWORK_POLICY, labels: OWNED },
    spec: { podSelector: { matchLabels: OWNED }, policyTypes: ['Ingress', 'Egress'] },
  };
}
