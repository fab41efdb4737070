/** What jobs are paid by, until members vote for something else. */
import type { PaymentParameters } from './job-terms.ts';

export const FIRST_PARAMETERS: PaymentParameters = {
  /** A twentieth of what a provider earns keeps the fog: its checks, its credits, its treasury. */
  feePpm: 50_000n,
  feeBurnPpm: 0n,
  /** Of what a higher tier costs more: half to the provider that has to be quick, half to the credits for misses. */
  premiumPpm: 500_000n,
  /** Who cancels pays for what has run. */
  cancelPpm: 1_000_000n,
  oversightPpm: 500_000n,
  slash: { slashPpm: 50_000n, insurancePpm: 500_000n },
};
