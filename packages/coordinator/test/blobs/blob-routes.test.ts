import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { FogClient } from '@fog/contract';
import { startServer } from '../routes/running-server.ts';

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

test('the typed client uploads, asks and downloads, also from the middle', async () => {
  await using it = await startServer();
  const url = await it.listen();
  const token = (await it.bearer('submit')).slice('Bearer '.length);
  const client = new FogClient({ url, token });
  const bytes = randomBytes(3 << 20);
  const digest = digestOf(bytes);
  assert.deepEqual(await client.blobOffset(digest), { complete: false, offset: 0 });
  await client.putBlob(digest, bytes);
  await client.putBlob(digest, bytes);
  assert.deepEqual(await client.blobOffset(digest), { complete: true, offset: bytes.length });
  const download = async (offset?: number) =>
    Buffer.from(await new Response(await client.getBlob(digest, offset === undefined ? {} : { offset })).arrayBuffer());
  assert.deepEqual(await download(), bytes);
  assert.deepEqual(await download(3_000_000), bytes.subarray(3_000_000));
  await assert.rejects(client.putBlob(digestOf(Buffer.from('x')), Buffer.from('y')), {
    code: 'blob-digest-mismatch',
    status: 422,
  });
  await assert.rejects(client.putBlob(digestOf(Buffer.from('x')), Buffer.from('y'), { offset: 5 }), {
    code: 'blob-offset-mismatch',
    details: { offset: 0 },
  });
  await assert.rejects(client.getBlob(digestOf(Buffer.from('x'))), { code: 'blob-not-found' });
});

test('a compressed body is never unpacked: no request can grow by it', async () => {
  await using it = await startServer();
  const authorization = await it.bearer('submit');
  const bomb = gzipSync(Buffer.alloc(64 << 20));
  const headers = { authorization, 'content-encoding': 'gzip' };
  const put = await it.server.inject({ method: 'PUT', url: `/v1/blobs/${digestOf(bomb)}`, headers, payload: bomb });
  assert.equal(put.statusCode, 201, 'stored as it is');
  const submit = {
    method: 'POST',
    url: '/v1/jobs',
    headers: { ...headers, 'content-type': 'application/json' },
  } as const;
  const answer = await it.server.inject({ ...submit, payload: bomb });
  assert.equal(answer.statusCode, 400);
  assert.equal(answer.json().code, 'invalid-request');
});

test('ranges, conditions and headers of a download', async () => {
  await using it = await startServer();
  const authorization = await it.bearer('submit');
  const bytes = Buffer.from('0123456789');
  const digest = digestOf(bytes);
  const url = `/v1/blobs/${digest}`;
  const headers = { authorization, 'content-type': 'application/json' };
  assert.equal((await it.server.inject({ method: 'PUT', url, headers, payload: bytes })).statusCode, 201);
  const get = (more: Record<string, string>) => it.server.inject({ url, headers: { authorization, ...more } });

  const whole = await get({});
  assert.equal(whole.statusCode, 200);
  assert.equal(whole.body, '0123456789');
  assert.equal(whole.headers.etag, `"${digest}"`);
  assert.equal(whole.headers['content-type'], 'application/octet-stream');
  assert.equal(whole.headers['x-content-type-options'], 'nosniff');
  assert.equal(whole.headers['content-length'], '10');

  const part = await get({ range: 'bytes=2-4' });
  assert.deepEqual([part.statusCode, part.body, part.headers['content-range']], [206, '234', 'bytes 2-4/10']);
  const conditional = await get({ range: 'bytes=2-4', 'if-range': `"${digest}"` });
  assert.equal(conditional.body, '234');
  const other = await get({ range: 'bytes=2-4', 'if-range': '"other"' });
  assert.deepEqual([other.statusCode, other.body], [200, '0123456789']);
  const beyond = await get({ range: 'bytes=10-' });
  assert.deepEqual([beyond.statusCode, beyond.headers['content-range']], [416, 'bytes */10']);
  assert.equal(beyond.json().code, 'invalid-request');
  assert.equal((await get({ 'if-none-match': `"${digest}"` })).statusCode, 304);

  const head = await it.server.inject({ method: 'HEAD', url, headers: { authorization } });
  assert.deepEqual([head.statusCode, head.headers['content-length'], head.body], [200, '10', '']);
});

test('scopes: read may not write; nobody gets in without a token; paths cannot leave the store', async () => {
  await using it = await startServer();
  const bytes = Buffer.from('hello');
  const url = `/v1/blobs/${digestOf(bytes)}`;
  const put = async (scope: 'read' | 'node') =>
    it.server.inject({ method: 'PUT', url, headers: { authorization: await it.bearer(scope) }, payload: bytes });
  assert.equal((await put('read')).json().code, 'forbidden');
  assert.equal((await put('node')).statusCode, 201);
  assert.equal((await it.server.inject({ method: 'PUT', url, payload: bytes })).statusCode, 401);
  assert.equal((await it.server.inject({ url })).statusCode, 401);
  const authorization = await it.bearer('read');
  assert.equal((await it.server.inject({ url, headers: { authorization } })).body, 'hello');
  const bad = [
    'sha256:..%2F..%2F..%2Fetc%2Fpasswd',
    'sha256:zz',
    `sha256:${'A'.repeat(64)}`,
    '..%2f..%2fadmin.token',
    '%00',
  ];
  for (const name of bad) {
    const answer = await it.server.inject({ url: `/v1/blobs/${name}`, headers: { authorization } });
    assert.ok([400, 404].includes(answer.statusCode), name);
    assert.match(String(answer.headers['content-type']), /problem/);
  }
});

/** Sends raw bytes and collects the answer until the connection ends or `until` is seen. */
async function raw(url: string, text: string | Buffer, until: RegExp, more?: () => Buffer): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let answer = '';
  const pump = more === undefined ? undefined : setInterval(() => socket.write(more()), 1);
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (until.test(answer)) resolve();
    });
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    socket.write(text);
  });
  clearInterval(pump);
  socket.destroy();
  return answer;
}

test('a body that is too large is refused before it is read, and the client sees why', async () => {
  await using it = await startServer({ blobs: { blobBytes: 1000 } });
  const url = await it.listen();
  const authorization = await it.bearer('submit');
  const head = (length: string) =>
    `PUT /v1/blobs/${digestOf(Buffer.from('x'))} HTTP/1.1\r\nhost: fog\r\nauthorization: ${authorization}\r\n${length}\r\n\r\n`;
  const announced = await raw(url, head('content-length: 999999999'), /body-too-large/);
  assert.match(announced, /^HTTP\/1.1 413 /);
  const chunk = Buffer.from(`1000\r\n${'x'.repeat(4096)}\r\n`);
  const endless = await raw(url, head('transfer-encoding: chunked'), /body-too-large/, () => chunk);
  assert.match(endless, /^HTTP\/1.1 413 /);
  const stranger = head('content-length: 999').replace(authorization, 'Bearer nobody');
  assert.match(await raw(url, stranger, /unauthenticated/), /^HTTP\/1.1 401 /);
  assert.equal(it.log.length, 0);
});

test('a connection that breaks keeps what arrived, and the rest completes it', async () => {
  await using it = await startServer();
  const url = await it.listen();
  const authorization = await it.bearer('node');
  const bytes = randomBytes(500_000);
  const digest = digestOf(bytes);
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `PUT /v1/blobs/${digest} HTTP/1.1\r\nhost: fog\r\nauthorization: ${authorization}\r\ncontent-length: ${bytes.length}\r\n\r\n`,
  );
  socket.write(bytes.subarray(0, 300_000));
  while ((await it.blobs.uploadOffset(digest)) < 300_000) await new Promise((resolve) => setTimeout(resolve, 5));
  socket.destroy();
  const client = new FogClient({ url, token: authorization.slice('Bearer '.length) });
  const { offset, complete } = await client.blobOffset(digest);
  assert.deepEqual({ offset, complete }, { offset: 300_000, complete: false });
  await client.putBlob(digest, bytes.subarray(offset), { offset });
  assert.ok(await it.blobs.has(digest));
});

test('an upload that stalls is cut', async () => {
  await using it = await startServer({ blobs: { stallMilliseconds: 80 } });
  const url = await it.listen();
  const digest = digestOf(Buffer.from('abc'));
  const text = `PUT /v1/blobs/${digest} HTTP/1.1\r\nhost: fog\r\nauthorization: ${await it.bearer('node')}\r\ncontent-length: 3\r\n\r\na`;
  const answer = await raw(url, text, /never/);
  assert.doesNotMatch(answer, / 20[01] /);
  assert.equal(await it.blobs.uploadOffset(digest), 1);
});
