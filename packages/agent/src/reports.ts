/** Texts and numbers of reports, cut to what the contract allows. Pure. */
import { type AttemptName, type AttemptReport, LIMITS, type Usage } from '@fog/contract';
import type { AttemptUsage } from '@fog/runtimes';
import { characterBoundary } from './logs.ts';
import type { SecretMask } from './secret-mask.ts';

/** The message without secrets, at most `LIMITS.messageBytes` bytes of UTF-8. */
export function reportText(message: string, secrets: SecretMask): string {
  // Runtimes cut what a program says at the same length: it may end with the beginning of a secret.
  const isCut = message.length >= LIMITS.messageBytes;
  const text = secrets.text(isCut ? message.replace(/[\uD800-\uDBFF]$/, '') : message, { isCut });
  const bytes = Buffer.from(text);
  if (bytes.length <= LIMITS.messageBytes) return text;
  return bytes.toString('utf8', 0, characterBoundary(bytes, LIMITS.messageBytes));
}

/** Numbers that are no measurements become null. */
export function usageOf(usage: AttemptUsage): Usage {
  const measured = (value: number | null): number | null =>
    value !== null && Number.isFinite(value) && value >= 0 ? value : null;
  return {
    wallMilliseconds: measured(usage.wallMilliseconds) ?? 0,
    cpuMilliseconds: measured(usage.cpuMilliseconds),
    peakMemoryBytes: measured(usage.peakMemoryBytes),
    ...(Number.isSafeInteger(usage.fuel) ? { fuel: usage.fuel } : {}),
  };
}

const TERMINAL: ReadonlySet<AttemptReport['event']> = new Set(['succeed', 'fail', 'yield', 'decline']);

/** Whether nothing follows this report of an attempt. */
export function isTerminalReport(report: AttemptReport): boolean {
  return TERMINAL.has(report.event);
}

export interface StampedReport {
  attempt: AttemptName;
  atMilliseconds: number;
  report: AttemptReport;
}

/** Of an attempt whose program has not run. */
export const NO_USAGE: AttemptUsage = { wallMilliseconds: 0, cpuMilliseconds: null, peakMemoryBytes: null };
