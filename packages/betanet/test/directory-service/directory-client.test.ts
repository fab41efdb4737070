import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { DirectoryClient } from '../../src/index.ts';
import { authorityOf, smallGenesis } from '../directory/members.ts';

test('an authority answers below its address, which may have a path', async () => {
  await using servers = new AsyncDisposableStack();
  const asked: string[] = [];
  const server = createServer(({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    response.end('{}');
  });
  servers.use(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = async (url: string) => {
    const client = new DirectoryClient({ authorities: [{ ...authorityOf('alice'), url }] });
    assert.equal((await client.consensus('latest')).length, 1);
    await client.prove({} as never);
    return asked.splice(0);
  };
  for (const url of [base, `${base}/`])
    assert.deepEqual(await ask(url), ['GET /v1/consensus/latest', 'POST /v1/proofs']);
  for (const url of [`${base}/mix/a`, `${base}/mix/a/`])
    assert.deepEqual(await ask(url), ['GET /mix/a/v1/consensus/latest', 'POST /mix/a/v1/proofs']);
});

test('an address to which nothing can be added is refused', () => {
  for (const rest of ['?a=b', '/#part', '?', '#']) {
    const authorities = ['alice', 'bob', 'carol'].map((id) => ({ ...authorityOf(id), url: `http://host:1/${rest}` }));
    assert.throws(() => smallGenesis({ authorities }), { code: 'invalid-configuration' }, rest);
  }
  const authorities = ['alice', 'bob', 'carol'].map((id) => ({ ...authorityOf(id), url: 'http://me:word@host' }));
  assert.throws(() => smallGenesis({ authorities }), { code: 'invalid-configuration' });
});
