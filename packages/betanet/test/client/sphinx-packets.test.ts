/** A request and its answer in real packets, through real unwrapping at each hop. */
import assert from 'node:assert/strict';
import { createHash, randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import {
  type Geometry,
  geometryOf,
  OUTCOME_BYTES,
  packetFromReplyBlock,
  readOutcome,
  TYPESCRIPT_BACKEND,
} from '@fog/sphinx';
import { MixClientCore } from '../../src/client/mix-client-core.ts';
import type { NetworkView } from '../../src/client/network-view.ts';
import { ServiceCore } from '../../src/client/service-core.ts';
import { coverBlock } from '../../src/client/service-cover.ts';
import { coverRecipient } from '../../src/client/service-messages.ts';
import { deliveryOf, sphinxPackets } from '../../src/client/sphinx-packets.ts';
import { epochAt } from '../../src/directory/schedule.ts';
import { SeededRandom } from './seeded-random.ts';
import { idOf, networkOf } from './small-network.ts';

const GEOMETRY = geometryOf({ hops: 5, userPayloadBytes: 1000 });
const BASE_POINT = new Uint8Array(32).fill(9, 0, 1);

/** The network with keys whose private halves are known. */
function keyedNetwork(): { view: NetworkView; privateKey: (id: Uint8Array, epoch: number) => Uint8Array } {
  const view = networkOf({ layers: 3, relaysPerLayer: 1 });
  const privateKey = (id: Uint8Array, epoch: number) => createHash('sha256').update(id).update(`${epoch}`).digest();
  const nodes = view.nodes.map((node) => ({
    ...node,
    sphinxKeys: new Map([0].map((epoch) => [epoch, TYPESCRIPT_BACKEND.x25519(privateKey(node.id, epoch), BASE_POINT)])),
  }));
  return { view: { ...view, nodes }, privateKey };
}

/** Takes a packet from node to node until it is delivered. */
function travel(geometry: Geometry, packet: Uint8Array, first: Uint8Array, privateKey: (id: Uint8Array) => Uint8Array) {
  let id = first;
  for (let hops = 1; ; hops += 1) {
    const options = { geometry, privateKey: privateKey(id), tagKey: new Uint8Array(32) };
    using unwrapper = TYPESCRIPT_BACKEND.createUnwrapper(options);
    const record = new Uint8Array(OUTCOME_BYTES);
    unwrapper.unwrapBatch(packet, record, 1);
    const outcome = readOutcome(record);
    if (outcome.status !== 'forward') return { outcome, hops, body: packet.slice(geometry.headerBytes) };
    id = outcome.id;
  }
}

test('a message goes to a service and its answer comes back, in packets of one size', () => {
  const { view, privateKey } = keyedNetwork();
  const now = view.genesisMilliseconds + 10_000;
  const keyNow = (id: Uint8Array) => privateKey(id, epochAt(view, now));
  const packets = sphinxPackets(GEOMETRY);
  const client = new MixClientCore({
    packets,
    numbers: new SeededRandom(1),
    fillRandom: (bytes) => randomFillSync(bytes),
    drawDelay: () => 25,
    view,
    gateway: idOf('g0'),
    recipient: idOf('me'),
    coverLevel: 'confidential',
  });
  const service = new ServiceCore({ ...packets, times: view, acknowledgeWithinMilliseconds: 0 });
  const bytes = new Uint8Array([1, 2, 3]);
  const destination = { node: idOf('s0'), service: 'echo', level: 'confidential' } as const;
  client.send({ destination, bytes, answerWithinMilliseconds: 1000 }, now);
  const { packet } = client.slot(now);
  assert.equal(packet.length, GEOMETRY.packetBytes);
  const there = travel(GEOMETRY, packet, idOf('g0'), keyNow);
  assert.equal(there.outcome.status, 'deliver');
  assert.equal(there.hops, 5);
  const delivery = deliveryOf(GEOMETRY, there.body.slice(32));
  assert.ok(delivery?.replyBlock);
  const [request] = service.receive(delivery, now);
  assert.ok(request?.kind === 'request');
  assert.deepEqual(request.bytes, bytes);
  const { sender, request: sequence } = request;
  service.reply({ sender, request: sequence, bytes: new Uint8Array([4, 5]) }, now);
  const sent = service.slot(now);
  assert.ok(sent);
  const reply = packetFromReplyBlock(GEOMETRY, sent.block, sent.payload);
  assert.equal(reply.packet.length, GEOMETRY.packetBytes);
  const back = travel(GEOMETRY, reply.packet, reply.firstNode, keyNow);
  assert.equal(back.outcome.status, 'reply');
  assert.equal(back.hops, 4);
  assert.deepEqual(Buffer.from(back.outcome.id), Buffer.from(idOf('me')));
  const answers = client.receive(back.outcome.replyId, back.body, now);
  assert.deepEqual(client.receive(back.outcome.replyId, back.body, now), [], 'a reply is opened once');
  assert.deepEqual(
    answers.map((effect) => (effect.kind === 'answer' ? [...effect.bytes] : effect.kind)),
    ['delivered', [4, 5]],
  );
});

test('drop cover and loops are packets like any other; a changed reply is counted as damaged', () => {
  const { view, privateKey } = keyedNetwork();
  const now = view.genesisMilliseconds + 10_000;
  const client = new MixClientCore({
    packets: sphinxPackets(GEOMETRY),
    numbers: new SeededRandom(2),
    fillRandom: (bytes) => randomFillSync(bytes),
    drawDelay: () => 5,
    view,
    gateway: idOf('g0'),
    recipient: idOf('me'),
    coverLevel: 'confidential',
  });
  const { packet, token } = client.loop(now);
  assert.equal(packet.length, client.slot(now).packet.length);
  const { outcome, body } = travel(GEOMETRY, packet, idOf('g0'), (id) => privateKey(id, 0));
  assert.equal(outcome.status, 'reply', 'as an answer');
  assert.equal(Buffer.from(outcome.replyId).toString('hex'), token);
  assert.deepEqual(client.receive(outcome.replyId, body, now), [{ kind: 'loop', token }]);
});

test('a geometry without room for reply blocks is refused, and so is a delivery with another flag', () => {
  assert.throws(() => sphinxPackets(geometryOf({ hops: 5, userPayloadBytes: 1000, hasReplyBlock: false })), {
    code: 'invalid-configuration',
  });
  const delivered = new Uint8Array(GEOMETRY.payloadBytes);
  assert.equal(deliveryOf(GEOMETRY, delivered)?.replyBlock, null);
  assert.equal(deliveryOf(GEOMETRY, delivered.fill(2, 0, 1)), null);
  assert.equal(deliveryOf(GEOMETRY, new Uint8Array(GEOMETRY.payloadBytes).fill(1, 1, 2)), null);
  assert.equal(deliveryOf(GEOMETRY, new Uint8Array(3)), null);
});

test('cover of a service node comes to a gateway as an answer does', () => {
  const { view, privateKey } = keyedNetwork();
  const now = view.genesisMilliseconds + 10_000;
  const packets = sphinxPackets(GEOMETRY);
  const dependencies = { packets, numbers: new SeededRandom(3), fillRandom: randomFillSync, drawDelay: () => 5 };
  const block = coverBlock(dependencies, view, idOf('s0'), now);
  const { packet, firstNode } = packetFromReplyBlock(GEOMETRY, block, new Uint8Array(GEOMETRY.payloadBytes));
  const { outcome, hops, body } = travel(GEOMETRY, packet, firstNode, (id) => privateKey(id, 0));
  assert.deepEqual([outcome.status, hops], ['reply', 4]);
  assert.deepEqual(Buffer.from(outcome.id), Buffer.from(coverRecipient()));
  assert.ok(body.some((byte) => byte !== 0));
  assert.throws(() => coverBlock(dependencies, view, idOf('nobody'), now), { code: 'unavailable' });
});
