import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { geometryOf, PAYLOAD_TAG_BYTES, writeOutcome } from '@fog/sphinx';
import { EMPTY_PAYLOAD, encodePayload, parsePayload } from '../../src/client/service-messages.ts';
import {
  coverRecipient,
  ServiceHost,
  type ServiceHostOptions,
  serviceRecipient,
  sphinxPackets,
} from '../../src/index.ts';
import { smallGenesis } from '../directory/members.ts';

const genesis = smallGenesis({ geometry: { hops: 4, userPayloadBytes: 1500 } });
const GEOMETRY = geometryOf(genesis.geometry);
const SIZES = sphinxPackets(GEOMETRY);
const PSEUDONYM = new Uint8Array(16).fill(5);

/** What a service node hands over: an outcome record, zeros, and the payload of a request with its reply block. */
function delivery(recipient: Uint8Array, text: string, status: 'deliver' | 'reply' = 'deliver', flag = 1): Uint8Array {
  const bytes = new Uint8Array(GEOMETRY.packetBytes);
  writeOutcome(bytes, 0, { status, id: recipient });
  const payload = encodePayload(
    {
      ...EMPTY_PAYLOAD,
      kind: 'request',
      pseudonym: PSEUDONYM,
      ownBlock: { number: 0, expiresAt: Date.now() + 60_000 },
      fragment: { sequence: 0, oldest: 0, answers: null, index: 0, count: 1, data: Buffer.from(text) },
    },
    SIZES.request,
  );
  const at = GEOMETRY.headerBytes + PAYLOAD_TAG_BYTES;
  bytes[at] = flag;
  bytes.fill(3, at + 2, at + 2 + GEOMETRY.replyBlockBytes);
  bytes.set(payload, at + 2 + GEOMETRY.replyBlockBytes);
  return bytes;
}

function host(change: Partial<ServiceHostOptions> = {}) {
  const sent: { block: Uint8Array; payload: Uint8Array }[] = [];
  const failed: [string, unknown][] = [];
  const stopped: Error[] = [];
  const services = new ServiceHost({
    genesis,
    send: (block, payload) => sent.push({ block: Uint8Array.from(block), payload }),
    failed: (service, error) => failed.push([service, error]),
    stopped: (error) => stopped.push(error),
    ...change,
  });
  return { services, sent, failed, stopped };
}

test('a message reaches the service that it names, and its answer goes out with the reply block', async () => {
  const { services, sent, failed } = host();
  using _ = services;
  const senders: string[] = [];
  services.register('upper', (bytes, sender) => {
    senders.push(sender);
    return Buffer.from(Buffer.from(bytes).toString().toUpperCase());
  });
  assert.equal(services.deliver(serviceRecipient('upper'), delivery(serviceRecipient('upper'), 'hello')), 'taken');
  await sleep(10);
  assert.deepEqual([sent.length, failed, senders.length], [1, [], 1]);
  assert.deepEqual(sent[0]?.block, new Uint8Array(GEOMETRY.replyBlockBytes).fill(3));
  const reply = parsePayload(sent[0]?.payload ?? new Uint8Array(), SIZES.reply);
  assert.equal(Buffer.from(reply?.fragment?.data ?? []).toString(), 'HELLO');
  assert.equal(services.deliver(serviceRecipient('upper'), delivery(serviceRecipient('upper'), 'hello')), 'taken');
  await sleep(10);
  assert.equal(senders.length, 1, 'the same message is taken once');
  assert.equal(services.status()[0]?.held.sessions, 1);
});

test('what is for nobody here, or of no shape, is unknown; cover is taken', () => {
  const { services } = host();
  using _ = services;
  services.register('echo', (bytes) => bytes);
  const echo = serviceRecipient('echo');
  const other = serviceRecipient('other');
  assert.equal(services.deliver(other, delivery(other, 'x')), 'unknown');
  assert.equal(services.deliver(echo, delivery(echo, 'x', 'reply')), 'unknown', 'a service owns no reply blocks');
  assert.equal(services.deliver(echo, delivery(echo, 'x', 'deliver', 7)), 'unknown', 'a flag that is none');
  assert.equal(services.deliver(coverRecipient(), new Uint8Array(GEOMETRY.packetBytes)), 'taken');
  const malformed = delivery(echo, 'x');
  malformed.fill(0xff, GEOMETRY.headerBytes + PAYLOAD_TAG_BYTES + 2 + GEOMETRY.replyBlockBytes);
  assert.equal(services.deliver(echo, malformed), 'taken');
  assert.equal(services.status()[0]?.counters.malformed, 1);
});

test('a service that fails is told of here alone, and one that has nothing to say acknowledges', async () => {
  const { services, sent, failed } = host();
  using _ = services;
  services.register('broken', () => Promise.reject(new Error('out of order')));
  services.register('silent', () => null);
  for (const name of ['broken', 'silent']) {
    assert.equal(services.deliver(serviceRecipient(name), delivery(serviceRecipient(name), 'x')), 'taken');
  }
  await sleep(300);
  assert.deepEqual(
    failed.map(([service, error]) => [service, String(error)]),
    [['broken', 'Error: out of order']],
  );
  assert.equal(sent.length, 2);
  for (const { payload } of sent) {
    const reply = parsePayload(payload, SIZES.reply);
    assert.deepEqual([reply?.fragment, reply?.acknowledgements.length], [null, 1]);
  }
});

test('a host that cannot send stops and says so: in its own time, and with an answer', async () => {
  for (const answer of [null, Uint8Array.of(1)]) {
    const { services, failed, stopped } = host({
      send: () => {
        throw new Error('the node is gone');
      },
    });
    using _ = services;
    services.register('one', () => answer);
    const one = serviceRecipient('one');
    assert.equal(services.deliver(one, delivery(one, 'x')), 'taken');
    await sleep(300);
    assert.deepEqual(
      stopped.map(({ message }) => message),
      ['the node is gone'],
    );
    assert.deepEqual(failed, [], 'the service is not to blame');
    assert.equal(services.deliver(one, delivery(one, 'y')), 'unknown');
  }
});

test('a name is taken until its service leaves', () => {
  const { services } = host();
  using _ = services;
  const first = services.register('one', () => null);
  assert.throws(() => services.register('one', () => null), { code: 'conflict' });
  assert.throws(() => services.register('No Name', () => null), { code: 'invalid-request' });
  first[Symbol.dispose]();
  const one = serviceRecipient('one');
  assert.equal(services.deliver(one, delivery(one, 'x')), 'unknown');
  services.register('one', () => null);
});
