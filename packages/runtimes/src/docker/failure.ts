/** What an engine's errors and a container's end mean for the attempt. Pure. */
import type { FailureReason } from '@fog/contract';
import { errnoText } from '../errno-text.ts';
import { EngineError, EngineUnreachable } from './engine-client.ts';
import { LogStreamError } from './log-demux.ts';

export interface Failure {
  reason: FailureReason;
  message: string;
  exitCode: number | null;
}

/** Carries a failure out of the steps of an attempt. */
export class AttemptFailed extends Error {
  override readonly name = 'AttemptFailed';
  readonly failure: Failure;

  constructor(reason: FailureReason, message: string, exitCode: number | null = null) {
    super(message);
    this.failure = { reason, message, exitCode };
  }
}

const SHOWN_CHARACTERS = 300;

/** An engine's message as the end of a sentence for the user. */
export function quoted(message: string): string {
  const line = message.replace(/\s+/g, ' ').trim();
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)}…` : line;
}

/**
 * The registry said no, as opposed to: it did not say anything sensible. Engines pass on a refusal with different
 * statuses, and within a stream with none, so the words decide.
 */
const REFUSED =
  /not found|manifest unknown|no matching manifest|does not exist|unauthorized|authentication required|access denied|denied:|forbidden|no basic auth|name unknown|invalid reference|not supported by|no image found|image operating system/i;
const UNREACHABLE =
  /no such host|connection refused|timeout|deadline exceeded|toomanyrequests|EOF|reset by peer|unavailable/i;

export function pullFailure(image: string, message: string): AttemptFailed {
  const isRefusal = REFUSED.test(message) && !UNREACHABLE.test(message);
  return isRefusal
    ? new AttemptFailed('image-missing', `The image ${image} cannot be had: ${quoted(message)}`)
    : new AttemptFailed('image-pull', `The pull of the image ${image} failed: ${quoted(message)}`);
}

/** Why a container did not start. Engines report the runtime's words with status 400, 404 or 500. */
export function startFailure(error: unknown): AttemptFailed {
  const message = error instanceof Error ? error.message : String(error);
  const isCommand =
    error instanceof EngineError &&
    /exec: "|exec format error|executable file|no command specified|starting container process caused/i.test(message) &&
    !/docker-init|catatonit/.test(message);
  return isCommand
    ? new AttemptFailed('command-not-found', `The program of the container cannot be run: ${quoted(message)}`)
    : new AttemptFailed('sandbox', `The container could not be set up: ${quoted(message)}`);
}

export interface ContainerEnd {
  /** As the engine has it; `created` is what it says when it died before it noted the start. */
  status: string;
  exitCode: number;
  oomKilled: boolean;
  /** The engine was away while the container ended, so that it may have taken it down or lost its exit code. */
  engineWasAway: boolean;
  /** From the container's start to its end, as the engine has it. */
  ranMilliseconds: number | null;
  /** The first bytes of the standard error; null where they are not known. */
  standardErrorHead: string | null;
  standardOutputBytes: number;
  /** From the forwarder, which starts the program where there is a network; null when it could. */
  startErrno: number | null;
}

/** tini, the init of both engines' making, starts the program and says so when it cannot. */
const INIT_COMPLAINT = /^\[FATAL tini \(\d+\)\] exec (.*) failed: (.*)\n$/;
/** An engine that comes back has killed the container (137, 143), or knows nothing of its end (255). */
const ENDED_BY_ENGINE = new Set([137, 143, 255]);

/** Null is success. */
export function judgeEnd(end: ContainerEnd, limits: { runMilliseconds: number; memoryBytes: number }): Failure | null {
  const { exitCode } = end;
  // The exit code is 0 then, and means nothing.
  if (end.status !== 'exited' && end.status !== 'dead') {
    const message = 'The container engine of the node does not know how the container ended.';
    return { reason: 'sandbox', message, exitCode: null };
  }
  if (exitCode === 0) return null;
  if (end.startErrno !== null) {
    const message = `The program of the container cannot be run: ${errnoText(end.startErrno)}.`;
    return { reason: 'command-not-found', message, exitCode };
  }
  if (end.oomKilled) {
    const message = `The container needed more than its ${limits.memoryBytes} bytes of memory.`;
    return { reason: 'oom', message, exitCode };
  }
  // An agent that died after the kill, and before it could report it.
  if (exitCode === 137 && end.ranMilliseconds !== null && end.ranMilliseconds >= limits.runMilliseconds) {
    return { reason: 'timeout', message: timeoutMessage(limits.runMilliseconds), exitCode: null };
  }
  if (end.engineWasAway && ENDED_BY_ENGINE.has(exitCode)) {
    const message = 'The container engine of the node went down, and the container with it.';
    return { reason: 'sandbox', message, exitCode: null };
  }
  const complaint = exitCode === 126 || exitCode === 127 ? INIT_COMPLAINT.exec(end.standardErrorHead ?? '') : null;
  if (complaint !== null && end.standardOutputBytes === 0) {
    const [, command = '', why = ''] = complaint;
    const message = `The program ${quoted(command)} cannot be run: ${quoted(why)}.`;
    return { reason: 'command-not-found', message, exitCode };
  }
  return { reason: 'exit-code', message: `The container ended with exit code ${exitCode}.`, exitCode };
}

export function timeoutMessage(runMilliseconds: number): string {
  return `The container ran longer than its limit of ${runMilliseconds} ms.`;
}

/** Of whatever a step of an attempt threw. */
export function failureOf(error: unknown): Failure {
  if (error instanceof AttemptFailed) return error.failure;
  const message = error instanceof Error ? error.message : String(error);
  const where =
    error instanceof EngineUnreachable ? 'The container engine of the node is away' : 'The container broke down';
  return { reason: 'sandbox', message: `${where}: ${quoted(message)}.`, exitCode: null };
}

/** The connection to the engine, not the container. */
export function isBreak(error: unknown): boolean {
  return (
    error instanceof EngineUnreachable ||
    error instanceof LogStreamError ||
    (error instanceof Error && 'code' in error && BREAKS.has(String(error.code)))
  );
}

const BREAKS = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNREFUSED', 'ENOENT']);
