/**
 * Sandboxes that nobody will ever end.
 *
 * The process that bubblewrap starts inside waits for bubblewrap outside, and only then asks to die with it (0.8 and
 * later). If the one outside is killed before, together with the agent or by it, the other waits for ever: it holds
 * namespaces and a process, and has run nothing of the program. It is known by the environment that bubblewrap was
 * started with, which names the node; the program's own is another.
 */
import { readdirSync, readFileSync } from 'node:fs';

const NODE_VARIABLE = 'FOG_NODE';
const MOST_ANCESTORS = 64;

/** To be put into the environment of bubblewrap. */
export function markOfNode(nodeId: string): Record<string, string> {
  return { [NODE_VARIABLE]: nodeId };
}

/** Kills what bears the mark of the node and does not descend from this process. Answers how many that were. */
export function killOrphans(nodeId: string): number {
  if (process.platform !== 'linux') return 0;
  const mark = `${NODE_VARIABLE}=${nodeId}`;
  const orphans = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => hasMark(pid, mark) && !descendsFromUs(pid));
  for (const pid of orphans) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
  return orphans.length;
}

function hasMark(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
  } catch {
    return false; // Gone, or of another user.
  }
}

function descendsFromUs(pid: number): boolean {
  let at = pid;
  for (let steps = 0; at > 1 && steps < MOST_ANCESTORS; steps += 1) {
    if (at === process.pid) return true;
    at = parentOf(at);
  }
  return false;
}

/** 0 when it is gone. */
function parentOf(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(/^PPid:\s+(\d+)$/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
