/** What operators watch of the ledger. */
import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../store/database.ts';
import { unsealedTail } from './sealing.ts';

/** Adds the gauges to the registry; they read the database when they are scraped. */
export function registerLedgerGauges(registry: Registry, { read }: Pick<Database, 'read'>, now: () => number): void {
  const registers = [registry];
  const sealed: Gauge = new Gauge({
    name: 'fog_ledger_sealed_sequence',
    help: 'Rows of the ledger that are sealed',
    registers,
    collect: async () => {
      const tail = await unsealedTail(read, now());
      sealed.set(tail.sealedSequence);
      unsealed.set(tail.unsealedRows);
      age.set(tail.ageMilliseconds / 1000);
    },
  });
  const unsealed = new Gauge({
    name: 'fog_ledger_unsealed_rows',
    help: 'Rows of the ledger that are committed and not sealed yet',
    registers,
  });
  const age = new Gauge({
    name: 'fog_ledger_unsealed_seconds',
    help: 'How long the oldest row that is not sealed has waited',
    registers,
  });
}
