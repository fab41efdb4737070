/**
 * What is given back when tasks waited longer for their first node than their tier promises: a share of the price, by the
 * schedule that the terms froze. It is counted for each job by itself, so that it can be paid when the job ends.
 *
 * The treasury carries it, with what it kept of that job: nodes are not to blame for a queue. So a job of the lowest tier,
 * which pays no premium, gets its fee back at most; and nobody gains by waiting on purpose.
 */
import { assertNumber } from './checks.ts';
import { ESCROW_LIMITS } from './limits.ts';
import type { EscrowRecord } from './records.ts';
import type { Terms } from './terms.ts';

/** Counts tasks that waited so long for their first node. Throws `invalid-request` for what is no time or count. */
export function noteWaits(
  record: EscrowRecord,
  terms: Terms,
  { waitMilliseconds, tasks }: { waitMilliseconds: number; tasks: number },
): EscrowRecord {
  assertNumber(tasks, { most: ESCROW_LIMITS.tasks, what: 'the number of waiting tasks' });
  assertNumber(waitMilliseconds, { most: Number.MAX_SAFE_INTEGER, what: 'a wait' });
  const waited = BigInt(waitMilliseconds) * 1000n;
  const promised = BigInt(terms.promisedWaitMilliseconds);
  const above = terms.credits.filter(({ abovePermille }) => waited > promised * BigInt(abovePermille)).length;
  const waits = record.waits.map((count, index) => (index === above ? count + tasks : count));
  return { ...record, waits };
}

/** Parts per million of the price; 0 when 95 of 100 tasks waited no longer than promised (nearest rank), or none was placed. */
export function creditPpm({ credits }: Terms, waits: readonly number[]): bigint {
  const all = waits.reduce((sum, count) => sum + count, 0);
  let left = Math.ceil((all * 95) / 100);
  for (const [index, count] of waits.entries()) {
    left -= count;
    if (all > 0 && left <= 0) return credits[index - 1]?.creditPpm ?? 0n;
  }
  return 0n;
}
