/** Puts together what moves money, where the fog asks for any. */
import type { CoordinatorSettings } from '@fog/contract';
import type { Registry } from 'prom-client';
import type { JobCache } from '../dispatch/job-cache.ts';
import type { Placer } from '../dispatch/placement/placer.ts';
import type { Sweep } from '../dispatch/sweeps.ts';
import { assembleGovernance, type Governance } from '../governance/assemble.ts';
import { paymentParametersOf } from '../governance/payment-parameters.ts';
import { LEDGER_HOME_LIMITS, SETTLEMENT_LIMITS } from '../limits.ts';
import type { Database } from '../store/database.ts';
import { makeFirstMoney } from './genesis.ts';
import { Market } from './market.ts';
import { registerLedgerGauges } from './metrics.ts';
import { Sealer } from './sealing.ts';
import { Settlement } from './settlement.ts';
import { SqlLedger } from './sql-ledger.ts';
import { Bonds } from './stake/bonds.ts';
import { Jailed } from './stake/jailed.ts';
import { registerStakeGauges } from './stake/metrics.ts';
import { type StakeParameters, stakeParametersOf } from './stake/parameters.ts';
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
  governance: Governance;
  sweeps: Sweep[];
  /** Before anything is asked of it. */
  begin(): Promise<void>;
  /** Tells what slices cost, and whose nodes get no work, now and whenever that changes. */
  tellPlacer(placer: Pick<Placer, 'setPrices' | 'setJailed' | 'bonds'>): void;
}

/** Null in a fog that asks for no money. */
export function assembleEconomy({
  database,
  jobs,
  coordinatorId,
  now,
  settings,
  isAlone,
  registry,
  warn,
  stakeChanges = () => ({}),
}: {
  database: Database;
  jobs: JobCache;
  coordinatorId: string;
  now: () => number;
  settings: Pick<CoordinatorSettings, 'economy' | 'faucet' | 'firstSupply'>;
  /** Only programs on this machine can reach it. */
  isAlone: boolean;
  /** Of metrics; null where nobody looks at them. */
  registry: Registry | null;
  warn: (message: string, data: Record<string, unknown>) => void;
  /** What holds of stake otherwise than a vote says; for tests. */
  stakeChanges?: () => Partial<StakeParameters>;
}): Economy | null {
  if (settings.economy === 'off') return null;
  const ledger = new SqlLedger(database.engine);
  const sealer = new Sealer({ database, coordinatorId, now });
  if (registry !== null) registerGauges(registry, database, now);
  const market = new Market({ database, jobs, now });
  const governance = assembleGovernance({ database, ledger, now, warn, registry });
  const hasFaucet = settings.faucet === 'on' || (settings.faucet === 'auto' && isAlone);
  const parameters = () => ({ ...stakeParametersOf(governance.parameters.values), ...stakeChanges() });
  const stake = new StakeStore({ database, ledger, listener: governance.power, parameters, now });
  const jailed = new Jailed(database);
  const settlement = new Settlement({
    database,
    ledger,
    market,
    stake,
    jobs,
    currency: hasFaucet ? 'faucet' : 'fog',
    hasFaucet,
    parameters: () => paymentParametersOf(governance.parameters.values),
    now,
  });
  const sweeps: Sweep[] = [
    { name: 'prices', everyMilliseconds: SETTLEMENT_LIMITS.priceLookMilliseconds, run: () => market.step() },
    { name: 'escrows', everyMilliseconds: 1000, run: () => closeAll(settlement) },
    ...stakeSweeps({ database, stake, now }),
    jailed.sweep,
    ...governance.sweeps,
    {
      name: 'pending transfers',
      everyMilliseconds: LEDGER_HOME_LIMITS.expiryMilliseconds,
      run: async () => void (await ledger.sweepExpired(database, now())),
    },
    {
      name: 'seals',
      everyMilliseconds: LEDGER_HOME_LIMITS.sealMilliseconds,
      run: async () => void (await sealer.seal()),
    },
  ];
  const tellPlacer: Economy['tellPlacer'] = (placer) => {
    market.onPrices = () => placer.setPrices(market);
    market.onPrices();
    jailed.onChange = (owners) => placer.setJailed(owners);
    // Money of the faucet asks for no bonds.
    placer.bonds = hasFaucet ? null : new Bonds();
  };
  const begin = async () => {
    await makeFirstMoney({ database, ledger, now }, settings.firstSupply);
    await governance.begin();
    await market.step();
    await jailed.look();
  };
  const wallets = new Wallets({ database, ledger, market, now });
  const staking = new Staking({ database, stake, now });
  return { ledger, market, settlement, stake, wallets, staking, governance, sweeps, begin, tellPlacer };
}

function registerGauges(registry: Registry, database: Database, now: () => number): void {
  registerLedgerGauges(registry, database, now);
  registerStakeGauges(registry, database);
}

async function closeAll(settlement: Settlement): Promise<void> {
  while ((await settlement.closeEnded()) === SETTLEMENT_LIMITS.closedEscrows);
}
