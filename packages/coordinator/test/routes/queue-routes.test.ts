/** Quotas and service levels over HTTP: who may ask, what is refused, and pages, with a real store behind them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogClient, type QuotaLimits } from '@fog/contract';
import { addServiceWaits } from '../../src/store/service-rows.ts';
import { startServer, type TestServer } from './running-server.ts';

const NONE: QuotaLimits = { milliCpu: null, memoryBytes: null, running: null, queued: null };
const UNUSED = { milliCpu: 0, memoryBytes: 0, running: 0, queued: 0 };
const HOUR = 3_600_000;

async function clientOf(it: TestServer, url: string, scope: 'admin' | 'submit' | 'read', principal: string) {
  const token = (await it.bearer(scope, principal)).slice('Bearer '.length);
  return new FogClient({ url, token });
}

test('the typed client sets, lists and removes quotas; each set replaces the one before', async () => {
  await using it = await startServer();
  const url = await it.listen();
  const root = await clientOf(it, url, 'admin', 'root');
  const set = (principal: string, body: Partial<QuotaLimits>) =>
    root.call('setQuota', { params: { principal }, body: { ...NONE, ...body } });
  assert.deepEqual(await set('alice', { milliCpu: 8000, queued: 10 }), {
    ...{ ...NONE, milliCpu: 8000, queued: 10 },
    ...{ principal: 'alice', used: UNUSED },
  });
  const alice = { ...NONE, running: 3, principal: 'alice', used: UNUSED };
  assert.deepEqual(await set('alice', { running: 3 }), alice);
  const bob = await set('bob', { memoryBytes: 2 ** 34 });
  assert.deepEqual(await root.call('listQuotas', { query: {} }), { items: [alice, bob], next: null });
  const first = await root.call('listQuotas', { query: { limit: 1 } });
  assert.deepEqual(first.items, [alice]);
  assert.ok(first.next !== null);
  assert.deepEqual(await root.call('listQuotas', { query: { limit: 1, cursor: first.next } }), {
    ...{ items: [bob], next: null },
  });
  const submitter = await clientOf(it, url, 'submit', 'bob');
  assert.deepEqual((await submitter.call('listQuotas', { query: {} })).items, [bob], 'its own alone');
  const reader = await clientOf(it, url, 'read', 'monitor');
  assert.deepEqual((await reader.call('listQuotas', { query: {} })).items, [alice, bob]);
  for (const stranger of [submitter, reader]) {
    await assert.rejects(stranger.call('setQuota', { params: { principal: 'bob' }, body: NONE }), {
      code: 'forbidden',
    });
    await assert.rejects(stranger.call('removeQuota', { params: { principal: 'alice' } }), { code: 'forbidden' });
  }
  await root.call('removeQuota', { params: { principal: 'alice' } });
  await assert.rejects(root.call('removeQuota', { params: { principal: 'alice' } }), {
    ...{ code: 'not-found', status: 404, hint: 'fog quota ls' },
  });
  assert.deepEqual((await root.call('listQuotas', { query: {} })).items, [bob]);
});

test('a removal answers 204 without a body, and what is not a quota 400 with the place', async () => {
  await using it = await startServer();
  const authorization = await it.bearer('admin');
  const ask = async (method: 'GET' | 'PUT' | 'DELETE', url: string, payload?: object) => {
    const sent = payload === undefined ? {} : { payload };
    const { statusCode, body } = await it.server.inject({ method, url, headers: { authorization }, ...sent });
    return { statusCode, body };
  };
  for (const [payload, place] of [
    [{ running: -1 }, 'running'],
    [{ milliCpu: 0.5 }, 'milliCpu'],
    [{ memoryBytes: '1Gi' }, 'memoryBytes'],
    [{ queued: 2 ** 60 }, 'queued'],
    [{ cpu: 1 }, 'cpu'],
  ] as const) {
    const { statusCode, body } = await ask('PUT', '/v1/quotas/alice', payload);
    assert.equal(statusCode, 400, place);
    assert.equal(JSON.parse(body).code, 'invalid-request');
    assert.ok(body.includes(place), body);
  }
  for (const url of ['/v1/quotas/no%20name', `/v1/quotas/${'a'.repeat(64)}`]) {
    assert.equal((await ask('PUT', url, {})).statusCode, 400, url);
  }
  for (const url of ['/v1/quotas?limit=0', '/v1/quotas?cursor=x', '/v1/service-levels?since=-1']) {
    assert.equal((await ask('GET', url)).statusCode, 400, url);
  }
  assert.equal((await ask('PUT', '/v1/quotas/alice', {})).statusCode, 200, 'a quota that limits nothing');
  assert.deepEqual(await ask('DELETE', '/v1/quotas/alice'), { statusCode: 204, body: '' });
});

test('service levels: newest hour first, page by page, since a moment, and to submitters their own', async () => {
  await using it = await startServer();
  const url = await it.listen();
  const root = await clientOf(it, url, 'admin', 'root');
  const period = 1_799_996_400_000;
  await it.database.write((writer) =>
    addServiceWaits(writer, [
      { tenant: 'alice', tier: 'gold', period, bound: 400, count: 90 },
      { tenant: 'alice', tier: 'gold', period, bound: 1200, count: 10 },
      { tenant: 'bob', tier: 'bronze', period, bound: 400, count: 3 },
      { tenant: 'alice', tier: 'silver', period: period - HOUR, bound: 400, count: 1 },
    ]),
  );
  const levels = await root.call('listServiceLevels', { query: {} });
  const told = levels.items.map(({ principal, tier, count, missed, isMet, settled }) => {
    return [principal, tier, count, missed, isMet, settled];
  });
  assert.deepEqual(told, [
    ['alice', 'gold', 100, 10, false, false],
    ['bob', 'bronze', 3, 0, true, false],
    ['alice', 'silver', 1, 0, true, false],
  ]);
  assert.deepEqual([levels.items[0]?.periodStart, levels.items[0]?.periodEnd], [period, period + HOUR]);
  const pages = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await root.call('listServiceLevels', { query: { limit: 1, ...(cursor && { cursor }) } });
    pages.push(...page.items);
    cursor = page.next;
  }
  assert.deepEqual(pages, levels.items);
  const recent = await root.call('listServiceLevels', { query: { since: period } });
  assert.deepEqual(recent.items, levels.items.slice(0, 2));
  const bob = await clientOf(it, url, 'submit', 'bob');
  assert.deepEqual((await bob.call('listServiceLevels', { query: {} })).items, levels.items.slice(1, 2));
});
