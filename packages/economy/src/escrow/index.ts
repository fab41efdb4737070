/**
 * @fog/economy/escrow: what a job costs, who is paid for it, and what returns.
 *
 * Pure. In the order of a job's life: `openEscrow` at its submit, `leasePrice` at each placement, `noteWaits` at each
 * first lease, `settleTask` for each step of verification that accepts or corrects, `settleCancelled`, `closeEscrow`
 * whenever a lease or the job has ended. Of a service: `planPeriod`, `settlePeriod`, `addCover`. Each answers the transfers
 * to be made and the record to be saved, in one transaction. What is stored is terms, `EscrowRecord`, `TaskSettlement` and
 * the `LeasePrice` of each attempt.
 */
export { creditPpm, noteWaits } from './credits.ts';
export {
  addCover,
  assertCovered,
  closeEscrow,
  type EscrowStep,
  type JobLife,
  type OpenedEscrow,
  openEscrow,
} from './escrow.ts';
export { ESCROW_LIMITS } from './limits.ts';
export { type OversightStep, type OversightWork, oversightLeft, payOversight } from './oversight.ts';
export {
  type DividedPrice,
  dividePrice,
  type LeasePrice,
  leasePrice,
  type PricedResult,
  pricesOf,
} from './prices.ts';
export {
  balanceOf,
  chargedFor,
  type Escrow,
  type EscrowPhase,
  type EscrowRecord,
  NOTHING_PAID,
  newRecord,
  type PaidLease,
  readRecord,
  readSettlement,
  spendable,
  type TaskSettlement,
  writeRecord,
  writeSettlement,
} from './records.ts';
export {
  type PeriodPlan,
  planPeriod,
  type RunLease,
  type ServiceLease,
  settlePeriod,
  topUpFor,
} from './services.ts';
export {
  type CancelledLease,
  type JudgedResult,
  LEASE_OUTCOMES,
  type LeaseOutcome,
  PAID_VERDICTS,
  RESULT_VERDICTS,
  type ResultVerdict,
  type SettledLease,
  type SettlementStep,
  settleCancelled,
  settleTask,
} from './settlement.ts';
export { type SettledStream, settleStream } from './streams.ts';
export {
  assertTerms,
  type BondTerms,
  type CreditStep,
  coverOf,
  coverOfTask,
  METERS,
  type Meter,
  maximumPriceOf,
  NO_BOND,
  PRICE_RULES,
  type PriceRule,
  readTerms,
  type SlashTerms,
  type Terms,
  writeTerms,
} from './terms.ts';
export type { EscrowAccount, EscrowTransfer } from './transfers.ts';
