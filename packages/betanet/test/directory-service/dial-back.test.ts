import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkIdOf } from '@fog/betanet';
import { geometryOf } from '@fog/sphinx';
import {
  generateKeyPair,
  type LinkListenerOptions,
  listenForLinks,
  type Transport,
  tcpTransport,
} from '@fog/transport';
import { DialBack } from '../../src/directory-service/dial-back.ts';
import { DIRECTORY_SERVICE_LIMITS } from '../../src/directory-service/limits.ts';
import { smallGenesis } from '../directory/members.ts';

const genesis = smallGenesis();
const SOURCE = '9.9.9.9/32';
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** A relay that listens, and says yes or no to whoever comes. */
async function relayThat(admit: LinkListenerOptions<null>['admit']) {
  const key = generateKeyPair();
  const listener = await listenForLinks<null>({
    transport: tcpTransport,
    address: '127.0.0.1:0',
    networkId: Buffer.from(networkIdOf(genesis), 'hex'),
    packetBytes: geometryOf(genesis.geometry).packetBytes,
    static: key,
    admit,
    onLink: (link) => link.start({ onPackets: () => {}, onClose: () => {} }),
  });
  const port = Number(listener.address.split(':')[1]);
  const relay = {
    identityKey: 'ab'.repeat(32),
    linkKey: hexOf(key.publicKey),
    addresses: [{ host: '127.0.0.1', port }],
  };
  return { relay, [Symbol.asyncDispose]: () => listener.close() };
}

function counting(transport: Transport): Transport & { dials: number } {
  const counted = {
    ...transport,
    dials: 0,
    dial: (...given: Parameters<Transport['dial']>) => {
      counted.dials += 1;
      return transport.dial(...given);
    },
  };
  return counted;
}

test('whoever answers with the key of the relay has been reached, also with a no; it is not dialled again', async () => {
  for (const admit of [
    () => ({ admitted: true, context: null }) as const,
    () => ({ admitted: false, code: 'not-serving' }) as const,
  ]) {
    await using listening = await relayThat(admit);
    const transport = counting(tcpTransport);
    const dialBack = new DialBack(genesis, transport, new AbortController().signal);
    const { relay } = listening;
    assert.equal(await dialBack.refusal(relay, SOURCE), null);
    assert.equal(await dialBack.refusal(relay, SOURCE), null);
    assert.equal(transport.dials, 1);
    const unused = { host: '127.0.0.1', port: 1 };
    assert.equal(await dialBack.refusal({ ...relay, addresses: [unused] }, SOURCE), 'unreachable', 'it has moved');
    assert.equal(await dialBack.refusal({ ...relay, addresses: [unused, ...relay.addresses] }, SOURCE), null);
  }
});

test('another key, another program or nobody at the address is no relay', async () => {
  await using listening = await relayThat(() => ({ admitted: true, context: null }));
  const { relay } = listening;
  const dialBack = new DialBack(genesis, tcpTransport, new AbortController().signal);
  const otherKey = { ...relay, linkKey: hexOf(generateKeyPair().publicKey) };
  assert.equal(await dialBack.refusal(otherKey, SOURCE), 'unreachable');
  await using stranger = await tcpTransport
    .listen('127.0.0.1:0', (stream) => stream.end('hello'), {})
    .then((found) => ({
      port: Number(found.address.split(':')[1]),
      [Symbol.asyncDispose]: () => found.close(),
    }));
  const elsewhere = { ...relay, addresses: [{ host: '127.0.0.1', port: stranger.port }] };
  assert.equal(await dialBack.refusal(elsewhere, SOURCE), 'unreachable');
  const otherNetwork = new DialBack(smallGenesis({ name: 'other' }), tcpTransport, new AbortController().signal);
  assert.equal(await otherNetwork.refusal(relay, SOURCE), 'unreachable');
});

test('few dials are under way at a time: of one source, and of all', async () => {
  const ended = new AbortController();
  const waiting: Transport = {
    ...tcpTransport,
    dial: (_, { signal } = {}) =>
      new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('ended')))),
  };
  const dialBack = new DialBack(genesis, waiting, ended.signal);
  const relayAt = (port: number) => ({
    identityKey: 'ab'.repeat(32),
    linkKey: 'cd'.repeat(32),
    addresses: [{ host: '127.0.0.1', port }],
  });
  const { dialBacks, dialBacksPerSource } = DIRECTORY_SERVICE_LIMITS;
  const dials: Promise<string | null>[] = [];
  for (let at = 0; at < dialBacksPerSource; at += 1) dials.push(dialBack.refusal(relayAt(1 + at), SOURCE));
  assert.equal(await dialBack.refusal(relayAt(999), SOURCE), 'busy');
  dials.push(dialBack.refusal(relayAt(1), 'somebody else'));
  for (let at = dialBacksPerSource; at < dialBacks; at += 1)
    dials.push(dialBack.refusal(relayAt(1 + at), `source ${at}`));
  assert.equal(await dialBack.refusal(relayAt(999), 'yet another'), 'busy');
  ended.abort();
  assert.deepEqual(new Set(await Promise.all(dials)), new Set(['unreachable']));
});
