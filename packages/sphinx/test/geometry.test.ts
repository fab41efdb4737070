import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEFAULT_GEOMETRY_CHOICE, geometryHash, geometryOf } from '@fog/sphinx';

describe('a geometry', () => {
  it('has the published sizes for five hops', () => {
    const geometry = geometryOf({ hops: 5, userPayloadBytes: 2000 });
    assert.deepEqual(
      [geometry.headerBytes, geometry.replyBlockBytes, geometry.payloadBytes, geometry.packetBytes],
      [476, 572, 2574, 3082],
    );
    assert.equal(geometryOf({ hops: 5, userPayloadBytes: 2000, hasReplyBlock: false }).packetBytes, 2508);
    assert.equal(geometryOf({ hops: 10, userPayloadBytes: 1 }).headerBytes, 886);
  });

  it('is by default that of seven hops', () => {
    assert.equal(geometryOf(DEFAULT_GEOMETRY_CHOICE).packetBytes, 3410);
  });

  it('is refused outside of its limits', () => {
    const wrong = [
      { hops: 0, userPayloadBytes: 1 },
      { hops: 17, userPayloadBytes: 1 },
      { hops: 2.5, userPayloadBytes: 1 },
      { hops: 5, userPayloadBytes: 0 },
      { hops: 5, userPayloadBytes: Number.NaN },
    ];
    for (const choice of wrong) assert.throws(() => geometryOf(choice), /must be from 1 to/);
  });

  it('has a name of its own', () => {
    const names = [
      geometryHash('kp-x25519', geometryOf({ hops: 5, userPayloadBytes: 2000 })),
      geometryHash('kp-x25519', geometryOf({ hops: 7, userPayloadBytes: 2000 })),
      geometryHash('kp-x25519', geometryOf({ hops: 5, userPayloadBytes: 2001 })),
      geometryHash('kp-x25519', geometryOf({ hops: 5, userPayloadBytes: 2000, hasReplyBlock: false })),
      geometryHash('other', geometryOf({ hops: 5, userPayloadBytes: 2000 })),
    ].map((name) => Buffer.from(name).toString('hex'));
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.every((name) => name.length === 64));
  });
});
