/** Times of single packets: who made a packet finds it at each hop, and nobody is asked to remember for ever. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { createGenesis, ed25519PublicKey, MixClient, MixNode, PacketTrace } from '@fog/betanet';
import { type Outcome, writeOutcome } from '@fog/sphinx';
import { tcpTransport } from '@fog/transport';
import { PacketJourneys } from '../../src/client/packet-journeys.ts';
import { NODE_LIMITS } from '../../src/node/limits.ts';
import { elementHash } from '../../src/node/packet-trace.ts';

const PACKET_BYTES = 200;

function packetWith(element: Uint8Array): Uint8Array {
  const packet = new Uint8Array(PACKET_BYTES);
  packet.set(element, 2);
  return packet;
}

function outcomeOf(replayTag: Uint8Array): Uint8Array {
  const outcome = new Uint8Array(PACKET_BYTES);
  const status: Outcome['status'] = 'deliver';
  writeOutcome(outcome, 0, { status, replayTag });
  return outcome;
}

test('a packet is found by the element it came with, and by the one it left with', () => {
  const trace = new PacketTrace();
  const [first, second, next] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  const before = performance.timeOrigin + performance.now();
  trace.arrived(Buffer.concat([packetWith(first), packetWith(second)]), 2, PACKET_BYTES);
  trace.forwarded(packetWith(next));
  const arrivedAt = trace.find(elementHash(second))?.arrivedAt ?? assert.fail('it was here');
  const leftAt = trace.find(elementHash(next))?.leftAt ?? assert.fail('it was here');
  assert.ok(before <= arrivedAt && arrivedAt <= leftAt, `${before} ${arrivedAt} ${leftAt}`);
  assert.equal(trace.find(elementHash(first))?.leftAt, undefined);
  assert.equal(trace.find(elementHash(randomBytes(32))), null);
});

test('what ends here is known by its replay tag, as its header is gone', () => {
  const trace = new PacketTrace();
  const [element, tag] = [randomBytes(32), randomBytes(8)];
  trace.arrived(packetWith(element), 1, PACKET_BYTES);
  trace.ends(packetWith(element), outcomeOf(tag));
  trace.delivered(outcomeOf(randomBytes(8)));
  assert.equal(trace.find(elementHash(element))?.leftAt, undefined, 'another packet');
  trace.delivered(outcomeOf(tag));
  assert.ok((trace.find(elementHash(element))?.leftAt ?? 0) > 0);
});

test('only the last packets are remembered', () => {
  const trace = new PacketTrace();
  const [first, last] = [randomBytes(32), randomBytes(32)];
  trace.arrived(packetWith(first), 1, PACKET_BYTES);
  for (let at = 1; at < NODE_LIMITS.tracedPackets; at += 1) trace.arrived(packetWith(randomBytes(32)), 1, PACKET_BYTES);
  assert.notEqual(trace.find(elementHash(first)), null);
  trace.arrived(packetWith(last), 1, PACKET_BYTES);
  assert.equal(trace.find(elementHash(first)), null);
  assert.notEqual(trace.find(elementHash(last)), null);
});

test('a client knows which packets carried a message and its answer, each told once', () => {
  const journeys = new PacketJourneys();
  const message = { session: '1', sequence: 4 };
  const [id, element, replyId] = [randomBytes(32), randomBytes(32), randomBytes(16)];
  const hops = [{ id, publicKey: randomBytes(32), delayMilliseconds: 7 }];
  journeys.sent(message, hops, [element]);
  journeys.sent(message, hops, [randomBytes(32)]);
  journeys.issued(replyId, hops, [element]);
  const { there, back } = journeys.take(message, replyId);
  assert.equal(there.length, 2, 'what was sent again is a packet of its own');
  assert.deepEqual(back, [{ node: id.toString('hex'), delayMilliseconds: 7, hash: elementHash(element) }]);
  assert.deepEqual(journeys.take(message, replyId), { there: [], back: [] });
});

test('on a network that is not a test, nothing of this is kept', async () => {
  const authorities = ['a', 'b', 'c'].map((id, at) => {
    return { id, publicKey: ed25519PublicKey(randomBytes(32)), url: `http://127.0.0.1:${at + 1}` };
  });
  const genesis = createGenesis({ name: 'real', genesisMilliseconds: Date.now() + 3_600_000, authorities });
  const options = { genesis, transport: tcpTransport };
  assert.throws(() => new MixClient({ ...options, level: 'private', keepsJourneys: true }), /marked test only/);
  const starting = MixNode.start({
    ...options,
    role: 'mix',
    operator: 'x',
    folder: tmpdir(),
    listen: '127.0.0.1:0',
    trace: new PacketTrace(),
    log: () => {},
    failed: () => {},
  });
  await assert.rejects(starting, /marked test only/);
});
