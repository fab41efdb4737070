/** Whether native programs can be sandboxed on this machine: one trial of the real launch. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { bubblewrapCommand, nodeReadOnlyPaths, probeBubblewrap } from './bubblewrap.ts';
import { attemptIdentity } from './launch.ts';

export type LauncherProbe =
  | {
      available: true;
      version: string;
      /** Whether this bubblewrap can keep programs from making user namespaces of their own (0.8 and later). */
      forbidUserNamespaces: boolean;
    }
  | { available: false; reason: string; hint: string };

const PROBE_MILLISECONDS = 10_000;

/** Never rejects. */
export async function probeLauncher(): Promise<LauncherProbe> {
  const basic = await probeBubblewrap();
  if (!basic.available) return basic;
  if (process.getuid?.() === 0) {
    const reason = await rootFault();
    if (reason !== null)
      return { available: false, reason, hint: 'run the agent as a user of its own instead of root' };
  }
  const missing = await run('prlimit', ['--version']);
  if (missing !== null) {
    return { available: false, reason: 'prlimit is not installed', hint: 'apt install util-linux' };
  }
  return { ...basic, forbidUserNamespaces: await canForbidUserNamespaces() };
}

/** A root agent gives its programs an id without rights; what it needs for that, or null when all is there. */
async function rootFault(): Promise<string | null> {
  const id = String(attemptIdentity('probe', readFileSync('/proc/self/uid_map', 'utf8')));
  const sandbox = ['--unshare-all', '--ro-bind', '/', '/', '--', 'true'];
  const mount = 'mount -t tmpfs -o mode=0755 fog /sys && exec "$@"';
  const drop = ['setpriv', '--reuid', id, '--regid', id, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
  const args = ['--mount', '--propagation', 'private', '--', '/bin/sh', '-c', mount, 'sh', ...drop, '--', 'bwrap'];
  const fault = await run('unshare', [...args, ...sandbox]);
  if (fault === null) return null;
  const lastLine = fault.trim().split('\n').at(-1) ?? '';
  return `root cannot give programs an id without rights here (${lastLine.slice(0, 200)})`;
}

async function canForbidUserNamespaces(): Promise<boolean> {
  const { command, args } = bubblewrapCommand({
    command: process.execPath,
    args: ['--version'],
    readOnlyPaths: nodeReadOnlyPaths(),
    env: {},
    workingDirectory: '/',
    forbidUserNamespaces: true,
  });
  return (await run(command, args)) === null;
}

/** Null for success, otherwise what was said. */
function run(command: string, args: readonly string[]): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  execFile(command, args, { timeout: PROBE_MILLISECONDS }, (error, _stdout, stderr) => {
    resolve(error === null ? null : stderr || error.message);
  });
  return promise;
}
