/**
 * What power somebody had when: checkpoints on the clock of the ledger's journal (its sequence numbers). A change within
 * a tick overwrites what the tick had; the past never changes, so a look-up is only good for ticks that are over.
 * Source of these two rules: OpenZeppelin, Votes and Checkpoints.
 */
import { assertAmount } from '../amounts.ts';
import { governanceFault } from './faults.ts';

/** A row (of, sequence): from this tick on, until the next row. `of` null is the supply: all bonded stake. */
export interface PowerCheckpoint {
  of: string | null;
  sequence: number;
  powerMicroFog: bigint;
}

/**
 * The checkpoint that follows the latest of the same name; null is none yet. It takes the place of the latest where both
 * are of one tick. Throws `invalid-request` for a tick before the latest, and for power below zero or beyond 128 bits.
 */
export function nextCheckpoint(
  latest: PowerCheckpoint | null,
  { of, sequence, deltaMicroFog }: { of: string | null; sequence: number; deltaMicroFog: bigint },
): PowerCheckpoint {
  assertSequence(sequence);
  if (latest !== null && sequence < latest.sequence) {
    throw governanceFault('malformed', `power changes at ${sequence}, and was changed at ${latest.sequence} before`, {
      hint: 'apply the entries of the journal in their order',
    });
  }
  const powerMicroFog = (latest?.powerMicroFog ?? 0n) + deltaMicroFog;
  assertAmount(powerMicroFog, { what: of === null ? 'the supply of power' : `the power of ${of}` });
  return { of, sequence, powerMicroFog };
}

/** Appends to checkpoints in the order of ticks, or overwrites the last; answers a new list. */
export function withCheckpoint(trace: readonly PowerCheckpoint[], next: PowerCheckpoint): PowerCheckpoint[] {
  const isSameTick = trace.at(-1)?.sequence === next.sequence;
  return [...(isSameTick ? trace.slice(0, -1) : trace), next];
}

/** The entry that held at a tick: the last at or before it. `trace` is in the order of ticks; O(log n). */
export function entryAt<Entry extends { sequence: number }>(trace: readonly Entry[], sequence: number): Entry | null {
  let low = 0;
  let high = trace.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((trace[middle]?.sequence ?? 0) <= sequence) low = middle + 1;
    else high = middle;
  }
  return trace[low - 1] ?? null;
}

/** Power at a tick that is over. Throws `invalid-request` (fault `future-lookup`) from the present tick on. */
export function pastPower(trace: readonly PowerCheckpoint[], sequence: number, currentSequence: number): bigint {
  assertPast(sequence, currentSequence);
  return entryAt(trace, sequence)?.powerMicroFog ?? 0n;
}

/** Throws `invalid-request` (fault `future-lookup`) for a tick that may still change. */
export function assertPast(sequence: number, currentSequence: number): void {
  assertSequence(currentSequence);
  // Before the first tick there was nothing, which is known.
  if (Number.isSafeInteger(sequence) && sequence < currentSequence) return;
  throw governanceFault('future-lookup', `power at ${sequence} is not known before ${sequence + 1}`, {
    details: { sequence, currentSequence },
    hint: 'ask for a sequence number of the journal that is over',
  });
}

/** What of a trace is still needed when nobody asks for ticks before `sequence` any more. */
export function keptCheckpoints<Entry extends { sequence: number }>(
  trace: readonly Entry[],
  sequence: number,
): Entry[] {
  const first = entryAt(trace, sequence);
  return trace.filter((entry) => entry === first || entry.sequence > sequence);
}

export function assertSequence(sequence: number): void {
  if (Number.isSafeInteger(sequence) && sequence >= 0) return;
  throw governanceFault('malformed', `${sequence} is no sequence number`);
}
