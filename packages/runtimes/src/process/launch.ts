/**
 * The command line that puts bubblewrap into its control groups, under its limits and, where the agent is root, under
 * an id that is nobody on this machine. Pure.
 *
 *     sh (joins the groups) -> [unshare -> sh (mounts what root alone can reach) ->] prlimit -> [setpriv ->] bwrap
 *
 * Each becomes the next by exec, so all are one process, whose parent is the agent.
 */
import { createHash } from 'node:crypto';
import { type ProcessLimits, withLimits } from './bubblewrap.ts';

/** Descriptors of the child beyond the standard three. */
export const STATUS_DESCRIPTOR = 3;
export const ARGUMENTS_DESCRIPTOR = 4;

/** The groups' files, counted; then the command. A job is a better victim of the kernel than the agent is. */
const JOIN_SCRIPT = `n=$1; shift
while [ "$n" -gt 0 ]; do echo $$ > "$1" || exit 125; shift; n=$((n - 1)); done
echo 900 2>/dev/null > /proc/self/oom_score_adj
exec "$@"`;

/**
 * As root: an id without rights cannot pass the folders of the agent, which are closed to others. So what bubblewrap
 * needs of them is mounted, in a mount namespace of its own, below /sys, which no sandbox shows.
 */
const STAGE_SCRIPT = `n=$1; shift; mount -t tmpfs -o mode=0755 fog /sys || exit 125
while [ "$n" -gt 0 ]; do { mkdir "/sys/$1" && mount --bind "$2" "/sys/$1"; } || exit 125; shift 2; n=$((n - 1)); done
exec "$@"`;

export interface LaunchPlan {
  /** Files of control groups to be joined. */
  joinFiles: readonly string[];
  /** Null where the agent is not root: then the user of the agent is who the program is to the kernel. */
  identity: { id: number; stages: readonly { name: string; hostPath: string }[] } | null;
  limits: ProcessLimits;
  command: readonly string[];
}

export function launchCommand({ joinFiles, identity, limits, command }: LaunchPlan): {
  command: string;
  args: string[];
} {
  const sandbox = ['--args', String(ARGUMENTS_DESCRIPTOR), '--', ...command];
  let inner = { command: 'bwrap', args: sandbox };
  if (identity !== null) {
    const id = String(identity.id);
    const flags = ['--reuid', id, '--regid', id, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
    inner = { command: 'setpriv', args: [...flags, '--', inner.command, ...inner.args] };
  }
  inner = withLimits(inner, limits);
  if (identity !== null) {
    const stages = identity.stages.flatMap(({ name, hostPath }) => [name, hostPath]);
    const args = ['-c', STAGE_SCRIPT, 'sh', String(identity.stages.length), ...stages, inner.command, ...inner.args];
    inner = { command: 'unshare', args: ['--mount', '--propagation', 'private', '--', '/bin/sh', ...args] };
  }
  const join = ['-c', JOIN_SCRIPT, 'sh', String(joinFiles.length), ...joinFiles];
  return { command: '/bin/sh', args: [...join, inner.command, ...inner.args] };
}

/** Where a staged folder is for bubblewrap. */
export function stagedPath(name: string): string {
  return `/sys/${name}`;
}

const OWN_IDS_BEGIN = 0x70_00_00_00;
const OWN_IDS = 1 << 16;
const NOBODY = 65534;

/**
 * The user and group id of one attempt of a root agent: far above those of people, services and containers, and another
 * one for each attempt, so that no two jobs are the same user to the kernel. `uidMap` is the text of /proc/self/uid_map:
 * in a container that has few ids, it is nobody.
 */
export function attemptIdentity(attemptId: string, uidMap: string): number {
  const id = OWN_IDS_BEGIN + (createHash('sha256').update(attemptId).digest().readUInt16BE(0) % OWN_IDS);
  const isMapped = uidMap.split('\n').some((line) => {
    const [inside = Number.NaN, , length = Number.NaN] = line.trim().split(/\s+/).map(Number);
    return id >= inside && id < inside + length;
  });
  return isMapped ? id : NOBODY;
}

/** Arguments as bubblewrap reads them from a descriptor. */
export function encodeArguments(args: readonly string[]): Buffer {
  return Buffer.from(args.map((argument) => `${argument}\0`).join(''), 'utf8');
}
