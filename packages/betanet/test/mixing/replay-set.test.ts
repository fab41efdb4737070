import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import { RandomNumbers, REPLAY_TAG_BYTES, ReplaySet, seededBytes } from '../../src/mixing/front.ts';

/** Of few different bytes, so that equal tags and equal halves of tags are common. */
const tag = fc.oneof(
  fc.uint8Array({ minLength: 8, maxLength: 8, max: 1 }),
  fc.uint8Array({ minLength: 8, maxLength: 8 }),
);
const long = Number(process.env.FOG_REPLAY_TAGS ?? 200_000);

test('replay set: answers as a set of strings with a capacity would', () => {
  fc.assert(
    fc.property(fc.array(tag, { maxLength: 300 }), fc.integer({ min: 1, max: 200 }), (tags, capacity) => {
      const set = new ReplaySet(capacity);
      const model = new Set<string>();
      for (const bytes of tags) {
        const text = bytes.join();
        const expected = model.has(text) ? 'replay' : model.size < capacity ? 'new' : 'full';
        if (expected === 'new') model.add(text);
        const framed = Uint8Array.of(1, 2, 3, ...bytes, 4);
        assert.equal(set.insert(framed, 3), expected);
        assert.equal(set.size, model.size);
      }
    }),
  );
});

test('replay set: the tag of all zeros is a tag like any other', () => {
  const set = new ReplaySet(2);
  const zero = new Uint8Array(8);
  assert.equal(set.insert(zero, 0), 'new');
  assert.equal(set.insert(zero, 0), 'replay');
  assert.equal(set.insert(new Uint8Array(8).fill(1), 0), 'new');
  assert.equal(set.insert(new Uint8Array(8).fill(2), 0), 'full');
  const full = new ReplaySet(1);
  full.insert(new Uint8Array(8).fill(1), 0);
  assert.equal(full.insert(zero, 0), 'full');
  assert.equal(full.insert(zero, 0), 'full', 'what was refused is not remembered');
});

test('replay set: half a tag of zeros is no empty slot', () => {
  const set = new ReplaySet(10);
  for (const at of [0, 3, 4, 7]) {
    const bytes = new Uint8Array(8);
    bytes[at] = 1;
    assert.equal(set.insert(bytes, 0), 'new');
    assert.equal(set.insert(bytes, 0), 'replay');
  }
});

test('replay set: tags with a pattern do not slow it down', () => {
  const set = new ReplaySet(100_000);
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  const start = performance.now();
  for (const answer of ['new', 'replay']) {
    for (const where of [0, 4]) {
      for (let count = 1; count <= 50_000; count += 1) {
        bytes.fill(0);
        view.setUint32(where, count, true);
        assert.equal(set.insert(bytes, 0), answer);
      }
    }
  }
  assert.ok(performance.now() - start < 20_000, 'a table that clusters would take minutes');
});

test(`replay set: ${long} random tags are new once and replays ever after, over capacity none is forgotten`, () => {
  const random = new RandomNumbers(seededBytes(1));
  const batch = new Uint8Array(long * REPLAY_TAG_BYTES);
  const view = new DataView(batch.buffer);
  for (let at = 0; at < batch.length; at += 4) view.setUint32(at, random.uint32());
  const set = new ReplaySet(long - 1000);
  const insertAll = () => {
    const answers = { new: 0, replay: 0, full: 0 };
    for (let at = 0; at < batch.length; at += REPLAY_TAG_BYTES) answers[set.insert(batch, at)] += 1;
    return answers;
  };
  assert.deepEqual(insertAll(), { new: long - 1000, replay: 0, full: 1000 });
  assert.deepEqual(insertAll(), { new: 0, replay: long - 1000, full: 1000 });
  assert.equal(set.size, long - 1000);
  const bytesPerTag = set.bytesUsed / set.size;
  assert.ok(bytesPerTag > 8 && bytesPerTag < 17, `${bytesPerTag} bytes for a tag`);
});

test('replay set: what lies outside of the bytes or the limits is refused', () => {
  const set = new ReplaySet(1);
  for (const at of [-1, 1, Number.NaN]) assert.throws(() => set.insert(new Uint8Array(8), at), RangeError);
  for (const capacity of [0, -1, 1.5, 2 ** 40]) {
    assert.throws(
      () => new ReplaySet(capacity),
      (error) => error instanceof FogError && error.code === 'invalid-configuration',
    );
  }
});
