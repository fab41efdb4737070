/** What operators watch of jobs that wait for others. */
import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../store/database.ts';
import { countWaiting } from '../store/dependency-rows.ts';

/** Adds the gauge to the registry; it reads the database when it is scraped. */
export function registerDependencyGauge(registry: Registry, { read }: Pick<Database, 'read'>): void {
  const waiting: Gauge = new Gauge({
    name: 'fog_jobs_waiting',
    help: 'Jobs that wait for other jobs',
    registers: [registry],
    collect: async () => waiting.set(await countWaiting(read)),
  });
}
