import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kinds, policyOf, Story } from './story.ts';

const replicate = policyOf({ mode: 'replicate' });
const adaptive = policyOf({ mode: 'adaptive' });
const proven = { trust: { consecutiveValid: 10 } };

test('a quorum of two: the first lease asks for a second, both commit, both reveal, the result is accepted', () => {
  const story = new Story(replicate);
  assert.deepEqual(story.leased(1).actions, [
    { kind: 'place-replicas', count: 1, excluding: { owners: ['o1'], prefixes: ['p1'] } },
  ]);
  assert.deepEqual(story.committed(1, 7).actions, [], 'nobody reveals while another replica is still to come');
  assert.deepEqual(story.leased(2).actions, []);
  assert.deepEqual(story.committed(2, 7).actions, [{ kind: 'open-commitments', round: 0, fences: [1, 2] }]);
  assert.deepEqual(story.revealed(2, 7).actions, []);
  const { actions } = story.revealed(1, 7);
  assert.deepEqual(actions, [{ kind: 'accept', fence: 2, digest: story.digest(7), isCorrection: false }]);
  assert.deepEqual(story.verdicts(), { valid: [2, 1] }, 'the first that was revealed is canonical');
  assert.equal(story.state.accepted?.by, 'quorum');
  story.ignores({ kind: 'revealed', fence: 1, digest: story.digest(7), nonce: story.nonce(1) });
  story.ignores(story.lease(3));
});

test('never two replicas at one owner or network', () => {
  const story = new Story(replicate);
  story.leased(1);
  story.ignores(story.lease(2, { owner: 'o1' }));
  story.ignores(story.lease(2, { prefix: 'p1' }));
  story.leased(2);
});

test('a mismatch condemns nobody and adds one replica; the quorum then says who is invalid', () => {
  const story = new Story(replicate);
  assert.deepEqual(story.sideBySide([1, 1], [2, 2]), {
    actions: [{ kind: 'place-replicas', count: 1, excluding: { owners: ['o1', 'o2'], prefixes: ['p1', 'p2'] } }],
    verdicts: [],
  });
  story.result(3, 2);
  assert.deepEqual(story.verdicts(), { valid: [2, 3], invalid: [1] });
});

test('alone: a proven node is accepted at once, and an unlucky draw replicates it', () => {
  const story = new Story(adaptive);
  assert.deepEqual(story.leased(1, { ...proven, random: 0.89 }).actions, []);
  assert.deepEqual(kinds(story.committed(1, 7)), ['open-commitments']);
  assert.deepEqual(kinds(story.revealed(1, 7)), ['accept']);
  assert.deepEqual(story.verdicts(), { alone: [1] });
  assert.deepEqual(kinds(new Story(adaptive).leased(1, { ...proven, random: 0.9 })), ['place-replicas']);
  assert.deepEqual(kinds(new Story(adaptive).leased(1, { trust: { consecutiveValid: 9 } })), ['place-replicas']);
});

test('mode none: the first result counts, nothing is learned, nothing is ever verified again', () => {
  const story = new Story(policyOf({ mode: 'none' }));
  story.leased(1);
  story.committed(1, 1);
  story.failed(1);
  assert.deepEqual(story.verdicts(), { withheld: [1] });
  assert.deepEqual(kinds(story.result(2, 7)), ['accept'], 'no quorum, even after somebody withheld');
  assert.deepEqual(story.verdicts(), {});
  story.ignores({ kind: 'reopened' });
});

test('trust: alone is not enough below the credibility that the job asks for', () => {
  const story = new Story(policyOf({ trust: 0.999 }));
  assert.deepEqual(kinds(story.result(1, 7, proven)), ['place-replicas']);
  assert.deepEqual(kinds(story.result(2, 7, proven)), ['accept']);
  assert.equal(story.state.accepted?.by, 'quorum');
});

test('backtracking: a task that ran alone needs a quorum of others, and is confirmed', () => {
  const story = new Story(adaptive);
  story.result(1, 7, proven);
  const [place] = story.tell({ kind: 'reopened' }).actions;
  assert.deepEqual(place, { kind: 'place-replicas', count: 2, excluding: { owners: ['o1'], prefixes: ['p1'] } });
  assert.equal(story.state.accepted?.fence, 1, 'the result stays until another is proven');
  story.leased(2);
  story.leased(3);
  story.committed(2, 7);
  story.committed(3, 7);
  story.revealed(2, 7);
  assert.equal(story.state.phase, 'collecting', 'the suspect has no vote: one accomplice confirms nothing');
  assert.deepEqual(kinds(story.revealed(3, 7)), [], 'what was accepted stays');
  assert.deepEqual(story.verdicts(), { cleared: [1], valid: [2, 3] });
  assert.deepEqual(story.state.accepted, { fence: 1, digest: story.digest(7), by: 'quorum' });
});

test('backtracking: a wrong result is corrected, and counts against its node again', () => {
  const story = new Story(adaptive);
  story.result(1, 9, proven);
  story.tell({ kind: 'reopened' });
  assert.deepEqual(story.sideBySide([2, 7], [3, 7]).actions, [
    { kind: 'accept', fence: 2, digest: story.digest(7), isCorrection: true },
  ]);
  assert.deepEqual(story.verdicts(), { valid: [2, 3], invalid: [1] });
});

test('backtracking: a task that cannot be decided again stays as it was', () => {
  const story = new Story(policyOf({ maxReplicas: 2 }));
  story.result(1, 7, proven);
  const before = story.state.accepted;
  story.tell({ kind: 'reopened' });
  assert.deepEqual(kinds(story.sideBySide([2, 8], [3, 9])), ['adjudicate']);
  assert.deepEqual(kinds(story.tell({ kind: 'adjudication-impossible' })), []);
  assert.deepEqual(story.verdicts(), { inconclusive: [2, 3] });
  assert.deepEqual([story.state.phase, story.state.accepted], ['accepted', before]);
});

test('backtracking: a quorum in doubt goes to a trusted node, and what that one found stays', () => {
  const story = new Story(replicate);
  story.sideBySide([1, 9], [2, 9]);
  assert.deepEqual(kinds(story.tell({ kind: 'reopened' })), ['adjudicate']);
  story.tell({ kind: 'adjudicated', fence: 3, digest: story.digest(7) });
  assert.deepEqual(story.verdicts(), { invalid: [1, 2] });
  assert.deepEqual(story.state.accepted, { fence: 3, digest: story.digest(7), by: 'trusted' });
  story.ignores({ kind: 'reopened' });
});

test('inconclusive: the trusted node decides who was right; without one the task fails', () => {
  const story = new Story(policyOf({ mode: 'replicate', maxReplicas: 3 }));
  story.sideBySide([1, 1], [2, 2]);
  assert.deepEqual(kinds(story.result(3, 3)), ['adjudicate']);
  story.tell({ kind: 'adjudicated', fence: 9, digest: story.digest(3) });
  assert.deepEqual(story.verdicts(), { valid: [3], invalid: [1, 2] });
  const without = new Story(policyOf({ mode: 'replicate', maxReplicas: 2 }));
  without.sideBySide([1, 1], [2, 2]);
  assert.deepEqual(without.tell({ kind: 'adjudication-impossible' }), {
    actions: [{ kind: 'fail', reason: 'inconclusive' }],
    verdicts: [
      { fence: 1, nodeId: 'n1', verdict: 'inconclusive' },
      { fence: 2, nodeId: 'n2', verdict: 'inconclusive' },
    ],
  });
});

test('unplaceable: a task that nobody ran waits; otherwise what runs may decide, and then a trusted node', () => {
  const story = new Story(replicate);
  story.ignores({ kind: 'unplaceable' });
  story.leased(1);
  story.committed(1, 7);
  assert.deepEqual(kinds(story.tell({ kind: 'unplaceable' })), ['open-commitments']);
  assert.deepEqual(kinds(story.revealed(1, 7)), ['place-replicas']);
  assert.deepEqual(kinds(story.tell({ kind: 'unplaceable' })), ['adjudicate']);
});

test('withholding: a lie that is not shown resets the node, which gets no other chance, and the task gets a quorum', () => {
  const story = new Story(adaptive);
  story.leased(1, proven);
  story.committed(1, 9);
  assert.deepEqual(kinds(story.failed(1)), ['place-replicas']);
  assert.deepEqual(story.verdicts(), { withheld: [1] });
  story.ignores(story.lease(2, { owner: 'o1' }));
  story.leased(3, { ...proven, random: 0 });
  assert.equal(story.state.requested, 1, 'nobody is trusted alone any more');
  const honest = new Story(adaptive);
  honest.leased(1, proven);
  honest.failed(1);
  assert.deepEqual(honest.verdicts(), {}, 'who had not committed only failed');
  honest.ignores(honest.lease(1, proven));
  assert.deepEqual(kinds(honest.leased(2, { ...proven, owner: 'o1', prefix: 'p1' })), [], 'and may try again');
});

test('deadlines: late ones are replaced, the others go on; who does not reveal withholds', () => {
  const story = new Story(replicate);
  story.leased(1);
  story.leased(2);
  story.ignores({ kind: 'deadline', round: 0, of: 'reveal' });
  story.committed(1, 7);
  const { actions } = story.tell({ kind: 'deadline', round: 0, of: 'commit' });
  assert.deepEqual(actions.slice(0, 2), [
    { kind: 'cancel', fences: [2] },
    { kind: 'open-commitments', round: 0, fences: [1] },
  ]);
  story.ignores({ kind: 'committed', fence: 2, commitment: story.commitment(2, 7) });
  story.ignores({ kind: 'deadline', round: 0, of: 'commit' });
  story.tell({ kind: 'deadline', round: 0, of: 'reveal' });
  assert.deepEqual(story.verdicts(), { withheld: [1] });
});

test('deadlines: a round in which nobody committed is over too; its time does not cut the next one short', () => {
  const story = new Story(replicate);
  story.leased(1);
  story.leased(2);
  const overdue = { kind: 'deadline', round: 0, of: 'commit' } as const;
  assert.deepEqual(kinds(story.tell(overdue)), ['cancel', 'place-replicas']);
  story.leased(3);
  story.ignores(overdue);
});

test('bound: the first commitment counts, nobody reveals before the round opens, a wrong reveal is the last', () => {
  const story = new Story(replicate);
  story.leased(1);
  story.leased(2);
  const refusal = (reason: string) => [{ kind: 'refuse', fence: 1, reason }];
  assert.deepEqual(story.revealed(1, 7).actions, refusal('not-committed'));
  assert.deepEqual(
    story.tell({ kind: 'committed', fence: 1, commitment: 'F'.repeat(64) }).actions,
    refusal('malformed-commitment'),
  );
  story.committed(1, 7);
  story.ignores({ kind: 'committed', fence: 1, commitment: story.commitment(1, 7) });
  assert.deepEqual(story.committed(1, 8).actions, refusal('already-committed'));
  assert.deepEqual(story.revealed(1, 7).actions, refusal('round-not-open'));
  story.committed(2, 7);
  const { actions } = story.revealed(1, 8);
  assert.deepEqual([actions[0], kinds({ actions })], [refusal('commitment-mismatch')[0], ['refuse', 'place-replicas']]);
  assert.deepEqual(story.verdicts(), { withheld: [1] });
});

test('a copied commitment is worthless to the copier, and costs it its standing', () => {
  const story = new Story(replicate);
  story.leased(1);
  story.leased(2);
  story.committed(1, 7);
  story.tell({ kind: 'committed', fence: 2, commitment: story.commitment(1, 7) });
  story.revealed(1, 7);
  story.tell({ kind: 'revealed', fence: 2, digest: story.digest(7), nonce: story.nonce(1) });
  assert.deepEqual(story.verdicts(), { withheld: [2] });
});

test('comparator: asked for pairs that differ, once, and the decision waits for it', () => {
  const story = new Story(policyOf({ mode: 'replicate', compare: { tolerance: { absolute: 1 } } }));
  const [left, right] = [story.digest(1), story.digest(2)];
  assert.deepEqual(story.sideBySide([1, 1], [2, 2]).actions, [{ kind: 'compare', pairs: [{ left, right }] }]);
  story.ignores({ kind: 'compared', left, right: left, agree: true });
  assert.deepEqual(kinds(story.tell({ kind: 'compared', left: right, right: left, agree: true })), ['accept']);
  assert.deepEqual(story.verdicts(), { valid: [1, 2] });
});

test('replicas that keep failing end the task', () => {
  const story = new Story(replicate);
  for (let fence = 1; fence <= 10; fence += 1) {
    story.leased(fence);
    story.failed(fence);
  }
  story.leased(11);
  assert.deepEqual(story.failed(11).actions, [{ kind: 'fail', reason: 'replicas-failed' }]);
});
