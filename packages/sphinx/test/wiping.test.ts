/** Secrets that are passed on in pieces: nothing of them is left in what the primitives have made. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createPacket,
  geometryOf,
  hkdfExpand,
  isAuthentic,
  OUTCOME_BYTES,
  OUTCOME_STATUS,
  type Primitives,
  PURE_PRIMITIVES,
  writeOutcome,
  x25519PublicKey,
} from '@fog/sphinx';
import { unwrap } from '../src/unwrap.ts';
import { seededBytes, testPath } from './small-network.ts';

const isWiped = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

/** Keeps what came out of a primitive, as it is and as it was. */
function watched(name: 'x25519' | 'hmacSha256'): { primitives: Primitives; made: Uint8Array[] } {
  const made: Uint8Array[] = [];
  const keep = (bytes: Uint8Array) => {
    made.push(bytes);
    return bytes;
  };
  const primitives = {
    ...PURE_PRIMITIVES,
    x25519: (scalar: Uint8Array, element: Uint8Array) => {
      const product = PURE_PRIMITIVES.x25519(scalar, element);
      return name === 'x25519' ? keep(product) : product;
    },
    hmacSha256: (key: Uint8Array, parts: readonly Uint8Array[]) => {
      const mac = PURE_PRIMITIVES.hmacSha256(key, parts);
      return name === 'hmacSha256' ? keep(mac) : mac;
    },
  };
  return { primitives, made };
}

test('the blocks of a key derivation are wiped', () => {
  const { primitives, made } = watched('hmacSha256');
  hkdfExpand(primitives, seededBytes(1, 'key', 32), seededBytes(1, 'info', 9), 160);
  assert.deepEqual(made.map(isWiped), [true, true, true, true, true]);
});

test('of the products that a packet is made of, only group elements are left', () => {
  const geometry = geometryOf({ hops: 3, userPayloadBytes: 40 });
  const { primitives, made } = watched('x25519');
  const elements: Uint8Array[] = [];
  const path = [1, 2, 3].map((hop) => ({
    id: seededBytes(hop, 'id', 32),
    publicKey: x25519PublicKey(seededBytes(hop, 'private key', 32)),
    delayMilliseconds: 0,
  }));
  const payload = new Uint8Array(geometry.payloadBytes);
  const told = (chain: readonly Uint8Array[]) => void elements.push(...chain);
  createPacket({ geometry, path, recipient: new Uint8Array(32), payload, primitives, elements: told });
  const left = made.filter((bytes) => !isWiped(bytes)).map((bytes) => Buffer.from(bytes).toString('hex'));
  // One of each hop, and one that would be the next's.
  assert.deepEqual(
    left.slice(0, 3),
    elements.map((element) => Buffer.from(element).toString('hex')),
  );
  assert.equal(left.length, 4);
});

test('a path with a key of low order leaves no ephemeral key behind', () => {
  const geometry = geometryOf({ hops: 2, userPayloadBytes: 40 });
  const path = testPath(1, 2);
  (path[1] as (typeof path)[number]).publicKey = new Uint8Array(32);
  const drawn: Uint8Array[] = [];
  const random = (bytes: Uint8Array) => {
    drawn.push(bytes);
    return bytes.fill(7);
  };
  const payload = new Uint8Array(geometry.payloadBytes);
  assert.throws(() => createPacket({ geometry, path, recipient: new Uint8Array(32), payload, random }), /low order/);
  assert.deepEqual(drawn.map(isWiped), [true]);
});

test('of a packet that a node opens or refuses no secret is left', () => {
  const geometry = geometryOf({ hops: 3, userPayloadBytes: 40 });
  const path = testPath(1, 3);
  const [node] = path;
  assert.ok(node);
  const tagKey = seededBytes(1, 'tag key', 32);
  const payload = new Uint8Array(geometry.payloadBytes);
  const whole = createPacket({ geometry, path, recipient: new Uint8Array(32), payload });
  const damaged = Uint8Array.from(whole);
  damaged[geometry.headerBytes - 1] = (damaged[geometry.headerBytes - 1] as number) ^ 1;
  for (const [packet, status] of [
    [whole, 'forward'],
    [damaged, 'badMac'],
  ] as const) {
    const secrets = new Set<Uint8Array>();
    const products: Uint8Array[] = [];
    const keep = (bytes: Uint8Array) => {
      secrets.add(bytes);
      return bytes;
    };
    const primitives: Primitives = {
      x25519: (scalar, element) => {
        const product = PURE_PRIMITIVES.x25519(scalar, element);
        products.push(product);
        return product;
      },
      hmacSha256: (key, parts) => PURE_PRIMITIVES.hmacSha256(keep(key), parts),
      aes256CtrStream: (key, counter, length) => PURE_PRIMITIVES.aes256CtrStream(keep(key), counter, length),
      chacha20Stream: (key, length) => keep(PURE_PRIMITIVES.chacha20Stream(keep(key), length)),
    };
    const opened = unwrap({ geometry, privateKey: node.privateKey, tagKey, primitives }, packet);
    assert.equal(opened.status, status);
    secrets.delete(tagKey);
    assert.ok(secrets.size >= 4, 'those of the MAC, of the next element, and what all come from');
    assert.ok([...secrets].every(isWiped), status);
    assert.ok(isWiped(products[0] as Uint8Array), `${status}: the shared secret`);
  }
});

test('whether a header was authentic follows from the status, even where its tag is zero', () => {
  const answers = Object.keys(OUTCOME_STATUS).map((name) => {
    const record = new Uint8Array(OUTCOME_BYTES);
    writeOutcome(record, 0, { status: name as keyof typeof OUTCOME_STATUS });
    return [name, isAuthentic(record)];
  });
  assert.deepEqual(Object.fromEntries(answers), {
    forward: true,
    deliver: true,
    reply: true,
    malformed: false,
    badMac: false,
    zeroSecret: false,
    badPayload: true,
  });
  const commands = new Uint8Array(OUTCOME_BYTES);
  writeOutcome(commands, 0, { status: 'malformed', replayTag: new Uint8Array(8).fill(1, 7) });
  assert.equal(isAuthentic(commands), true);
});
