import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ContainerPlan, containerSpec, containerUser } from '../../src/docker/container-spec.ts';
import { MEBIBYTE, STAGE_LIMITS } from '../runtime-stage.ts';

const PLAN: ContainerPlan = {
  engine: 'docker',
  imageId: 'sha256:11',
  command: ['/bin/program'],
  args: ['one'],
  launcher: null,
  env: { KEY: 'a=b' },
  workingDirectory: '/work',
  user: '65534:65534',
  nodeId: 'n-1',
  attemptId: 'a-1',
  limits: STAGE_LIMITS,
  mounts: [{ hostPath: '/scratch/x', sandboxPath: '/out', readOnly: false }],
  stdin: true,
  init: true,
};

const SPEC_FIELDS = [
  ...['AttachStderr', 'AttachStdin', 'AttachStdout', 'Cmd', 'Entrypoint', 'Env', 'Healthcheck', 'HostConfig'],
  ...['Hostname', 'Image', 'Labels', 'OpenStdin', 'StdinOnce', 'Tty', 'User', 'WorkingDir'],
];
const HOST_FIELDS = [
  ...['AutoRemove', 'CapDrop', 'Init', 'IpcMode', 'LogConfig', 'Memory', 'MemorySwap', 'Mounts', 'NanoCpus'],
  ...['NetworkMode', 'OomScoreAdj', 'PidsLimit', 'Privileged', 'ReadonlyRootfs', 'RestartPolicy', 'SecurityOpt'],
  ...['ShmSize', 'Tmpfs', 'Ulimits'],
];

describe('the specification of a container', () => {
  it('has the fields of the list and no other', () => {
    const spec = containerSpec(PLAN);
    assert.deepEqual(Object.keys(spec).sort(), SPEC_FIELDS);
    assert.deepEqual(Object.keys(spec.HostConfig).sort(), HOST_FIELDS);
  });

  it('names every word of the program where another one starts it', () => {
    const words = (part: Partial<ContainerPlan>, own: { Entrypoint?: string[]; Cmd?: string[] } = {}) => {
      const { Entrypoint, Cmd } = containerSpec({ ...PLAN, ...part, launcher: { command: ['/f', '--'], image: own } });
      return [...(Entrypoint ?? []), ...(Cmd ?? [])].join(' ');
    };
    const image = { Entrypoint: ['/entry'], Cmd: ['default'] };
    assert.equal(words({}, image), '/f -- /bin/program one');
    assert.equal(words({ args: [] }, image), '/f -- /bin/program');
    assert.equal(words({ command: null }, image), '/f -- /entry one');
    assert.equal(words({ command: null, args: [] }, image), '/f -- /entry default');
    assert.equal(words({ command: null, args: [] }), '/f --');
  });

  it('takes nothing over that it does not know, wherever it is put', () => {
    const smuggled = { Privileged: true, Binds: ['/:/host'], CapAdd: ['SYS_ADMIN'], PidMode: 'host', Devices: ['x'] };
    const limits = { ...STAGE_LIMITS, ...smuggled };
    const mounts = PLAN.mounts.map((mount) => ({ ...mount, ...smuggled, BindOptions: { Propagation: 'rshared' } }));
    const plan = { ...PLAN, ...smuggled, HostConfig: smuggled, limits, mounts };
    assert.deepEqual(containerSpec(plan), containerSpec(PLAN));
  });

  it('confines', () => {
    const { User, HostConfig, Tty, Labels } = containerSpec(PLAN);
    assert.deepEqual([User, Tty], ['65534:65534', false]);
    assert.deepEqual(Labels, { 'fog.node': 'n-1', 'fog.attempt': 'a-1' });
    assert.deepEqual([HostConfig.Memory, HostConfig.MemorySwap], [64 * MEBIBYTE, 64 * MEBIBYTE]);
    assert.deepEqual([HostConfig.NanoCpus, HostConfig.PidsLimit], [1_000_000_000, 64]);
    assert.deepEqual([HostConfig.CapDrop, HostConfig.SecurityOpt], [['ALL'], ['no-new-privileges']]);
    assert.deepEqual([HostConfig.NetworkMode, HostConfig.Privileged, HostConfig.ReadonlyRootfs], ['none', false, true]);
    assert.deepEqual(HostConfig.Ulimits[0], { Name: 'fsize', Soft: 16 * MEBIBYTE + 1, Hard: 16 * MEBIBYTE + 1 });
    assert.deepEqual(HostConfig.Tmpfs, {
      '/tmp': `rw,noexec,nosuid,nodev,mode=1777,size=${16 * MEBIBYTE},uid=65534,gid=65534,nr_inodes=1001`,
    });
    assert.deepEqual(HostConfig.LogConfig.Config, { 'max-size': '16m', 'max-file': '2', compress: 'false' });
  });

  it("leaves the image's own command and arguments where nothing replaces them", () => {
    const own = containerSpec({ ...PLAN, command: null, args: [], workingDirectory: null });
    assert.ok(!('Entrypoint' in own) && !('Cmd' in own) && !('WorkingDir' in own));
    const withArguments = containerSpec({ ...PLAN, command: null });
    assert.ok(!('Entrypoint' in withArguments));
    assert.deepEqual(withArguments.Cmd, ['one']);
    // Those of the image were meant for the entrypoint that was replaced.
    assert.deepEqual(containerSpec({ ...PLAN, args: [] }).Cmd, []);
  });

  it('does not put /tmp in memory where a folder of the attempt lies there', () => {
    const mounts = [{ hostPath: '/scratch/x', sandboxPath: '/tmp', readOnly: false }];
    assert.deepEqual(containerSpec({ ...PLAN, mounts }).HostConfig.Tmpfs, {});
  });

  it('speaks to Podman in the words that Podman knows', () => {
    const { HostConfig } = containerSpec({ ...PLAN, engine: 'podman' });
    assert.equal(HostConfig.LogConfig.Type, 'k8s-file');
    assert.ok(!JSON.stringify(HostConfig.Tmpfs).includes('nr_inodes'));
  });

  it('runs as nobody for root, and as the agent for everybody else', () => {
    assert.equal(containerUser(0, 0), '65534:65534');
    assert.equal(containerUser(1000, 100), '1000:100');
    assert.equal(containerUser(null, null), '65534:65534');
  });
});
