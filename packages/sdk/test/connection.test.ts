import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FogError, formatToken } from '@fog/contract';
import { defaultDataDirectory, findCoordinator } from '../src/connection.ts';
import { Fog } from '../src/fog.ts';

const token = (letter: string, fingerprint: string | null = null) =>
  formatToken({ scope: 'admin', id: `t${letter.repeat(18)}`, secret: letter.repeat(43), fingerprint });

let data: string;
before(async () => {
  data = await mkdtemp(join(tmpdir(), 'fog-connection-'));
  const fingerprint = 'ab'.repeat(32);
  await writeFile(join(data, 'endpoint.json'), JSON.stringify({ url: 'https://127.0.0.1:7070', pid: 1, fingerprint }));
  await writeFile(join(data, 'admin.token'), `${token('a')}\n`);
});
after(() => rm(data, { recursive: true, force: true }));

const code = (expected: string) => (error: unknown) => error instanceof FogError && error.code === expected;

describe('the coordinator is found', () => {
  test('by the data folder, with its token and certificate', async () => {
    const found = await findCoordinator({ environment: { FOG_DATA: data } });
    assert.deepEqual(found, { url: 'https://127.0.0.1:7070', token: token('a'), fingerprint: 'ab'.repeat(32) });
  });

  test('variables override the folder, options the variables', async () => {
    const environment = { FOG_DATA: data, FOG_URL: 'http://fog.example:1', FOG_TOKEN: token('b', 'cd'.repeat(32)) };
    const found = await findCoordinator({ environment });
    assert.deepEqual(found, {
      url: 'http://fog.example:1',
      token: environment.FOG_TOKEN,
      fingerprint: 'cd'.repeat(32),
    });
    const given = await findCoordinator({ environment, url: 'http://other:2', token: token('c') });
    assert.deepEqual(given, { url: 'http://other:2', token: token('c'), fingerprint: null });
  });

  test('the admin token goes to its own coordinator alone', async () => {
    await assert.rejects(
      findCoordinator({ environment: { FOG_DATA: data, FOG_URL: 'http://fog.example:1' } }),
      code('unauthenticated'),
    );
    const same = await findCoordinator({ environment: { FOG_DATA: data, FOG_URL: 'https://127.0.0.1:7070/' } });
    assert.equal(same.token, token('a'));
  });

  test('nothing running, no address, no token: typed errors with a hint', async () => {
    const environment = { FOG_DATA: join(data, 'nothing') };
    await assert.rejects(Fog.connect({ environment }), (error) => {
      assert.ok(error instanceof FogError && error.code === 'unavailable');
      assert.match(error.hint ?? '', /fog up/);
      return true;
    });
    await assert.rejects(
      findCoordinator({ environment, url: 'localhost:7070', token: token('a') }),
      code('invalid-request'),
    );
    await assert.rejects(findCoordinator({ environment, url: 'http://x', token: 'nonsense' }), code('unauthenticated'));
    assert.equal(defaultDataDirectory({ FOG_DATA: '/x' }), '/x');
    assert.match(defaultDataDirectory({}), /\.local\/share\/fog$/);
  });
});
