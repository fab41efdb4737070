/** Puts together what moves money, where the fog asks for any. */
import type { CoordinatorSettings } from '@fog/contract';
import type { JobCache } from '../dispatch/job-cache.ts';
import type { Sweep } from '../dispatch/sweeps.ts';
import { SETTLEMENT_LIMITS } from '../limits.ts';
import type { Database } from '../store/database.ts';
import { makeFirstMoney } from './genesis.ts';
import { Market } from './market.ts';
import { FIRST_PARAMETERS } from './parameters.ts';
import { Settlement } from './settlement.ts';
import { SqlLedger } from './sql-ledger.ts';
import { FIRST_STAKE_PARAMETERS, type StakeParameters } from './stake/parameters.ts';
import { StakeStore } from './stake/stake-store.ts';
import { stakeSweeps } from './stake/stake-sweeps.ts';
import { Staking } from './stake/staking.ts';
import { Wallets } from './wallets.ts';

export interface Economy {
  ledger: SqlLedger;
  market: Market;
  settlement: Settlement;
  stake: StakeStore;
  wallets: Wallets;
  staking: Staking;
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
  stakeParameters = () => FIRST_STAKE_PARAMETERS,
}: {
  database: Database;
  jobs: JobCache;
  now: () => number;
  settings: Pick<CoordinatorSettings, 'economy' | 'faucet' | 'firstSupply'>;
  /** Only programs on this machine can reach it. */
  isAlone: boolean;
  stakeParameters?: () => StakeParameters;
}): Economy | null {
  if (settings.economy === 'off') return null;
  const ledger = new SqlLedger(database.engine);
  const market = new Market({ database, jobs, now });
  const hasFaucet = settings.faucet === 'on' || (settings.faucet === 'auto' && isAlone);
  const stake = new StakeStore({ database, ledger, parameters: stakeParameters, now });
  const settlement = new Settlement({
    database,
    ledger,
    market,
    stake,
    jobs,
    currency: hasFaucet ? 'faucet' : 'fog',
    hasFaucet,
    parameters: () => FIRST_PARAMETERS,
    now,
  });
  const sweeps: Sweep[] = [
    { name: 'prices', everyMilliseconds: SETTLEMENT_LIMITS.priceLookMilliseconds, run: () => market.step() },
    { name: 'escrows', everyMilliseconds: 1000, run: () => closeAll(settlement) },
    ...stakeSweeps({ database, stake, now }),
    { name: 'pending transfers', everyMilliseconds: 1000, run: async () => void (await ledger.sweepExpired(database, now())) },
  ];
  const begin = async () => {
    await makeFirstMoney({ database, ledger, now }, settings.firstSupply);
    await market.step();
  };
  const wallets = new Wallets({ database, ledger, market, now });
  const staking = new Staking({ database, stake, now });
  return { ledger, market, settlement, stake, wallets, staking, sweeps, begin };
}

async function closeAll(settlement: Settlement): Promise<void> {
  while ((await settlement.closeEnded()) === SETTLEMENT_LIMITS.closedEscrows);
}
