/** Money as the API shows it. Amounts are whole micro-FOG, as texts: they may be larger than JSON numbers are exact. */
import { z } from 'zod';
import { jobIdSchema, nameSchema } from './identifiers.ts';
import { LIMITS } from './limits.ts';

export const microFogTextSchema = z
  .string()
  .regex(/^(0|[1-9]\d{0,38})$/, 'must be a whole number of micro-FOG, as text')
  .meta({ description: 'Micro-FOG' });

/** `fog`: what can be sent, staked and voted with; `faucet`: given away to be spent on jobs, and good for nothing else. */
export const currencySchema = z.enum(['fog', 'faucet']);
export type CurrencyName = z.infer<typeof currencySchema>;

export const walletSchema = z.strictObject({
  principal: nameSchema,
  balances: z.array(
    z.strictObject({
      currency: currencySchema,
      /** Can be spent. */
      available: microFogTextSchema,
      /** Covers jobs that have not ended; what they do not cost returns. */
      inEscrow: microFogTextSchema,
    }),
  ),
});
export type Wallet = z.infer<typeof walletSchema>;

/** One movement of money in a wallet. */
export const walletEntrySchema = z.strictObject({
  /** In hexadecimal. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  at: z.int().nonnegative(),
  currency: currencySchema,
  /** What it was for, such as cover, payout, refund, send. */
  kind: z.string(),
  /** `in`: the wallet has more after it. */
  direction: z.enum(['in', 'out']),
  amount: microFogTextSchema,
  /** The other side: its kind of account, and whose it is where that is known. */
  other: z.strictObject({ kind: z.string(), name: z.string() }),
});
export type WalletEntry = z.infer<typeof walletEntrySchema>;

export const sendSchema = z.strictObject({
  to: nameSchema,
  amount: microFogTextSchema,
  /** The same key sends once. */
  key: z.string().min(1).max(LIMITS.idempotencyKeyBytes),
});

/** What has become of the money of a job. */
export const jobPaymentSchema = z.strictObject({
  job: jobIdSchema,
  currency: currencySchema,
  /** open: it may still pay; closed: all is settled. */
  phase: z.enum(['open', 'closed']),
  /** The most that one result may cost, or one replica for a period. */
  maximumPrice: microFogTextSchema,
  /** Put into escrow. */
  deposited: microFogTextSchema,
  /** To those whose results count, or whose nodes kept replicas healthy. */
  paid: microFogTextSchema,
  /** Out of what is kept of it, to those who have checked or repeated results: before the rest moved, and after. */
  oversight: microFogTextSchema,
  lateOversight: microFogTextSchema,
  /** To the treasury, but for what burned. */
  fees: microFogTextSchema,
  /** Of the fees. */
  burned: microFogTextSchema,
  /** Back to the buyer: for missed service levels, and what was not spent. */
  credits: microFogTextSchema,
  refunded: microFogTextSchema,
});
export type JobPayment = z.infer<typeof jobPaymentSchema>;

/** What a deployment costs, and what has become of the money of its revisions. */
export const deploymentPaymentSchema = z.strictObject({
  name: nameSchema,
  principal: nameSchema,
  currency: currencySchema,
  /** What is kept running is paid for in periods of this length. */
  periodMilliseconds: z.int().positive(),
  /** What all that runs now costs a period, if it is healthy all the time. */
  costPerPeriod: microFogTextSchema,
  /** So long does what lies in escrow last, if nothing is put in; null where it costs nothing. */
  coveredUntil: z.int().nonnegative().nullable(),
  /** Why replicas have stopped, or do not begin, for want of cover; null where none has. */
  uncovered: z.string().nullable(),
  /** Of each job of the revisions that are kept, the newest first. */
  jobs: z.array(
    jobPaymentSchema.extend({
      /** The newest revision that it runs. */
      revision: z.int().min(1),
      /** Periods that are paid. */
      periods: z.int().nonnegative(),
      /** Earned since the last of them, and not paid yet. */
      earned: microFogTextSchema,
      costPerPeriod: microFogTextSchema,
    }),
  ),
});
export type DeploymentPayment = z.infer<typeof deploymentPaymentSchema>;

/** How far the ledger is, and the seal of its newest rows that have one. */
export const ledgerHeadSchema = z.strictObject({
  /** Of the chain that says everything up to this row; null before anything is sealed. */
  sealed: z
    .strictObject({
      sequence: z.int().positive(),
      batch: z.int().positive(),
      /** SHA-256, in hexadecimal digits. */
      hash: z.string().regex(/^[0-9a-f]{64}$/),
    })
    .nullable(),
  /** Rows that are committed and not sealed yet, and how long the oldest of them has waited. */
  unsealed: z.strictObject({ rows: z.int().nonnegative(), milliseconds: z.number().nonnegative() }),
  /** All that was made of each currency and has not burned. */
  supply: z.array(z.strictObject({ currency: currencySchema, amount: microFogTextSchema })),
});
export type LedgerHead = z.infer<typeof ledgerHeadSchema>;
