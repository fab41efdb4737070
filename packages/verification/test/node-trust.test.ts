import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  acceptedUnreplicated,
  confirmedAgain,
  credibilityOf,
  failedSpotCheck,
  foundInvalid,
  leftInconclusive,
  mismatched,
  type NodeTrust,
  needsReplica,
  nodeTrustSchema,
  passedSpotCheck,
  singleProbability,
  standingOf,
  unknownNode,
  VERIFICATION_LIMITS,
  validated,
  withheld,
} from '../src/index.ts';

const TRANSITIONS: Record<string, (trust: NodeTrust) => NodeTrust> = {
  validated,
  confirmedAgain,
  mismatched,
  leftInconclusive,
  passedSpotCheck,
  withheld,
  foundInvalid: (trust) => foundInvalid(trust).trust,
  failedSpotCheck: (trust) => failedSpotCheck(trust).trust,
  acceptedUnreplicated: (trust) => acceptedUnreplicated(trust, { job: 'j', partition: trust.valid, fence: 1 }),
};
const trustAfter = (names: readonly string[]) =>
  names.reduce((trust, name) => TRANSITIONS[name]?.(trust) ?? trust, unknownNode());
const history = fc.array(fc.constantFrom(...Object.keys(TRANSITIONS)), { maxLength: 100 });
const times = (name: string, count: number) => new Array<string>(count).fill(name);

test('trust is monotone: valid results never lower it, invalid ones never raise it, the rest does not move it', () => {
  fc.assert(
    fc.property(history, (names) => {
      const trust = trustAfter(names);
      const now = credibilityOf(trust);
      assert.ok(credibilityOf(validated(trust)) >= now);
      assert.ok(credibilityOf(passedSpotCheck(trust)) >= now);
      for (const name of ['foundInvalid', 'failedSpotCheck', 'withheld']) {
        const after = TRANSITIONS[name]?.(trust) as NodeTrust;
        assert.ok(credibilityOf(after) <= now);
        assert.equal(singleProbability(after), 0, name);
      }
      for (const name of ['mismatched', 'leftInconclusive', 'confirmedAgain', 'acceptedUnreplicated']) {
        assert.equal(credibilityOf(TRANSITIONS[name]?.(trust) as NodeTrust), now, name);
      }
    }),
  );
});

test('a record survives JSON and stays within its limits', () => {
  fc.assert(
    fc.property(history, (names) => {
      const trust = trustAfter([...names, ...times('acceptedUnreplicated', 70)]);
      assert.deepEqual(nodeTrustSchema.parse(JSON.parse(JSON.stringify(trust))), trust);
      assert.equal(trust.unreplicated.length, VERIFICATION_LIMITS.unreplicatedResults);
    }),
  );
});

test('found invalid: the unchecked results come back, the newest first, and only once', () => {
  const results = Array.from({ length: 70 }, (_, partition) => ({ job: 'j', partition, fence: 1 }));
  const trust = results.reduce(acceptedUnreplicated, trustAfter(times('validated', 12)));
  const found = foundInvalid(trust);
  assert.deepEqual(found.reverify, results.slice(-VERIFICATION_LIMITS.unreplicatedResults).toReversed());
  assert.equal(found.trust.consecutiveValid, 0);
  assert.equal(found.trust.valid, 12);
  assert.deepEqual(foundInvalid(found.trust).reverify, []);
});

test('standing: ten valid results in a row, and again after each invalid one', () => {
  assert.equal(standingOf(unknownNode()), 'unknown');
  assert.equal(standingOf(trustAfter(times('validated', 9))), 'unknown');
  const proven = trustAfter([...times('validated', 5), 'mismatched', ...times('passedSpotCheck', 5)]);
  assert.equal(standingOf(proven), 'proven');
  const caught = foundInvalid(proven).trust;
  assert.equal(standingOf(caught), 'suspect');
  assert.equal(standingOf([...Array(10)].reduce(validated, caught)), 'proven');
  assert.equal(standingOf([...Array(10)].reduce(confirmedAgain, caught)), 'suspect', 'old results win nothing back');
});

test('adaptive: always replicated below ten, then alone with probability 1 - 1/N', () => {
  assert.ok(needsReplica({ consecutiveValid: 9 }, 0));
  assert.ok(!needsReplica({ consecutiveValid: 10 }, 0.899));
  assert.ok(needsReplica({ consecutiveValid: 10 }, 0.9));
  assert.ok(needsReplica({ consecutiveValid: 1_000_000 }, 0.999_999_9), 'nobody is beyond all checks');
  assert.equal(singleProbability({ consecutiveValid: 20 }), 0.95);
});
