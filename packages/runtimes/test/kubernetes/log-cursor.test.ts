/** The place in a log: whatever is cut wherever, every byte is told once. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { LOG_START, LogCursor } from '../../src/kubernetes/log-cursor.ts';

interface Line {
  nanoseconds: bigint;
  body: string;
}

const BASE = BigInt(Date.UTC(2026, 0, 2, 3, 4, 5)) * 1_000_000n;

function written(lines: readonly Line[], since: string | null): Buffer {
  const from = since === null ? 0n : BigInt(Date.parse(since)) * 1_000_000n;
  const texts = lines
    .filter(({ nanoseconds }) => nanoseconds >= from)
    .map(({ nanoseconds, body }) => {
      const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
      return `${seconds}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}Z ${body}`;
    });
  return Buffer.from(texts.join(''));
}

const logs = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.string({ maxLength: 12, unit: 'binary' })), { maxLength: 30 })
  .map((steps) => {
    let nanoseconds = BASE;
    return steps.map(([step, text]) => {
      // Equal stamps, the same second, and later seconds.
      nanoseconds += [0n, 1n, 400_000_000n, 2_000_000_000n][step] ?? 0n;
      return { nanoseconds, body: `${text.replaceAll('\n', '')}\n` };
    });
  });

it('property: cuts anywhere, chunks of any size, new cursors from the place of old ones: every byte is told once', () => {
  fc.assert(
    fc.property(
      logs,
      fc.array(fc.nat({ max: 400 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 60 }),
      (lines, cuts, size) => {
        const told: Buffer[] = [];
        let position = LOG_START;
        for (const cut of [...cuts, Number.POSITIVE_INFINITY]) {
          const cursor = new LogCursor(position, (bytes) => told.push(Buffer.from(bytes)));
          cursor.reopen();
          const bytes = written(lines, cursor.since).subarray(0, cut);
          for (let at = 0; at < bytes.byteLength; at += size) cursor.feed(bytes.subarray(at, at + size));
          position = cursor.position;
        }
        const whole = lines.map(({ body }) => body).join('');
        assert.equal(Buffer.concat(told).toString('utf8'), whole);
        assert.equal(position.bytes, Buffer.byteLength(whole));
      },
    ),
    { numRuns: 500 },
  );
});

it('goes on within a line that has no end yet', () => {
  const told: string[] = [];
  const cursor = new LogCursor(LOG_START, (bytes) => told.push(Buffer.from(bytes).toString()));
  cursor.reopen();
  cursor.feed(Buffer.from('2026-01-02T03:04:05.5Z half'));
  cursor.reopen();
  cursor.feed(Buffer.from('2026-01-02T03:04:05.500000000Z half a line\n'));
  assert.equal(told.join('|'), 'half| a line\n');
  assert.equal(cursor.since, '2026-01-02T03:04:05Z');
});

it('refuses what has no time stamp', () => {
  for (const strange of ['<html> ', `${'x'.repeat(100)}`, '2026-13-02T03:04:05Z x\n', '\n']) {
    const cursor = new LogCursor(LOG_START, () => assert.fail('told'));
    cursor.reopen();
    assert.throws(() => cursor.feed(Buffer.from(strange)), { code: 'protocol-violation' });
  }
});
