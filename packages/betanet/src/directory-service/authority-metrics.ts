/** What operators watch of an authority, in the text format of Prometheus. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { AuthorityServer } from './authority-server.ts';

export interface AuthorityMetrics {
  /** Of the answer to a scrape. */
  contentType: string;
  text(): Promise<string>;
}

export function authorityMetrics(authority: Pick<AuthorityServer, 'status' | 'refusals'>): AuthorityMetrics {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number | null) => {
    const made: Gauge = new Gauge({
      name,
      help,
      registers,
      collect: () => {
        made.reset();
        made.set(read() ?? Number.NaN);
      },
    });
  };
  gauge(
    'fog_mix_authority_consensus_epoch',
    'Epoch of the newest consensus; not a number before the first',
    () => authority.status().consensusEpoch,
  );
  gauge(
    'fog_mix_authority_round_epoch',
    'Epoch that the present round is for; not a number before the first',
    () => authority.status().round?.epoch ?? null,
  );
  gauge('fog_mix_authority_round_failed', 'Whether the present round has failed', () =>
    authority.status().round?.failure ? 1 : 0,
  );
  gauge('fog_mix_authority_descriptors', 'Descriptors of relays for the present round', () => {
    return authority.status().descriptors;
  });
  const refusals: Counter<'reason'> = new Counter({
    name: 'fog_mix_authority_refusals_total',
    help: 'Documents that were refused, by reason',
    labelNames: ['reason'] as const,
    registers,
    collect: () => {
      refusals.reset();
      for (const [reason, count] of authority.refusals) refusals.inc({ reason }, count);
    },
  });
  return { contentType: registry.contentType, text: () => registry.metrics() };
}
