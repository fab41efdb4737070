import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chiSquared, MIXING_LIMITS, RandomNumbers, seededBytes } from '../../src/mixing/front.ts';

const seeded = (seed: number) => new RandomNumbers(seededBytes(seed));

test('random numbers: a seed repeats them, another gives others', () => {
  const draw = (seed: number) => {
    const random = seeded(seed);
    return Array.from({ length: 3000 }, () => random.uint32());
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

test('random numbers: the source is asked for blocks, and what was used is wiped', () => {
  let block = new Uint8Array();
  let calls = 0;
  const random = new RandomNumbers((bytes) => {
    block = bytes as Uint8Array<ArrayBuffer>;
    calls += 1;
    bytes.fill(0xab);
  });
  const words = MIXING_LIMITS.randomBlockBytes / 4;
  for (let index = 0; index < words; index += 1) assert.equal(random.uint32(), 0xabab_abab);
  assert.equal(calls, 1);
  assert.ok(block.every((byte) => byte === 0));
  random.uint32();
  assert.equal(calls, 2);
});

test('random numbers: below a bound, every number is as likely as the others', () => {
  const random = seeded(11);
  for (const bound of [1, 2, 3, 10, 1000]) {
    const seen = new Array<number>(bound).fill(0);
    const draws = 20 * 1000;
    for (let index = 0; index < draws; index += 1) {
      const number = random.below(bound);
      seen[number] = (seen[number] ?? 0) + 1;
    }
    assert.equal(seen.length, bound, 'nothing at or beyond the bound');
    if (bound === 1) continue;
    const { value, probability } = chiSquared(seen, new Array<number>(bound).fill(draws / bound));
    assert.ok(probability > 0.001, `bound ${bound}: ${value}`);
  }
  for (const bound of [0, -1, 1.5, Number.NaN, 2 ** 32 + 1]) assert.throws(() => random.below(bound), RangeError);
});

test('random numbers: a bound that does not divide 2^32 favours nobody', () => {
  // Of words 0, 1, ... at the very top, the last ones would wrap round to the small numbers.
  const words = [0xffff_ffff, 0xffff_fffe, 5];
  const random = new RandomNumbers((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    words.forEach((word, index) => void view.setUint32(4 * index, word, true));
  });
  assert.equal(random.below(7 * 2 ** 20), 5);
});

test('random numbers: uniform ones are never 0 or 1, and have the mean and spread that they should have', () => {
  const zeros = new RandomNumbers((bytes) => bytes.fill(0, 0, 8).fill(1, 8));
  assert.ok(zeros.uniform() > 0, 'zero is drawn anew');
  const ones = new RandomNumbers((bytes) => bytes.fill(0xff));
  assert.ok(ones.uniform() < 1);
  const random = seeded(3);
  const values = Array.from({ length: 100_000 }, () => random.uniform());
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  assert.ok(Math.abs(mean - 0.5) < 0.004, String(mean));
  assert.ok(Math.abs(variance - 1 / 12) < 0.002, String(variance));
});

test('random numbers: a shuffle keeps the entries, and makes every order as often as the others', () => {
  const random = seeded(5);
  const orders = new Map<string, number>();
  for (let round = 0; round < 24 * 500; round += 1) {
    const entries = Int32Array.of(1, 2, 3, 4, 99);
    random.shuffle(entries, 4);
    assert.equal(entries[4], 99);
    orders.set(entries.join(), (orders.get(entries.join()) ?? 0) + 1);
  }
  assert.equal(orders.size, 24);
  const { value, probability } = chiSquared([...orders.values()], new Array<number>(24).fill(500));
  assert.ok(probability > 0.001, String(value));
});
