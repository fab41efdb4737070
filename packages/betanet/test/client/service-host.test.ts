import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { geometryOf, PAYLOAD_TAG_BYTES, writeOutcome } from '@fog/sphinx';
import { EMPTY_PAYLOAD, encodePayload, parsePayload } from '../../src/client/service-messages.ts';
import { viewOfConsensus } from '../../src/client/view-of-consensus.ts';
import {
  coverRecipient,
  ServiceHost,
  type ServiceHostOptions,
  serviceRecipient,
  sphinxPackets,
} from '../../src/index.ts';
import { smallGenesis, smallRelays } from '../directory/members.ts';
import { runRound } from '../directory/one-round.ts';

const genesis = smallGenesis({
  geometry: { hops: 4, userPayloadBytes: 1500 },
  genesisMilliseconds: Date.now() - 1000,
  epochMilliseconds: 600_000,
  test: true,
});
const { consensus } = runRound(genesis, smallRelays());
const SERVICE_ID = consensus.body.nodes.find(({ role }) => role === 'service')?.id ?? '';
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

interface Sent {
  block: Uint8Array;
  payload: Uint8Array;
  at: number;
}

function host({ known = true, ...change }: Partial<ServiceHostOptions> & { known?: boolean } = {}) {
  const sent: Sent[] = [];
  const failed: [string, unknown][] = [];
  const stopped: Error[] = [];
  const services = new ServiceHost({
    genesis,
    slotsPerSecond: 1000,
    bytesPerHour: null,
    node: () => ({
      id: SERVICE_ID,
      view: known ? viewOfConsensus(genesis, consensus, []) : null,
      sendReply: (block, payload) => sent.push({ block: Uint8Array.from(block), payload, at: performance.now() }),
    }),
    failed: (service, error) => failed.push([service, error]),
    stopped: (error) => stopped.push(error),
    ...change,
  });
  const replies = () => sent.filter(({ payload }) => payload.some((byte) => byte !== 0));
  return { services, sent, failed, stopped, replies };
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries += 1) {
    assert.ok(tries < 500, 'it never was so');
    await sleep(5);
  }
}

test('a message reaches the service that it names, and its answer goes out with the reply block', async () => {
  const { services, replies, failed } = host();
  using _ = services;
  const senders: string[] = [];
  services.register('upper', (bytes, sender) => {
    senders.push(sender);
    return Buffer.from(Buffer.from(bytes).toString().toUpperCase());
  });
  assert.equal(services.deliver(serviceRecipient('upper'), delivery(serviceRecipient('upper'), 'hello')), 'taken');
  await until(() => replies().length > 0);
  assert.deepEqual([replies().length, failed, senders.length], [1, [], 1]);
  const sent = replies();
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
  const { services, replies, failed } = host();
  using _ = services;
  services.register('broken', () => Promise.reject(new Error('out of order')));
  services.register('silent', () => null);
  for (const name of ['broken', 'silent']) {
    assert.equal(services.deliver(serviceRecipient(name), delivery(serviceRecipient(name), 'x')), 'taken');
  }
  await until(() => replies().length === 2);
  assert.deepEqual(
    failed.map(([service, error]) => [service, String(error)]),
    [['broken', 'Error: out of order']],
  );
  for (const { payload } of replies()) {
    const reply = parsePayload(payload, SIZES.reply);
    assert.deepEqual([reply?.fragment, reply?.acknowledgements.length], [null, 1]);
  }
});

test('a host that cannot send stops and says so', async () => {
  const node = () => {
    throw new Error('the node is gone');
  };
  const { services, failed, stopped } = host({ node });
  using _ = services;
  services.register('one', () => Uint8Array.of(1));
  await until(() => stopped.length > 0);
  assert.deepEqual(
    stopped.map(({ message }) => message),
    ['the node is gone'],
  );
  assert.deepEqual(failed, [], 'the service is not to blame');
  const one = serviceRecipient('one');
  assert.equal(services.deliver(one, delivery(one, 'y')), 'unknown');
});

test('what is sent, and when, does not depend on whether there is something to say', async () => {
  const { services, sent, replies } = host({ slotsPerSecond: 50 });
  using _ = services;
  services.register('echo', (bytes) => bytes);
  await until(() => sent.length >= 10);
  assert.equal(replies().length, 0);
  const before = sent.length;
  const asked = performance.now();
  assert.equal(services.deliver(serviceRecipient('echo'), delivery(serviceRecipient('echo'), 'x')), 'taken');
  assert.equal(sent.length, before, 'nothing leaves with the request');
  await until(() => replies().length === 1);
  const first = sent.findIndex(({ at }) => at > asked);
  assert.ok(sent.indexOf(replies()[0] as Sent) <= first + 1, 'the answer takes the place of cover in the next slot');
  for (const { block, payload } of sent) {
    assert.equal(block.length, GEOMETRY.replyBlockBytes);
    assert.equal(payload.length, SIZES.reply.payloadBytes);
  }
  assert.equal(new Set(sent.map(({ block }) => Buffer.from(block).toString('hex'))).size, sent.length);
  const { replies: answers, cover, empty } = services.slots;
  assert.deepEqual([answers, answers + cover, empty <= 2], [1, sent.length, true]);
});

test('where no cover can be made, no answer goes out either', async () => {
  const { services, sent } = host({ known: false });
  using _ = services;
  services.register('echo', (bytes) => bytes);
  assert.equal(services.deliver(serviceRecipient('echo'), delivery(serviceRecipient('echo'), 'x')), 'taken');
  await until(() => services.slots.empty > 50);
  assert.equal(sent.length, 0);
});

test('what is wrong with the node is no missing path: the host stops and says so', async () => {
  const node = {
    id: SERVICE_ID,
    get view(): never {
      return { nodes: null } as never;
    },
    sendReply: () => assert.fail('there is no cover'),
  };
  const { services, stopped } = host({ node: () => node });
  using _ = services;
  services.register('echo', (bytes) => bytes);
  await until(() => stopped.length > 0);
  assert.match(String(stopped[0]?.message), /null/);
});

test('the rate is lowered to what its budget allows', () => {
  using services = new ServiceHost({
    genesis,
    node: () => null,
    failed: () => {},
    stopped: () => {},
    bytesPerHour: 1 << 20,
  });
  assert.equal(services.plan.lowered, 'cover-and-payload');
  assert.ok(services.plan.rates.payload * 3600 * GEOMETRY.packetBytes < 1 << 20);
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
