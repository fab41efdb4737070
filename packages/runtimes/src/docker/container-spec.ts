/**
 * The body of /containers/create, built field by field from what an attempt may have. Nothing of a job gets into it but
 * its command, arguments, environment, folder and limits; there is no way to hand a HostConfig through.
 */
import type { AttemptLimits } from '../runtime.ts';

export const NODE_LABEL = 'fog.node';
export const ATTEMPT_LABEL = 'fog.attempt';

export interface ContainerMount {
  hostPath: string;
  sandboxPath: string;
  readOnly: boolean;
}

export interface ContainerPlan {
  /** `docker` or `podman`; they name their log drivers differently. */
  engine: string;
  /** The id of the image (`sha256:...`), so that what is started is what was inspected. */
  imageId: string;
  /** Null leaves the entrypoint of the image. */
  command: readonly string[] | null;
  args: readonly string[];
  /** Starts the program, whose words are all here then; null where the engine does. */
  launcher: { command: readonly string[]; image: ImageCommand } | null;
  env: Readonly<Record<string, string>>;
  workingDirectory: string | null;
  user: string;
  nodeId: string;
  attemptId: string;
  limits: AttemptLimits;
  mounts: readonly ContainerMount[];
  /** Whether the standard input is delivered; otherwise it is empty. */
  stdin: boolean;
  /** Whether the engine has a small init; without one, a program that does not reap leaves zombies. */
  init: boolean;
}

/** What an image runs by itself. */
export interface ImageCommand {
  Entrypoint?: readonly string[] | null;
  Cmd?: readonly string[] | null;
}

interface TmpfsMount {
  [sandboxPath: string]: string;
}

export interface HostConfig {
  Memory: number;
  MemorySwap: number;
  NanoCpus: number;
  PidsLimit: number;
  ReadonlyRootfs: true;
  Tmpfs: TmpfsMount;
  Mounts: {
    Type: 'bind';
    Source: string;
    Target: string;
    ReadOnly: boolean;
    BindOptions: { Propagation: 'rprivate' };
  }[];
  CapDrop: ['ALL'];
  SecurityOpt: ['no-new-privileges'];
  Ulimits: { Name: string; Soft: number; Hard: number }[];
  Init: boolean;
  LogConfig: { Type: 'local' | 'k8s-file'; Config: Record<string, string> };
  NetworkMode: 'none';
  IpcMode: 'private';
  ShmSize: number;
  OomScoreAdj: number;
  Privileged: false;
  AutoRemove: false;
  RestartPolicy: { Name: 'no' };
}

export interface ContainerSpec {
  Image: string;
  Entrypoint?: readonly string[];
  Cmd?: readonly string[];
  Env: string[];
  WorkingDir?: string;
  User: string;
  Hostname: string;
  Labels: Record<string, string>;
  Tty: false;
  OpenStdin: boolean;
  StdinOnce: boolean;
  AttachStdin: boolean;
  AttachStdout: true;
  AttachStderr: true;
  /** The image's own check would run beside the job, at its expense. */
  Healthcheck: { Test: ['NONE'] };
  HostConfig: HostConfig;
}

/** Kept by the engine for an agent that comes back; two files, of which the older is dropped. */
export const KEPT_LOG = { fileMebibytes: 16, files: 2 } as const;

const { fileMebibytes, files } = KEPT_LOG;
/** Keeps bytes as they are, where json-file would replace what is not UTF-8. */
const DOCKER_LOG: HostConfig['LogConfig'] = {
  Type: 'local',
  Config: { 'max-size': `${fileMebibytes}m`, 'max-file': String(files), compress: 'false' },
};
const PODMAN_LOG: HostConfig['LogConfig'] = { Type: 'k8s-file', Config: { 'max-size': `${fileMebibytes * files}m` } };

/** Killed rather than the node's own programs when the machine runs out of memory. */
const OOM_SCORE_ADJUSTMENT = 500;
/** Enough for servers and databases; Podman's own default is above what a limited host allows, so it is always sent. */
const OPEN_FILES = 4096;
/**
 * Of all containers together, since they share their user; each by itself is held by PidsLimit. It is what a small
 * machine allows in all, and is sent since Podman's own default is above what a limited host allows.
 */
const USER_PROCESSES = 32_768;
/** What Docker gives by default; it lies in memory and counts there. */
const SHARED_MEMORY_BYTES = 64 << 20;
/** Inodes that a tmpfs has for itself: its root. */
const TMPFS_OWN_INODES = 1;

export function containerSpec(plan: ContainerPlan): ContainerSpec {
  const { workingDirectory } = plan;
  return {
    Image: plan.imageId,
    ...commandOf(plan),
    Env: Object.entries(plan.env).map(([name, value]) => `${name}=${value}`),
    ...(workingDirectory === null ? {} : { WorkingDir: workingDirectory }),
    User: plan.user,
    Hostname: 'fog',
    Labels: { [NODE_LABEL]: plan.nodeId, [ATTEMPT_LABEL]: plan.attemptId },
    Tty: false,
    OpenStdin: plan.stdin,
    StdinOnce: plan.stdin,
    AttachStdin: plan.stdin,
    AttachStdout: true,
    AttachStderr: true,
    Healthcheck: { Test: ['NONE'] },
    HostConfig: hostConfig(plan),
  };
}

/** Without arguments the image's own stay, unless its entrypoint was replaced: they were meant for that one. */
function commandOf({ command, args, launcher }: ContainerPlan): Pick<ContainerSpec, 'Entrypoint' | 'Cmd'> {
  const keepsOwn = args.length === 0 && command === null;
  if (launcher === null) {
    return { ...(command === null ? {} : { Entrypoint: command }), ...(keepsOwn ? {} : { Cmd: args }) };
  }
  const { Entrypoint, Cmd } = launcher.image;
  return { Entrypoint: launcher.command, Cmd: [...(command ?? Entrypoint ?? []), ...(keepsOwn ? (Cmd ?? []) : args)] };
}

function hostConfig({ engine, limits, mounts, init, user }: ContainerPlan): HostConfig {
  const { memoryBytes, diskBytes } = limits;
  return {
    Memory: memoryBytes,
    // Equal to the memory: no swap.
    MemorySwap: memoryBytes,
    NanoCpus: limits.milliCpu * 1_000_000,
    PidsLimit: limits.processes,
    ReadonlyRootfs: true,
    Tmpfs: mounts.some(({ sandboxPath }) => sandboxPath === '/tmp')
      ? {}
      : { '/tmp': temporaryFolder(limits, { engine, user }) },
    Mounts: mounts.map(({ hostPath, sandboxPath, readOnly }) => ({
      Type: 'bind',
      Source: hostPath,
      Target: sandboxPath,
      ReadOnly: readOnly,
      BindOptions: { Propagation: 'rprivate' },
    })),
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    Ulimits: [
      // One byte more than allowed, so that what is too large can be told from what just fits.
      { Name: 'fsize', Soft: diskBytes + 1, Hard: diskBytes + 1 },
      { Name: 'nofile', Soft: OPEN_FILES, Hard: OPEN_FILES },
      { Name: 'nproc', Soft: USER_PROCESSES, Hard: USER_PROCESSES },
      { Name: 'core', Soft: 0, Hard: 0 },
    ],
    Init: init,
    LogConfig: engine === 'podman' ? PODMAN_LOG : DOCKER_LOG,
    NetworkMode: 'none',
    IpcMode: 'private',
    ShmSize: Math.min(SHARED_MEMORY_BYTES, memoryBytes),
    OomScoreAdj: OOM_SCORE_ADJUSTMENT,
    Privileged: false,
    AutoRemove: false,
    RestartPolicy: { Name: 'no' },
  };
}

/** In memory, and counted there; a hard limit of bytes and of files besides. */
function temporaryFolder(
  { memoryBytes, diskBytes, files }: AttemptLimits,
  { engine, user }: Pick<ContainerPlan, 'engine' | 'user'>,
): string {
  const bytes = Math.max(4096, Math.min(memoryBytes, diskBytes));
  const common = `rw,noexec,nosuid,nodev,mode=1777,size=${bytes}`;
  // Podman knows neither the number of files nor owners as options.
  if (engine === 'podman') return common;
  const [userId, groupId] = user.split(':');
  // Where the image has the folder, its mode wins over ours: so it belongs to the program.
  return `${common},uid=${userId},gid=${groupId},nr_inodes=${files + TMPFS_OWN_INODES}`;
}

/**
 * Nobody, where the agent is root. An agent that is not could neither read nor remove what nobody writes, so its
 * containers run under its own id.
 */
export function containerUser(agentUserId: number | null, agentGroupId: number | null): string {
  return agentUserId === null || agentUserId === 0 ? '65534:65534' : `${agentUserId}:${agentGroupId ?? agentUserId}`;
}
