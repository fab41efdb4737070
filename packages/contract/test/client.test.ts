import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Fetch,
  FogClient,
  FogError,
  type JobEventRecord,
  ROUTES,
  type RouteDefinition,
  routePath,
} from '../src/index.ts';

const JOB = 'j000000000000000000';
const TOKEN = 'fog_test';
const record = (sequence: number, message = ''): JobEventRecord => ({
  sequence,
  atMilliseconds: 1,
  data: { type: 'task.progress', partition: 0, fence: 1, node: 'n', fraction: 0.5, message },
});
const block = (each: JobEventRecord) => `id: ${each.sequence}\nevent: message\ndata: ${JSON.stringify(each)}\n\n`;

/** A client whose answers are these streams of chunks, one a request. */
function scripted(...answers: (Uint8Array[] | (() => Promise<Response>))[]): { client: FogClient; paths: string[] } {
  const paths: string[] = [];
  const fetch: Fetch = async (url) => {
    paths.push(new URL(url).pathname + new URL(url).search);
    const answer = answers[paths.length - 1] ?? [];
    if (typeof answer === 'function') return await answer();
    return new Response(ReadableStream.from(answer) as ReadableStream<Uint8Array>);
  };
  return { client: new FogClient({ url: 'http://fog.test/', token: TOKEN, fetch }), paths };
}

async function followAll(client: FogClient, options = {}): Promise<number[]> {
  const seen: number[] = [];
  for await (const each of client.follow('jobEvents', { params: { job: JOB } }, options)) seen.push(each.sequence);
  return seen;
}

const bytes = (text: string) => new TextEncoder().encode(text);

test('a stream is read the same however it is cut into chunks', async () => {
  const message = fc.string({ unit: 'grapheme', maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { maxLength: 6 }),
      fc.array(fc.nat({ max: 400 }), { maxLength: 12 }),
      async (messages, cuts) => {
        const records = messages.map((text, index) => record(index + 1, text));
        const whole = bytes(`: keep-alive\n\n${records.map(block).join(': comment\n\n')}event: end\ndata: {}\n\n`);
        const borders = [
          0,
          ...cuts.map((cut) => cut % (whole.length + 1)).sort((left, right) => left - right),
          whole.length,
        ];
        const chunks = borders.slice(1).map((end, index) => whole.slice(borders[index], end));
        const { client } = scripted(chunks);
        const seen: unknown[] = [];
        for await (const each of client.follow('jobEvents', { params: { job: JOB } })) seen.push(each);
        assert.deepEqual(seen, records);
      },
    ),
    { numRuns: 60 },
  );
});

test('a stream that breaks is resumed after the last record', async () => {
  const broken = [bytes(block(record(1)) + block(record(2))), bytes('id: 3\ndata: {"half')];
  const down = () => Promise.reject(new TypeError('fetch failed'));
  const busy = async () => Response.json(new FogError('unavailable', 'later').toProblem(), { status: 503 });
  const proxy = async () => new Response('<h1>Bad Gateway</h1>', { status: 502 });
  const rest = [bytes(`${block(record(3))}event: end\ndata:\n\n`)];
  const { client, paths } = scripted(broken, down, busy, proxy, rest);
  assert.deepEqual(await followAll(client), [1, 2, 3]);
  assert.deepEqual(
    paths.map((path) => path.split('after=')[1]),
    ['0', '2', '2', '2', '2'],
  );
});

test('what cannot get better ends the stream at once', async () => {
  const refuse = async () => Response.json(new FogError('not-found', 'no such job').toProblem(), { status: 404 });
  await assert.rejects(followAll(scripted(refuse).client), { code: 'not-found', message: 'no such job' });
  const unreadable = [bytes('id: 1\ndata: {"sequence":1}\n\n')];
  await assert.rejects(followAll(scripted(unreadable, unreadable, unreadable).client), {
    code: 'internal',
    message: /cannot read/,
  });
});

test('patience ends when the coordinator stays away, and aborting ends it at once', async () => {
  const down = () => Promise.reject(new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') }));
  const away = scripted(down, down, down, down).client;
  await assert.rejects(followAll(away, { patienceMilliseconds: 300 }), {
    code: 'unavailable',
    message: /ECONNREFUSED/,
  });
  const abort = new AbortController();
  const hanging = followAll(
    scripted(
      () => new Promise((_, reject) => abort.signal.addEventListener('abort', () => reject(abort.signal.reason))),
    ).client,
    { signal: abort.signal },
  );
  abort.abort();
  await assert.rejects(hanging, { code: 'cancelled' });
});

test('paths are filled in and escaped', () => {
  const route = { path: '/v1/things/:thing/parts/:part' };
  assert.equal(routePath(route, { params: { thing: 'a/b', part: '?#ü' } }), '/v1/things/a%2Fb/parts/%3F%23%C3%BC');
  assert.equal(routePath({ path: '/x' }, { query: { a: 1, b: undefined, c: 'x y&z' } }), '/x?a=1&c=x+y%26z');
  assert.equal(routePath({ path: '/x/:id' }, { params: { id: '$&' } }), '/x/%24%26');
});

test('the table of routes is sound: every parameter has a schema, and no two routes are the same', () => {
  const routes: [string, RouteDefinition][] = Object.entries(ROUTES);
  for (const [name, route] of routes) {
    const wanted = [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1]).sort();
    assert.deepEqual(Object.keys(route.params?.shape ?? {}).sort(), wanted, name);
    assert.ok(route.method !== 'GET' || route.body === undefined, name);
  }
  assert.equal(
    new Set(routes.map(([, { method, path }]) => `${method} ${path.replace(/:\w+/g, ':')}`)).size,
    routes.length,
  );
});

async function withServer(listener: RequestListener, use: (client: FogClient) => Promise<void>): Promise<void> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(new FogClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: TOKEN }));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('over a real server: typed errors, blobs by parts, and no token in any message', async () => {
  const listener: RequestListener = (request, response) => {
    if (request.headers.authorization !== `Bearer ${TOKEN}`) response.writeHead(401).end();
    else if (request.method === 'HEAD') response.writeHead(404, { 'fog-upload-offset': '5' }).end();
    else if (request.url?.startsWith('/v1/blobs/')) response.end(`range ${request.headers.range}`);
    else if (request.url === '/v1/status')
      response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>oops</h1>');
    else
      response
        .writeHead(409)
        .end(JSON.stringify(new FogError('conflict', 'not now', { details: { why: 1 }, hint: 'wait' }).toProblem()));
  };
  await withServer(listener, async (client) => {
    const digest = `sha256:${'0'.repeat(64)}`;
    assert.deepEqual(await client.blobOffset(digest), { complete: false, offset: 5 });
    assert.equal(await new Response(await client.getBlob(digest, { offset: 3 })).text(), 'range bytes=3-');
    await assert.rejects(client.call('cancelJob', { params: { job: JOB } }), {
      code: 'conflict',
      message: 'not now',
      hint: 'wait',
      details: { why: 1 },
    });
    await assert.rejects(
      client.call('status'),
      (error: FogError) => error.code === 'internal' && error.message.includes('500') && !error.message.includes(TOKEN),
    );
  });
  const gone = new FogClient({ url: 'http://127.0.0.1:1', token: TOKEN });
  await assert.rejects(
    gone.call('status'),
    (error: FogError) => error.code === 'unavailable' && error.retryable && !error.message.includes(TOKEN),
  );
});
