/** What operators watch of governance. */
import { PROPOSAL_STATES } from '@fog/economy/governance';
import { Gauge, type Registry } from 'prom-client';
import { countProposals } from '../store/dao-rows.ts';
import type { Database } from '../store/database.ts';

/** Adds a gauge to the registry; it reads the database when it is scraped. */
export function registerDaoGauges(registry: Registry, { read }: Pick<Database, 'read'>): void {
  const proposals: Gauge<'state'> = new Gauge({
    name: 'fog_dao_proposals',
    help: 'Proposals by state',
    labelNames: ['state'],
    registers: [registry],
    collect: async () => {
      const counts = await countProposals(read);
      for (const state of PROPOSAL_STATES) proposals.set({ state }, counts.get(state) ?? 0);
    },
  });
}
