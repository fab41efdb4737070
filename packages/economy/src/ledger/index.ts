/** The ledger's front door. */
export * from './accounts.ts';
export type { LedgerChanges, LedgerRowChanges, TransferVisitor } from './changes.ts';
export * from './filters.ts';
export { Ledger, type LedgerOptions } from './ledger.ts';
export * from './limits.ts';
export * from './machine.ts';
export * from './statuses.ts';
export type { LedgerTotals } from './totals.ts';
export * from './transfers.ts';
