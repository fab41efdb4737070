import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { FogClient, type JobEventRecord } from '@fog/contract';
import { HTTP_LIMITS } from '../../src/limits.ts';
import { EventStreams } from '../../src/routes/event-stream.ts';
import { FakeService, JOB_ID } from './fake-service.ts';
import { silent, startServer, type TestServer } from './running-server.ts';

const PATH = `/v1/jobs/${JOB_ID}/events`;

async function clientOf(it: TestServer): Promise<FogClient> {
  const url = await it.listen();
  return new FogClient({ url, token: (await it.bearer('submit')).slice('Bearer '.length) });
}

/** Opens a stream; `text` grows as it comes. */
async function openStream(url: string, headers: Record<string, string>) {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url + PATH, { headers: { accept: 'text/event-stream', ...headers } }, resolve)
      .on('error', reject)
      .end();
  });
  const stream = { answer, text: '', ended: false };
  answer.on('data', (chunk) => {
    stream.text += chunk;
  });
  answer.on('error', () => undefined);
  answer.on('close', () => {
    stream.ended = true;
  });
  return stream;
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    assert.ok(tries < 400, 'it did not happen within 4 s');
    await pause(10);
  }
}

test('a stream follows: what is there, what is appended, and the end', { timeout: 10_000 }, async () => {
  await using it = await startServer();
  const client = await clientOf(it);
  it.service.append(300);
  const seen: number[] = [];
  const following = (async () => {
    for await (const record of client.follow('jobEvents', { params: { job: JOB_ID } })) seen.push(record.sequence);
  })();
  await until(() => seen.length === 300);
  for (let round = 0; round < 20; round += 1) {
    it.service.append(10);
    await pause(2);
  }
  it.service.end();
  await following;
  assert.deepEqual(
    seen,
    Array.from({ length: 500 }, (_, index) => index + 1),
  );
  await until(() => it.service.subscribers(JOB_ID) === 0);
});

test('a client that is cut again and again misses nothing and sees nothing twice', { timeout: 10_000 }, async () => {
  await using it = await startServer();
  const client = await clientOf(it);
  const seen: JobEventRecord[] = [];
  const following = (async () => {
    for await (const record of client.follow('jobEvents', { params: { job: JOB_ID } })) seen.push(record);
  })();
  for (let round = 0; round < 4; round += 1) {
    it.service.append(7);
    await until(() => it.service.subscribers(JOB_ID) === 1);
    await pause(round * 7);
    it.server.server.closeAllConnections();
  }
  it.service.append(7);
  it.service.end();
  await following;
  assert.deepEqual(
    seen.map((record) => record.sequence),
    Array.from({ length: 35 }, (_, index) => index + 1),
  );
});

test('it resumes after Last-Event-ID, which beats the query, and errors are still problems', async () => {
  await using it = await startServer();
  const url = await it.listen();
  const authorization = await it.bearer('read');
  it.service.append(5);
  it.service.end();
  const get = (path: string, headers: Record<string, string>) =>
    fetch(url + path, { headers: { authorization, accept: 'text/event-stream', ...headers } });
  const ids = async (answer: Response) =>
    [...(await answer.text()).matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
  assert.deepEqual(await ids(await get(`${PATH}?after=2`, {})), [3, 4, 5]);
  const resumed = await get(`${PATH}?after=2`, { 'last-event-id': '4' });
  assert.match(resumed.headers.get('content-type') ?? '', /^text\/event-stream/);
  assert.equal(resumed.headers.get('x-content-type-options'), 'nosniff');
  const text = await resumed.text();
  assert.match(text, /^id: 5\ndata: \{"sequence":5,.*\}\n\nevent: end\ndata: \{\}\n\n$/);
  const bad = await get(PATH, { 'last-event-id': '-1' });
  assert.equal(((await bad.json()) as { code: string }).code, 'invalid-request');
  const absent = await get(PATH.replace(JOB_ID, 'j000000000000000000'), {});
  assert.equal(absent.status, 404);
  const page = await fetch(`${url}${PATH}?after=3&limit=1`, { headers: { authorization } });
  const { items, ended } = (await page.json()) as { items: JobEventRecord[]; ended: boolean };
  assert.deepEqual([items.map((item) => item.sequence), ended], [[4], false]);
});

test('a client that goes away ends its subscription', async () => {
  await using it = await startServer();
  const url = await it.listen();
  const stream = await openStream(url, { authorization: await it.bearer('read') });
  await until(() => it.service.subscribers(JOB_ID) === 1);
  stream.answer.destroy();
  await until(() => it.service.subscribers(JOB_ID) === 0);
});

test('stopping the server cuts streams without an end, so that clients come back', async () => {
  await using it = await startServer();
  const url = await it.listen();
  it.service.append(1);
  const stream = await openStream(url, { authorization: await it.bearer('read') });
  await until(() => stream.text.includes('id: 1'));
  const start = performance.now();
  await it.server.close();
  assert.ok(performance.now() - start < 1000);
  await until(() => stream.ended);
  assert.ok(!stream.text.includes('event: end'));
});

test('a slow client holds one page at most and is cut when it does not read', { timeout: 10_000 }, async () => {
  const service = new FakeService();
  service.append(5000, 'x'.repeat(10_000));
  const streams = new EventStreams({
    subscribe: (stream, wake) => service.subscribe(stream, wake),
    logger: silent,
    count: () => undefined,
    stallMilliseconds: 300,
  });
  const { createServer } = await import('node:http');
  const caller = { scope: 'read' as const, principal: 'alice' };
  let over: Promise<void> | undefined;
  let held = 0;
  const server = createServer((_request, response) => {
    over = streams.run(
      {
        source: { stream: JOB_ID, read: (range) => service.jobEvents(caller, JOB_ID, range) },
        after: 0,
        principal: 'alice',
        response,
        headers: {},
        recheck: async () => undefined,
      },
      () => undefined,
    );
    setInterval(() => {
      held = Math.max(held, response.writableLength);
    }, 5).unref();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause();
  socket.write(`GET / HTTP/1.1\r\nhost: fog\r\n\r\n`);
  await until(() => over !== undefined);
  await over;
  assert.ok(service.reads < 5000 / HTTP_LIMITS.eventStreamRecords, `read ${service.reads} pages`);
  assert.ok(held < 4 * HTTP_LIMITS.eventStreamSliceBytes, `held ${held} bytes`);
  assert.equal(service.subscribers(JOB_ID), 0);
  socket.destroy();
  server.closeAllConnections();
  server.close();
});

test('silence is filled with comments, and a token that was revoked ends the stream', async () => {
  const service = new FakeService();
  let good = true;
  let count = 0;
  const streams = new EventStreams({
    subscribe: (stream, wake) => service.subscribe(stream, wake),
    logger: silent,
    count: (change) => {
      count += change;
    },
    keepAliveMilliseconds: 20,
  });
  const { createServer } = await import('node:http');
  const server = createServer((_request, response) => {
    void streams.run(
      {
        source: { stream: JOB_ID, read: async () => ({ items: [], ended: false }) },
        after: 0,
        principal: 'alice',
        response,
        headers: {},
        recheck: async () => {
          if (!good) throw new Error('revoked');
        },
      },
      () => undefined,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const stream = await openStream(`http://127.0.0.1:${port}`, {});
  await until(() => stream.text.split(': still here').length > 3);
  assert.equal(count, 1);
  good = false;
  await until(() => stream.ended);
  assert.equal(count, 0);
  server.close();
});

test('streams are limited for each principal', { timeout: 20_000 }, async () => {
  await using it = await startServer();
  const url = await it.listen();
  const authorization = await it.bearer('read', 'greedy');
  const open = [];
  for (let index = 0; index < HTTP_LIMITS.eventStreamsPerPrincipal; index += 1) {
    open.push(openStream(url, { authorization }));
  }
  const streams = await Promise.all(open);
  const refused = await openStream(url, { authorization });
  assert.equal(refused.answer.statusCode, 429);
  assert.equal((await openStream(url, { authorization: await it.bearer('read', 'modest') })).answer.statusCode, 200);
  streams[0]?.answer.destroy();
  await until(() => it.service.subscribers(JOB_ID) === HTTP_LIMITS.eventStreamsPerPrincipal);
  assert.equal((await openStream(url, { authorization })).answer.statusCode, 200);
});
