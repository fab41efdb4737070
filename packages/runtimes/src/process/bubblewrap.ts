/**
 * Runs a program under bubblewrap (github.com/containers/bubblewrap): own user, pid, network, ipc, uts and cgroup
 * namespaces, no capability, no environment, and a file system that holds read-only copies of what is listed and
 * nothing else.
 *
 * `bubblewrapCommand` builds the command line and touches nothing; `probeBubblewrap` runs it once.
 */
import { execFile } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, realpathSync } from 'node:fs';

/** `nobody` of every distribution. Inside the user namespace only; outside it is the user who started bubblewrap. */
const UNPRIVILEGED_ID = 65534;
const PROBE_MILLISECONDS = 10_000;

export interface BubblewrapOptions {
  command: string;
  args: readonly string[];
  /** Host paths, files or folders, that appear read-only at the same place. Missing ones are an error of bwrap. */
  readOnlyPaths: readonly string[];
  /** Host paths that appear writable at another place; empty for runtimes whose results come through a pipe. */
  writableBinds?: readonly { hostPath: string; sandboxPath: string }[];
  /** Host paths that appear read-only at another place. */
  readOnlyBinds?: readonly { hostPath: string; sandboxPath: string }[];
  /** A folder of the host that is the writable root; without it the root is read-only and in memory. */
  rootBind?: string;
  symlinks?: readonly { target: string; sandboxPath: string }[];
  /** A writable /dev/shm of at most this size, and the rest of /dev read-only. */
  sharedMemoryBytes?: number;
  /** Whether the program is kept from making user namespaces of its own, and with them the code behind them. */
  forbidUserNamespaces?: boolean;
  /** Descriptor to which bubblewrap writes JSON about the program's start and end. The program does not get it. */
  statusDescriptor?: number;
  /** Complete environment of the program. */
  env: Readonly<Record<string, string>>;
  /** Inside the sandbox. */
  workingDirectory: string;
  /** A writable /tmp in memory of at most this size; without it nothing can be written anywhere. */
  temporaryBytes?: number;
  /** 'host' shares the network of the host; everything else has a loopback device of its own at most. */
  network?: 'none' | 'host';
  /** Limits set with prlimit(1) on bubblewrap and so on everything in it. Left out where prlimit is missing. */
  limits?: ProcessLimits;
  /** Whether bubblewrap itself runs as root; by default whether this process does. */
  asRoot?: boolean;
}

export interface ProcessLimits {
  openFiles?: number;
  processes?: number;
  fileBytes?: number;
  addressSpaceBytes?: number;
  /** Private writable memory of one process; unlike the address space, it leaves out what is only reserved. */
  dataBytes?: number;
}

/** The command line. A path is listed once, the shortest first, so that a nested one is not hidden by its parent. */
export function bubblewrapCommand(options: BubblewrapOptions): { command: string; args: string[] } {
  const args = [...bubblewrapArguments(options), '--', options.command, ...options.args];
  return withLimits({ command: 'bwrap', args }, options.limits);
}

/** Everything between `bwrap` and the program; may be handed over by `--args` instead, where nobody else reads it. */
export function bubblewrapArguments(options: Omit<BubblewrapOptions, 'command' | 'args' | 'limits'>): string[] {
  const { env, workingDirectory, network = 'none', temporaryBytes, rootBind, sharedMemoryBytes } = options;
  const { asRoot = process.getuid?.() === 0 } = options;
  const sandbox = ['--unshare-all', ...(network === 'host' ? ['--share-net'] : [])];
  if (options.forbidUserNamespaces === true) sandbox.push('--unshare-user', '--disable-userns');
  sandbox.push('--die-with-parent', '--new-session', '--cap-drop', 'ALL');
  sandbox.push('--uid', String(UNPRIVILEGED_ID), '--gid', String(UNPRIVILEGED_ID), '--hostname', 'fog');
  if (options.statusDescriptor !== undefined) sandbox.push('--json-status-fd', String(options.statusDescriptor));
  sandbox.push('--clearenv');
  for (const [name, value] of Object.entries(env)) sandbox.push('--setenv', name, value);
  if (rootBind !== undefined) sandbox.push('--bind', rootBind, '/');
  sandbox.push('--proc', '/proc', '--dev', '/dev');
  // The kernel lets the id 0 of the host write its settings, capabilities or not, and bubblewrap 0.8 covers only what
  // access(2) calls writable, which a folder of mode 0555 is not.
  if (asRoot) sandbox.push('--ro-bind', '/proc/sys', '/proc/sys');
  if (sharedMemoryBytes !== undefined) {
    sandbox.push('--size', String(sharedMemoryBytes), '--tmpfs', '/dev/shm', '--remount-ro', '/dev');
  }
  if (temporaryBytes !== undefined) sandbox.push('--size', String(temporaryBytes), '--tmpfs', '/tmp');
  const paths = [...new Set(options.readOnlyPaths)].sort((a, b) => a.length - b.length);
  for (const path of paths) sandbox.push('--ro-bind', path, path);
  for (const { target, sandboxPath } of options.symlinks ?? []) sandbox.push('--symlink', target, sandboxPath);
  for (const { hostPath, sandboxPath } of options.readOnlyBinds ?? []) sandbox.push('--ro-bind', hostPath, sandboxPath);
  for (const { hostPath, sandboxPath } of options.writableBinds ?? []) sandbox.push('--bind', hostPath, sandboxPath);
  // A root in memory could be filled.
  if (rootBind === undefined) sandbox.push('--remount-ro', '/');
  return [...sandbox, '--chdir', workingDirectory];
}

/** The same command under prlimit(1). */
export function withLimits(
  inner: { command: string; args: string[] },
  limits: ProcessLimits | undefined,
): { command: string; args: string[] } {
  if (limits === undefined) return inner;
  const flags: [string, number | undefined][] = [
    ['--nofile', limits.openFiles],
    ['--nproc', limits.processes],
    ['--fsize', limits.fileBytes],
    ['--as', limits.addressSpaceBytes],
    ['--data', limits.dataBytes],
  ];
  const given = flags.flatMap(([flag, value]) => (value === undefined ? [] : [`${flag}=${value}`]));
  return { command: 'prlimit', args: ['--core=0', ...given, '--', inner.command, ...inner.args] };
}

/** What a dynamically linked Node needs to start: itself and the system's shared libraries. */
export function nodeReadOnlyPaths(nodePath: string = process.execPath): string[] {
  const libraries = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', '/etc/ld.so.cache'];
  return [...new Set([nodePath, realpathSync(nodePath)]), ...libraries.filter((path) => existsSync(path))];
}

export type BubblewrapProbe =
  | { available: true; version: string }
  /** `reason` completes "…, and <reason>"; `hint` completes "on the node: <hint>". */
  | { available: false; reason: string; hint: string };

/** Runs Node once inside a sandbox like the real one. Never rejects. */
export async function probeBubblewrap(): Promise<BubblewrapProbe> {
  if (process.platform !== 'linux') {
    return {
      available: false,
      reason: `bubblewrap does not exist on ${process.platform}`,
      hint: 'run the agent on Linux to offer it',
    };
  }
  const version = await run('bwrap', ['--version']);
  if (version.error !== null) return explainBubblewrapFailure(version.error, version.stderr, readAppArmorRestriction());
  const { command, args } = bubblewrapCommand({
    command: process.execPath,
    args: ['--version'],
    readOnlyPaths: nodeReadOnlyPaths(),
    env: {},
    workingDirectory: '/',
  });
  const trial = await run(command, args);
  if (trial.error !== null) return explainBubblewrapFailure(trial.error, trial.stderr, readAppArmorRestriction());
  return { available: true, version: version.stdout.trim().replace(/^bubblewrap /, '') };
}

/** What a failure means and what helps. Source: containers/bubblewrap #632 for the AppArmor restriction. */
export function explainBubblewrapFailure(
  error: { code?: string | number | null | undefined },
  stderr: string,
  appArmorRestriction: boolean,
): BubblewrapProbe {
  if (error.code === 'ENOENT') {
    return {
      available: false,
      reason: 'bubblewrap is not installed',
      hint: 'apt install bubblewrap (or dnf, pacman, apk)',
    };
  }
  const lastLine = stderr.trim().split('\n').at(-1) ?? '';
  if (appArmorRestriction || /uid map|RTM_NEWADDR/.test(stderr)) {
    return {
      available: false,
      reason: `AppArmor keeps bubblewrap from making user namespaces (${lastLine || 'no message'})`,
      hint:
        "write the profile 'abi <abi/4.0>, include <tunables/global> profile bwrap /usr/bin/bwrap flags=(unconfined) " +
        "{ userns, }' to /etc/apparmor.d/bwrap and run apparmor_parser -r /etc/apparmor.d/bwrap",
    };
  }
  if (/No permissions to create new namespace|Operation not permitted|EPERM/.test(stderr)) {
    return {
      available: false,
      reason: `the kernel does not allow user namespaces here (${lastLine})`,
      hint: 'set sysctl kernel.unprivileged_userns_clone=1 and user.max_user_namespaces above 0, or allow them in the container that the agent runs in',
    };
  }
  return {
    available: false,
    reason: `bubblewrap failed (${lastLine || `code ${error.code ?? 'unknown'}`})`,
    hint: 'run bwrap by hand to see why',
  };
}

function readAppArmorRestriction(): boolean {
  const path = '/proc/sys/kernel/apparmor_restrict_unprivileged_userns';
  try {
    return lstatSync(path).isFile() && readFileSync(path, 'latin1').trim() === '1' && process.getuid?.() !== 0;
  } catch {
    return false;
  }
}

interface RunResult {
  error: { code?: string | number | null | undefined } | null;
  stdout: string;
  stderr: string;
}

function run(command: string, args: readonly string[]): Promise<RunResult> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: PROBE_MILLISECONDS, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      resolve({ error, stdout, stderr });
    });
  });
}
