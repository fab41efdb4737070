/** The ledger as it is stored: verified and exported by those who do not run the coordinator. */
export type { LedgerFault } from './ledger-faults.ts';
export { fileSource, ledgerLines } from './ledger-lines.ts';
export {
  type AccountEntry,
  balanceAt,
  balanceHistory,
  type HistoricBalance,
  readLedgerAccount,
  readLedgerAccounts,
  readLedgerBalance,
  readLedgerTransfer,
  transfersOfAccount,
} from './ledger-queries.ts';
export { databaseSource, type LedgerSource } from './ledger-source.ts';
export { withStoredLedger } from './open-ledger.ts';
export type { NotedSeal } from './verify-ledger.ts';
export { type LedgerVerdict, verifyLedger } from './verify-ledger.ts';
