import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { groupCredibilities, nodeCredibility } from '../src/credibility.ts';
import { decideQuorum, type QuorumRule, type ReplicaResult } from '../src/quorum.ts';

const same = (left: string, right: string) => left === right;
const digestOf = (value: number) => `sha256:${String(value).padStart(64, '0')}`;

/** Results of independent nodes with these values. */
function resultsWith(...values: number[]): ReplicaResult[] {
  return values.map((value, at) => {
    const fence = at + 1;
    return {
      nodeId: `n${fence}`,
      owner: `o${fence}`,
      prefix: `p${fence}`,
      fence,
      digest: digestOf(value),
      credibility: 0.8,
    };
  });
}

const result = fc.record({
  digest: fc.constantFrom(digestOf(0), digestOf(1), digestOf(2)),
  credibility: fc.constantFrom(0.8, 0.9, 0.98, 0.999),
});
const results: fc.Arbitrary<ReplicaResult[]> = fc
  .array(result, { maxLength: 6 })
  .map((rows) =>
    rows.map((row, at) => ({ ...row, nodeId: `n${at}`, owner: `o${at}`, prefix: `p${at}`, fence: at + 1 })),
  );
const rule: fc.Arbitrary<QuorumRule> = fc.record({
  quorum: fc.integer({ min: 1, max: 4 }),
  maxReplicas: fc.integer({ min: 4, max: 8 }),
  trust: fc.constantFrom(null, 0.9, 0.999),
});

test('m-first: decisions from results in the order of arrival', () => {
  const two: QuorumRule = { quorum: 2, maxReplicas: 4, trust: null };
  assert.deepEqual(decideQuorum([], two, 0, same), { kind: 'replicate', count: 2 });
  assert.deepEqual(decideQuorum([], two, 1, same), { kind: 'replicate', count: 1 });
  assert.deepEqual(decideQuorum(resultsWith(1), two, 1, same), { kind: 'wait' });
  assert.deepEqual(decideQuorum(resultsWith(1, 2), two, 0, same), { kind: 'replicate', count: 1 });
  assert.deepEqual(decideQuorum(resultsWith(1, 2, 3, 4), two, 0, same), { kind: 'inconclusive' });
  assert.deepEqual(decideQuorum(resultsWith(1, 2, 3, 4), { ...two, quorum: 3, maxReplicas: 5 }, 0, same), {
    kind: 'inconclusive',
  });
  const decided = decideQuorum(resultsWith(1, 2, 2, 1, 1), two, 0, same);
  assert.ok(decided.kind === 'accept' && decided.canonical.fence === 2, 'two agreed first, though three agree now');
  assert.deepEqual(decided.kind === 'accept' && decided.invalid.map(({ fence }) => fence), [1, 4, 5]);
});

test('quorum: what is accepted has enough results and the credibility asked for', () => {
  fc.assert(
    fc.property(results, rule, fc.integer({ min: 0, max: 2 }), (some, given, running) => {
      const decision = decideQuorum(some, given, running, same);
      if (decision.kind === 'accept') {
        assert.ok(decision.valid.length >= given.quorum);
        assert.deepEqual(new Set(decision.valid.map(({ digest }) => digest)), new Set([decision.canonical.digest]));
        assert.equal(decision.valid.length + decision.invalid.length, some.length);
      }
      if (decision.kind === 'replicate') assert.ok(some.length + running + decision.count <= given.maxReplicas);
      if (decision.kind === 'inconclusive') assert.equal(running, 0);
    }),
    { numRuns: 500 },
  );
});

test('trust: a quorum is not accepted below its credibility', () => {
  const trusting: QuorumRule = { quorum: 2, maxReplicas: 5, trust: 0.999 };
  for (const count of [2, 3, 4]) {
    assert.deepEqual(decideQuorum(resultsWith(...new Array<number>(count).fill(1)), trusting, 0, same), {
      kind: 'replicate',
      count: 1,
    });
  }
  assert.equal(decideQuorum(resultsWith(1, 1, 1, 1, 1), trusting, 0, same).kind, 'accept', '0.8 five times: 0.99902');
  const good = resultsWith(1, 1).map((one) => ({ ...one, credibility: 0.98 }));
  assert.equal(decideQuorum(good, trusting, 0, same).kind, 'accept', '0.98 twice: 0.99958');
});

test('a quorum is not accepted while more credible results stand against it', () => {
  const two: QuorumRule = { quorum: 2, maxReplicas: 5, trust: null };
  const [proven, ...unknown] = resultsWith(1, 2, 2, 2) as [ReplicaResult, ...ReplicaResult[]];
  const against = { ...proven, credibility: 0.98 };
  assert.deepEqual(decideQuorum([against, ...unknown.slice(0, 2)], two, 0, same), { kind: 'replicate', count: 1 });
  assert.equal(decideQuorum([against, ...unknown], two, 0, same).kind, 'accept', 'a third unknown node outweighs it');
  assert.equal(decideQuorum(resultsWith(1, 2, 2), two, 0, same).kind, 'accept', 'two unknown ones outweigh one');
});

test('given the winner, the order of results does not change who is valid', () => {
  fc.assert(
    fc.property(results, rule, fc.infiniteStream(fc.nat()), (some, given, keys) => {
      const shuffled = some
        .map((one) => ({ one, key: keys.next().value as number }))
        .sort((left, right) => left.key - right.key)
        .map(({ one }) => one);
      const [first, second] = [decideQuorum(some, given, 0, same), decideQuorum(shuffled, given, 0, same)];
      if (first.kind !== 'accept' || second.kind !== 'accept') return;
      if (first.canonical.digest !== second.canonical.digest) return;
      const fences = (rows: ReplicaResult[]) => rows.map(({ fence }) => fence).sort();
      assert.deepEqual(fences(first.valid), fences(second.valid));
    }),
    { numRuns: 500 },
  );
});

test('comparators that are not transitive: judged by the canonical result alone', () => {
  const near = (left: string, right: string) => Math.abs(Number(left.slice(-2)) - Number(right.slice(-2))) <= 1;
  const decision = decideQuorum(resultsWith(10, 12, 11), { quorum: 3, maxReplicas: 5, trust: null }, 0, near);
  assert.ok(decision.kind === 'accept');
  assert.equal(decision.canonical.digest, digestOf(11), 'only the middle one agrees with both');
  const two = decideQuorum(resultsWith(10, 11, 12), { quorum: 2, maxReplicas: 5, trust: null }, 0, near);
  assert.ok(two.kind === 'accept');
  assert.deepEqual([two.valid.length, two.invalid.map(({ digest }) => digest)], [2, [digestOf(12)]]);
});

test('credibility: formulas of Sarmenta 2001', () => {
  assert.equal(nodeCredibility(0), 0.8);
  assert.equal(nodeCredibility(10), 0.98);
  assert.ok(Math.abs(nodeCredibility(200) - 0.999) < 1e-12);
  const [two] = groupCredibilities([[0.8, 0.8]]);
  assert.ok(Math.abs((two ?? 0) - 0.64 / 0.68) < 1e-12);
  const [against, lone] = groupCredibilities([[0.8, 0.8], [0.8]]);
  // 0.64*0.2 / (0.04*0.2 + 0.64*0.2 + 0.8*0.04)
  assert.ok(Math.abs((against ?? 0) - 0.128 / 0.168) < 1e-12);
  assert.ok(Math.abs((lone ?? 0) - 0.032 / 0.168) < 1e-12);
  assert.deepEqual(groupCredibilities([[1], [1]]), [0, 0], 'certainties that contradict each other');
});

test('credibility: probabilities; another supporter raises it, another opponent lowers it', () => {
  const credibility = fc.double({ min: 0.51, max: 0.999, noNaN: true });
  const group = fc.array(credibility, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(group, { minLength: 1, maxLength: 4 }), credibility, (groups, other) => {
      const before = groupCredibilities(groups);
      assert.ok(before.every((probability) => probability >= 0 && probability <= 1));
      assert.ok(before.reduce((sum, probability) => sum + probability, 0) <= 1 + 1e-9);
      const [first = [], ...rest] = groups;
      assert.ok((groupCredibilities([[...first, other], ...rest])[0] ?? 0) >= (before[0] ?? 0) - 1e-12);
      assert.ok((groupCredibilities([...groups, [other]])[0] ?? 0) <= (before[0] ?? 0) + 1e-12);
    }),
  );
});
