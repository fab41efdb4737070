/** Puts together what moves money, where the fog asks for any. */
import type { CoordinatorSettings } from '@fog/contract';
import type { JobCache } from '../dispatch/job-cache.ts';
import type { Sweep } from '../dispatch/sweeps.ts';
import { assembleGovernance, type Governance } from '../governance/assemble.ts';
import { paymentParametersOf } from '../governance/payment-parameters.ts';
import { SETTLEMENT_LIMITS } from '../limits.ts';
import type { Database } from '../store/database.ts';
import { makeFirstMoney } from './genesis.ts';
import { Market } from './market.ts';
import { Settlement } from './settlement.ts';
import { SqlLedger } from './sql-ledger.ts';
import { Wallets } from './wallets.ts';

export interface Economy {
  ledger: SqlLedger;
  market: Market;
  settlement: Settlement;
  wallets: Wallets;
  governance: Governance;
  sweeps: Sweep[];
  /** Before anything is asked of it. */
  begin(): Promise<void>;
}

/** Null in a fog that asks for no money. */
export function assembleEconomy({
  database,
  jobs,
  now,
  settings,
  isAlone,
  warn,
}: {
  database: Database;
  jobs: JobCache;
  now: () => number;
  settings: Pick<CoordinatorSettings, 'economy' | 'faucet' | 'firstSupply'>;
  /** Only programs on this machine can reach it. */
  isAlone: boolean;
  warn: (message: string, data: Record<string, unknown>) => void;
}): Economy | null {
  if (settings.economy === 'off') return null;
  const ledger = new SqlLedger(database.engine);
  const market = new Market({ database, jobs, now });
  const governance = assembleGovernance({ database, ledger, now, warn });
  const hasFaucet = settings.faucet === 'on' || (settings.faucet === 'auto' && isAlone);
  const settlement = new Settlement({
    database,
    ledger,
    market,
    jobs,
    currency: hasFaucet ? 'faucet' : 'fog',
    hasFaucet,
    parameters: () => paymentParametersOf(governance.parameters.values),
    now,
  });
  const sweeps: Sweep[] = [
    { name: 'prices', everyMilliseconds: SETTLEMENT_LIMITS.priceLookMilliseconds, run: () => market.step() },
    { name: 'escrows', everyMilliseconds: 1000, run: () => closeAll(settlement) },
    ...governance.sweeps,
    {
      name: 'pending transfers',
      everyMilliseconds: 1000,
      run: async () => void (await ledger.sweepExpired(database, now())),
    },
  ];
  const begin = async () => {
    await makeFirstMoney({ database, ledger, now }, settings.firstSupply);
    await governance.begin();
    await market.step();
  };
  const wallets = new Wallets({ database, ledger, market, now });
  return { ledger, market, settlement, wallets, governance, sweeps, begin };
}

async function closeAll(settlement: Settlement): Promise<void> {
  while ((await settlement.closeEnded()) === SETTLEMENT_LIMITS.closedEscrows);
}
