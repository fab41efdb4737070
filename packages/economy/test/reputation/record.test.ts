import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Evidence,
  FINDINGS,
  type Finding,
  placementReputation,
  type ReputationRecord,
  readReputation,
  recordEvidence,
  relayReputationPpm,
  reputationOf,
  takenOver,
  unknownReputation,
  valueClass,
  worstReputation,
  writeReputation,
} from '../../src/reputation/index.ts';
import { KEPT_PPM, SERVICE_PPM, WRONG_WEIGHT } from '../../src/reputation/record.ts';

const INVALID = { code: 'invalid-request' };
const DAY = 86_400_000;
const NOW = 20_000 * DAY;

export function after(
  count: number,
  finding: Finding,
  record = unknownReputation(),
  valueMicroFog = 0n,
): ReputationRecord {
  let next = record;
  for (let times = 0; times < count; times += 1) next = recordEvidence(next, { finding, valueMicroFog }, NOW);
  return next;
}

interface Event extends Evidence {
  days: number;
}
const event: fc.Arbitrary<Event> = fc.record({
  finding: fc.constantFrom<Finding[]>('right', 'right', 'right', 'right', 'wrong', 'proven-wrong'),
  valueMicroFog: fc.constantFrom(0n, 1n, 3n, 100n, 90_000n, (1n << 64n) - 1n),
  days: fc.nat({ max: 40 }),
});
const value = fc.constantFrom(0n, 2n, 77n, 1n << 20n, (1n << 64n) - 1n);

/** Wilson's lower bound at 99.5 %, in floating point. */
function wilson(right: number, wrong: number): number {
  const [z, n] = [2.576, right + wrong];
  return (2 * right + z * z - z * Math.sqrt(z * z + (4 * right * wrong) / n)) / (2 * (n + z * z));
}

test('the rank is Wilson’s lower bound: 0 of nothing, and no mean of little', () => {
  assert.equal(reputationOf(unknownReputation(), NOW), 0);
  for (const count of [1, 2, 10, 100, 1000]) {
    const difference = reputationOf(after(count, 'right'), NOW) / 1e6 - wilson(count, 0);
    assert.ok(Math.abs(difference) < 2e-6, `${count}: ${difference}`);
  }
  assert.ok(reputationOf(after(1, 'right'), NOW) < 140_000);
});

test('a wrong result leaves what Wilson’s bound of all results is worth', () => {
  for (const count of [1, 3, 10, 30, 100, 1000]) {
    const left = reputationOf(after(1, 'wrong', after(count, 'right')), NOW) / 1e6;
    assert.ok(Math.abs(left - wilson(count, WRONG_WEIGHT)) < 0.01, `${count}: ${left}, ${wilson(count, WRONG_WEIGHT)}`);
  }
});

test('a result that is proven wrong costs all', () => {
  const record = after(1, 'proven-wrong', after(1000, 'right'));
  assert.equal(reputationOf(record, NOW), 0);
  assert.deepEqual([record.right, record.wrong, record.proven], [[], 1, 1]);
});

test('evidence halves in thirty days, is gone in the end, and reading changes nothing', () => {
  const record = after(100, 'right');
  const atStart = writeReputation(record);
  const half = reputationOf(record, NOW + 30 * DAY);
  assert.ok(Math.abs(half - wilson(50, 0) * 1e6) < 2, `${half}`);
  assert.ok(Math.abs(reputationOf(record, NOW + 15 * DAY) - wilson(100 * Math.SQRT1_2, 0) * 1e6) < 2);
  assert.equal(reputationOf(record, NOW + 2000 * DAY), 0);
  assert.equal(reputationOf(record, NOW - 500 * DAY), reputationOf(record, NOW), 'a clock that was set back');
  assert.equal(writeReputation(record), atStart);
});

test('property: whoever replays the same checks has the same record, to the last byte', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const texts = [1, 2].map((reads) => {
        let [record, at] = [unknownReputation(), NOW];
        for (const { days, ...evidence } of events) {
          at += days * DAY;
          for (let read = 0; read < reads; read += 1) reputationOf(record, at + read * 40 * DAY);
          record = readReputation(writeReputation(recordEvidence(record, evidence, at)));
        }
        return writeReputation(record);
      });
      assert.equal(texts[0], texts[1]);
    }),
  );
});

test('property: whatever a record has been through, a new identity never ranks above it, now or after the same checks', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 25 }), fc.array(event, { maxLength: 25 }), value, (past, future, at) => {
      let [old, now] = [unknownReputation(), NOW];
      for (const { days, ...evidence } of past) {
        now += days * DAY;
        old = recordEvidence(old, evidence, now);
      }
      let fresh = unknownReputation();
      for (const { days, ...evidence } of [{ days: 0, finding: 'wrong', valueMicroFog: 0n } as Event, ...future]) {
        for (const valueMicroFog of [0n, at]) {
          const [before, after] = [old, fresh].map((record) => reputationOf(record, now, { valueMicroFog }));
          assert.ok((before ?? 0) >= (after ?? 0), `${before} ${after}`);
        }
        now += days * DAY;
        old = recordEvidence(old, evidence, now);
        fresh = recordEvidence(fresh, evidence, now);
      }
      assert.ok(reputationOf(old, now) >= reputationOf(fresh, now));
      assert.ok(placementReputation([old], now) >= placementReputation([fresh], now));
      assert.ok(relayReputationPpm(old, now) >= relayReputationPpm(fresh, now));
    }),
    { numRuns: 300 },
  );
});

test('property: uptime and latency never outweigh a wrong result', () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 30 }), value, value, (past, lied, at) => {
      let [record, now] = [unknownReputation(), NOW];
      for (const { days, ...evidence } of past) {
        now += days * DAY;
        record = recordEvidence(record, evidence, now);
      }
      const unreachable = reputationOf(record, now, { valueMicroFog: at, servicePpm: 0 });
      const liar = recordEvidence(record, { finding: 'wrong', valueMicroFog: lied }, now);
      assert.ok(reputationOf(liar, now, { valueMicroFog: at, servicePpm: 1_000_000 }) <= unreachable);
      assert.ok(unreachable <= reputationOf(record, now, { valueMicroFog: at }));
    }),
    { numRuns: 300 },
  );
  assert.ok(KEPT_PPM < 1_000_000n - SERVICE_PPM);
});

test('property: more right results never rank lower, and the rank is below the whole', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), value, value, (past, of, at) => {
      const record = past.reduce((before, evidence) => recordEvidence(before, evidence, NOW), unknownReputation());
      const more = recordEvidence(record, { finding: 'right', valueMicroFog: of }, NOW);
      const rank = reputationOf(more, NOW, { valueMicroFog: at });
      assert.ok(rank >= reputationOf(record, NOW, { valueMicroFog: at }) && rank < 1_000_000);
    }),
  );
});

test('a check counts for tasks of its value and below; for dearer ones by its share of the value', () => {
  const record = after(64, 'right', unknownReputation(), 1024n);
  const rank = (valueMicroFog: bigint) => reputationOf(record, NOW, { valueMicroFog });
  assert.equal(rank(0n), rank(2047n));
  assert.ok(Math.abs(rank(4096n) - wilson(16, 0) * 1e6) < 2);
  assert.ok(rank(1n << 40n) < 10);
  assert.deepEqual([0n, 1n, 2n, 3n, 4n, (1n << 64n) - 1n].map(valueClass), [0, 1, 2, 2, 3, 64]);
});

test('the worst of owner and node counts; placement begins at four fifths, the lottery at a half', () => {
  const [good, none] = [after(100, 'right'), unknownReputation()];
  assert.equal(worstReputation([good, none], NOW), 0);
  assert.equal(placementReputation([none], NOW), 0.8);
  assert.ok(Math.abs(placementReputation([good, good], NOW) - (0.8 + 0.2 * wilson(100, 0))) < 1e-5);
  assert.equal(relayReputationPpm(none, NOW), 500_000);
  assert.ok(relayReputationPpm(good, NOW) < 1_000_000);
  assert.throws(() => worstReputation([], NOW), INVALID);
});

test('what verification knew before counts as evidence of no value, up to a limit', () => {
  assert.deepEqual(takenOver({ consecutiveValid: 0 }, NOW), { ...unknownReputation(), day: 20_000 });
  assert.equal(reputationOf(takenOver({ consecutiveValid: 10 }, NOW), NOW), reputationOf(after(10, 'right'), NOW));
  assert.deepEqual(takenOver({ consecutiveValid: 1e12 }, NOW).right, [64_000_000]);
});

test('counts end at their limits', () => {
  const full = { ...unknownReputation(), day: 20_000, right: [1e12], wrong: 1e9, proven: 1e9 };
  assert.deepEqual(after(1, 'right', full).right, [1e12]);
  const worst = after(1, 'proven-wrong', full);
  assert.deepEqual([worst.wrong, worst.proven], [1e9, 1e9]);
  assert.equal(readReputation(writeReputation(full)).right[0], 1e12);
});

test('malformed records, findings, values and shares are refused', () => {
  const well = { version: 1, day: 1, right: [1], wrong: 0, proven: 0 };
  assert.deepEqual(readReputation(JSON.stringify(well)), well);
  const faults = [
    { version: 2 },
    { day: -1 },
    { day: 1.5 },
    { right: [-1] },
    { right: [1e12 + 1] },
    { right: [1, 0] },
    { right: Array.from({ length: 66 }, () => 1) },
    { right: { 0: 1 } },
    { wrong: null },
    { more: 1 },
  ];
  const texts = faults.map((fault) => JSON.stringify({ ...well, ...fault }));
  for (const text of [...texts, '', 'null', '3', '[]', ' '.repeat(5000)]) {
    assert.throws(() => readReputation(text), INVALID, text);
  }
  const record = unknownReputation();
  assert.throws(() => recordEvidence(record, { finding: 'fine' as Finding, valueMicroFog: 0n }, NOW), INVALID);
  for (const valueMicroFog of [-1n, 1n << 64n, 5 as unknown as bigint]) {
    assert.throws(() => recordEvidence(record, { finding: FINDINGS[0], valueMicroFog }, NOW), INVALID);
    assert.throws(() => reputationOf(record, NOW, { valueMicroFog }), INVALID);
  }
  for (const servicePpm of [-1, 1_000_001, Number.NaN])
    assert.throws(() => reputationOf(record, NOW, { servicePpm }), INVALID);
});
