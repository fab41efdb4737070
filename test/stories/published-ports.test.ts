/** Programs that are kept running on a node without an open port, and reached through the coordinator. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Attempt, FogClient, type JobSpecInput } from '@fog/contract';
import { PortForward } from '../../packages/cli/src/forward/port-forward.ts';
import { skipProcess } from '../../packages/runtimes/test/process/programs.ts';
import { startPostgres } from '../support/postgres.ts';
import { SmallFog } from '../support/small-fog.ts';
import { skipPerl, TENANT_SERVER } from '../support/tenant-program.ts';

const FOG = fileURLToPath(new URL('../../packages/cli/bin/fog.js', import.meta.url));

const isHealthy = ({ health }: Attempt) => health?.status === 'healthy';

const serving = (change: { name?: string; spec?: object; task?: object } = {}): JobSpecInput => ({
  kind: 'Job',
  metadata: { name: change.name ?? 'web' },
  spec: {
    type: 'service',
    restart: { delay: '50ms' },
    ...change.spec,
    task: {
      runtime: 'process',
      process: { command: ['/usr/bin/perl', '-'] },
      stdin: { text: TENANT_SERVER },
      resources: { cpu: '100m', memory: '64Mi', disk: '1Mi' },
      ports: [
        { name: 'web', port: 8080, protocol: 'http' },
        { name: 'raw', port: 8080 },
        { name: 'closed', port: 9, protocol: 'http' },
      ],
      health: { http: { port: 8080, path: '/healthz' }, interval: '200ms' },
      ...change.task,
    },
  },
});

/** Bytes of all buffers that are in use; what is not any more is freed some time after it was found. */
async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  let least = Number.POSITIVE_INFINITY;
  for (let rounds = 0; rounds < 5; rounds += 1) {
    collect();
    await pause(20);
    least = Math.min(least, process.memoryUsage().arrayBuffers);
  }
  return least;
}

describe('published ports', { skip: skipProcess || skipPerl }, () => {
  let fog: SmallFog;
  let job: string;
  let admin: string;

  before(async () => {
    fog = await SmallFog.start();
    await fog.addAgent('one');
    admin = `Bearer ${fog.coordinator.adminToken}`;
    job = await fog.startService(serving());
    await fog.attempt(job, 0, isHealthy);
  });
  after(() => fog[Symbol.asyncDispose]());

  const web = (path: string, name = 'web') => `/v1/jobs/${job}/ports/${name}/http${path}`;

  /** With the admin's token unless `headers` has another. */
  function begin(path: string, options: RequestOptions = {}): ClientRequest {
    const headers = { authorization: admin, ...(options.headers as Record<string, string> | undefined) };
    return request(`${fog.coordinator.url}${path}`, { ...options, headers });
  }
  async function ask(path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
    const asked = begin(path, options).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return answer;
  }
  const problem = async (answer: IncomingMessage) => {
    const { code, detail, hint } = JSON.parse(await text(answer)) as { code: string; detail: string; hint?: string };
    return [answer.statusCode, code, `${detail}; ${hint ?? ''}`] as const;
  };

  test('a request gets to the program without what proves who asked, and its answer sets nothing', async () => {
    const headers = { cookie: 'panel=1', 'x-own': 'kept', 'x-forwarded-for': '6.6.6.6', forwarded: 'for=6.6.6.6' };
    const answer = await ask(web('/echo/a%2Fb?x=1&replica=0&y=%20'), { headers });
    const seen = await text(answer);
    assert.match(seen, /^GET \/echo\/a%2Fb\?x=1&y=%20 HTTP\/1\.1\r\n/);
    assert.match(seen, /x-own: kept/i);
    assert.match(seen, /host: 127\.0\.0\.1:8080/i);
    assert.match(seen, new RegExp(`x-forwarded-prefix: /v1/jobs/${job}/ports/web/http\r`, 'i'));
    assert.match(seen, /x-forwarded-for: 127\.0\.0\.1\r/i);
    assert.doesNotMatch(seen, /fog_admin|authorization|cookie|panel|6\.6\.6\.6/i);
    assert.equal(answer.headers['x-app'], 'yes');
    assert.equal(answer.headers['set-cookie'], undefined);
    assert.equal(answer.headers['content-security-policy'], 'sandbox');
  });

  test('the submitter and the admin may; to others the job does not exist, and a token to read is not enough', async () => {
    const own = await fog.bearer('submit', 'alice');
    const alice = new FogClient({ url: fog.coordinator.url, token: own.slice('Bearer '.length) });
    const id = await fog.startService(serving(), alice);
    await fog.attempt(id, 0, isHealthy);
    const path = `/v1/jobs/${id}/ports/web/http/replica`;
    assert.equal(await text(await ask(path, { headers: { authorization: own } })), '0');
    assert.equal(await text(await ask(path)), '0');
    const stranger = await fog.bearer('submit', 'mallory');
    assert.deepEqual((await problem(await ask(path, { headers: { authorization: stranger } }))).slice(0, 2), [
      404,
      'not-found',
    ]);
    const reader = await fog.bearer('read', 'admin');
    assert.equal((await ask(path, { headers: { authorization: reader } })).resume().statusCode, 403);
    assert.equal((await ask(path, { headers: { authorization: 'Bearer nonsense' } })).resume().statusCode, 401);
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', authorization: stranger };
    const tunnel = `/v1/jobs/${id}/ports/raw/tunnel`;
    assert.equal((await ask(tunnel, { headers: upgrade })).resume().statusCode, 404);
    await alice.call('removeDeployment', { params: { name: 'web' } });
    await pause(600); // what was known of it before is forgotten
    assert.equal((await problem(await ask(path)))[1], 'conflict');
  });

  test('what is not published, does not speak HTTP, or does not listen, is told apart', async () => {
    assert.match((await problem(await ask(web('/', 'nothing')))).join(), /^404,not-found.*publishes web, raw, closed/);
    assert.match((await problem(await ask(web('/', 'raw')))).join(), /^409,conflict.*does not speak HTTP.*fog forward/);
    assert.match((await problem(await ask(web('/', 'closed')))).join(), /^503,unavailable.*Nobody listens on port 9/);
    assert.match((await problem(await ask(web('/?replica=7')))).join(), /^404,not-found,job .* has no replica 7/);
    assert.equal((await problem(await ask(web('/?replica=x'))))[1], 'invalid-request');
    assert.equal((await problem(await ask(`/v1/jobs/j${'0'.repeat(18)}/ports/web/http/`)))[1], 'not-found');
    assert.match((await problem(await ask(`/v1/jobs/${job}/ports/raw/tunnel`))).join(), /a tunnel is a WebSocket/);
  });

  test('bodies of any size pass both ways, and a reader that waits fills no memory', async () => {
    const size = 50_000_000;
    const before = await heldBytes();
    const answer = await ask(web(`/bytes/${size}`));
    await pause(300);
    // What lies in buffers of this process: those of the client, the coordinator and the agent, twice each.
    const held = (await heldBytes()) - before;
    assert.ok(held < 2 << 20, `${held} bytes`);
    let received = 0;
    for await (const chunk of answer) received += (chunk as Buffer).length;
    assert.equal(received, size);
    const piece = Buffer.alloc(65_536);
    for (const headers of [{ 'content-length': String(100 * piece.length) }, {}]) {
      const upload = begin(web('/length'), { method: 'POST', headers });
      Readable.from(Array.from({ length: 100 }, () => piece)).pipe(upload);
      const [told] = (await once(upload, 'response')) as [IncomingMessage];
      assert.equal(await text(told), String(100 * piece.length));
    }
  });

  test('a redirect leads back to the program, never to a route of the coordinator', async () => {
    const to = async (target: string) =>
      (await ask(web(`/redirect?to=${target}`), { method: 'POST' })).resume().headers;
    assert.equal((await to('/v1/nodes')).location, web('/v1/nodes'));
    assert.equal((await to('../../../../../../v1/nodes')).location, web('/v1/nodes'));
    assert.equal((await to(`${fog.coordinator.url}/v1/nodes`)).location, web('/v1/nodes'));
    assert.equal((await to('http://127.0.0.1:8080/next')).location, web('/next'));
    assert.equal((await to('https://example.org/x')).location, 'https://example.org/x');
    assert.equal((await to('javascript:alert(1)')).location, undefined);
  });

  test('WebSockets pass to the program, other upgrades do not', async () => {
    const asked = begin(web('/socket'), { headers: { connection: 'Upgrade', upgrade: 'websocket' } });
    asked.end();
    const [answer, socket] = (await once(asked, 'upgrade')) as [IncomingMessage, Socket, Buffer];
    assert.equal(answer.headers['x-app'], 'yes');
    socket.write('there and back');
    assert.equal(String((await once(socket, 'data'))[0]), 'there and back');
    socket.destroy();
    const other = await ask(web('/socket'), { headers: { connection: 'Upgrade', upgrade: 'h2c' } });
    assert.match((await problem(other)).join(), /only WebSockets/);
    const refused = await ask(web('/echo'), { headers: { connection: 'Upgrade', upgrade: 'websocket' } });
    assert.equal(refused.statusCode, 200);
    assert.match(await text(refused), /upgrade: websocket/i);
  });

  test('fog forward: raw connections, many of them, half-closed', async () => {
    await using forwarding = new PortForward({
      url: fog.coordinator.url,
      token: fog.coordinator.adminToken,
      tls: undefined,
      path: `/v1/jobs/${job}/ports/raw/tunnel`,
      failed: () => {},
    });
    const { port } = await forwarding.listen('127.0.0.1', 0);
    const connections = Array.from({ length: 20 }, async () => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.end('GET /replica HTTP/1.1\r\n\r\n');
      return await text(socket);
    });
    for (const answer of await Promise.all(connections)) assert.match(answer, /\r\n\r\n0$/);
    const large = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    large.end('GET /bytes/3000000 HTTP/1.1\r\n\r\n');
    const bytes = await buffer(large);
    assert.ok(bytes.length > 3_000_000 && bytes.subarray(-3_000_000).every((byte) => byte === 0x78));
  });

  test('fog forward as a command prints where it listens, and ends on Ctrl-C', async () => {
    const run = (...args: string[]) => {
      const env = { PATH: process.env.PATH, FOG_URL: fog.coordinator.url, FOG_TOKEN: fog.coordinator.adminToken };
      return spawn(process.execPath, [FOG, 'forward', job, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    };
    const child = run('raw', '--json');
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { listening } = JSON.parse(String(line)) as { listening: string };
    assert.match(listening, /^127\.0\.0\.1:\d+$/);
    assert.equal(await (await fetch(`http://${listening}/replica`)).text(), '0');
    child.kill('SIGINT');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    const mistaken = run('rwa');
    const [[code], told] = await Promise.all([once(mistaken, 'exit'), text(mistaken.stderr)]);
    assert.equal(code, 2);
    assert.match(told, /publishes no port "rwa".*\n.*it publishes web, raw, closed/);
  });

  test('a program that dies during an answer breaks it off, and is started again on its node', async () => {
    const answer = await ask(web('/die'));
    await assert.rejects(buffer(answer), { code: 'ECONNRESET' });
    const attempt = await fog.attempt(job, 0, (it) => isHealthy(it) && it.health?.restarts === 1);
    assert.equal(attempt.fence, 1);
    assert.equal(await text(await ask(web('/replica'))), '0');
    const { items } = await fog.client.call('jobLogs', { params: { job } });
    const log = items.map((record) => record.text).join('');
    assert.match(log, /\[fog: restart 1: .*\]\n/);
    assert.equal(log.match(/serving\n/g)?.length, 2);
  });

  test('one that its health check finds sick is restarted, and gets no requests until it is well', async () => {
    assert.equal(await text(await ask(web('/sick'))), 'sick');
    await fog.attempt(job, 0, ({ health }) => health?.restarts === 2);
    const { items } = await fog.client.call('jobEvents', { params: { job } });
    const told = items.flatMap(({ data }) => (data.type === 'attempt.health' ? [data] : []));
    assert.match(told.find(({ status }) => status === 'unhealthy')?.message ?? '', /status 500: feeling sick/);
    await fog.attempt(job, 0, isHealthy);
    assert.equal(await text(await ask(web('/healthz'))), 'well');
  });

  test('replicas take turns, on any node, and one can be chosen', async () => {
    await fog.addAgent('two');
    const several = await fog.startService(serving({ name: 'several', spec: { count: 3 } }));
    for (const partition of [0, 1, 2]) await fog.attempt(several, partition, isHealthy);
    const path = (query: string) => `/v1/jobs/${several}/ports/web/http/replica${query}`;
    await pause(600); // what was known of it before is forgotten
    const answers = [];
    for (let count = 0; count < 6; count += 1) answers.push(await text(await ask(path(''))));
    assert.deepEqual(answers.toSorted(), ['0', '0', '1', '1', '2', '2']);
    assert.equal(await text(await ask(path('?replica=2'))), '2');
    await fog.client.call('removeDeployment', { params: { name: 'several' } });
  });

  test('a program that ends too often fails the attempt', async () => {
    const failing = await fog.startService({
      kind: 'Job',
      metadata: { name: 'failing' },
      spec: {
        type: 'service',
        restart: { attempts: 2, delay: '10ms' },
        task: { runtime: 'process', process: { command: ['/bin/sh', '-c', 'echo up; exit 3'] } },
      },
    });
    const attempt = await fog.attempt(failing, 0, ({ endedAt }) => endedAt !== null);
    assert.deepEqual([attempt.state, attempt.reason, attempt.exitCode], ['failed', 'exit-code', 3]);
    assert.match(attempt.message ?? '', /2 restarts within 10m are allowed on one node/);
    assert.equal(attempt.health?.restarts, 2);
  });
});

describe('published ports of a fog with two coordinators', async () => {
  const postgres = await startPostgres();
  const skip = skipProcess || skipPerl || ('unavailable' in postgres ? postgres.unavailable : false);
  after(() => ('unavailable' in postgres ? undefined : postgres.stop()));

  test('are reached through either, by HTTP and by tunnels', { skip }, async () => {
    if ('unavailable' in postgres) return;
    const databaseUrl = postgres.url(await postgres.createDatabase());
    await using near = await SmallFog.start({ databaseUrl });
    await using far = await SmallFog.start({ databaseUrl });
    await far.addAgent('one');
    const job = await near.startService(serving());
    await near.attempt(job, 0, isHealthy);
    const headers = { authorization: `Bearer ${near.coordinator.adminToken}`, cookie: 'panel=1' };
    const answer = await fetch(`${near.coordinator.url}/v1/jobs/${job}/ports/web/http/echo?x=1`, { headers });
    const seen = await answer.text();
    assert.match(seen, /^GET \/echo\?x=1 HTTP\/1\.1\r\n/);
    assert.doesNotMatch(seen, /cookie|authorization|fog-passed-on/i);
    assert.equal(answer.headers.get('content-security-policy'), 'sandbox');
    await using forwarding = new PortForward({
      url: near.coordinator.url,
      token: near.coordinator.adminToken,
      tls: undefined,
      path: `/v1/jobs/${job}/ports/raw/tunnel`,
      failed: (error) => assert.fail(error),
    });
    const { port } = await forwarding.listen('127.0.0.1', 0);
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.end('GET /replica HTTP/1.1\r\n\r\n');
    assert.match(await text(socket), /\r\n\r\n0$/);
  });
});
