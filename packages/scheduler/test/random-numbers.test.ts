import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RandomNumbers } from '../src/random-numbers.ts';

test('the first block of seed and stream 0 is the published one of Philox 2x32-10', () => {
  const random = new RandomNumbers(0);
  assert.deepEqual([random.uint32(), random.uint32()], [0xff1dae59, 0x6cd10df2]);
});

test('the rounds are those of 64-bit products', () => {
  for (const [seed, stream] of [
    [1, 2],
    [0xffff_ffff, 0xffff_fff0],
    [0x9e37_79b9, 0x8000_0000],
  ] as const) {
    const random = new RandomNumbers(seed, stream);
    for (let position = 0n; position < 200n; position += 1n) {
      let [left, right, key] = [position, BigInt(stream), BigInt(seed)];
      for (let round = 0; round < 10; round += 1) {
        const product = 0xd256_d193n * left;
        [left, right] = [(product >> 32n) ^ key ^ right, product & 0xffff_ffffn];
        key = (key + 0x9e37_79b9n) & 0xffff_ffffn;
      }
      assert.deepEqual([random.uint32(), random.uint32()], [Number(left), Number(right)]);
    }
  }
});

test('a stream begins anew whenever it is chosen', () => {
  const random = new RandomNumbers(3, 9);
  const first = [random.uint32(), random.unit(), random.below(10)];
  random.useStream(8);
  random.uint32();
  random.useStream(9);
  assert.deepEqual([random.uint32(), random.unit(), random.below(10)], first);
});
