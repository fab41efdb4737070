/**
 * What work can claim of the new money of an epoch, where a vote has let fees burn.
 *
 *     a result is paid -> share: the fee on it, by job and provider
 *     its job burns    -> claim: the part of that which burned, in the epoch of the ledger's time
 *     the epoch ends   -> spent: new-money.ts
 *
 * Each is written in the transaction of what it follows from. Money of the faucet earns none.
 */
import type { EscrowRecord, SettledLease, Terms } from '@fog/economy/escrow';
import { burnedShares } from '@fog/economy/governance';
import type { TurnAttempt, TurnTask } from '../../dispatch/turn-records.ts';
import type { Writer } from '../../store/database.ts';
import { addClaims, type EmissionShare, takeShares } from '../../store/emission-rows.ts';
import type { SqlLedger } from '../sql-ledger.ts';
import { EMISSION_LIMITS } from './limits.ts';

/** Whether fees of such a job burn real money. */
export function burnsFees({ currency, feeBurnPpm }: Pick<Terms, 'currency' | 'feeBurnPpm'>): boolean {
  return currency === 'fog' && feeBurnPpm > 0n;
}

/** Of one task, what this turn has kept back of what it paid. */
export function sharesOf(
  { job }: Pick<TurnTask, 'job'>,
  leases: readonly SettledLease[],
  { attempts, terms }: { attempts: readonly Pick<TurnAttempt, 'fence' | 'payee'>[]; terms: Terms },
): EmissionShare[] {
  if (!burnsFees(terms)) return [];
  return leases.flatMap(({ fence, outcome, price, payout }) => {
    const provider = attempts.find((attempt) => attempt.fence === fence)?.payee ?? null;
    const retainedMicroFog = price - payout;
    return outcome !== 'paid' || provider === null || retainedMicroFog === 0n
      ? []
      : [{ job, provider, retainedMicroFog }];
  });
}

/** A job that has just burned fees, and all that was kept back for them. */
export interface BurningJob {
  job: string;
  burnedMicroFog: bigint;
  retainedMicroFog: bigint;
}

/** What the end of an escrow burns; null where its terms burn nothing. */
export function burningAt(
  job: string,
  { terms, before, after }: { terms: Terms; before: EscrowRecord; after: EscrowRecord },
): BurningJob | null {
  if (!burnsFees(terms)) return null;
  return { job, burnedMicroFog: after.burned - before.burned, retainedMicroFog: after.retained };
}

/**
 * Turns shares of jobs whose rows are locked into claims. The ledger is taken, and its time decides in which epoch they
 * are: whoever ends an epoch takes it behind all who have claims of it.
 */
export async function claimBurned(
  writer: Writer,
  jobs: readonly BurningJob[],
  { ledger, now }: { ledger: SqlLedger; now: number },
): Promise<void> {
  if (jobs.length === 0) return;
  const { nowMilliseconds } = await ledger.tick(writer, now);
  const shares = Map.groupBy(
    await takeShares(
      writer,
      jobs.map(({ job }) => job),
    ),
    ({ job }) => job,
  );
  const claims = jobs.flatMap((burning) => burnedShares(shares.get(burning.job) ?? [], burning));
  const worth = claims.filter(({ burnedMicroFog }) => burnedMicroFog > 0n);
  await addClaims(writer, epochOf(nowMilliseconds), worth);
}

/** Days since 1970. */
export function epochOf(milliseconds: number): number {
  return Math.floor(milliseconds / EMISSION_LIMITS.epochMilliseconds);
}
