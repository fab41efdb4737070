/** What operators watch of services and daemons that are paid for. */
import { sql } from 'kysely';
import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../../store/database.ts';

/** Adds the gauges to the registry; they read the database when they are scraped. */
export function registerPeriodGauges(registry: Registry, { read }: Pick<Database, 'read'>, now: () => number): void {
  const registers = [registry];
  const services: Gauge = new Gauge({
    name: 'fog_paid_services',
    help: 'Jobs of deployments that are paid by periods',
    registers,
    collect: async () => {
      const { rows } = await sql<{ jobs: number; looked_at: number | null }>`SELECT COUNT(*) AS jobs,
        MIN(looked_at) AS looked_at FROM paid_services`.execute(read);
      const [row] = rows;
      services.set(Number(row?.jobs ?? 0));
      age.set(row?.looked_at == null ? 0 : Math.max(0, now() - Number(row.looked_at)) / 1000);
    },
  });
  const age = new Gauge({
    name: 'fog_paid_services_unwatched_seconds',
    help: 'How long ago the one that was looked at longest ago was: after a minute nobody is paid for the time between',
    registers,
  });
  const uncovered: Gauge = new Gauge({
    name: 'fog_uncovered_replicas',
    help: 'Replicas that are wanted, and do not run for want of cover',
    registers,
    collect: async () => {
      const { rows } = await sql<{ replicas: number | null }>`SELECT SUM(wanted - covered) AS replicas FROM deployments
        WHERE covered < wanted`.execute(read);
      uncovered.set(Number(rows[0]?.replicas ?? 0));
    },
  });
}
