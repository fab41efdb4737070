/** Prometheus metrics of the process and of the HTTP side; the dispatcher adds its own to the same registry. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { BlobTotals } from '../blobs/blob-store.ts';

export interface HttpMetrics {
  registry: Registry;
  requestSeconds: Histogram<'method' | 'route' | 'status'>;
  eventStreams: Gauge;
  blobTransferBytes: Counter<'direction'>;
}

export interface HttpMetricsDependencies {
  /** Asked whenever the metrics are read; left out where there is no blob store. */
  blobTotals?: () => Promise<BlobTotals>;
}

/** One registry a coordinator, so that several live in one process. */
export function createHttpMetrics(dependencies: HttpMetricsDependencies = {}): HttpMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const { blobTotals } = dependencies;
  if (blobTotals !== undefined) registerBlobGauges(registry, blobTotals);
  return {
    registry,
    requestSeconds: new Histogram({
      name: 'fog_http_request_duration_seconds',
      help: 'Time from the request line to the end of the answer; event streams are not counted',
      labelNames: ['method', 'route', 'status'] as const,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
      registers: [registry],
    }),
    eventStreams: new Gauge({ name: 'fog_event_streams', help: 'Open event streams', registers: [registry] }),
    blobTransferBytes: new Counter({
      name: 'fog_blob_transfer_bytes_total',
      help: 'Bytes of blobs: received by completed uploads, and sent',
      labelNames: ['direction'] as const,
      registers: [registry],
    }),
  };
}

const BLOB_GAUGES = [
  ['blobs', 'fog_blobs', 'Stored blobs'],
  ['blobBytes', 'fog_blob_bytes', 'Bytes of stored blobs'],
  ['partialBytes', 'fog_blob_partial_bytes', 'Bytes of unfinished uploads'],
  ['limitBytes', 'fog_blob_limit_bytes', 'Space for blobs in all'],
  ['freeDiskBytes', 'fog_blob_disk_free_bytes', 'Free bytes on the disk of the blobs'],
] as const;

function registerBlobGauges(registry: Registry, blobTotals: () => Promise<BlobTotals>): void {
  for (const [key, name, help] of BLOB_GAUGES) {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: async () => gauge.set((await blobTotals())[key]),
    });
  }
}

export function registerDatabaseGauges(
  registry: Registry,
  space: { size: { bytes: number; usedBytes: number; freeDiskBytes: number | null } | null; limitBytes: number },
): void {
  const add = (name: string, help: string, read: () => number | null | undefined) => {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: () => gauge.set(read() ?? Number.NaN),
    });
  };
  add('fog_database_bytes', 'Bytes of the database on the disk', () => space.size?.bytes);
  add('fog_database_used_bytes', 'Of these, those that hold rows', () => space.size?.usedBytes);
  add('fog_database_limit_bytes', 'Space for the database', () => space.limitBytes);
  add('fog_database_disk_free_bytes', 'Free bytes on its disk', () => space.size?.freeDiskBytes);
}

export function registerTunnelGauge(registry: Registry, tunnels: { readonly count: number }): void {
  const gauge: Gauge = new Gauge({
    name: 'fog_tunnels',
    help: 'Open connections to published ports',
    registers: [registry],
    collect: () => gauge.set(tunnels.count),
  });
}
