/** Answers GET …/pods/NAME/log, as a kubelet does. */
import type { ServerResponse } from 'node:http';
import { type ApiServer, refuse } from './api-server.ts';
import type { LogEntry } from './kubelet.ts';

export async function serveLog(
  server: ApiServer,
  pod: string,
  query: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  const stream = query.get('stream');
  if (stream !== null && !server.hasSplitStreams) {
    refuse(response, 422, 'Invalid', 'PodLogOptions is invalid: stream: Forbidden: may not be specified');
    return;
  }
  const run = server.kubelet.run(pod);
  if (run === undefined) {
    refuse(response, 404, 'NotFound', `pods "${pod}" not found`);
    return;
  }
  const written = query.get('sinceTime');
  // Whole seconds: more is not passed on.
  const since = written === null ? 0n : BigInt(Math.floor(Date.parse(written) / 1000)) * 1_000_000_000n;
  const wanted = ({ nanoseconds, stream: of }: LogEntry): boolean =>
    nanoseconds >= since && (stream === null || stream === of);
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  let sent = 0;
  let wake = (): void => undefined;
  response.on('close', () => wake());
  response.on('drain', () => wake());
  const woken = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  for (;;) {
    while (sent < run.log.length) {
      const batch = run.log.slice(sent, sent + 500);
      sent += batch.length;
      const timestamps = query.get('timestamps') === 'true';
      const bytes = Buffer.concat(
        batch.filter(wanted).flatMap((entry) => [timestamps ? stampOf(entry) : Buffer.alloc(0), entry.data]),
      );
      if (bytes.byteLength > 0 && !response.write(bytes)) await woken();
      if (response.destroyed) return;
    }
    if (run.isOver || query.get('follow') !== 'true') break;
    const logged = (): void => wake();
    run.waiting.add(logged);
    await woken();
    run.waiting.delete(logged);
    if (response.destroyed) return;
  }
  response.end();
}

function stampOf({ nanoseconds }: LogEntry): Buffer {
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return Buffer.from(`${seconds}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}Z `);
}
