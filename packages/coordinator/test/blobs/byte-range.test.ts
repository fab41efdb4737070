import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseByteRange } from '../../src/blobs/byte-range.ts';

test('the examples of RFC 9110, section 14.1.2', () => {
  assert.deepEqual(parseByteRange('bytes=0-499', 10_000), { start: 0, end: 499 });
  assert.deepEqual(parseByteRange('bytes=500-999', 10_000), { start: 500, end: 999 });
  assert.deepEqual(parseByteRange('bytes=-500', 10_000), { start: 9500, end: 9999 });
  assert.deepEqual(parseByteRange('bytes=9500-', 10_000), { start: 9500, end: 9999 });
  assert.deepEqual(parseByteRange('bytes=0-0', 1), { start: 0, end: 0 });
  assert.deepEqual(parseByteRange('bytes=5-99', 10), { start: 5, end: 9 });
  for (const unsatisfiable of ['bytes=10-', 'bytes=10-20', 'bytes=-0']) {
    assert.equal(parseByteRange(unsatisfiable, 10), 'unsatisfiable');
  }
  for (const ignored of [undefined, '', 'bytes', 'bytes=-', 'bytes=a-b', 'bytes=4-2', 'bytes=0-1,3-4', 'lines=0-1']) {
    assert.equal(parseByteRange(ignored, 10), 'whole', String(ignored));
  }
});

test('whatever the header, a range lies within the blob', () => {
  const number = fc.oneof(fc.nat(30).map(String), fc.constant(''), fc.constant('9999999999999999'));
  const header = fc.oneof(
    fc.string(),
    fc.tuple(number, number).map(([start, end]) => `bytes=${start}-${end}`),
    fc.string({ unit: fc.constantFrom(...'bytes=-,0123456789 ') }),
  );
  fc.assert(
    fc.property(header, fc.nat(25), (text, bytes) => {
      const range = parseByteRange(text, bytes);
      if (typeof range === 'string') return;
      assert.ok(Number.isSafeInteger(range.start) && Number.isSafeInteger(range.end));
      assert.ok(range.start >= 0 && range.start <= range.end && range.end < bytes);
    }),
    { numRuns: 2000 },
  );
});
