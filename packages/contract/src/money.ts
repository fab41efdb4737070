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
  /** The most that one result may cost. */
  maximumPrice: microFogTextSchema,
  /** Put into escrow. */
  deposited: microFogTextSchema,
  /** To those whose results count. */
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
