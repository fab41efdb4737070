/** Wallets, prices and stake over HTTP: who may ask, what is refused, and what is done once for a key. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogClient, type Scope } from '@fog/contract';
import { Fog, temporaryStorage } from '../dispatch/fog-harness.ts';
import { startServer, type TestServer } from './running-server.ts';

const FOG = 1_000_000n;
const JOB = `j${'0'.repeat(18)}`;

interface MoneyServer extends AsyncDisposable {
  it: TestServer;
  fog: Fog;
  as(scope: Scope, principal: string): Promise<FogClient>;
}

/** Routes over real wallets, in which alice has 10 FOG. */
async function serveMoney(): Promise<MoneyServer> {
  const folder = await temporaryStorage();
  const fog = await Fog.open(folder.storage, { economy: 'on', faucet: 'off' });
  await fog.endow('alice', 10n * FOG);
  const { wallets = null, staking = null } = fog.economy ?? {};
  const it = await startServer({ dependencies: { wallets, staking } });
  const url = await it.listen();
  return {
    it,
    fog,
    as: async (scope, principal) => {
      return new FogClient({ url, token: (await it.bearer(scope, principal)).slice('Bearer '.length) });
    },
    async [Symbol.asyncDispose]() {
      await it[Symbol.asyncDispose]();
      await fog[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const available = async (client: FogClient, query: { principal?: string } = {}) =>
  (await client.call('getWallet', { query })).balances[0]?.available;

test('each sees its own wallet and stake, who reads sees all, and nodes do not see what others have', async () => {
  await using server = await serveMoney();
  const alice = await server.as('submit', 'alice');
  assert.equal(await available(alice), String(10n * FOG));
  for (const scope of ['read', 'admin'] as const) {
    assert.equal(await available(await server.as(scope, 'monitor'), { principal: 'alice' }), String(10n * FOG));
  }
  for (const scope of ['submit', 'node'] as const) {
    const other = await server.as(scope, 'bob');
    assert.equal(await available(other), '0');
    for (const route of ['getWallet', 'listWalletEntries', 'getStake'] as const) {
      await assert.rejects(other.call(route, { query: { principal: 'alice' } }), { code: 'forbidden', status: 403 });
    }
    await assert.rejects(other.call('decideSlash', { body: { fault: `${JOB}/0/1`, verdict: 'upheld', reason: 'r' } }), {
      code: 'forbidden',
    });
  }
  const reader = await server.as('read', 'monitor');
  await assert.rejects(reader.call('sendMoney', { body: { to: 'bob', amount: '1', key: 'k' } }), { code: 'forbidden' });
  await assert.rejects(reader.call('changeStake', { body: { kind: 'unjail' } }), { code: 'forbidden' });
  const node = await server.as('node', 'alice');
  await assert.rejects(node.call('getJobPayment', { params: { job: JOB } }), { code: 'forbidden' });
  await assert.rejects(alice.call('getJobPayment', { params: { job: JOB } }), { code: 'not-found', status: 404 });
  const withoutToken = await server.it.server.inject({ method: 'GET', url: '/v1/wallet' });
  assert.equal(withoutToken.statusCode, 401);
});

test('a send happens once for a key; another one under it is refused, and so is what is not there', async () => {
  await using server = await serveMoney();
  const alice = await server.as('submit', 'alice');
  const send = (body: { to: string; amount: string; key: string }) => alice.call('sendMoney', { body });
  const first = await send({ to: 'bob', amount: String(3n * FOG), key: 'rent' });
  const again = await send({ to: 'bob', amount: String(3n * FOG), key: 'rent' });
  assert.deepEqual(again, first);
  assert.equal(await available(alice), String(7n * FOG));
  await assert.rejects(send({ to: 'bob', amount: '1', key: 'rent' }), { status: 409 });
  await assert.rejects(send({ to: 'carol', amount: String(3n * FOG), key: 'rent' }), { status: 409 });
  await assert.rejects(send({ to: 'bob', amount: String(8n * FOG), key: 'more' }), {
    ...{ code: 'insufficient-funds', details: { needed: '8000000', available: '7000000', missing: '1000000' } },
    hint: 'earn or receive that much: fog wallet tells what there is',
  });
  await assert.rejects(send({ to: 'alice', amount: '1', key: 'self' }), { code: 'invalid-request', status: 400 });
  await assert.rejects(send({ to: 'bob', amount: '0', key: 'nothing' }), { code: 'invalid-request' });
  const page = await alice.call('listWalletEntries', { query: { limit: 1 } });
  assert.deepEqual([page.items[0]?.kind, page.items[0]?.direction, page.next === null], ['send', 'out', false]);
  assert.equal(await available(await server.as('node', 'bob')), String(3n * FOG));
});

test('stake is changed once for a key, and refusals of the rules arrive as they are', async () => {
  await using server = await serveMoney();
  const alice = await server.as('node', 'alice');
  const bond = { kind: 'bond', amount: String(4n * FOG), key: 'first' } as const;
  for (let times = 0; times < 2; times += 1) {
    assert.equal((await alice.call('changeStake', { body: bond })).bonded, String(4n * FOG));
  }
  assert.equal(await available(alice), String(6n * FOG));
  const change = (body: Parameters<typeof alice.call<'changeStake'>>[1]['body']) => alice.call('changeStake', { body });
  await assert.rejects(change({ ...bond, amount: '1' }), { code: 'conflict', status: 409 });
  await assert.rejects(change({ ...bond, amount: String(7n * FOG), key: 'b' }), {
    ...{ code: 'insufficient-funds', hint: 'earn or receive that much: fog wallet tells what there is' },
  });
  await assert.rejects(change({ ...bond, currency: 'faucet', key: 'c' }), { code: 'forbidden', status: 403 });
  await assert.rejects(change({ kind: 'unjail' }), { code: 'conflict' });
  const appeal = { fault: `${JOB}/0/1`, reason: 'a broken processor' };
  await assert.rejects(alice.call('appealSlash', { body: appeal }), { code: 'not-found', status: 404 });
  const root = await server.as('admin', 'admin');
  await assert.rejects(root.call('decideSlash', { body: { ...appeal, verdict: 'upheld' } }), { code: 'not-found' });
  const { items } = await (await server.as('read', 'monitor')).call('listValidators', { query: {} });
  assert.deepEqual(
    items.map(({ validator, stake, status }) => [validator, stake, status]),
    [['alice', String(4n * FOG), 'active']],
  );
  assert.deepEqual(await root.call('listSlashes', { query: {} }), { items: [], next: null });
  const { items: prices } = await alice.call('listPrices', {});
  assert.ok(Array.isArray(prices));
});

test('what is no request is 400 with the place, and nothing moves', async () => {
  await using server = await serveMoney();
  const authorization = await server.it.bearer('submit', 'alice');
  const ask = async (method: 'GET' | 'POST', url: string, payload?: object) => {
    const sent = payload === undefined ? {} : { payload };
    return await server.it.server.inject({ method, url, headers: { authorization }, ...sent });
  };
  const send = { to: 'bob', amount: '1', key: 'k' };
  const bodies: [url: string, payload: object, place: string][] = [
    ['/v1/wallet/sends', { ...send, amount: 1 }, 'amount'],
    ['/v1/wallet/sends', { ...send, amount: '-1' }, 'amount'],
    ['/v1/wallet/sends', { ...send, amount: '1.5' }, 'amount'],
    ['/v1/wallet/sends', { ...send, amount: '9'.repeat(40) }, 'amount'],
    ['/v1/wallet/sends', { ...send, to: 'no name' }, 'to'],
    ['/v1/wallet/sends', { ...send, key: '' }, 'key'],
    ['/v1/wallet/sends', { to: 'bob', amount: '1' }, 'key'],
    ['/v1/wallet/sends', { ...send, currency: 'faucet' }, 'currency'],
    ['/v1/stake/changes', { kind: 'burn' }, 'kind'],
    ['/v1/stake/changes', { kind: 'bond', amount: '1' }, 'key'],
    ['/v1/stake/changes', { kind: 'bond', amount: '01', key: 'k' }, 'amount'],
    ['/v1/stake/changes', { kind: 'commission', commissionPpm: 1_000_001 }, 'commissionPpm'],
    ['/v1/stake/appeals', { fault: 'x', reason: 'r' }, 'fault'],
    ['/v1/stake/appeals', { fault: `${JOB}/0/1`, reason: ' ' }, 'reason'],
  ];
  for (const [url, payload, place] of bodies) {
    const { statusCode, body } = await ask('POST', url, payload);
    assert.equal(statusCode, 400, `${url} ${place}: ${body}`);
    assert.equal(JSON.parse(body).code, 'invalid-request');
    assert.ok(body.includes(place), body);
  }
  for (const url of ['/v1/wallet?principal=no%20name', '/v1/wallet/entries?limit=0', '/v1/wallet/entries?cursor=x']) {
    assert.equal((await ask('GET', url)).statusCode, 400, url);
  }
  for (const url of ['/v1/stake/validators?cursor=*', '/v1/stake/slashes?limit=-1', '/v1/jobs/x/payment']) {
    assert.equal((await ask('GET', url)).statusCode, 400, url);
  }
  assert.equal(await available(await server.as('submit', 'alice')), String(10n * FOG));
});

test('the seal of the ledger is for whoever has a token, to be noted elsewhere', async () => {
  await using server = await serveMoney();
  const alice = await server.as('submit', 'alice');
  const supply = [
    { currency: 'fog', amount: String(10n * FOG) },
    { currency: 'faucet', amount: '0' },
  ];
  const before = await alice.call('getLedger', {});
  assert.deepEqual([before.sealed, before.supply], [null, supply]);
  assert.ok(before.unsealed.rows > 0);
  await server.fog.advance(2000);
  const after = await (await server.as('node', 'bob')).call('getLedger', {});
  assert.deepEqual([after.unsealed.rows, after.supply], [0, supply]);
  assert.equal(after.sealed?.sequence, before.unsealed.rows);
  assert.match(after.sealed?.hash ?? '', /^[0-9a-f]{64}$/);
});

test('a fog that asks for no money says so on every route', async () => {
  await using it = await startServer();
  const authorization = await it.bearer('admin');
  for (const url of [
    '/v1/wallet',
    '/v1/wallet/entries',
    '/v1/prices',
    '/v1/ledger',
    '/v1/stake',
    '/v1/stake/validators',
  ]) {
    const { statusCode, body } = await it.server.inject({ method: 'GET', url, headers: { authorization } });
    assert.equal(JSON.parse(body).code, 'unsupported', `${url} ${statusCode}`);
    assert.match(JSON.parse(body).hint, /economy/);
  }
});
