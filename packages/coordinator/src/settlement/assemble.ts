/** The ledger of a coordinator with what time makes due in it. */
import type { Registry } from 'prom-client';
import type { Database } from '../store/database.ts';
import { registerLedgerGauges } from './metrics.ts';
import { Sealer } from './sealing.ts';
import { SqlLedger } from './sql-ledger.ts';

export interface LedgerHome {
  ledger: SqlLedger;
  /** Seals what is committed, if no other coordinator does. */
  seal: () => Promise<number>;
  /** Releases what pending transfers reserved whose time is over. */
  expire: () => Promise<number>;
}

export function assembleLedger(
  given: { database: Database; coordinatorId: string; now: () => number },
  registry: Registry | null,
): LedgerHome {
  const { database, now } = given;
  const ledger = new SqlLedger(database.engine);
  const sealer = new Sealer(given);
  if (registry !== null) registerLedgerGauges(registry, database, now);
  return { ledger, seal: () => sealer.seal(), expire: () => ledger.sweepExpired(database, now()) };
}
