import assert from 'node:assert/strict';
import { deliveryOf } from '@fog/betanet';
import { FogError } from '@fog/contract';
import {
  chooseBackend,
  createReplyBlock,
  geometryOf,
  nodePrimitives,
  OUTCOME_BYTES,
  OUTCOME_STATUS,
  openReply,
  packetFromReplyBlock,
} from '@fog/sphinx';
import { pathsThrough } from '../../../packages/sphinx/test/damaged-packets.ts';
import { seededStream } from '../../../packages/sphinx/test/native-tiers.ts';
import type { FuzzRandom } from '../fuzz-random.ts';
import { oneByOne } from '../fuzz-target.ts';

const GEOMETRY = geometryOf({ hops: 3, userPayloadBytes: 40 });
const MADE = 32;

/**
 * Invariants: a block of another length is refused in words; what is made of a changed header no node takes; what came
 * back is opened only as it was sent, whatever keys or bytes were changed, and the keys are wiped then.
 */
export const REPLY_BLOCKS = oneByOne(
  { summary: 'reply blocks (SURBs): their parser, their packets at a node, what comes back', share: 1 / 100 },
  (seed) => {
    const stream = seededStream(seed);
    const { backend } = chooseBackend();
    const primitives = nodePrimitives(backend.x25519);
    const [[node]] = pathsThrough(seed);
    const made = Array.from({ length: MADE }, () => {
      const random = (bytes: Uint8Array) => bytes.set(stream(bytes.length));
      const options = { geometry: GEOMETRY, path: [node], recipient: stream(32), primitives, random };
      return createReplyBlock({ ...options, replyId: stream(16) });
    });
    const unwrapper = backend.createUnwrapper({ geometry: GEOMETRY, privateKey: node.privateKey, tagKey: stream(32) });
    const record = new Uint8Array(OUTCOME_BYTES);
    return (random) => {
      const { block, keys } = random.pick(made);
      const kind = random.below(5);
      if (kind === 0) return refusedLength(random);
      if (kind === 1) return roomOf(random, block);
      const payload = random.bytes(GEOMETRY.payloadBytes);
      const given = Uint8Array.from(block);
      if (kind === 2) random.flip(given, 0, GEOMETRY.headerBytes);
      if (kind === 3) random.flip(given, GEOMETRY.headerBytes);
      const { packet, firstNode } = packetFromReplyBlock(GEOMETRY, given, payload);
      assert.deepEqual(firstNode, given.slice(GEOMETRY.headerBytes, GEOMETRY.headerBytes + 32));
      unwrapper.unwrapBatch(packet, record, 1);
      if (kind === 2) {
        assert.notEqual(record[0], OUTCOME_STATUS.reply);
        return 'changed header: refused by the node';
      }
      assert.equal(record[0], OUTCOME_STATUS.reply);
      return opened(random, { packet, keys, payload, isSame: given.every((byte, at) => byte === block[at]) });
    };
  },
);

function refusedLength(random: FuzzRandom): string {
  const length = random.below(2 * GEOMETRY.replyBlockBytes);
  const block = random.bytes(length === GEOMETRY.replyBlockBytes ? length + 1 : length);
  assert.throws(
    () => packetFromReplyBlock(GEOMETRY, block, new Uint8Array(GEOMETRY.payloadBytes)),
    (error) => error instanceof FogError && error.code === 'invalid-request',
  );
  return 'wrong length: refused';
}

/** The room for a reply block in a payload that a service was given. */
function roomOf(random: FuzzRandom, block: Uint8Array): string {
  const kind = random.below(3);
  const delivered = random.bytes(kind === 0 ? random.below(2 * GEOMETRY.payloadBytes) : GEOMETRY.payloadBytes);
  if (kind === 1) delivered.set([random.below(3), random.below(2)]);
  if (kind === 2) delivered.set([1, 0, ...block]);
  const delivery = deliveryOf(GEOMETRY, delivered);
  if (delivery === null) return 'payload: refused';
  assert.equal(delivered.length, GEOMETRY.payloadBytes);
  assert.equal(delivery.payload.length, GEOMETRY.userPayloadBytes);
  assert.equal(delivery.replyBlock?.length ?? GEOMETRY.replyBlockBytes, GEOMETRY.replyBlockBytes);
  return delivery.replyBlock === null ? 'payload: without a block' : 'payload: with a block';
}

function opened(
  random: FuzzRandom,
  reply: { packet: Uint8Array; keys: Uint8Array; payload: Uint8Array; isSame: boolean },
): string {
  const body = reply.packet.slice(GEOMETRY.headerBytes);
  const own = Uint8Array.from(reply.keys);
  const kind = random.below(4);
  if (kind === 0) random.flip(body);
  // Not where the block was changed already: the same change to both would make them fit again.
  const isKeyChanged = kind === 1 && reply.isSame;
  if (isKeyChanged) random.flip(own);
  const payload = openReply(GEOMETRY, own, body);
  assert.ok(
    own.every((byte) => byte === 0),
    'the keys are wiped',
  );
  return replyOutcome(payload, reply, kind === 0 || isKeyChanged);
}

/** A changed id of the first node leads nowhere, but what comes back is right. */
function replyOutcome(
  payload: Uint8Array | null,
  reply: { payload: Uint8Array; isSame: boolean },
  isChanged: boolean,
): string {
  if (payload === null) {
    assert.ok(isChanged || !reply.isSame, 'an untouched reply is opened');
    return 'reply: refused';
  }
  assert.ok(!isChanged, 'a changed reply is not opened');
  assert.deepEqual(payload, reply.payload);
  return 'reply: opened';
}
