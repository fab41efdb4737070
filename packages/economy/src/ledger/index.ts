/** The ledger's front door. */
export * from './accounts.ts';
export * from './filters.ts';
export { Ledger, type LedgerChanges, type LedgerOptions } from './ledger.ts';
export * from './machine.ts';
export * from './statuses.ts';
export * from './transfers.ts';
