/** The tables of money; see tables.ts. */
import type { DaoTables } from './dao-tables.ts';
import type {
  LedgerBalancesTable,
  LedgerBatchesTable,
  LedgerClockTable,
  LedgerFailuresTable,
  LedgerRowsTable,
  LedgerSealerTable,
  LedgerSealsTable,
  LedgerTransfersTable,
} from './ledger-tables.ts';
import type { PeriodTables } from './period-tables.ts';
import type { StakeTables } from './stake-tables.ts';

export interface MoneyTables extends DaoTables, PeriodTables, StakeTables {
  market_prices: MarketPricesTable;
  ledger_clock: LedgerClockTable;
  ledger_accounts: LedgerRowsTable;
  ledger_transfers: LedgerTransfersTable;
  ledger_expiries: LedgerRowsTable;
  ledger_failures: LedgerFailuresTable;
  ledger_balances: LedgerBalancesTable;
  ledger_batches: LedgerBatchesTable;
  ledger_seals: LedgerSealsTable;
  ledger_sealer: LedgerSealerTable;
  wallet_names: WalletNamesTable;
}

/** What a slice of bronze costs in a region. */
export interface MarketPricesTable {
  region: string;
  micro_fog: number;
  /** Slices at a time at the last step. */
  used_slices: number;
  offered_slices: number;
  stepped_at: number;
}

/** Whose wallets these are: the id of an account tells it to nobody. */
export interface WalletNamesTable {
  /** 16 bytes. */
  account: Uint8Array;
  principal: string;
}
