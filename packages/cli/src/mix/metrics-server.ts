/** A small HTTP server that answers scrapes of Prometheus at /metrics, and nothing else. */
import { createServer } from 'node:http';
import { FogError } from '@fog/contract';
import { formatTcpAddress, parseTcpAddress } from '@fog/transport';

export interface ScrapedMetrics {
  contentType: string;
  text(): Promise<string>;
}

export interface MetricsServer extends AsyncDisposable {
  /** `http://HOST:PORT/metrics`. */
  url: string;
}

/** `address`: host:port, with port 0 a free one. Throws `port-taken` and `invalid-configuration`. */
export async function serveMetrics(address: string, metrics: ScrapedMetrics): Promise<MetricsServer> {
  const { host, port } = parseTcpAddress(address);
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
      reject(new FogError(code, `cannot listen for metrics at ${address}: ${cause.message}`, { cause }));
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
