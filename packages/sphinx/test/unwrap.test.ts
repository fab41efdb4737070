import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  createPacket,
  createReplyBlock,
  type Geometry,
  geometryOf,
  loadSodium,
  OUTCOME_BYTES,
  type Outcome,
  openReply,
  PAYLOAD_TAG_BYTES,
  packetFromReplyBlock,
  readOutcome,
  type SphinxBackend,
  TYPESCRIPT_BACKEND,
} from '@fog/sphinx';
import fc from 'fast-check';
import { seededBytes, seededRandom, type TestNode, testPath } from './small-network.ts';

const SMALL = geometryOf({ hops: 5, userPayloadBytes: 60 });
const RECIPIENT = seededBytes(0, 'recipient', 32);
const TAG_KEY = seededBytes(0, 'tag key', 32);
const BACKEND = fastBackend();
const SEED = Number(process.env.FOG_SEED ?? 1);
const FUZZ_RUNS = Number(process.env.FOG_FUZZ_RUNS ?? 2_000);

function fastBackend(): SphinxBackend {
  const sodium = loadSodium();
  return sodium.available ? sodium.backend : TYPESCRIPT_BACKEND;
}

function arrive(
  node: TestNode,
  packet: Uint8Array,
  geometry = SMALL,
  backend = BACKEND,
): { outcome: Outcome; packet: Uint8Array } {
  using unwrapper = backend.createUnwrapper({ geometry, privateKey: node.privateKey, tagKey: TAG_KEY });
  const inPlace = Uint8Array.from(packet);
  const records = new Uint8Array(OUTCOME_BYTES);
  unwrapper.unwrapBatch(inPlace, records, 1);
  return { outcome: readOutcome(records), packet: inPlace };
}

/** Sends a packet along a path up to the first node that does not forward it. */
function travel(path: readonly TestNode[], packet: Uint8Array, geometry = SMALL) {
  let at = packet;
  for (const [hop, node] of path.entries()) {
    const arrived = arrive(node, at, geometry);
    if (arrived.outcome.status !== 'forward') return { hop, ...arrived };
    assert.deepEqual(arrived.outcome.id, path[hop + 1]?.id, `hop ${hop} is told the next node`);
    assert.equal(arrived.outcome.delayMilliseconds, node.delayMilliseconds, `hop ${hop} is told its delay`);
    at = arrived.packet;
  }
  return assert.fail('the last hop forwards');
}

function packetOf(path: readonly TestNode[], payload: Uint8Array, geometry: Geometry = SMALL, seed = SEED): Uint8Array {
  return createPacket({ geometry, path, recipient: RECIPIENT, payload, random: seededRandom(seed) });
}

function payloadOf(geometry: Geometry, packet: Uint8Array): Uint8Array {
  return packet.subarray(geometry.headerBytes + PAYLOAD_TAG_BYTES);
}

describe('a packet', () => {
  it('reaches the recipient unchanged, whatever the geometry, the path and the payload', () => {
    const choice = fc.record({
      hops: fc.integer({ min: 1, max: 8 }),
      userPayloadBytes: fc.integer({ min: 1, max: 300 }),
      hasReplyBlock: fc.boolean(),
      seed: fc.nat(),
    });
    const property = fc.property(choice, fc.nat(), ({ seed, ...chosen }, length) => {
      const geometry = geometryOf(chosen);
      const path = testPath(seed, 1 + (length % geometry.hops));
      const payload = seededBytes(seed, 'payload', geometry.payloadBytes);
      const { hop, outcome, packet } = travel(path, packetOf(path, payload, geometry, seed), geometry);
      assert.equal(outcome.status, 'deliver');
      assert.equal(hop, path.length - 1);
      assert.deepEqual(outcome.id, RECIPIENT);
      assert.deepEqual(payloadOf(geometry, packet), payload);
    });
    fc.assert(property, { seed: SEED, numRuns: 60 });
  });

  it('has the same length at every hop and nothing of it stays the same', () => {
    const path = testPath(SEED, 4);
    let packet = packetOf(path, seededBytes(SEED, 'payload', SMALL.payloadBytes));
    for (const node of path.slice(0, -1)) {
      const next = arrive(node, packet).packet;
      assert.equal(next.length, SMALL.packetBytes);
      const equal = next.filter((byte, at) => at >= 2 && byte === packet[at]).length;
      assert.ok(equal < next.length / 50, `${equal} of ${next.length} bytes are as before`);
      packet = next;
    }
  });

  it('tells who asks by which element each hop will know it', () => {
    const path = testPath(SEED, 4);
    const payload = seededBytes(SEED, 'payload', SMALL.payloadBytes);
    let told: readonly Uint8Array[] = [];
    const elements = (all: readonly Uint8Array[]) => {
      told = all;
    };
    let packet = createPacket({ geometry: SMALL, path, recipient: RECIPIENT, payload, elements });
    assert.equal(told.length, path.length);
    for (const [hop, node] of path.entries()) {
      assert.deepEqual(Buffer.from(packet.subarray(2, 34)), Buffer.from(told[hop] ?? []), `hop ${hop}`);
      packet = arrive(node, packet).packet;
    }
  });

  it('is not created for a path, key or payload that cannot be', () => {
    const path = testPath(SEED, 3);
    const payload = new Uint8Array(SMALL.payloadBytes);
    const create = (change: object) =>
      createPacket({ geometry: SMALL, path, recipient: RECIPIENT, payload, ...change });
    assert.throws(() => create({ path: [] }), /a path has 1 to 5 hops, this one has 0/);
    assert.throws(() => create({ path: testPath(1, 6) }), /this one has 6/);
    assert.throws(() => create({ payload: payload.subarray(1) }), /payload has \d+ bytes, and must have \d+/);
    assert.throws(() => create({ recipient: RECIPIENT.subarray(1) }), /recipient has 31 bytes/);
    const last = path.map((hop) => ({ ...hop, delayMilliseconds: 5 }));
    assert.throws(() => create({ path: last }), /path\[2\]\.delayMilliseconds is 5/);
    const lowOrder = path.map((hop) => ({ ...hop, publicKey: new Uint8Array(32) }));
    assert.throws(() => create({ path: lowOrder }), /of low order/);
  });
});

describe('damage', () => {
  const path = testPath(SEED, 4);
  const payload = seededBytes(SEED, 'payload', SMALL.payloadBytes);
  const packet = packetOf(path, payload);
  const flipped = (bit: number) => {
    const changed = Uint8Array.from(packet);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    return changed;
  };

  it('in the header ends at the next hop, and leaves the packet as it came', () => {
    const bits = fc.integer({ min: 0, max: SMALL.headerBytes * 8 - 1 });
    const property = fc.property(bits, (bit) => {
      // The highest bit of a coordinate is no part of it (RFC 7748), but the MAC is over all bytes.
      const arrived = arrive(path[0] as TestNode, flipped(bit));
      assert.equal(arrived.outcome.status, bit < 16 ? 'malformed' : 'badMac');
      assert.deepEqual(arrived.packet, flipped(bit));
      const isAuthentic = arrived.outcome.replayTag.some((byte) => byte !== 0);
      assert.ok(!isAuthentic, 'no replay tag for what is not authentic');
    });
    fc.assert(property, { seed: SEED, numRuns: 200 });
  });

  it('in the payload goes unseen on the way and ends at the last hop', () => {
    const bits = fc.integer({ min: SMALL.headerBytes * 8, max: SMALL.packetBytes * 8 - 1 });
    const property = fc.property(bits, (bit) => {
      const { hop, outcome } = travel(path, flipped(bit));
      assert.deepEqual({ hop, status: outcome.status }, { hop: 3, status: 'badPayload' });
    });
    fc.assert(property, { seed: SEED, numRuns: 100 });
  });

  it('of a reply is seen by its owner alone', () => {
    const replyId = seededBytes(SEED, 'reply', 16);
    const made = () =>
      createReplyBlock({ geometry: SMALL, path, recipient: RECIPIENT, replyId, random: seededRandom(SEED) });
    const { block, keys } = made();
    const reply = packetFromReplyBlock(SMALL, block, payload).packet;
    reply[SMALL.headerBytes + 40] = (reply[SMALL.headerBytes + 40] as number) ^ 1;
    const { outcome, packet: arrived } = travel(path, reply);
    assert.equal(outcome.status, 'reply');
    assert.equal(openReply(SMALL, keys, arrived.subarray(SMALL.headerBytes)), null);
    assert.ok(
      keys.every((byte) => byte === 0),
      'the keys are wiped',
    );
  });

  it('by a point of low order is refused before anything is derived', () => {
    const lowOrder = [0, 1].map((first) => Uint8Array.of(first, ...new Uint8Array(31)));
    for (const element of lowOrder) {
      const changed = Uint8Array.from(packet);
      changed.set(element, 2);
      assert.equal(arrive(path[0] as TestNode, changed).outcome.status, 'zeroSecret');
    }
  });

  it('never makes a node throw, and never passes for authentic', () => {
    const node = path[0] as TestNode;
    for (let run = 0; run < FUZZ_RUNS; run += 1) {
      const noise = seededBytes(SEED, `fuzz ${run}`, SMALL.packetBytes);
      if (run % 2 === 0) noise.fill(0, 0, 2);
      const { outcome } = arrive(node, noise);
      assert.ok(['malformed', 'badMac', 'zeroSecret'].includes(outcome.status), outcome.status);
    }
  });

  it('of another node, another key: refused', () => {
    assert.equal(arrive(path[1] as TestNode, packet).outcome.status, 'badMac');
  });
});

describe('a reply block', () => {
  it('brings one payload to its owner, and the replier learns the first node alone', () => {
    const property = fc.property(fc.nat(), fc.integer({ min: 1, max: 5 }), (seed, hops) => {
      const path = testPath(seed, hops);
      const replyId = seededBytes(seed, 'reply', 16);
      const payload = seededBytes(seed, 'payload', SMALL.payloadBytes);
      const random = seededRandom(seed);
      const { block, keys } = createReplyBlock({ geometry: SMALL, path, recipient: RECIPIENT, replyId, random });
      assert.equal(block.length, SMALL.replyBlockBytes);
      const { packet, firstNode } = packetFromReplyBlock(SMALL, block, payload);
      assert.deepEqual(firstNode, path[0]?.id);
      const { hop, outcome, packet: arrived } = travel(path, packet);
      assert.deepEqual({ hop, status: outcome.status }, { hop: hops - 1, status: 'reply' });
      assert.deepEqual(outcome.id, RECIPIENT);
      assert.deepEqual(outcome.replyId, replyId);
      assert.deepEqual(openReply(SMALL, keys, arrived.subarray(SMALL.headerBytes)), payload);
    });
    fc.assert(property, { seed: SEED, numRuns: 20 });
  });

  it('fits into the payload of a packet of the same geometry', () => {
    assert.equal(SMALL.payloadBytes, SMALL.userPayloadBytes + 2 + SMALL.replyBlockBytes);
  });
});

describe('an unwrapper', () => {
  const path = testPath(SEED, 3);
  const node = path[0] as TestNode;
  const packets = Array.from({ length: 5 }, (_, index) =>
    packetOf(path, seededBytes(index, 'payload', SMALL.payloadBytes), SMALL, index),
  );

  it('gives equal tags for equal headers, other tags under another key', () => {
    const [first, second] = packets as [Uint8Array, Uint8Array];
    const tagOf = (packet: Uint8Array, tagKey = TAG_KEY) => {
      using unwrapper = BACKEND.createUnwrapper({ geometry: SMALL, privateKey: node.privateKey, tagKey });
      const records = new Uint8Array(OUTCOME_BYTES);
      unwrapper.unwrapBatch(Uint8Array.from(packet), records, 1);
      return readOutcome(records).replayTag;
    };
    assert.deepEqual(tagOf(first), tagOf(first));
    assert.notDeepEqual(tagOf(first), tagOf(second));
    assert.notDeepEqual(tagOf(first), tagOf(first, new Uint8Array(32)));
  });

  it('handles each packet of a batch on its own', () => {
    const batch = Buffer.concat(packets);
    batch[SMALL.packetBytes + 50] = (batch[SMALL.packetBytes + 50] as number) ^ 1;
    const records = new Uint8Array(5 * OUTCOME_BYTES);
    using unwrapper = BACKEND.createUnwrapper({ geometry: SMALL, privateKey: node.privateKey, tagKey: TAG_KEY });
    unwrapper.unwrapBatch(batch, records, 5);
    const statuses = packets.map((_, index) => readOutcome(records, index * OUTCOME_BYTES).status);
    assert.deepEqual(statuses, ['forward', 'badMac', 'forward', 'forward', 'forward']);
    const alone = arrive(node, packets[4] as Uint8Array).packet;
    assert.deepEqual(Uint8Array.from(batch.subarray(4 * SMALL.packetBytes)), alone);
  });

  it('refuses a batch that does not fit, and work after its keys are wiped', () => {
    const key = Buffer.from(node.privateKey);
    const unwrapper = BACKEND.createUnwrapper({ geometry: SMALL, privateKey: key, tagKey: TAG_KEY });
    const records = new Uint8Array(OUTCOME_BYTES);
    assert.throws(() => unwrapper.unwrapBatch(new Uint8Array(10), records, 1), TypeError);
    assert.throws(() => unwrapper.unwrapBatch(new Uint8Array(2 * SMALL.packetBytes), records, 2), TypeError);
    assert.throws(() => unwrapper.unwrapBatch(new Uint8Array(0), records, 65), TypeError);
    unwrapper[Symbol.dispose]();
    assert.throws(() => unwrapper.unwrapBatch(new Uint8Array(SMALL.packetBytes), records, 1));
    assert.deepEqual(Uint8Array.from(key), node.privateKey, "the caller's key is not wiped");
  });

  it('of TypeScript does the same as of libsodium', () => {
    for (const packet of packets) {
      const [a, b] = [BACKEND, TYPESCRIPT_BACKEND].map((backend) => arrive(node, packet, SMALL, backend));
      assert.deepEqual(a, b);
    }
  });
});
