import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type Authority,
  AuthorityServer,
  DIRECTORY_ROUTES,
  DirectoryClient,
  documentDigest,
  ed25519PublicKey,
  makeDescriptor,
  toldTime,
} from '@fog/betanet';
import { tcpTransport } from '@fog/transport';
import { type AuthorityHttpDependencies, authorityHttp } from '../../src/directory-service/authority-http.ts';
import { DIRECTORY_SERVICE_LIMITS } from '../../src/directory-service/limits.ts';
import { relayOf, secretOf, signerOf, smallGenesis, smallRelays } from '../directory/members.ts';
import { runRound } from '../directory/one-round.ts';
import { freePorts } from '../network/small-mix-network.ts';

const genesis = smallGenesis();
const NONCE = 'ab'.repeat(32);

function httpWith(given: Partial<AuthorityHttpDependencies>) {
  const unused = () => assert.fail('not asked for');
  return authorityHttp({
    genesis,
    now: () => 0,
    status: unused,
    clock: unused,
    current: unused,
    consensus: unused,
    seed: unused,
    descriptor: unused,
    proof: unused,
    ...given,
  });
}

test('who fetches too many bytes is held up, and nobody else', async () => {
  const bytes = Buffer.alloc(DIRECTORY_SERVICE_LIMITS.answerBytesBurst / 4, 0x20);
  let now = 0;
  await using http = httpWith({ now: () => now, current: () => bytes, status: () => ({}) as never });
  const codeFor = async (remoteAddress: string, url: string = DIRECTORY_ROUTES.current) =>
    (await http.inject({ method: 'GET', url, remoteAddress })).statusCode;
  for (let asked = 0; asked < 4; asked += 1) assert.equal(await codeFor('9.9.9.9'), 200);
  assert.equal(await codeFor('9.9.9.10'), 429, 'a neighbour in the same prefix');
  assert.equal(await codeFor('9.9.9.9', DIRECTORY_ROUTES.status), 200, 'what is small is still answered');
  assert.equal(await codeFor('8.8.8.8'), 200);
  now += (bytes.length / DIRECTORY_SERVICE_LIMITS.answerBytesPerSecond) * 1000;
  assert.equal(await codeFor('9.9.9.9'), 200, 'after a while');
});

test('a document that is sent counts as several questions', async () => {
  await using http = httpWith({ proof: async () => null });
  const { requestsPerSecond, documentRequests } = DIRECTORY_SERVICE_LIMITS;
  const codes = new Map<number, number>();
  for (let sent = 0; sent < requestsPerSecond / documentRequests + 3; sent += 1) {
    const { statusCode } = await http.inject({ method: 'POST', url: DIRECTORY_ROUTES.proofs, payload: {} });
    codes.set(statusCode, (codes.get(statusCode) ?? 0) + 1);
  }
  assert.deepEqual(
    [...codes],
    [
      [204, requestsPerSecond / documentRequests],
      [429, 3],
    ],
  );
});

test('a clock is told with the nonce that was given, and with none it is not', async () => {
  const nonces: string[] = [];
  await using http = httpWith({ clock: (nonce) => ({ body: nonces.push(nonce), signature: '' }) as never });
  for (const url of ['/v1/clock', '/v1/clock?nonce=ab', `/v1/clock?nonce=${NONCE}&nonce=${NONCE}`]) {
    assert.equal((await http.inject(url)).statusCode, 400, url);
  }
  assert.equal((await http.inject(DIRECTORY_ROUTES.clock(NONCE))).statusCode, 200);
  assert.deepEqual(nonces, [NONCE]);
});

test('a consensus is not sent to who has it, by the digest of its body', async () => {
  const { body } = runRound(genesis, smallRelays()).consensus;
  const digest = documentDigest(body);
  await using http = httpWith({ consensus: () => ({ digest, bytes: Buffer.from('{}') }) });
  const url = DIRECTORY_ROUTES.consensus(0);
  assert.equal((await http.inject(url)).body, '{}');
  assert.equal((await http.inject({ url, headers: { 'if-none-match': `"${digest}"` } })).statusCode, 304);
  assert.equal((await http.inject({ url, headers: { 'if-none-match': `"${NONCE}"` } })).statusCode, 200);
});

test('an authority on a socket: signs its time, and takes a descriptor only of a relay that it reaches', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fog-authority-'));
  const [port = 0] = await freePorts(1);
  const secretKey = secretOf('alice');
  const alice: Authority = { id: 'alice', publicKey: ed25519PublicKey(secretKey), url: `http://127.0.0.1:${port}` };
  const own = smallGenesis({
    authorities: [alice],
    threshold: 1,
    genesisMilliseconds: Date.now() + 9000,
    bootstrapMilliseconds: 10_000,
  });
  try {
    await using authority = await AuthorityServer.start({
      genesis: own,
      authority: 'alice',
      secretKey,
      folder,
      listen: { host: '127.0.0.1', port },
      transport: tcpTransport,
      probeClients: 0,
      log: () => {},
    });
    const directory = new DirectoryClient(own);
    const [clock] = await directory.clocks(NONCE);
    const time = toldTime(clock?.value, { genesis: own, authority: alice, nonce: NONCE }) ?? 0;
    assert.ok(Math.abs(time - Date.now()) < 1000);
    const { body } = relayOf('mix-1').describe(own, 0, { addresses: [{ host: '127.0.0.1', port: 1 }] });
    const { refused } = await directory.publish(makeDescriptor(own, body, signerOf('mix-1')));
    assert.deepEqual([...refused], [['alice', 'unreachable']]);
    assert.equal(authority.refusals.get('unreachable'), 1);
    assert.equal(authority.status().descriptors, 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
