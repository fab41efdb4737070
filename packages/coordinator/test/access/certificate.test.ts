import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isLoopback, pinnedConnection } from '@fog/contract/node';
import { splitListen, type Tls, tlsFor } from '../../src/access/certificate.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fog-tls-'));
});
after(() => rm(directory, { recursive: true, force: true }));

type Own = Extract<Tls, { kind: 'own' }>;

async function own(folder: string): Promise<Own> {
  const tls = await tlsFor({ listen: '0.0.0.0:7070', plainHttp: false }, join(directory, folder));
  assert.equal(tls.kind, 'own');
  return tls as Own;
}

test('the listen address decides: loopback is plain, others are not unless it was said', async () => {
  const plain = { kind: 'plain' };
  for (const listen of ['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'localhost:1']) {
    assert.deepEqual(await tlsFor({ listen, plainHttp: false }, directory), plain);
  }
  assert.deepEqual(await tlsFor({ listen: '0.0.0.0:1', plainHttp: true }, directory), plain);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.0.0.1.example.org', '::ffff:10.0.0.1']) {
    assert.equal(isLoopback(host), false, host);
  }
  assert.deepEqual(splitListen('[fe80::1]:70'), { host: 'fe80::1', port: 70 });
});

test('an own certificate is made once, names this machine, and its key is private', async () => {
  const first = await own('a');
  const certificate = new X509Certificate(first.cert);
  assert.match(certificate.subjectAltName ?? '', /DNS:localhost/);
  const years = (certificate.validToDate.getTime() - Date.now()) / (365.25 * 86_400_000);
  assert.ok(years > 9.9 && years < 10.1);
  assert.equal((await stat(join(directory, 'a', 'tls', 'own.pem'))).mode & 0o777, 0o600);
  assert.deepEqual(await own('a'), first);
  const [left, right] = await Promise.all([own('race'), own('race')]);
  assert.equal(left.fingerprint, right.fingerprint);
  await writeFile(join(directory, 'a', 'tls', 'own.pem'), 'damaged');
  assert.notEqual((await own('a')).fingerprint, first.fingerprint);
});

test('a client that pins the fingerprint gets through, one with another fingerprint does not', async () => {
  const tls = await own('b');
  const server = createServer({ cert: tls.cert, key: tls.key }, (_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const { fetch } = await pinnedConnection(url, tls.fingerprint);
    assert.equal(await (await fetch(url, { method: 'GET', headers: {} })).text(), 'hello');
    await assert.rejects(pinnedConnection(url, '00'.repeat(32)), { code: 'unauthenticated' });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('given files are used on any address, and what is wrong with them is said', async () => {
  const [one, two] = [await own('c'), await own('d')];
  const file = async (name: string, text: string) => {
    await writeFile(join(directory, name), text);
    return join(directory, name);
  };
  const tlsCert = await file('one.crt', one.cert);
  const tlsKey = await file('one.key', one.key);
  const listen = '127.0.0.1:1';
  const given = await tlsFor({ listen, tlsCert, tlsKey, plainHttp: false }, directory);
  assert.deepEqual(given, { kind: 'given', cert: await readFile(tlsCert, 'utf8'), key: one.key });
  const wrong = [
    [{ tlsCert }, /tlsKey is not set/],
    [{ tlsKey }, /tlsCert is not set/],
    [{ tlsCert, tlsKey: await file('two.key', two.key) }, /does not belong/],
    [{ tlsCert, tlsKey: await file('broken', 'SECRET') }, /tlsKey: .* is not a PEM file/],
    [{ tlsCert: join(directory, 'absent'), tlsKey }, /tlsCert: cannot read it/],
  ] as const;
  for (const [files, message] of wrong) {
    await assert.rejects(tlsFor({ listen, plainHttp: false, ...files }, directory), {
      code: 'invalid-configuration',
      message,
    });
  }
});
