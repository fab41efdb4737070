/**
 * What the runtime and its child say to each other, one byte a kind:
 *
 *     runtime: request (JSON, in pieces), standard input (bytes, in pieces), go
 *     child:   ready, then per attempt: started, logs, ran, (output, (file, content...)...)..., end
 *
 * `ran` ends the time that the limit of the job counts; `end` comes last, also when the attempt failed before it
 * started.
 */
import type { FailureReason } from '@fog/contract';
import type { AttemptLimits, InputFile, OutputRequest } from '../runtime.ts';

export const TO_CHILD = { request: 1, standardInput: 2, go: 3 } as const;
export const FROM_CHILD = {
  ready: 0,
  started: 1,
  stdout: 2,
  stderr: 3,
  ran: 4,
  output: 5,
  file: 6,
  content: 7,
  end: 8,
} as const;

export interface ChildRequest {
  modulePath: string;
  moduleDigest: string;
  isMetered: boolean;
  args: readonly string[];
  /** `KEY=value`. */
  environment: readonly string[];
  standardInputPath: string | null;
  inputs: readonly InputFile[];
  outputs: readonly OutputRequest[];
  limits: Pick<AttemptLimits, 'memoryBytes' | 'diskBytes' | 'files'>;
  /** 32 bytes, hexadecimal. */
  randomKey: string;
  submittedAtMilliseconds: number;
}

/** User and system time of the process since it began. */
export interface ChildClock {
  cpuMilliseconds: number;
}

export interface RanMessage {
  wallMilliseconds: number;
}

export interface OutputMessage {
  name: string;
  type: 'file' | 'folder';
}

export interface FileMessage {
  relativePath: string;
  bytes: number;
}

export type ChildResult =
  | { status: 'succeeded' }
  | { status: 'failed'; reason: FailureReason; message: string; exitCode: number | null };

export interface EndMessage extends ChildClock {
  result: ChildResult;
  attemptCpuMilliseconds: number;
  peakMemoryBytes: number;
  residentBytes: number;
  /** Null where it was not metered, or did not begin to run. */
  fuel: number | null;
  /** Keys of the modules that are compiled in this child. */
  modules: string[];
}
