/** A small HTTP server that answers scrapes of Prometheus at /metrics, and nothing else. */
import { createServer } from 'node:http';
import { FogError } from '@fog/contract';
import { isLoopback } from '@fog/contract/node';
import { formatTcpAddress, parseTcpAddress, type TcpAddress } from '@fog/transport';

export interface ScrapedMetrics {
  contentType: string;
  text(): Promise<string>;
}

export interface MetricsServer extends AsyncDisposable {
  /** `http://HOST:PORT/metrics`. */
  url: string;
}

export interface MetricsOptions {
  /** host:port, with port 0 a free one. */
  metrics?: string;
  exposeMetrics?: boolean;
}

/**
 * Where metrics are to be served, null for nowhere. Whoever reads them at two moments learns what passed between, so
 * they go to this machine alone unless it is said otherwise. Throws `invalid-request`.
 */
export function metricsAddress({ metrics, exposeMetrics = false }: MetricsOptions): TcpAddress | null {
  if (metrics === undefined) return null;
  const address = parseTcpAddress(metrics);
  if (exposeMetrics || isLoopback(address.host)) return address;
  throw new FogError(
    'invalid-request',
    `metrics at ${metrics} would tell whoever gets there exact counts at any time`,
    {
      hint: 'serve them on 127.0.0.1; --expose-metrics where a firewall lets nobody but your monitoring through',
    },
  );
}

/** Throws `port-taken` and `invalid-configuration`. */
export async function serveMetrics({ host, port }: TcpAddress, metrics: ScrapedMetrics): Promise<MetricsServer> {
  const server = createServer((incoming, response) => {
    if (incoming.method !== 'GET' || incoming.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end('metrics are at /metrics\n');
      return;
    }
    metrics.text().then(
      (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'port-taken' : 'invalid-configuration';
      reject(
        new FogError(code, `cannot listen for metrics at ${formatTcpAddress({ host, port })}: ${cause.message}`, {
          cause,
        }),
      );
    });
    server.listen({ host, port }, resolve);
  });
  const listening = server.address();
  const own = typeof listening === 'object' && listening !== null ? listening.port : port;
  return {
    url: `http://${formatTcpAddress({ host, port: own })}/metrics`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
