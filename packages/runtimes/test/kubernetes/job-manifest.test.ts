/** What is asked of a cluster: no field that is not meant, and the restricted Pod Security Standard. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  jobManifest,
  jobName,
  labels,
  labelValue,
  networkPolicyManifest,
  placeInputs,
  secretManifest,
} from '../../src/kubernetes/job-manifest.ts';
import { parseQuantity } from '../../src/kubernetes/quantities.ts';
import { filesFault, programFault } from '../../src/kubernetes/request-fault.ts';
import { KUBERNETES_LIMITS } from '../../src/limits.ts';
import type { AttemptRequest, KubernetesProgram } from '../../src/runtime.ts';
import { STAGE_LIMITS } from '../runtime-stage.ts';

const program: KubernetesProgram = {
  runtime: 'kubernetes',
  image: 'r/a:1',
  command: ['run', '$(HOME)'],
  workingDirectory: '/work',
  network: { allow: [], inbound: false },
};

const request: AttemptRequest = {
  attemptId: 'job/1 ü#2',
  program,
  args: ['$HOME', '$$(X)'],
  env: { TOKEN: 'very secret' },
  stdin: null,
  inputs: [
    { sandboxPath: '/in/a', hostPath: '/blobs/a', bytes: 700_000 },
    { sandboxPath: '/in/b', hostPath: '/blobs/b', bytes: 700_000 },
    { sandboxPath: '/etc/c.conf', hostPath: '/blobs/c', bytes: 10 },
  ],
  outputs: [{ name: 'result', sandboxPath: '/dev/stdout' }],
  limits: STAGE_LIMITS,
  checkpoint: null,
  partition: { index: 3, count: 8 },
  seed: new Uint8Array(32),
  submittedAtMilliseconds: 0,
  trusted: false,
};
const settings = {
  nodeId: 'n-1',
  runtimeClassName: 'gvisor',
  imagePullSecret: 'registry',
  pendingMilliseconds: 600_000,
};
// biome-ignore lint/suspicious/noExplicitAny: read like JSON.
const json = (value: unknown): any => JSON.parse(JSON.stringify(value));
const inputs = placeInputs('prefix', request.inputs);
const job = json(jobManifest(request, program, settings, { start: 'abcd', inputs, hasEnvironment: true }));
const pod = job.spec.template.spec;
const [container] = pod.containers;

/** Paths of all fields; indices and the names of labels are left out. */
function fieldsOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => fieldsOf(item, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, nested]) =>
    fieldsOf(nested, /(labels|annotations)$/.test(path) ? path : `${path}.${key}`),
  );
}

describe('the Job', () => {
  it('has these fields and no others', () => {
    const container = '.spec.template.spec.containers[]';
    const amounts = ['cpu', 'memory', 'ephemeral-storage'];
    const expected = [
      '.apiVersion',
      '.kind',
      '.metadata.name',
      '.metadata.labels',
      '.metadata.annotations',
      '.spec.backoffLimit',
      '.spec.completions',
      '.spec.parallelism',
      '.spec.suspend',
      '.spec.activeDeadlineSeconds',
      '.spec.ttlSecondsAfterFinished',
      '.spec.podFailurePolicy.rules[].action',
      '.spec.podFailurePolicy.rules[].onPodConditions[].type',
      '.spec.podFailurePolicy.rules[].onPodConditions[].status',
      '.spec.podFailurePolicy.rules[].onExitCodes.containerName',
      '.spec.podFailurePolicy.rules[].onExitCodes.operator',
      '.spec.podFailurePolicy.rules[].onExitCodes.values[]',
      '.spec.template.metadata.labels',
      ...[
        'restartPolicy',
        'automountServiceAccountToken',
        'enableServiceLinks',
        'terminationGracePeriodSeconds',
        'runtimeClassName',
        'imagePullSecrets[].name',
        'securityContext.runAsNonRoot',
        'securityContext.runAsUser',
        'securityContext.runAsGroup',
        'securityContext.seccompProfile.type',
        'volumes[].name',
        'volumes[].emptyDir.sizeLimit',
        'volumes[].projected.defaultMode',
        'volumes[].projected.sources[].secret.name',
        'volumes[].projected.sources[].secret.items[].key',
        'volumes[].projected.sources[].secret.items[].path',
      ].map((field) => `.spec.template.spec.${field}`),
      ...[
        'name',
        'image',
        'imagePullPolicy',
        'command[]',
        'args[]',
        'workingDir',
        'env[].name',
        'env[].value',
        'envFrom[].secretRef.name',
        'securityContext.allowPrivilegeEscalation',
        'securityContext.privileged',
        'securityContext.readOnlyRootFilesystem',
        'securityContext.runAsNonRoot',
        'securityContext.capabilities.drop[]',
        'volumeMounts[].name',
        'volumeMounts[].mountPath',
        'volumeMounts[].subPath',
        'volumeMounts[].readOnly',
        ...amounts.map((amount) => `resources.requests.${amount}`),
        ...amounts.map((amount) => `resources.limits.${amount}`),
      ].map((field) => `${container}.${field}`),
    ];
    assert.deepEqual([...new Set(fieldsOf(job))].sort(), [...new Set(expected)].sort());
  });

  it('holds to the restricted Pod Security Standard and beyond', () => {
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.equal(pod.securityContext.runAsUser, 65534);
    assert.equal(pod.securityContext.seccompProfile.type, 'RuntimeDefault');
    assert.equal(pod.automountServiceAccountToken, false);
    assert.equal(pod.enableServiceLinks, false);
    assert.equal(pod.restartPolicy, 'Never');
    assert.equal(pod.runtimeClassName, 'gvisor');
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    });
    // The standard allows more kinds of volumes; hostPath is in none of ours.
    assert.ok(pod.volumes.every((volume: object) => 'emptyDir' in volume || 'projected' in volume));
    assert.ok(
      pod.volumes.every(
        (volume: { emptyDir?: { sizeLimit?: string } }) => !volume.emptyDir || volume.emptyDir.sizeLimit,
      ),
    );
  });

  it('asks for as much as it may use, and for nothing else', () => {
    assert.deepEqual(container.resources.requests, container.resources.limits);
    assert.equal(container.resources.limits.memory, String(STAGE_LIMITS.memoryBytes));
    assert.equal(container.resources.limits.cpu, '1000m');
    assert.equal(job.spec.backoffLimit, 0);
    assert.equal(job.spec.activeDeadlineSeconds, 10 + 600 + 60);
  });

  it('gives arguments as they are and keeps the environment out of what everybody may read', () => {
    assert.deepEqual(container.command, ['run', '$$(HOME)']);
    assert.deepEqual(container.args, ['$$HOME', '$$$$(X)']);
    assert.ok(!JSON.stringify(job).includes('very secret'));
    assert.equal(job.spec.suspend, true);
  });

  it('is not suspended when nothing has to be there before it', () => {
    const bare = json(
      jobManifest(
        { ...request, args: [] },
        { ...program, command: null, workingDirectory: null },
        { ...settings, runtimeClassName: null, imagePullSecret: null },
        { start: 'x', inputs: [], hasEnvironment: false },
      ),
    );
    assert.equal(bare.spec.suspend, false);
    for (const field of ['command', 'args', 'workingDir', 'envFrom'])
      assert.ok(!(field in bare.spec.template.spec.containers[0]));
    for (const field of ['runtimeClassName', 'imagePullSecrets']) assert.ok(!(field in bare.spec.template.spec));
  });

  it('mounts each input alone, from Secrets of at most 1 MiB', () => {
    assert.deepEqual(
      inputs.map(({ secret }) => secret),
      ['prefix-in-0', 'prefix-in-1', 'prefix-in-1'],
    );
    assert.deepEqual(
      container.volumeMounts.map((mount: { mountPath: string; readOnly?: boolean }) => [
        mount.mountPath,
        mount.readOnly ?? false,
      ]),
      [
        ['/tmp', false],
        ['/in/a', true],
        ['/in/b', true],
        ['/etc/c.conf', true],
      ],
    );
  });
});

it('labels are label values whatever the ids are', () => {
  const valid = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
  const ids = ['n-1', 'x', 'a/b', 'ü', '-a', 'a-', '', 'y'.repeat(63), 'y'.repeat(64), `sha256-${'0'.repeat(40)}`];
  for (const id of ids) assert.match(labelValue(id), valid, id);
  assert.equal(new Set(ids.map(labelValue)).size, ids.length, 'no two are equal');
  assert.equal(labelValue('n-1'), 'n-1');
  assert.match(jobName('n', 'a'.repeat(500)), /^fog-[0-9a-f]{32}$/);
  assert.notEqual(jobName('a', 'bc'), jobName('ab', 'c'));
});

it('Secrets go with their Job', () => {
  const owner = { name: 'fog-1', uid: 'u-1' };
  const secret = json(secretManifest('s', owner, labels('n', 'a'), [['K', Buffer.from([0, 255])]]));
  assert.deepEqual(secret.metadata.ownerReferences, [
    { apiVersion: 'batch/v1', kind: 'Job', ...owner, controller: true },
  ]);
  assert.deepEqual(secret.data, { K: 'AP8=' });
});

it('the network policy denies all in both directions to pods of ours alone', () => {
  const { spec } = json(networkPolicyManifest());
  assert.deepEqual(Object.keys(spec).sort(), ['podSelector', 'policyTypes']);
  for (const [label, value] of Object.entries(spec.podSelector.matchLabels)) {
    assert.equal(job.spec.template.metadata.labels[label], value);
  }
});

describe('refusals', () => {
  const refused: [string, Partial<AttemptRequest>, RegExp][] = [
    [
      'an output that is no standard output',
      { outputs: [{ name: 'report', sandboxPath: '/out/r' }] },
      /"report".*\/dev\/stdout/,
    ],
    ['standard input', { stdin: { data: Buffer.from('x') } }, /standard input/],
    ['standard input from a file', { stdin: { hostPath: '/x' } }, /standard input/],
    ['a checkpoint', { checkpoint: { hostPath: '/x' } }, /checkpoint/],
    [
      'a large input',
      { inputs: [{ sandboxPath: '/in/x', hostPath: '/x', bytes: KUBERNETES_LIMITS.secretBytes + 1 }] },
      /\/in\/x/,
    ],
    [
      'many inputs',
      { inputs: Array.from({ length: 101 }, (_, at) => ({ sandboxPath: `/in/${at}`, hostPath: '/x', bytes: 1 })) },
      /101/,
    ],
    [
      'inputs that are large together',
      {
        inputs: Array.from({ length: 9 }, (_, at) => ({ sandboxPath: `/in/${at}`, hostPath: '/x', bytes: 1_000_000 })),
      },
      /9000000/,
    ],
    ['an input over the system', { inputs: [{ sandboxPath: '/proc/self', hostPath: '/x', bytes: 1 }] }, /\/proc\/self/],
    ['a long name', { env: { ['A'.repeat(254)]: '' } }, /too long/],
  ];
  for (const [name, part, message] of refused) {
    it(name, () => assert.match(filesFault({ ...request, ...part }) ?? 'nothing', message));
  }

  it('nothing of what can be done', () => {
    assert.equal(filesFault({ ...request, stdin: { data: new Uint8Array(0) } }), null);
    assert.equal(programFault(program, true, false), null);
    assert.equal(programFault(program, false, true), null);
  });

  it('strangers where the network is open, and every wish for one', () => {
    assert.match(programFault(program, false, false) ?? '', /strangers/);
    assert.match(
      programFault({ ...program, network: { allow: ['a:1'], inbound: false } }, true, true) ?? '',
      /network/,
    );
    assert.match(programFault({ ...program, network: { allow: [], inbound: true } }, true, true) ?? '', /ports/);
    const other = { runtime: 'wasm', modulePath: '', moduleDigest: '' } as const;
    assert.match(programFault(other, true, true) ?? '', /wasm/);
  });
});

it('quantities are read as Kubernetes writes them', () => {
  const cases: [unknown, number | null][] = [
    ['250m', 0.25],
    ['1500n', 1.5e-6],
    ['64Mi', 64 * 2 ** 20],
    ['1e3', 1000],
    ['1E', 1e18],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['12', 12],
    [7, 7],
    ['', null],
    ['Mi', null],
    ['1 Gi', null],
    ['0x10', null],
    [null, null],
  ];
  for (const [written, value] of cases) assert.equal(parseQuantity(written), value, String(written));
});
