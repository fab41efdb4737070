import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { httpFetch } from '../src/node/index.ts';

async function serving(listener: RequestListener) {
  const sockets = new Set<unknown>();
  const server = createServer(listener).listen(0, '127.0.0.1');
  server.on('connection', (socket) => sockets.add(socket));
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    sockets,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const get = { method: 'GET', headers: {} };

test('sends text, bytes and streams, and answers status, headers and JSON', async () => {
  await using server = await serving((request, response) => {
    let size = 0;
    request.on('data', (chunk: Buffer) => (size += chunk.length));
    request.on('end', () => response.writeHead(201, { 'x-seen': request.method }).end(JSON.stringify({ size })));
  });
  const fetch = httpFetch();
  const stream = ReadableStream.from([new Uint8Array(70_000), new Uint8Array(5)]) as ReadableStream<Uint8Array>;
  for (const [body, size] of [
    ['grüße', 7],
    [new Uint8Array(9), 9],
    [stream, 70_005],
  ] as const) {
    const response = await fetch(server.url, { method: 'PUT', headers: {}, body });
    assert.deepEqual([response.ok, response.status, response.headers.get('X-Seen')], [true, 201, 'PUT']);
    assert.deepEqual(await response.json(), { size });
  }
  assert.equal(server.sockets.size, 1, 'the connection is kept');
});

test('a connection whose answer has no body is kept too', async () => {
  await using server = await serving((request, response) => {
    if (request.method === 'HEAD') response.setHeader('content-length', 5);
    response.writeHead(request.method === 'HEAD' ? 200 : 204).end();
  });
  const fetch = httpFetch();
  for (const method of ['HEAD', 'DELETE', 'HEAD']) {
    await fetch(server.url, { method, headers: {} });
    await sleep(10);
  }
  await fetch(server.url, get);
  assert.equal(server.sockets.size, 1);
});

test('an answer that breaks off is an error of its body', async () => {
  await using server = await serving((_request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('some');
    setTimeout(() => response.destroy(), 20);
  });
  const response = await httpFetch()(server.url, get);
  await assert.rejects(response.text());
});

test('an upload that is refused before its end gets the answer', async () => {
  await using server = await serving((_request, response) => void response.writeHead(413).end('too large'));
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      sent += 1;
      if (sent > 10_000) controller.close();
      else controller.enqueue(new Uint8Array(10_000));
    },
  });
  const response = await httpFetch()(server.url, { method: 'PUT', headers: {}, body: endless });
  assert.equal(response.status, 413);
  assert.equal(await response.text(), 'too large');
});

test('a signal ends a request, and an answer under way', async () => {
  await using server = await serving((_request, response) => void response.writeHead(200).write('begun'));
  const fetch = httpFetch();
  await assert.rejects(fetch(server.url, { ...get, signal: AbortSignal.abort() }), { name: 'AbortError' });
  const stop = new AbortController();
  const response = await fetch(server.url, { ...get, signal: stop.signal });
  const reader = response.body?.getReader();
  await reader?.read();
  stop.abort();
  await assert.rejects(async () => await reader?.read());
});

test('redirects are not followed', async () => {
  await using server = await serving((_request, response) => {
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
  });
  assert.equal((await httpFetch()(server.url, get)).status, 302);
});

test('nobody there is an error', async () => {
  await assert.rejects(httpFetch()('http://127.0.0.1:1/', get), { code: 'ECONNREFUSED' });
});
