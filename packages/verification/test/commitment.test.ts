import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type CommitRound,
  closeCommitting,
  commit,
  commitmentOf,
  emptyRound,
  joinRound,
  leaveRound,
  openRound,
  opensCommitment,
  type Reveal,
  reveal,
} from '../src/index.ts';

const hex64 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const digest = hex64.map((hex) => `sha256:${hex}`);
const opened: fc.Arbitrary<Reveal> = fc.record({ digest, nodeId: fc.string({ maxLength: 8 }), nonce: hex64 });

const DIGEST = `sha256:${'a'.repeat(64)}`;
const revealBy = (nodeId: string): Reveal => ({ digest: DIGEST, nodeId, nonce: '0'.repeat(64) });
const roundOf = (...nodes: string[]): CommitRound =>
  nodes.reduce((round, node) => joinRound(round, node) ?? round, emptyRound());
const committed = (round: CommitRound, node: string) => commit(round, node, commitmentOf(revealBy(node))).round;

test('binding: a commitment opens for what it was made of and for nothing else', () => {
  fc.assert(
    fc.property(opened, opened, (made, other) => {
      const commitment = commitmentOf(made);
      assert.ok(opensCommitment(commitment, made));
      assert.ok(!opensCommitment(commitment, { ...made, digest: other.digest }) || made.digest === other.digest);
      assert.ok(!opensCommitment(commitment, { ...made, nonce: other.nonce }) || made.nonce === other.nonce);
    }),
  );
});

test('no copies: a commitment never opens for another node', () => {
  fc.assert(
    fc.property(opened, fc.string({ maxLength: 8 }), (made, nodeId) => {
      fc.pre(nodeId !== made.nodeId);
      assert.ok(!opensCommitment(commitmentOf(made), { ...made, nodeId }));
    }),
  );
});

test('malformed reveals open nothing', () => {
  const made = revealBy('n1');
  const commitment = commitmentOf(made);
  assert.ok(!opensCommitment(commitment.slice(1), made));
  assert.ok(!opensCommitment('', made));
  assert.ok(!opensCommitment(commitmentOf({ ...made, nonce: '' }), { ...made, nonce: '' }), 'a nonce is needed');
});

test('a round opens when all live replicas have committed', () => {
  const one = committed(roundOf('n1', 'n2', 'n3'), 'n1');
  assert.equal(openRound(one).phase, 'committing');
  assert.equal(reveal(one, revealBy('n1')).refused, 'round-not-open');
  const two = committed(one, 'n2');
  assert.equal(openRound(two).phase, 'committing');
  const open = openRound(leaveRound(two, 'n3'));
  assert.equal(open.phase, 'revealing');
  assert.equal(reveal(open, revealBy('n1')).refused, null);
  assert.equal(reveal(open, revealBy('n3')).refused, 'not-committed');
  assert.equal(reveal(open, revealBy('n4')).refused, 'not-in-round');
});

test('after the deadline, whoever had not committed is refused', () => {
  const closed = closeCommitting(committed(roundOf('n1', 'n2'), 'n1'));
  assert.equal(closed.phase, 'revealing');
  assert.equal(commit(closed, 'n2', commitmentOf(revealBy('n2'))).refused, 'round-open');
  assert.equal(joinRound(closed, 'n5'), null);
  assert.equal(closeCommitting(roundOf('n1')).phase, 'committing', 'nothing to reveal');
});

test('the first commitment counts, and a wrong reveal is the last', () => {
  const round = committed(roundOf('n1'), 'n1');
  assert.equal(commit(round, 'n1', 'f'.repeat(64)).refused, 'already-committed');
  const open = openRound(round);
  const lied = reveal(open, { ...revealBy('n1'), digest: `sha256:${'b'.repeat(64)}` });
  assert.equal(lied.refused, 'commitment-mismatch');
  assert.equal(reveal(lied.round, revealBy('n1')).refused, 'not-committed');
});

test('copied commitment: the copier cannot reveal', () => {
  const copied = commitmentOf(revealBy('n1'));
  const open = openRound(commit(committed(roundOf('n1', 'n2'), 'n1'), 'n2', copied).round);
  assert.equal(reveal(open, revealBy('n2')).refused, 'commitment-mismatch');
  assert.equal(reveal(open, revealBy('n1')).refused, null);
});
