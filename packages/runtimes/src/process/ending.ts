/** How the end of a sandbox becomes the outcome of an attempt. Pure. */
import { constants } from 'node:os';
import type { FailureReason } from '@fog/contract';
import { errnoText } from '../errno-text.ts';
import type { AttemptLimits } from '../runtime.ts';

export interface SandboxEnd {
  /** What the program ended with, as bubblewrap reports it; null when the program never ran, or bubblewrap was killed. */
  exitCode: number | null;
  /** Whether bubblewrap got as far as a process of its own. */
  began: boolean;
  /** Processes of the attempt that the kernel killed for want of memory. */
  outOfMemoryKills: number;
  /** From the forwarder, which starts the program where there is a network; null when it could. */
  startErrno: number | null;
  /** What the launcher wrote while no program ran. */
  diagnostic: string;
  /** For messages. */
  command: string;
  limits: AttemptLimits;
}

export interface Failure {
  reason: FailureReason;
  message: string;
  exitCode: number | null;
}

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));
const SIGNAL_CODES_BEGIN = 128;

/** Null is success: the exit code was 0. */
export function explainEnd(end: SandboxEnd): Failure | null {
  const { exitCode, limits } = end;
  if (end.outOfMemoryKills > 0) {
    return {
      reason: 'oom',
      message: `The program needed more than its ${limits.memoryBytes} bytes of memory.`,
      exitCode,
    };
  }
  if (end.startErrno !== null) return notFound(end.command, errnoText(end.startErrno));
  if (exitCode === null) return explainNoStart(end);
  if (exitCode === 0) return null;
  const signal = SIGNAL_NAMES.get(exitCode - SIGNAL_CODES_BEGIN);
  if (signal === 'SIGXFSZ') return { ...tooLarge(limits), exitCode };
  const how = signal === undefined ? `with exit code ${exitCode}` : `by signal ${signal} (exit code ${exitCode})`;
  return { reason: 'exit-code', message: `The program ended ${how}.`, exitCode };
}

export function tooLarge({ diskBytes }: Pick<AttemptLimits, 'diskBytes'>): Failure {
  const message = `The program wrote more than the ${diskBytes} bytes of its disk.`;
  return { reason: 'output-too-large', message, exitCode: null };
}

function explainNoStart({ diagnostic, command, began }: SandboxEnd): Failure {
  const failedExec = /^bwrap: execvp .*: ([^:\n]+)$/m.exec(diagnostic);
  if (failedExec !== null) return notFound(command, failedExec[1] ?? '');
  const failedFolder = /^bwrap: Can't chdir to (.*): ([^:\n]+)$/m.exec(diagnostic);
  if (failedFolder !== null) return notFound(`the working directory ${failedFolder[1]}`, failedFolder[2] ?? '');
  const lastLine = diagnostic.trim().split('\n').at(-1)?.slice(0, 200) ?? '';
  const what = began ? 'The sandbox broke down' : 'The sandbox could not be set up';
  return { reason: 'sandbox', message: `${what} (${lastLine || 'it said nothing'}).`, exitCode: null };
}

function notFound(what: string, why: string): Failure {
  const message = `${what.slice(0, 200)} cannot be run in the sandbox: ${why}.`;
  return { reason: 'command-not-found', message, exitCode: null };
}

/** The lines that bubblewrap writes to its status descriptor; anything else is ignored. */
export function parseStatus(text: string): { childPid: number | null; exitCode: number | null } {
  let childPid: number | null = null;
  let exitCode: number | null = null;
  for (const line of text.split('\n')) {
    try {
      const fields = JSON.parse(line) as Record<string, unknown> | null;
      if (typeof fields?.['child-pid'] === 'number') childPid = fields['child-pid'];
      if (typeof fields?.['exit-code'] === 'number') exitCode = fields['exit-code'];
    } catch {
      // Half a line, or none.
    }
  }
  return { childPid, exitCode };
}
