import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import { tcpTransport } from '@fog/transport';
import { PendingAnswers } from '../../src/client/pending-answers.ts';
import { MixClient, networkIdOf, signDocument } from '../../src/index.ts';
import { authorityOf, signerOf, smallGenesis } from '../directory/members.ts';

const AUTHORITIES = ['alice', 'bob', 'carol'];

test('a client whose clock is wrong says so, and answers no request from then on', async () => {
  await using servers = new AsyncDisposableStack();
  const urls = await Promise.all(AUTHORITIES.map((id) => authorityAhead(servers, id, () => networkIdOf(genesis))));
  const genesis = smallGenesis({
    genesisMilliseconds: Date.now(),
    authorities: AUTHORITIES.map((id, index) => ({ ...authorityOf(id), url: urls[index] as string })),
  });
  const failed = Promise.withResolvers<FogError>();
  await using client = new MixClient({ genesis, transport: tcpTransport, level: 'private', failed: failed.resolve });
  const error = await failed.promise;
  assert.equal(error.code, 'invalid-configuration');
  assert.match(error.message, /clock is 1\d\d s behind/);
  await assert.rejects(client.connected(AbortSignal.timeout(5000)), error);
  await assert.rejects(client.request({ service: 'echo', bytes: new Uint8Array(1) }), error);
});

/** Answers what is asked about its clock, which is two minutes ahead. Answers its address. */
async function authorityAhead(servers: AsyncDisposableStack, authority: string, network: () => string) {
  const server = createServer(({ url = '' }, response) => {
    const { searchParams } = new URL(url, 'http://authority');
    const nonce = searchParams.get('nonce');
    const clock = { kind: 'clock', network: network(), authority, nonce, milliseconds: Date.now() + 120_000 };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(signDocument(clock, signerOf(authority))));
  });
  servers.use(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('who waits for an answer hears why none comes', async () => {
  const pending = new PendingAnswers(null);
  const [first, second, third] = [0, 1, 2].map((sequence) => pending.wait({ session: 's', sequence }));
  const error = new FogError('timed-out', 'too late');
  const answer = { session: 's', destination: { node: new Uint8Array(), service: 'x', level: 'private' as const } };
  pending.follow({ kind: 'delivered', message: { session: 's', sequence: 0 } }, null);
  pending.follow({ kind: 'answer', ...answer, answers: 0, bytes: new Uint8Array([7]) }, null);
  pending.follow({ kind: 'answer', ...answer, answers: null, bytes: new Uint8Array([8]) }, null);
  pending.follow({ kind: 'failed', message: { session: 's', sequence: 1 }, error }, null);
  const over = new FogError('cancelled', 'closed');
  pending.rejectAll(over);
  assert.deepEqual(await first, { bytes: new Uint8Array([7]), journey: null });
  await assert.rejects(second as Promise<unknown>, error);
  await assert.rejects(third as Promise<unknown>, over);
});
