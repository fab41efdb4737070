import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { runsAlone, singleProbability } from '../src/adaptive.ts';
import {
  credibilityOf,
  type NodeTrust,
  nodeTrustSchema,
  recordVerdict,
  standingOf,
  unknownNode,
  VERIFICATION_LIMITS,
  type Verdict,
} from '../src/index.ts';

const RAISE: readonly Verdict[] = ['valid', 'spot-check-passed'];
const RESET: readonly Verdict[] = ['invalid', 'spot-check-failed', 'withheld'];
const LEAVE: readonly Verdict[] = ['cleared', 'inconclusive', 'alone'];
const taskOf = (partition: number) => ({ job: 'j', partition });
const after = (verdicts: readonly Verdict[], trust: NodeTrust = unknownNode()) =>
  verdicts.reduce((before, verdict, at) => recordVerdict(before, verdict, taskOf(at)).trust, trust);
const history = fc.array(fc.constantFrom(...RAISE, ...RESET, ...LEAVE), { maxLength: 100 });
const times = (verdict: Verdict, count: number) => new Array<Verdict>(count).fill(verdict);

test('trust is monotone: valid results never lower it, invalid ones never raise it, the rest does not move it', () => {
  fc.assert(
    fc.property(history, (verdicts) => {
      const trust = after(verdicts);
      const now = credibilityOf(trust);
      for (const verdict of RAISE) assert.ok(credibilityOf(after([verdict], trust)) >= now, verdict);
      for (const verdict of LEAVE) assert.equal(credibilityOf(after([verdict], trust)), now, verdict);
      for (const verdict of RESET) {
        assert.ok(credibilityOf(after([verdict], trust)) <= now, verdict);
        assert.equal(singleProbability(after([verdict], trust)), 0, verdict);
      }
    }),
  );
});

test('a record survives JSON and stays within its limits', () => {
  fc.assert(
    fc.property(history, (verdicts) => {
      const trust = after([...verdicts, ...times('valid', 10), ...times('alone', 70)]);
      assert.deepEqual(nodeTrustSchema.parse(JSON.parse(JSON.stringify(trust))), trust);
      assert.equal(trust.unreplicated.length, VERIFICATION_LIMITS.unreplicatedResults);
    }),
  );
});

test('found out or withheld: the unchecked results come back, the newest first, and only once', () => {
  const trust = after([...times('valid', 12), ...times('alone', 70)]);
  const last = Array.from({ length: VERIFICATION_LIMITS.unreplicatedResults }, (_, at) => taskOf(81 - at));
  for (const verdict of RESET) {
    const found = recordVerdict(trust, verdict, taskOf(99));
    assert.deepEqual(found.reverify, last, verdict);
    assert.equal(found.trust.consecutiveValid, 0);
    assert.equal(found.trust.valid, 12);
    assert.deepEqual(recordVerdict(found.trust, verdict, taskOf(99)).reverify, []);
  }
  for (const verdict of [...RAISE, ...LEAVE]) assert.deepEqual(recordVerdict(trust, verdict, taskOf(99)).reverify, []);
});

test('found out with a task in hand: what comes of it alone is verified again at once', () => {
  const caught = after(['invalid'], after(times('valid', 12)));
  assert.deepEqual(recordVerdict(caught, 'alone', taskOf(7)), { trust: caught, reverify: [taskOf(7)] });
});

test('standing: ten valid results in a row, and again after each invalid one', () => {
  assert.equal(standingOf(unknownNode()), 'unknown');
  assert.equal(standingOf(after(times('valid', 9))), 'unknown');
  assert.equal(standingOf(after(times('alone', 20))), 'unknown', 'what nobody checked proves nothing');
  const proven = after([...times('valid', 5), 'inconclusive', ...times('spot-check-passed', 5)]);
  assert.equal(standingOf(proven), 'proven');
  const caught = after(['invalid'], proven);
  assert.equal(standingOf(caught), 'suspect');
  assert.equal(standingOf(after(times('valid', 10), caught)), 'proven');
  assert.equal(standingOf(after(times('cleared', 10), caught)), 'suspect', 'old results win nothing back');
});

test('adaptive: always replicated below ten, then alone with probability 1 - 1/N', () => {
  assert.ok(!runsAlone({ consecutiveValid: 9 }, 0));
  assert.ok(runsAlone({ consecutiveValid: 10 }, 0.899));
  assert.ok(!runsAlone({ consecutiveValid: 10 }, 0.9));
  assert.ok(!runsAlone({ consecutiveValid: 1_000_000 }, 0.999_999_9), 'nobody is beyond all checks');
  assert.equal(singleProbability({ consecutiveValid: 20 }), 0.95);
});
