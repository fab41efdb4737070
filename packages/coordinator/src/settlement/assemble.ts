/** Puts together what moves money, where the fog asks for any. */
import type { CoordinatorSettings } from '@fog/contract';
import type { CreditSchedule } from '@fog/scheduler/queueing';
import type { Registry } from 'prom-client';
import type { Bus } from '../bus.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { JobCache } from '../dispatch/job-cache.ts';
import type { Placer } from '../dispatch/placement/placer.ts';
import type { PlacementClasses } from '../dispatch/placement-classes.ts';
import type { Sweep } from '../dispatch/sweeps.ts';
import { assembleGovernance, type Governance } from '../governance/assemble.ts';
import { creditScheduleOf, paymentParametersOf, tierPpmOf } from '../governance/payment-parameters.ts';
import { LEDGER_HOME_LIMITS, SETTLEMENT_LIMITS } from '../limits.ts';
import type { Database } from '../store/database.ts';
import { countOpenEscrows } from '../store/settlement-rows.ts';
import { Arbitration } from './arbitration/arbitration.ts';
import { ARBITRATION_LIMITS } from './arbitration/limits.ts';
import { registerEmissionGauges } from './emission/metrics.ts';
import { emissionSweep } from './emission/new-money.ts';
import { Faucet } from './faucet.ts';
import { makeFirstMoney } from './genesis.ts';
import { Market } from './market.ts';
import { registerLedgerGauges } from './metrics.ts';
import { registerPeriodGauges } from './periods/metrics.ts';
import { ServicePeriods } from './periods/service-periods.ts';
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
  periods: ServicePeriods;
  stake: StakeStore;
  wallets: Wallets;
  staking: Staking;
  governance: Governance;
  sweeps: Sweep[];
  /** What a missed promise of a tier gives back by now. */
  credits: () => CreditSchedule;
  /** Those among them that finish what was begun. */
  settlingSweeps: Sweep[];
  /** Before anything is asked of it. */
  begin(): Promise<void>;
  /** Has tasks run again whose results differ: by those who are connected to this dispatcher. */
  arbitrate(dispatcher: Dispatcher, parts: { classes: PlacementClasses; bus: Pick<Bus, 'publish'> }): void;
  /** Tells what slices cost, and whose nodes get no work, now and whenever that changes. */
  tellPlacer(placer: Pick<Placer, 'setPrices' | 'setJailed' | 'bonds'>): void;
}

export interface EconomyParts {
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
}

/** Null in a fog that asks for no money. */
export function assembleEconomy(parts: EconomyParts): Economy | null {
  return parts.settings.economy === 'off' ? null : assemble(parts);
}

/**
 * What is left of it in a fog that asks for no money any more: jobs that were covered before are paid and closed as was
 * agreed. A slice costs what the node asks: no price is posted.
 */
export function assembleWindingUp(parts: EconomyParts): Pick<Economy, 'settlement' | 'sweeps' | 'begin'> {
  const { database, warn } = parts;
  const { settlement, settlingSweeps, governance } = assemble({ ...parts, registry: null });
  const begin = async () => {
    await governance.parameters.look();
    const jobs = await countOpenEscrows(database.read);
    if (jobs > 0) warn('no money is asked for any more; jobs that were covered before are still paid', { jobs });
  };
  return { settlement, sweeps: settlingSweeps, begin };
}

function assemble({
  database,
  jobs,
  coordinatorId,
  now,
  settings,
  isAlone,
  registry,
  warn,
  stakeChanges = () => ({}),
}: EconomyParts): Economy {
  const ledger = new SqlLedger(database.engine);
  const sealer = new Sealer({ database, coordinatorId, now });
  if (registry !== null) registerGauges(registry, database, now);
  const governance = assembleGovernance({ database, ledger, now, warn, registry });
  const market = new Market({ database, jobs, now, tierPpm: () => tierPpmOf(governance.parameters.values) });
  const faucet = new Faucet(database, { setting: settings.faucet, isAlone });
  const parameters = () => ({ ...stakeParametersOf(governance.parameters.values), ...stakeChanges() });
  const stake = new StakeStore({ database, ledger, listener: governance.power, parameters, now });
  const jailed = new Jailed(database);
  const settlement = new Settlement({
    database,
    ledger,
    market,
    stake,
    jobs,
    get currency() {
      return faucet.isOn ? 'faucet' : 'fog';
    },
    get hasFaucet() {
      return faucet.isOn;
    },
    parameters: () => paymentParametersOf(governance.parameters.values),
    now,
  });
  const periods = new ServicePeriods({
    ...{ database, ledger, jobs, now, warn },
    hasFaucet: settings.faucet !== 'off',
    isWindingUp: settings.economy === 'off',
  });
  const settlingSweeps = settlingSweepsOf({ database, ledger, sealer, settlement, periods, now });
  const sweeps: Sweep[] = [
    ...settlingSweeps,
    { name: 'prices', everyMilliseconds: SETTLEMENT_LIMITS.priceLookMilliseconds, run: () => market.step() },
    { name: 'faucet', everyMilliseconds: SETTLEMENT_LIMITS.priceLookMilliseconds, run: () => faucet.look() },
    ...stakeSweeps({ database, stake, now }),
    jailed.sweep,
    ...governance.sweeps,
    emissionSweep({ database, ledger, now }),
  ];
  const tellPlacer: Economy['tellPlacer'] = (placer) => {
    market.onPrices = () => placer.setPrices(market);
    market.onPrices();
    jailed.onChange = (owners) => placer.setJailed(owners);
    placer.bonds = new Bonds();
  };
  const begin = async () => {
    await makeFirstMoney({ database, ledger, now }, settings.firstSupply);
    await governance.begin();
    await faucet.look();
    await market.step();
    await jailed.look();
  };
  return {
    ledger,
    market,
    settlement,
    stake,
    periods,
    wallets: new Wallets({ database, ledger, market, periods, now }),
    staking: new Staking({ database, stake, now }),
    governance,
    sweeps,
    settlingSweeps,
    credits: () => creditScheduleOf(governance.parameters.values),
    begin,
    arbitrate: (dispatcher, parts) =>
      void sweeps.push(arbitrationSweep({ database, jobs, stake, settlement, now }, dispatcher, parts)),
    tellPlacer,
  };
}

function arbitrationSweep(
  { settlement, ...basis }: Pick<EconomyParts, 'database' | 'jobs' | 'now'> & Pick<Economy, 'stake' | 'settlement'>,
  dispatcher: Dispatcher,
  { classes, bus }: Parameters<Economy['arbitrate']>[1],
): Sweep {
  const arbitration = new Arbitration({
    ...basis,
    payRuns: (writer, runs) => settlement.payRuns(writer, runs),
    dispatch: {
      classes,
      hints: dispatcher.hints,
      wake: () => dispatcher.wake(),
      announce: (classIds) => dispatcher.announce(classIds),
      publishStreams: (ids) => bus.publish({ kind: 'streams', ids }),
      publishOwner: (owner) => bus.publish({ kind: 'owner', owner }),
    },
  });
  const everyMilliseconds = ARBITRATION_LIMITS.lookMilliseconds;
  return { name: 'arbitrations', everyMilliseconds, run: () => arbitration.look() };
}

/** What moves money that is there already, and seals it. */
function settlingSweepsOf({
  database,
  ledger,
  sealer,
  settlement,
  periods,
  now,
}: Pick<EconomyParts, 'database' | 'now'> &
  Pick<Economy, 'ledger' | 'settlement' | 'periods'> & { sealer: Sealer }): Sweep[] {
  return [
    { name: 'periods', everyMilliseconds: SETTLEMENT_LIMITS.replicaLookMilliseconds, run: () => periods.look() },
    { name: 'escrows', everyMilliseconds: 1000, run: () => closeAll(settlement) },
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
}

function registerGauges(registry: Registry, database: Database, now: () => number): void {
  registerLedgerGauges(registry, database, now);
  registerStakeGauges(registry, database);
  registerEmissionGauges(registry, database);
  registerPeriodGauges(registry, database, now);
}

async function closeAll(settlement: Settlement): Promise<void> {
  while ((await settlement.closeEnded()) === SETTLEMENT_LIMITS.closedEscrows);
}
