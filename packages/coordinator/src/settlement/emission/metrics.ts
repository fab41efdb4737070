/** What operators watch of emission. */
import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../../store/database.ts';
import { countClaims, sumOfEmission } from '../../store/emission-rows.ts';

/** Adds the gauges to the registry; they read the database when they are scraped. */
export function registerEmissionGauges(registry: Registry, { read }: Pick<Database, 'read'>): void {
  const registers = [registry];
  const made: Gauge = new Gauge({
    name: 'fog_emission_made_fog',
    help: 'New FOG that was made for work so far',
    registers,
    collect: async () => made.set(await sumOfEmission(read)),
  });
  const claims: Gauge = new Gauge({
    name: 'fog_emission_claims',
    help: 'Claims of work on new money that wait for the end of their day',
    registers,
    collect: async () => claims.set(await countClaims(read)),
  });
}
