import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { ERROR_CODES, FogClient, FogError, ROUTES, type RouteDefinition, routePath } from '@fog/contract';
import { pinnedConnection } from '@fog/contract/node';
import fc from 'fast-check';
import { tlsFor } from '../../src/access/certificate.ts';
import { HTTP_LIMITS } from '../../src/limits.ts';
import { DIGEST, JOB_ID, NODE_ID, SPEC } from './fake-service.ts';
import { startServer, type TestServer } from './running-server.ts';

const PARAMS = { job: JOB_ID, node: NODE_ID, partition: 3, token: 't000000000000000000', name: 'key' };
const BODIES: Readonly<Record<string, object>> = {
  submitJob: { spec: SPEC },
  plan: { spec: SPEC },
  cordonNode: { cordoned: true },
  drainNode: {},
  createToken: { scope: 'read', expires: '30d' },
  setSecret: { value: 'precious' },
  deploy: { spec: SPEC },
  scaleDeployment: { replicas: 3 },
  rollBackDeployment: {},
};
const ALL = Object.entries(ROUTES) as [string, RouteDefinition][];

function ask(it: TestServer, name: string, route: RouteDefinition, authorization?: string) {
  const payload = BODIES[name];
  return it.server.inject({
    method: route.method,
    url: routePath(route, { params: PARAMS }),
    headers: authorization === undefined ? {} : { authorization },
    ...(payload === undefined ? {} : { payload }),
  });
}

test('every route needs a token, and a scope of its list or admin', async () => {
  await using it = await startServer();
  const scopes = ['admin', 'submit', 'node', 'read'] as const;
  const bearers = await Promise.all(scopes.map((scope) => it.bearer(scope)));
  for (const [name, route] of ALL) {
    const stranger = await ask(it, name, route);
    assert.equal(stranger.statusCode, 401, name);
    assert.equal(stranger.headers['www-authenticate'], 'Bearer realm="fog"');
    assert.ok(stranger.json().hint);
    for (const [index, scope] of scopes.entries()) {
      const { statusCode } = await ask(it, name, route, bearers[index]);
      const allowed = scope === 'admin' || (route.scopes as readonly string[]).includes(scope);
      assert.equal(statusCode !== 403, allowed, `${name} by ${scope}: ${statusCode}`);
    }
  }
});

test('requests reach the service validated, with defaults and the caller', async () => {
  await using it = await startServer();
  const alice = await it.bearer('submit', 'alice');
  const caller = { scope: 'submit', principal: 'alice' };
  const last = () => it.service.calls.at(-1);
  const submitted = await it.server.inject({
    method: 'POST',
    url: '/v1/jobs',
    headers: { authorization: alice },
    payload: { spec: SPEC, idempotencyKey: 'once' },
  });
  assert.equal(submitted.json().submitter, 'alice');
  assert.deepEqual(last(), { method: 'submitJob', caller, rest: [{ spec: SPEC, idempotencyKey: 'once' }] });
  await it.server.inject({ url: '/v1/jobs?limit=7&state=queued', headers: { authorization: alice } });
  assert.deepEqual(last(), { method: 'listJobs', caller, rest: [{ limit: 7, state: 'queued' }] });
  await it.server.inject({ url: `/v1/jobs/${JOB_ID}/tasks/12`, headers: { authorization: alice } });
  assert.deepEqual(last(), { method: 'getTask', caller, rest: [JOB_ID, 12] });
  for (const [payload, partition] of [
    [undefined, undefined],
    [{}, undefined],
    [{ partition: 3 }, 3],
  ] as const) {
    const url = `/v1/jobs/${JOB_ID}/suspend`;
    const headers = { authorization: alice };
    const answer = await it.server.inject({ method: 'POST', url, headers, ...(payload && { payload }) });
    assert.equal(answer.json().suspended, true);
    assert.deepEqual(last(), { method: 'suspendJob', caller, rest: [JOB_ID, partition] });
  }
  const admin = await it.bearer('admin');
  await it.server.inject({
    method: 'POST',
    url: `/v1/nodes/${NODE_ID}/drain`,
    headers: { authorization: admin },
    payload: {},
  });
  assert.deepEqual(last()?.rest, [NODE_ID, 600_000]);
  const removed = await it.server.inject({
    method: 'DELETE',
    url: `/v1/nodes/${NODE_ID}`,
    headers: { authorization: admin },
  });
  assert.deepEqual([removed.statusCode, removed.body], [204, '']);
});

test('requests for deployments reach them validated, with their owner', async () => {
  await using it = await startServer();
  const root = await it.bearer('admin', 'root');
  const caller = { scope: 'admin', principal: 'root' };
  const ask = async (method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, payload?: object) => {
    const url = `/v1/deployments${path}`;
    const sent = payload === undefined ? {} : { payload };
    const answer = await it.server.inject({ method, url, headers: { authorization: root }, ...sent });
    return [answer.statusCode, it.deployments.calls.at(-1)];
  };
  const web = { name: 'web' };
  assert.deepEqual(await ask('PUT', '/web', { spec: SPEC }), [200, ['deploy', caller, web, SPEC]]);
  assert.deepEqual(await ask('GET', '/web?principal=bob'), [
    200,
    ['get', caller, { ...web, replicas: 'all', principal: 'bob' }],
  ]);
  assert.deepEqual(await ask('GET', '?limit=5'), [200, ['list', caller, { limit: 5 }]]);
  assert.deepEqual(await ask('GET', '/web/revisions'), [200, ['revisions', caller, web]]);
  assert.deepEqual(await ask('POST', '/web/scale', { replicas: 0 }), [200, ['scale', caller, web, 0]]);
  assert.deepEqual(await ask('POST', '/web/rollback', { revision: 2 }), [200, ['rollBack', caller, web, 2]]);
  assert.deepEqual(await ask('DELETE', '/web'), [204, ['remove', caller, web]]);
  const calls = it.deployments.calls.length;
  for (const [path, payload] of [
    ['/web/scale', { replicas: -1 }],
    ['/web/scale', { replicas: 10_001 }],
    ['/web/scale', {}],
    ['/web/rollback', { revision: 0 }],
    ['/no%20name/rollback', {}],
    ['/web/rollback?colour=red', {}],
  ] as const) {
    assert.equal((await ask('POST', path, payload))[0], 400, `${path} ${JSON.stringify(payload)}`);
  }
  assert.equal(it.deployments.calls.length, calls);
});

test('bad input gets a problem that names every fault', async () => {
  await using it = await startServer();
  const authorization = await it.bearer('admin');
  const post = (payload: string | object, type = 'application/json') =>
    it.server.inject({ method: 'POST', url: '/v1/tokens', headers: { authorization, 'content-type': type }, payload });
  const faults = (await post({ scope: 'king', expires: 'soon', extra: 1 })).json().details.faults;
  assert.deepEqual(faults.map((fault: { path: string }) => fault.path).sort(), ['expires', 'extra', 'scope']);
  for (const [payload, type] of [
    ['{"scope":', undefined],
    ['', undefined],
    ['{"__proto__":{"x":1},"scope":"read"}', undefined],
    ['scope=read', 'application/x-www-form-urlencoded'],
    ['scope', 'text/plain'],
    ['[]', undefined],
    ['null', undefined],
  ] as const) {
    const answer = await post(payload, type);
    assert.equal(answer.statusCode, 400, payload);
    assert.equal(answer.json().code, 'invalid-request', payload);
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/);
  }
  const get = async (url: string) => (await it.server.inject({ url, headers: { authorization } })).json();
  const trusted = await post({ scope: 'submit', trusted: true });
  assert.deepEqual([trusted.statusCode, trusted.json().detail], [400, 'trusted: is for scope: node']);
  assert.equal((await get('/v1/jobs/x')).detail, '"x" is not a job id');
  const scale = await it.server.inject({
    ...{ method: 'POST', url: '/v1/deployments/web/scale', headers: { authorization }, payload: { replicas: 10_001 } },
  });
  assert.equal(scale.json().detail, 'replicas: must be at most 10000');
  assert.deepEqual((await get('/v1/jobs?limit=0')).details.faults, [{ path: 'limit', message: 'must be at least 1' }]);
  assert.deepEqual((await get('/v1/jobs?colour=red')).details.faults, [{ path: 'colour', message: 'is unknown' }]);
  assert.deepEqual((await get('/v1/status?colour=red')).details.faults, [{ path: 'colour', message: 'is unknown' }]);
  assert.equal((await get('/v1/tokens?cursor=zzz')).code, 'invalid-request');
  assert.equal((await get('/v1/unheard')).code, 'not-found');
  assert.equal((await get('/%zz')).code, 'invalid-request');
  const wrongMethod = await it.server.inject({ method: 'DELETE', url: '/v1/jobs', headers: { authorization } });
  assert.equal(wrongMethod.json().code, 'not-found');
  assert.equal(it.service.calls.length, 0);
});

test('a body beyond the limit is refused', async () => {
  await using it = await startServer();
  const answer = await it.server.inject({
    method: 'POST',
    url: '/v1/jobs',
    headers: { authorization: await it.bearer('submit') },
    payload: { spec: 'x'.repeat(HTTP_LIMITS.jsonBodyBytes) },
  });
  assert.equal(answer.statusCode, 413);
  assert.equal(answer.json().code, 'body-too-large');
});

test('every error code becomes its status and comes back as the same error', async () => {
  await using it = await startServer();
  const url = await it.listen();
  const client = new FogClient({ url, token: (await it.bearer('submit')).slice('Bearer '.length) });
  for (const code of ERROR_CODES) {
    const thrown = new FogError(code, 'said', { details: { some: 1 }, hint: 'do this' });
    it.service.failure = thrown;
    await assert.rejects(client.call('getJob', { params: { job: JOB_ID } }), (error: FogError) => {
      assert.deepEqual([error.code, error.status, error.retryable], [code, thrown.status, thrown.retryable]);
      if (code !== 'internal')
        assert.deepEqual([error.message, error.details, error.hint], ['said', { some: 1 }, 'do this']);
      return true;
    });
  }
});

test('an unexpected exception is logged with its request id and tells nothing', async () => {
  await using it = await startServer();
  it.service.failure = new Error('password is hunter2');
  const answer = await it.server.inject({ url: '/v1/status', headers: { authorization: await it.bearer('read') } });
  assert.equal(answer.statusCode, 500);
  assert.ok(!answer.body.includes('hunter2') && !answer.body.includes('.ts'));
  const { requestId } = answer.json().details;
  it.service.failure = new FogError('internal', 'password is hunter2', { details: { password: 'hunter2' } });
  const told = await it.server.inject({ url: '/v1/status', headers: { authorization: await it.bearer('read') } });
  assert.deepEqual([told.statusCode, told.body.includes('hunter2')], [500, false]);
  assert.deepEqual(
    it.log.map((line) => (line.fields as { requestId: string }).requestId),
    [requestId, told.json().details.requestId],
  );
});

test('whatever stands in the path, the answer is a problem and the service is not disturbed', async () => {
  await using it = await startServer();
  const authorization = await it.bearer('admin');
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 120 }).map((text) => encodeURIComponent(text.toWellFormed())),
    fc.constantFrom('..', '%2e%2e%2f', '%00', 'j%20', JOB_ID.toUpperCase(), `${JOB_ID}%0a`, '-1', '1e999', DIGEST),
  );
  const paths = ['/v1/jobs/*', '/v1/jobs/*/tasks/*', '/v1/nodes/*/events', '/v1/blobs/*'];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), piece, piece, async (path, first, second) => {
      const url = path.replace('*', first).replace('*', second);
      const answer = await it.server.inject({ url, headers: { authorization } });
      if (answer.statusCode === 200) return;
      assert.ok(answer.statusCode >= 400 && answer.statusCode < 500, `${url} ${answer.statusCode}`);
      assert.match(String(answer.headers['content-type']), /problem/);
    }),
    { numRuns: 150 },
  );
  assert.deepEqual(it.log, []);
  for (const { rest } of it.service.calls) assert.doesNotMatch(String(rest[0] ?? ''), /[./%\s]/);
});

test('health, readiness and metrics', async () => {
  await using it = await startServer();
  assert.deepEqual((await it.server.inject('/healthz')).json(), { status: 'ok' });
  assert.deepEqual((await it.server.inject('/readyz')).json(), { ready: true, nodes: 3 });
  it.readiness = { ready: false, reason: 'starting' };
  const waiting = await it.server.inject('/readyz');
  assert.deepEqual([waiting.statusCode, waiting.json()], [503, { ready: false, reason: 'starting' }]);
  const { body } = await it.server.inject('/metrics');
  assert.match(body, /fog_http_request_duration_seconds_count\{method="GET",route="\/healthz",status="200"\} 1/);
  assert.match(body, /fog_blob_limit_bytes 268435456/);
  assert.match(body, /process_cpu_seconds_total/);
});

test('on an address for others, metrics need a token; a dead database shows', async () => {
  await using it = await startServer({
    dependencies: {
      loopback: false,
      databaseAnswers: async () => {
        throw new Error('gone');
      },
    },
  });
  assert.equal((await it.server.inject('/metrics')).statusCode, 401);
  const ask = async (scope: 'node' | 'read') =>
    it.server.inject({ url: '/metrics', headers: { authorization: await it.bearer(scope) } });
  assert.equal((await ask('node')).statusCode, 403);
  assert.equal((await ask('read')).statusCode, 200);
  const health = await it.server.inject('/healthz');
  assert.deepEqual([health.statusCode, health.json().code], [503, 'unavailable']);
});

test('tokens and secrets over the wire', async () => {
  await using it = await startServer();
  const url = await it.listen();
  const admin = new FogClient({ url, token: (await it.bearer('admin')).slice('Bearer '.length) });
  const created = await admin.call('createToken', { body: { scope: 'submit', principal: 'alice', expires: '1h' } });
  assert.equal((created.expiresAt ?? 0) - created.createdAt, 3_600_000);
  const alice = new FogClient({ url, token: created.token });
  assert.equal((await alice.call('setSecret', { params: { name: 'key' }, body: { value: 'v' } })).principal, 'alice');
  assert.deepEqual(
    (await alice.call('listSecrets')).items.map((secret) => secret.name),
    ['key'],
  );
  await alice.call('deleteSecret', { params: { name: 'key' } });
  await assert.rejects(alice.call('listTokens'), { code: 'forbidden' });
  assert.equal((await admin.call('listTokens', { query: { limit: 1 } })).items[0]?.id, created.id);
  await admin.call('revokeToken', { params: { token: created.id } });
  await assert.rejects(alice.call('listSecrets'), { code: 'unauthenticated' });
});

test('its own certificate serves clients that pin it', async () => {
  await using folder = await startServer();
  const tls = await tlsFor({ listen: '0.0.0.0:1', plainHttp: false }, folder.directory);
  assert.equal(tls.kind, 'own');
  await using it = await startServer({ tls });
  const url = await it.listen();
  const { fetch } = await pinnedConnection(url, tls.kind === 'own' ? tls.fingerprint : null);
  const client = new FogClient({ url, token: (await it.bearer('read')).slice('Bearer '.length), fetch });
  assert.equal((await client.call('status')).version, '0.1.0');
});

test('bytes that are no request get a problem too', async () => {
  await using it = await startServer();
  const { hostname, port } = new URL(await it.listen());
  const send = (text: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname);
      let answer = '';
      socket.on('data', (chunk) => {
        answer += chunk;
      });
      socket.on('close', () => resolve(answer));
      socket.write(text);
    });
  assert.match(await send('HELLO\r\n\r\n'), /^HTTP\/1.1 400 [\s\S]*"code":"invalid-request"/);
  assert.match(await send(`GET / HTTP/1.1\r\nhost: fog\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`), /^HTTP\/1.1 431 /);
});
