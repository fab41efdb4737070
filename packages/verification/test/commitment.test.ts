import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { opensCommitment } from '../src/commitment.ts';
import { commitmentOf, type Reveal } from '../src/index.ts';

const hex64 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const digest = hex64.map((hex) => `sha256:${hex}`);
const opened: fc.Arbitrary<Reveal> = fc.record({ digest, nodeId: fc.string({ maxLength: 8 }), nonce: hex64 });
const DIGEST = `sha256:${'a'.repeat(64)}`;
const MADE: Reveal = { digest: DIGEST, nodeId: 'n1', nonce: '0'.repeat(64) };

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

test('no copies: a commitment never opens for another node, nor a copied digest without its nonce', () => {
  fc.assert(
    fc.property(opened, fc.string({ maxLength: 8 }), hex64, (made, nodeId, guess) => {
      fc.pre(nodeId !== made.nodeId && guess !== made.nonce);
      assert.ok(!opensCommitment(commitmentOf(made), { ...made, nodeId }));
      assert.ok(!opensCommitment(commitmentOf(made), { ...made, nodeId, nonce: guess }));
      assert.ok(!opensCommitment(commitmentOf(made), { ...made, nonce: guess }));
    }),
  );
});

test('malformed reveals open nothing', () => {
  const commitment = commitmentOf(MADE);
  assert.ok(!opensCommitment(commitment.slice(1), MADE));
  assert.ok(!opensCommitment('', MADE));
  assert.ok(!opensCommitment(commitmentOf({ ...MADE, nonce: '' }), { ...MADE, nonce: '' }), 'a nonce is needed');
  assert.ok(!opensCommitment(commitment, { ...MADE, nodeId: '\ud800' }), 'half of a character');
});

test('vector: SHA-256 over "fog-commitment-v1", digest, node id and nonce, each after its length in 4 bytes', () => {
  const row = [
    `00000011${Buffer.from('fog-commitment-v1').toString('hex')}`,
    `00000047${Buffer.from(DIGEST).toString('hex')}`,
    '000000026e31',
    `00000040${'30'.repeat(64)}`,
  ];
  assert.equal(hash('sha256', Buffer.from(row.join(''), 'hex')), commitmentOf(MADE));
  assert.equal(commitmentOf(MADE), '3559865a21e6af51e6a80ef62de13ce6beb5ea87d42b0cad781a7b21c7723254');
});
