/** `fog quota` and `fog sla`: what they ask a coordinator for, what they print, and what they refuse. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, test } from 'node:test';
import { FogError, formatToken, type Quota, type ServiceLevelRecord } from '@fog/contract';
import { fog } from './test-terminal.ts';

const FOG_TOKEN = formatToken({ scope: 'admin', id: `t${'a'.repeat(18)}`, secret: 'a'.repeat(43), fingerprint: null });
const HOUR = 3_600_000;

/** A coordinator that remembers what it was asked, and gives the next of its answers. */
const asked: { method: string; path: string; query: Record<string, string>; body: unknown }[] = [];
const answers: { status: number; body: unknown }[] = [];
let server: Server;
let FOG_URL: string;

before(async () => {
  server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://fog');
    const body = await text(request);
    asked.push({
      method: request.method ?? '',
      path: pathname,
      query: Object.fromEntries(searchParams),
      body: body === '' ? null : JSON.parse(body),
    });
    const answer = answers.shift();
    response.statusCode = answer?.status ?? 500;
    const type = response.statusCode < 400 ? 'application/json' : 'application/problem+json';
    response.setHeader('content-type', type);
    response.end(answer?.body == null ? '' : JSON.stringify(answer.body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  FOG_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked.length = 0;
  answers.length = 0;
});

function answering(...bodies: unknown[]) {
  for (const body of bodies) {
    if (body instanceof FogError) answers.push({ status: body.status, body: body.toProblem() });
    else answers.push({ status: body === null ? 204 : 200, body });
  }
  return async (...args: string[]) => await fog(args, { environment: { FOG_URL, FOG_TOKEN } });
}

const USED = { milliCpu: 1500, memoryBytes: 2 ** 30, running: 2, queued: 0 };
const ALICE: Quota = {
  ...{ principal: 'alice', milliCpu: 8000, memoryBytes: 16 * 2 ** 30, running: null, queued: 10_000 },
  used: USED,
};
const BOB: Quota = {
  ...{ principal: 'bob', milliCpu: null, memoryBytes: null, running: 0, queued: null },
  used: { milliCpu: 0, memoryBytes: 0, running: 0, queued: 7 },
};

describe('fog quota', () => {
  test('set sends what is named, and nothing else is limited', async () => {
    const run = answering(ALICE);
    const given = ['--cpu', '8', '--memory', '16Gi', '--queued', '10000'];
    const { code, stdout, stderr } = await run('quota', 'set', 'alice', ...given);
    assert.deepEqual([code, stderr], [0, '']);
    const { used: _used, principal: _principal, ...body } = ALICE;
    assert.deepEqual(asked, [{ method: 'PUT', path: '/v1/quotas/alice', query: {}, body }]);
    assert.deepEqual(rowsOf(stdout), [
      ['PRINCIPAL', 'CPU', 'MEMORY', 'RUNNING', 'QUEUED'],
      ['alice', '1.5 of 8', '1.0 GiB of 16.0 GiB', '2', '0 of 10000'],
    ]);
  });

  test('set: thousandths of processors, and 0 is a limit, unlike what is not named', async () => {
    const run = answering(BOB, BOB);
    await run('quota', 'set', 'bob', '--cpu', '500m', '--running', '0');
    assert.deepEqual(asked[0]?.body, { milliCpu: 500, memoryBytes: null, running: 0, queued: null });
    const { code, stdout } = await run('quota', 'set', 'bob', '--json');
    assert.deepEqual([code, JSON.parse(stdout)], [0, BOB]);
    assert.deepEqual(asked[1]?.body, { milliCpu: null, memoryBytes: null, running: null, queued: null });
  });

  test('ls follows all pages, for people and as one document', async () => {
    const pages = [
      { items: [ALICE], next: 'more' },
      { items: [BOB], next: null },
    ];
    const run = answering(...pages, ...pages, { items: [], next: null });
    const { code, stdout } = await run('quota', 'ls');
    assert.equal(code, 0);
    assert.deepEqual(
      rowsOf(stdout).map(([principal]) => principal),
      ['PRINCIPAL', 'alice', 'bob'],
    );
    assert.deepEqual(rowsOf(stdout)[2], ['bob', '0', '0 B', '0 of 0', '7']);
    assert.deepEqual(
      asked.map(({ path, query }) => [path, query]),
      [
        ['/v1/quotas', {}],
        ['/v1/quotas', { cursor: 'more' }],
      ],
    );
    assert.deepEqual(JSON.parse((await run('quota', 'ls', '--json')).stdout), { items: [ALICE, BOB] });
    assert.deepEqual(JSON.parse((await run('quota', 'ls', '--json')).stdout), { items: [] });
  });

  test('rm says what it did on stderr, or as JSON; and who has none is told so', async () => {
    const none = new FogError('not-found', 'alice has no quota', { hint: 'fog quota ls' });
    const run = answering(null, null, none, none);
    assert.deepEqual(await run('quota', 'rm', 'alice'), {
      ...{ code: 0, stdout: '', stderr: 'alice has no quota any more\n' },
    });
    assert.deepEqual(asked, [{ method: 'DELETE', path: '/v1/quotas/alice', query: {}, body: null }]);
    const json = await run('quota', 'rm', 'alice', '--json');
    assert.deepEqual([json.code, JSON.parse(json.stdout)], [0, { principal: 'alice', removed: true }]);
    assert.deepEqual(await run('quota', 'rm', 'alice'), {
      ...{ code: 2, stdout: '', stderr: 'fog: alice has no quota\n  hint: fog quota ls\n' },
    });
    const failed = await run('quota', 'rm', 'alice', '--json');
    assert.deepEqual([failed.code, failed.stdout, JSON.parse(failed.stderr).code], [2, '', 'not-found']);
  });

  test('what makes no sense is refused before a coordinator is asked', async () => {
    const run = answering();
    for (const [args, message] of [
      [['set', 'alice', '--cpu', 'many'], /many/],
      [['set', 'alice', '--memory', '16Q'], /16Q/],
      [['set', 'alice', '--running', '-1'], /"-1" is not a whole number from 0/],
      [['set', 'alice', '--queued', '1.5'], /"1\.5" is not a whole number from 0/],
      [['set'], /missing required argument 'principal'/],
      [['rm'], /missing required argument 'principal'/],
      [['lss'], /unknown command 'lss'\n {2}hint: Did you mean ls\?/],
      [['ls', '--runing', '1'], /unknown option '--runing'/],
    ] as const) {
      const { code, stdout, stderr } = await run('quota', ...args);
      assert.deepEqual([code, stdout], [2, ''], args.join(' '));
      assert.match(stderr, message);
    }
    assert.deepEqual(asked, []);
  });

  test('what the coordinator refuses is told, with the place', async () => {
    const refusal = new FogError('invalid-request', 'principal: must be a name', { hint: 'use letters and digits' });
    const run = answering(refusal);
    assert.deepEqual(await run('quota', 'set', 'no name'), {
      ...{ code: 2, stdout: '', stderr: 'fog: principal: must be a name\n  hint: use letters and digits\n' },
    });
    assert.equal(asked[0]?.path, '/v1/quotas/no%20name');
  });

  test('help names every option, and what a set does to what was set before', async () => {
    const run = answering();
    const group = await run('quota', '--help');
    assert.equal(group.code, 0);
    for (const command of ['set [options] <principal>', 'ls [options]', 'rm [options] <principal>']) {
      assert.ok(group.stdout.includes(command), command);
    }
    const { code, stdout } = await run('quota', 'set', '--help');
    assert.equal(code, 0);
    for (const option of ['--cpu <amount>', '--memory <bytes>', '--running <n>', '--queued <n>', '--json', '--url']) {
      assert.ok(stdout.includes(option), option);
    }
    assert.match(stdout, /Each set replaces what was set before/);
    assert.match(stdout, /\$ fog quota set alice --cpu 8/);
  });
});

const GOLD: ServiceLevelRecord = {
  ...{ principal: 'alice', tier: 'gold', periodStart: 1_799_996_400_000, periodEnd: 1_799_996_400_000 + HOUR },
  ...{ settled: true, count: 100, missed: 10, p95WaitMilliseconds: 1200, promisedMilliseconds: 400 },
  ...{ isMet: false, creditPermille: 125 },
};
const BRONZE: ServiceLevelRecord = {
  ...{ ...GOLD, principal: 'bob', tier: 'bronze', settled: false, count: 3, missed: 0 },
  ...{ p95WaitMilliseconds: 400, promisedMilliseconds: 2500, isMet: true, creditPermille: 0 },
};

describe('fog sla', () => {
  test('a line an hour: waits, what was promised, whether it was kept, and what a miss gives back', async () => {
    const run = answering({ items: [GOLD], next: 'more' }, { items: [BRONZE], next: null });
    const from = Date.now();
    const { code, stdout, stderr } = await run('sla');
    assert.deepEqual([code, stderr], [0, '']);
    const [header, gold, bronze] = rowsOf(stdout);
    const names = ['HOUR FROM', 'PRINCIPAL', 'TIER', 'TASKS', 'LATE', 'P95', 'PROMISED', 'MET', 'CREDIT'];
    assert.deepEqual(header, names);
    assert.deepEqual(gold?.slice(1), ['alice', 'gold', '100', '10', '≤ 1.2s', '400ms', 'no', '12.5 %']);
    assert.deepEqual(bronze?.slice(1), ['bob', 'bronze', '3', '0', '≤ 400ms', '2.5s', 'yes so far']);
    const [first, second] = asked;
    assert.deepEqual([first?.method, first?.path, second?.query.cursor], ['GET', '/v1/service-levels', 'more']);
    const since = Number(first?.query.since);
    assert.ok(since >= from - 24 * HOUR && since <= Date.now() - 24 * HOUR, 'a day back');
    assert.equal(second?.query.since, first?.query.since, 'the same moment on every page');
  });

  test('--since takes a duration, and one that is longer than time begins with it; --json is one document', async () => {
    const run = answering({ items: [GOLD, BRONZE], next: null }, { items: [], next: null });
    const from = Date.now();
    const { code, stdout } = await run('sla', '--since', '7d', '--json');
    assert.deepEqual([code, JSON.parse(stdout)], [0, { items: [GOLD, BRONZE] }]);
    const back = from - Number(asked[0]?.query.since);
    assert.ok(Math.abs(back - 7 * 24 * HOUR) < 10_000, String(back));
    assert.equal((await run('sla', '--since', '36500d')).code, 0);
    assert.equal(asked[1]?.query.since, '0');
  });

  test('what is no duration is refused before a coordinator is asked, and its refusal is told', async () => {
    const run = answering(new FogError('forbidden', 'a token of scope node may not do this'));
    for (const args of [
      ['sla', '--since', 'yesterday'],
      ['sla', '--since', '-1h'],
      ['sla', '--since'],
      ['sla', '--until', '1h'],
      ['sla', 'alice', 'bob'],
    ]) {
      const { code, stdout, stderr } = await run(...args);
      assert.deepEqual([code, stdout], [2, ''], args.join(' '));
      assert.match(stderr, /^fog: /);
    }
    assert.deepEqual(asked, []);
    const { code, stderr } = await run('sla', '--json');
    assert.deepEqual([code === 0, JSON.parse(stderr).code], [false, 'forbidden']);
  });

  test('help says what is promised', async () => {
    const { code, stdout } = await answering()('sla', '--help');
    assert.equal(code, 0);
    assert.match(stdout, /--since <duration> .*\(default: "24h"\)/);
    assert.match(stdout, /bronze 2\.5 s, silver 1\.2 s, gold 400 ms/);
  });
});

/** The cells of a table, which lie at least two spaces apart. */
function rowsOf(table: string): string[][] {
  return table
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd().split(/ {2,}/));
}
