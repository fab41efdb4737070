/** What operators watch of stake. */
import { sql } from 'kysely';
import { Gauge, type Registry } from 'prom-client';
import type { Database } from '../../store/database.ts';

/** Adds the gauges to the registry; they read the database when they are scraped. */
export function registerStakeGauges(registry: Registry, { read }: Pick<Database, 'read'>): void {
  const registers = [registry];
  const validators: Gauge = new Gauge({
    name: 'fog_stake_validators',
    help: 'Owners with a bond, by state',
    labelNames: ['state'],
    registers,
    collect: async () => {
      const { rows } = await sql<{ status: string; count: number }>`SELECT status, COUNT(*) AS count
        FROM stake_validators GROUP BY status`.execute(read);
      validators.reset();
      for (const { status, count } of rows) validators.set({ state: status }, Number(count));
    },
  });
  const bonded: Gauge = new Gauge({
    name: 'fog_stake_bonded_fog',
    help: 'FOG at stake with all of them',
    registers,
    collect: async () => {
      const { rows } = await sql<{ tokens: number | null }>`SELECT SUM(CAST(tokens AS NUMERIC)) AS tokens
        FROM stake_validators`.execute(read);
      bonded.set(Number(rows[0]?.tokens ?? 0) / 1e6);
    },
  });
  const faults: Gauge = new Gauge({
    name: 'fog_stake_faults',
    help: 'Results that were proven wrong: waiting to be slashed, or void',
    labelNames: ['state'],
    registers,
    collect: async () => {
      const { rows } = await sql<{ state: string; count: number }>`SELECT state, COUNT(*) AS count
        FROM stake_faults WHERE state IN ('waiting', 'void') GROUP BY state`.execute(read);
      faults.reset();
      faults.set({ state: 'waiting' }, 0);
      for (const { state, count } of rows) faults.set({ state }, Number(count));
    },
  });
  const arbitrations: Gauge = new Gauge({
    name: 'fog_arbitrations',
    help: 'Tasks of the last days whose results differed, by what has come of looking for those that are wrong',
    labelNames: ['state'],
    registers,
    collect: async () => {
      const { rows } = await sql<{ state: string; count: number }>`SELECT state, COUNT(*) AS count
        FROM arbitrations GROUP BY state`.execute(read);
      arbitrations.reset();
      for (const state of ['open', 'proven', 'too-few-arbiters']) arbitrations.set({ state }, 0);
      for (const { state, count } of rows) arbitrations.set({ state }, Number(count));
    },
  });
  const slashes: Gauge = new Gauge({
    name: 'fog_stake_slashes',
    help: 'Slashes by state; an appealed one waits for the operator',
    labelNames: ['state'],
    registers,
    collect: async () => {
      const { rows } = await sql<{ state: string; count: number }>`SELECT state, COUNT(*) AS count
        FROM stake_slashes GROUP BY state`.execute(read);
      slashes.reset();
      slashes.set({ state: 'appealed' }, 0);
      for (const { state, count } of rows) slashes.set({ state }, Number(count));
    },
  });
}
