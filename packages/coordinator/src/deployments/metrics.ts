/** What operators watch of deployments. */
import { DEPLOYMENT_STATES } from '@fog/contract';
import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../store/database.ts';

/** Adds the gauges to the registry; each reads the database when it is scraped. */
export function registerDeploymentGauges(registry: Registry, { read }: Pick<Database, 'read'>): void {
  const registers = [registry];
  const deployments: Gauge<'state'> = new Gauge({
    name: 'fog_deployments',
    help: 'Deployments by state',
    labelNames: ['state'] as const,
    registers,
    collect: async () => {
      const rows = await read
        .selectFrom('deployments')
        .select(({ fn }) => ['state', fn.countAll<number>().as('count')])
        .groupBy('state')
        .execute();
      const counts = new Map(rows.map((row) => [row.state, Number(row.count)]));
      for (const state of DEPLOYMENT_STATES) deployments.set({ state }, counts.get(state) ?? 0);
    },
  });
  const replicas: Gauge<'is'> = new Gauge({
    name: 'fog_deployment_replicas',
    help: 'Replicas of all deployments: how many are wanted, and how many are available',
    labelNames: ['is'] as const,
    registers,
    collect: async () => {
      const row = await read
        .selectFrom('deployments')
        .select(({ fn }) => [
          fn.sum<number | null>('wanted').as('wanted'),
          fn.sum<number | null>('available').as('available'),
        ])
        .executeTakeFirst();
      for (const is of ['wanted', 'available'] as const) replicas.set({ is }, Number(row?.[is] ?? 0));
    },
  });
}
