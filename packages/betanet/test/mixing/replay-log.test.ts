import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decideOnRestart,
  encodeReplayLogHeader,
  loadReplayTags,
  parseReplayLogHeader,
  REPLAY_LOG_HEADER_BYTES,
  ReplaySet,
  type RestartFacts,
  wholeReplayLogBytes,
} from '../../src/mixing/front.ts';

const FUZZ_RUNS = Number(process.env.FOG_FUZZ_RUNS ?? 10_000);
const keyId = new Uint8Array(32).fill(7);
const bootId = new Uint8Array(16).fill(9);
const header = encodeReplayLogHeader({ keyId, bootId });
const tags = fc.array(fc.uint8Array({ minLength: 8, maxLength: 8 }), { maxLength: 20 });

const facts = (changes: Partial<RestartFacts> = {}): RestartFacts => ({
  log: { head: header, fileBytes: 64 + 80 },
  keyId,
  bootId,
  capacity: 10,
  ...changes,
});

test('replay log: the header comes back as it went', () => {
  assert.equal(header.length, REPLAY_LOG_HEADER_BYTES);
  assert.deepEqual(parseReplayLogHeader(header), { keyId, bootId });
  assert.deepEqual(parseReplayLogHeader(Buffer.concat([header, new Uint8Array(5)])), { keyId, bootId });
  assert.throws(() => encodeReplayLogHeader({ keyId: new Uint8Array(31), bootId }), RangeError);
  assert.throws(() => encodeReplayLogHeader({ keyId, bootId: new Uint8Array(17) }), RangeError);
});

test('replay log: a flipped bit anywhere in the header, or a piece of it, is no header', () => {
  for (let bit = 0; bit < 8 * header.length; bit += 1) {
    const flipped = header.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(parseReplayLogHeader(flipped), null, `bit ${bit}`);
  }
  for (let length = 0; length < header.length; length += 1) {
    assert.equal(parseReplayLogHeader(header.subarray(0, length)), null);
  }
});

test('replay log: no bytes break the parser', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.equal(parseReplayLogHeader(bytes), null);
      const decision = decideOnRestart(facts({ log: { head: bytes, fileBytes: bytes.length } }));
      assert.deepEqual(decision, { action: 'retire', reason: 'damaged-log' });
    }),
    { numRuns: FUZZ_RUNS },
  );
});

test('restart: after a kill within one boot every tag that was written is known, wherever the file was torn', () => {
  fc.assert(
    fc.property(tags, fc.nat(), (written, cut) => {
      const file = Buffer.concat([header, ...written]);
      const torn = file.subarray(0, REPLAY_LOG_HEADER_BYTES + (cut % (file.length - REPLAY_LOG_HEADER_BYTES + 1)));
      const decision = decideOnRestart(facts({ log: { head: torn, fileBytes: torn.length }, capacity: 20 }));
      assert.equal(decision.action, 'resume');
      if (decision.action !== 'resume') return;
      const set = new ReplaySet(20);
      assert.equal(
        loadReplayTags(set, torn.subarray(REPLAY_LOG_HEADER_BYTES)),
        decision.wholeBytes - REPLAY_LOG_HEADER_BYTES,
      );
      for (const whole of written.slice(0, decision.tags)) assert.equal(set.insert(whole, 0), 'replay');
      // What is appended next lies at a whole tag again.
      assert.equal((decision.wholeBytes - REPLAY_LOG_HEADER_BYTES) % 8, 0);
      assert.ok(torn.length - decision.wholeBytes < 8);
    }),
  );
});

test('restart: in doubt the key is retired', () => {
  const table: [RestartFacts, string][] = [
    [facts({ log: null }), 'no-log'],
    [facts({ log: { head: header.subarray(1), fileBytes: 144 } }), 'damaged-log'],
    [facts({ log: { head: header, fileBytes: 63 } }), 'damaged-log'],
    [facts({ keyId: new Uint8Array(32) }), 'other-key'],
    [facts({ bootId: new Uint8Array(16) }), 'other-boot'],
    [facts({ bootId: null }), 'unknown-boot'],
    [facts({ capacity: 9 }), 'over-capacity'],
  ];
  for (const [given, reason] of table) assert.deepEqual(decideOnRestart(given), { action: 'retire', reason });
  // Nothing has left under a key with an empty log, whatever became of the machine.
  for (const fileBytes of [64, 71]) {
    for (const boot of [new Uint8Array(16), null]) {
      assert.deepEqual(decideOnRestart(facts({ log: { head: header, fileBytes }, bootId: boot })), { action: 'renew' });
    }
  }
  assert.deepEqual(decideOnRestart(facts()), { action: 'resume', tags: 10, wholeBytes: 144 });
});

test('replay log: lengths without a torn tail', () => {
  assert.deepEqual([0, 63, 64, 71, 72, 79, 80].map(wholeReplayLogBytes), [0, 0, 64, 64, 72, 72, 80]);
  const set = new ReplaySet(1);
  assert.throws(() => loadReplayTags(set, new Uint8Array(16).fill(1, 8)), RangeError);
});
