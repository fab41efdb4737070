import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FogClient } from '../src/index.ts';
import { certificateFingerprint, pinnedConnection } from '../src/node/index.ts';

interface Certificate {
  cert: string;
  key: string;
  fingerprint: string;
}

/** A certificate that no authority knows, for a name that is not the server's. */
function makeCertificate(): Certificate | null {
  const folder = mkdtempSync(join(tmpdir(), 'fog-certificate-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const options = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=somewhere-else',
    ];
    execFileSync('openssl', ['req', '-x509', ...options, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    const text = readFileSync(cert, 'utf8');
    return {
      cert: text,
      key: readFileSync(key, 'utf8'),
      fingerprint: certificateFingerprint(new X509Certificate(text)),
    };
  } catch {
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const ours = makeCertificate();
const other = makeCertificate();

describe('a pinned connection', { skip: ours === null ? 'openssl is not installed' : false }, () => {
  let server: Server;
  let url: string;
  let requests: string[] = [];

  before(async () => {
    server = createServer({ cert: ours?.cert, key: ours?.key }, (request, response) => {
      requests.push(`${request.method} ${request.headers.authorization}`);
      response.end('hello');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const get = { method: 'GET', headers: { authorization: 'Bearer secret' } };

  test('trusts the certificate that the token names, whatever its name says', async () => {
    const { fetch, tls } = await pinnedConnection(url, ours?.fingerprint ?? '');
    assert.equal(await (await fetch(url, get)).text(), 'hello');
    assert.notEqual(tls, undefined);
  });

  test('sends nothing to another', async () => {
    requests = [];
    await assert.rejects(pinnedConnection(url, other?.fingerprint ?? ''), {
      code: 'unauthenticated',
      details: { expected: other?.fingerprint, presented: ours?.fingerprint },
    });
    assert.deepEqual(requests, []);
  });

  test('does not trust a certificate that takes its place later', async () => {
    const { fetch } = await pinnedConnection(url, ours?.fingerprint ?? '');
    server.setSecureContext({ cert: other?.cert, key: other?.key });
    requests = [];
    await assert.rejects(fetch(url, get));
    assert.deepEqual(requests, []);
    server.setSecureContext({ cert: ours?.cert, key: ours?.key });
  });

  test('without a fingerprint, the authorities of the system decide', async () => {
    const { fetch, tls } = await pinnedConnection(url, null);
    assert.equal(tls, undefined);
    await assert.rejects(fetch(url, get));
    const client = new FogClient({ url, token: 'fog_read_x', fetch });
    await assert.rejects(client.call('status'), { code: 'unauthenticated', hint: /whole token/ });
  });

  test('a token that names a certificate is not sent in the clear', async () => {
    await assert.rejects(pinnedConnection(url.replace('https:', 'http:'), ours?.fingerprint ?? ''), {
      code: 'unauthenticated',
      hint: `write https: ${url}`,
    });
  });

  test('tells when nobody answers', async () => {
    await assert.rejects(pinnedConnection('https://127.0.0.1:1', ours?.fingerprint ?? ''), { code: 'unavailable' });
  });
});
