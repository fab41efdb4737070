/** Health checks against programs on the loopback of this machine, which answer anything. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, test } from 'node:test';
import type { HealthSpec } from '@fog/contract';
import fc from 'fast-check';
import { type Checked, checkHealth } from '../src/health-check.ts';
import { AGENT_LIMITS } from '../src/limits.ts';

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

const spec = (check: Pick<HealthSpec, 'http' | 'tcp' | 'command'>): HealthSpec => {
  return { interval: '1s', timeout: '1s', retries: 1, startPeriod: '0s', ...check };
};

/** A sandbox with this server on its port. */
async function sandbox(server: Server): Promise<Checked> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    connect: async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
  };
}

/** Sends these bytes to whoever connects. */
async function saying(bytes: string | Uint8Array, { ends = true } = {}): Promise<Checked> {
  return await sandbox(
    createServer((socket: Socket) => {
      socket.on('error', () => {});
      socket.once('data', () => (ends ? socket.end(bytes) : socket.write(bytes)));
    }),
  );
}

const http = spec({ http: { port: 80, path: '/healthz' } });

test('200 to 399 is healthy; a redirect is not followed; what a sick program says is told', async () => {
  const asked: string[] = [];
  const run = await sandbox(
    createHttpServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.host}`);
      const status = Number(request.url?.slice(1));
      response.writeHead(status, { location: '/500' }).end(`said ${'x'.repeat(2000)}`);
    }),
  );
  const check = async (status: number) =>
    await checkHealth(spec({ http: { port: 8080, path: `/${status}` } }), run, 2000);
  for (const status of [200, 204, 302, 399]) {
    assert.deepEqual(await check(status), { isHealthy: true, message: `status ${status}` });
  }
  const sick = await check(503);
  assert.equal(sick.isHealthy, false);
  assert.match(sick.message, /^status 503: said x+$/);
  assert.ok(sick.message.length < AGENT_LIMITS.healthMessageCharacters + 20);
  assert.equal((await check(404)).isHealthy, false);
  assert.deepEqual(asked[0], 'GET /200 127.0.0.1:8080');
  assert.equal(asked.length, 6);
});

test('an answer without end, none at all, or one that trickles, is in time for the limit', async () => {
  const endless = await saying(`HTTP/1.1 500 No\r\n\r\n${'x'.repeat(100_000)}`, { ends: false });
  assert.match((await checkHealth(http, endless, 5000)).message, /^status 500: x+$/);
  for (const bytes of ['', 'HTTP/1.1 500 No\r\n\r\nno']) {
    const begin = performance.now();
    const result = await checkHealth(http, await saying(bytes, { ends: false }), 100);
    assert.deepEqual(result, { isHealthy: false, message: 'no result within 100 ms' });
    assert.ok(performance.now() - begin < 2000);
  }
  const silent: Checked = { connect: () => new Promise(() => {}) };
  assert.equal((await checkHealth(http, silent, 20)).message, 'no result within 20 ms');
});

test('a port answers, or does not', async () => {
  const tcp = spec({ tcp: { port: 5432 } });
  assert.deepEqual(await checkHealth(tcp, await saying(''), 1000), { isHealthy: true, message: 'port 5432 answers' });
  const closed: Checked = { connect: () => Promise.reject(new Error('Nobody listens.')) };
  assert.deepEqual(await checkHealth(tcp, closed, 1000), { isHealthy: false, message: 'Nobody listens.' });
  assert.match((await checkHealth(tcp, {}, 1000)).message, /no way into/);
});

test('a command ends with 0, with another code, or is killed', async () => {
  const command = spec({ command: ['/bin/check', '-q'] });
  const asked: unknown[] = [];
  const exec = (exitCode: number | null, output: string): Checked => ({
    exec: async (...given) => {
      asked.push(given);
      return { exitCode, output };
    },
  });
  assert.deepEqual(await checkHealth(command, exec(0, ''), 1000), { isHealthy: true, message: 'exit code 0' });
  assert.deepEqual(await checkHealth(command, exec(2, 'no disk\n'), 1000), {
    isHealthy: false,
    message: 'exit code 2: no disk',
  });
  assert.equal((await checkHealth(command, exec(null, ''), 1000)).message, 'the command was killed');
  assert.deepEqual(asked[0], [['/bin/check', '-q'], 1000]);
});

test('property: whatever a program answers, a check has a result', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'HTTP/1.1 ',
      '200',
      ' OK',
      '\r\n',
      '\r\n\r\n',
      'Content-Length: ',
      'Transfer-Encoding: chunked',
      '5',
    ),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const result = await checkHealth(http, await saying(pieces.join('')), 1000);
      assert.equal(typeof result.isHealthy, 'boolean');
      assert.notEqual(result.message, '');
    }),
    { numRuns: 60 },
  );
});
