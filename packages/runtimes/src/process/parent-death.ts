/**
 * Children that end with their parent, even when that is killed and even in the middle of an endless loop.
 *
 * Linux sends a signal at the death of the parent to a process that asked for it; `setpriv` of util-linux asks and
 * then becomes the program, so the process id stays. Elsewhere a child notices only when it reads its closed stdin:
 * one that loops without end outlives a kill -9 of the agent.
 */
import { existsSync } from 'node:fs';

const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => process.platform === 'linux' && existsSync(path));

/** The command line that starts this one so. */
export function dyingWithParent(command: string, args: readonly string[]): { command: string; args: string[] } {
  if (SETPRIV === undefined) return { command, args: [...args] };
  return { command: SETPRIV, args: ['--pdeathsig', 'KILL', '--', command, ...args] };
}
