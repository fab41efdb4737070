/** Puts governance together. */
import { randomBytes } from 'node:crypto';
import type { Registry } from 'prom-client';
import type { Sweep } from '../dispatch/sweeps.ts';
import { DAO_LIMITS } from '../limits.ts';
import type { SqlLedger } from '../settlement/sql-ledger.ts';
import { storeNetwork } from '../store/dao-rows.ts';
import type { Database } from '../store/database.ts';
import { Dao } from './dao.ts';
import { registerDaoGauges } from './metrics.ts';
import { Proposals } from './proposals.ts';
import { RunningParameters } from './running-parameters.ts';
import { VotingPower } from './voting-power.ts';

export interface Governance {
  dao: Dao;
  parameters: RunningParameters;
  /** Told of every change of stake. */
  power: VotingPower;
  sweeps: Sweep[];
  /** Before anything is asked of it. */
  begin(): Promise<void>;
}

export function assembleGovernance(given: {
  database: Database;
  ledger: SqlLedger;
  now: () => number;
  warn: (message: string, data: Record<string, unknown>) => void;
  /** Of metrics; null where nobody looks at them. */
  registry: Registry | null;
}): Governance {
  const { database, registry } = given;
  if (registry !== null) registerDaoGauges(registry, database);
  const parameters = new RunningParameters(database);
  const power = new VotingPower(given);
  const proposals = new Proposals({ ...given, parameters });
  const { parameterMilliseconds, lookMilliseconds, forgetMilliseconds } = DAO_LIMITS;
  const sweeps: Sweep[] = [
    { name: 'parameters', everyMilliseconds: parameterMilliseconds, run: () => parameters.look() },
    { name: 'proposals', everyMilliseconds: lookMilliseconds, run: () => proposals.look() },
    { name: 'voting power', everyMilliseconds: forgetMilliseconds, run: () => power.forget() },
  ];
  const begin = async () => {
    await database.write((writer) => storeNetwork(writer, `fog-${randomBytes(8).toString('hex')}`));
    await parameters.look();
  };
  return { dao: new Dao({ database, parameters, power, proposals }), parameters, power, sweeps, begin };
}
