import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatBytes, formatDuration, parseBytes, parseCpu, parseDuration } from '../src/index.ts';

function assertThrows(parse: (text: string) => number, texts: string[]): void {
  for (const text of texts) assert.throws(() => parse(text), { code: 'invalid-request' }, JSON.stringify(text));
}

test('bytes: the suffixes of Kubernetes, fractions rounded up', () => {
  const cases: Record<string, number> = {
    '0': 0,
    '12': 12,
    '1k': 1000,
    '1Ki': 1024,
    '1.5Gi': 1610612736,
    '256Mi': 268435456,
    '1T': 1e12,
    '1Pi': 2 ** 50,
    '0.0001k': 1,
  };
  for (const [text, bytes] of Object.entries(cases)) assert.equal(parseBytes(text), bytes, text);
  assertThrows(parseBytes, [
    '',
    ' 1',
    '1 Mi',
    '-1',
    '1e3',
    '1KB',
    '1ki',
    'Mi',
    '.5Gi',
    '9'.repeat(20),
    '1000000P',
    '1\n',
    '0x10',
  ]);
});

test('bytes: a decimal fraction means what it says', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 999_999 }),
      fc.constantFrom(['k', 3], ['M', 6], ['G', 9], ['T', 12]),
      (thousandths, [suffix, zeros]) => {
        const text = `${Math.floor(thousandths / 1000)}.${String(thousandths % 1000).padStart(3, '0')}${suffix}`;
        assert.equal(parseBytes(text), Number(`${thousandths}e${Number(zeros) - 3}`), text);
      },
    ),
  );
});

test('cpu: thousandths of a core', () => {
  const cases: Record<string, number> = { '500m': 500, '0.5': 500, '2': 2000, '0.001': 1, '0m': 0, '1.005': 1005 };
  for (const [text, milliCpu] of Object.entries(cases)) assert.equal(parseCpu(text), milliCpu, text);
  assertThrows(parseCpu, ['', '0.0001', '1.5m', '-1', '1 core', 'm', '1e3', '9'.repeat(20)]);
  fc.assert(
    fc.property(fc.nat({ max: 1_000_000 }), (milliCpu) =>
      assert.equal(parseCpu((milliCpu / 1000).toFixed(3)), milliCpu),
    ),
  );
});

test('durations: parts add up', () => {
  const cases: Record<string, number> = {
    '500ms': 500,
    '30s': 30_000,
    '1h30m': 5_400_000,
    '7d': 604_800_000,
    '10m5ms': 600_005,
    '1m1m': 120_000,
    '0s': 0,
  };
  for (const [text, milliseconds] of Object.entries(cases)) assert.equal(parseDuration(text), milliseconds, text);
  assertThrows(parseDuration, ['', '5', '1.5h', '1h 30m', '-1s', 's', '1w', `${'9'.repeat(20)}d`]);
});

test('what is formatted can be read again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 10_000, max: 1e12 }), (milliseconds) => {
      assert.equal(parseDuration(formatDuration(milliseconds)), Math.round(milliseconds / 1000) * 1000);
    }),
  );
  assert.deepEqual([0, 250, 1500, 5_400_000].map(formatDuration), ['0ms', '250ms', '1.5s', '1h30m']);
  assert.deepEqual([0, 1023, 1536, 268435456, 5e15].map(formatBytes), [
    '0 B',
    '1023 B',
    '1.5 KiB',
    '256 MiB',
    '4547 TiB',
  ]);
});

test('long input is refused quickly', () => {
  const started = performance.now();
  for (const parse of [parseBytes, parseCpu, parseDuration]) {
    for (const text of ['1'.repeat(1e6), `${'1s'.repeat(4e5)}!`, `${'1'.repeat(1e6)}.`])
      assert.throws(() => parse(text));
  }
  assert.ok(performance.now() - started < 2000);
});
