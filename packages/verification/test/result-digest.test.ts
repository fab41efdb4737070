import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import {
  type CanonicalResult,
  merkleRoot,
  type ResultClaim,
  resultDigest,
  resultSigningInput,
  verifyResultSignature,
} from '../src/index.ts';

const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** Few characters, so that names and paths run into each other often. */
const shortText = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\0'), maxLength: 4 });
const output = fc.record({
  name: shortText,
  path: shortText,
  digest: fc.constantFrom(sha256('a'), sha256('b')),
  bytes: fc.integer({ min: 0, max: 3 }),
});
const result: fc.Arbitrary<CanonicalResult> = fc.record({
  exitCode: fc.integer({ min: -1, max: 2 }),
  stdout: fc.constantFrom(null, sha256('a')),
  outputs: fc.uniqueArray(output, { maxLength: 4, selector: ({ name, path }) => JSON.stringify([name, path]) }),
});

/** What makes results equal, said in another way than by the digest. */
function identity({ exitCode, stdout, outputs }: CanonicalResult): string {
  const rows = outputs.map(({ name, path, digest, bytes }) => JSON.stringify([name, path, digest, bytes]));
  return JSON.stringify([exitCode, stdout, rows.sort()]);
}

test('injective: results have the same digest if and only if they are the same', () => {
  fc.assert(
    fc.property(result, result, (left, right) => {
      assert.equal(resultDigest(left) === resultDigest(right), identity(left) === identity(right));
    }),
    { numRuns: 500 },
  );
});

test('near collisions: what moves from one field to the next changes the digest', () => {
  const base = { digest: sha256('a'), bytes: 1 };
  const digests = [
    [{ ...base, name: 'ab', path: '/c' }],
    [{ ...base, name: 'a', path: 'b/c' }],
    [{ ...base, name: '', path: 'ab/c' }],
    [],
  ].map((outputs) => resultDigest({ exitCode: 0, stdout: null, outputs }));
  digests.push(resultDigest({ exitCode: 0, stdout: sha256('a'), outputs: [] }));
  digests.push(resultDigest({ exitCode: 1, stdout: null, outputs: [] }));
  assert.equal(new Set(digests).size, digests.length);
});

test('the order in which outputs were written does not count', () => {
  fc.assert(
    fc.property(result, fc.integer({ min: 0, max: 3 }), (some, by) => {
      const outputs = [...some.outputs.slice(by), ...some.outputs.slice(0, by)].toReversed();
      assert.equal(resultDigest({ ...some, outputs }), resultDigest(some));
    }),
  );
});

test('what has no digest of its own is refused', () => {
  const one = { name: 'a', path: '/a', digest: sha256('a'), bytes: 1 };
  const refused: CanonicalResult[] = [
    { exitCode: 0, stdout: null, outputs: [one, { ...one, bytes: 2 }] },
    { exitCode: 0, stdout: null, outputs: [{ ...one, name: '\ud800' }] },
    { exitCode: 0, stdout: null, outputs: [{ ...one, digest: 'sha256:1' }] },
    { exitCode: 0.5, stdout: null, outputs: [] },
    { exitCode: 0, stdout: null, outputs: Array.from({ length: 65 }, (_, at) => ({ ...one, path: `/${at}` })) },
  ];
  for (const bad of refused) {
    assert.throws(
      () => resultDigest(bad),
      (error) => error instanceof FogError && error.code === 'invalid-request',
    );
  }
});

test('the tree is that of RFC 6962', () => {
  // Roots of the test vectors of the certificate-transparency project for 1, 2 and 7 leaves.
  const leaves = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657'].map((hex) => Buffer.from(hex, 'hex'));
  const root = (count: number) => merkleRoot(leaves.slice(0, count)).toString('hex');
  assert.equal(root(1), '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
  assert.equal(root(2), 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125');
  assert.equal(root(7), 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c');
});

test('a signature holds for its claim alone', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = publicKey.export({ format: 'jwk' }).x ?? '';
  const claim: ResultClaim = { job: 'j1', partition: 2, fence: 3, nodeId: 'n4', digest: sha256('a') };
  const signature = sign(null, resultSigningInput(claim), privateKey).toString('base64url');
  assert.ok(verifyResultSignature(claim, key, signature));
  const others: ResultClaim[] = [
    { ...claim, job: 'j12', partition: 2 },
    { ...claim, partition: 3 },
    { ...claim, fence: 4 },
    { ...claim, nodeId: 'n5' },
    { ...claim, digest: sha256('b') },
    { ...claim, fence: 0.5 },
  ];
  for (const other of others) assert.ok(!verifyResultSignature(other, key, signature), JSON.stringify(other));
  assert.ok(!verifyResultSignature(claim, 'no key', signature));
  assert.ok(!verifyResultSignature(claim, key, ''));
});
