/**
 * What the runtime and its JavaScript children say to each other, one byte a kind. The children's side stands in
 * child/serve.js, in plain JavaScript.
 */
import type { FailureReason } from '@fog/contract';

export const TO_CHILD = { request: 1, standardInput: 2, go: 3 } as const;
export const FROM_CHILD = { ready: 0, started: 1, stdout: 2, stderr: 3, progress: 4, result: 5, end: 6 } as const;

export interface ChildRequest {
  scriptPath: string;
  /** Where the child finds the parser, should it need one. */
  acornUrl: string;
  inputs: readonly { sandboxPath: string; hostPath: string; bytes: number }[];
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  partition: { index: number; count: number };
  /** Four 32-bit words, not all zero. */
  seedWords: readonly number[];
  submittedAtMilliseconds: number;
  diskBytes: number;
  memoryBytes: number;
  runMilliseconds: number;
  messageBytes: number;
  resultIsDeclared: boolean;
  hasStandardInput: boolean;
  standardInputPath: string | null;
}

export interface ChildEnding {
  result: { status: 'succeeded'; hasResult: boolean } | { status: 'failed'; reason: FailureReason; message: string };
  cpuMilliseconds: number | null;
  peakMemoryBytes: number | null;
  /** Of the process, with whatever waits for garbage collection. */
  residentBytes: number;
}

/** Reasons that a child may give; a script that took over its process gets no other. */
const CHILD_REASONS: readonly string[] = ['script-error', 'oom', 'output-too-large'] satisfies FailureReason[];

/** Reads what a child says at the end. Nothing in it is believed without a look. Throws when it makes no sense. */
export function parseEnding(body: Uint8Array): ChildEnding {
  const message: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
  if (typeof message !== 'object' || message === null) throw new Error('an ending that is no object');
  const {
    status,
    reason,
    message: text,
    hasResult,
    cpuMilliseconds,
    peakMemoryBytes,
    residentBytes,
  } = message as Record<string, unknown>;
  const usage = {
    cpuMilliseconds: measure(cpuMilliseconds),
    peakMemoryBytes: measure(peakMemoryBytes),
    residentBytes: measure(residentBytes) ?? 0,
  };
  if (status === 'succeeded') return { result: { status, hasResult: hasResult === true }, ...usage };
  const known =
    typeof reason === 'string' && CHILD_REASONS.includes(reason) ? (reason as FailureReason) : 'script-error';
  return {
    result: { status: 'failed', reason: known, message: typeof text === 'string' ? text : 'The script failed' },
    ...usage,
  };
}

function measure(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}
