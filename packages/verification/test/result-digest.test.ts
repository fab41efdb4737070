import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import {
  type CanonicalResult,
  type ResultClaim,
  resultDigest,
  resultSigningInput,
  verifyResultSignature,
} from '../src/index.ts';
import { lengthPrefixed } from '../src/length-prefixed.ts';
import { merkleRoot } from '../src/result-digest.ts';

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

test('injective: two rows of fields never have the same bytes', () => {
  const rows = fc.array(fc.string({ unit: fc.constantFrom('a', '\0', '\u0001'), maxLength: 3 }), { maxLength: 4 });
  fc.assert(
    fc.property(rows, rows, (left, right) => {
      const isSame = lengthPrefixed(left).equals(lengthPrefixed(right));
      assert.equal(isSame, JSON.stringify(left) === JSON.stringify(right));
    }),
    { numRuns: 1000 },
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

test('a signature by another key is refused', () => {
  const [own, other] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
  const claim: ResultClaim = { job: 'j1', partition: 2, fence: 3, nodeId: 'n4', digest: sha256('a') };
  const signature = sign(null, resultSigningInput(claim), other.privateKey).toString('base64url');
  const keyOf = ({ publicKey }: typeof own) => publicKey.export({ format: 'jwk' }).x ?? '';
  assert.ok(verifyResultSignature(claim, keyOf(other), signature));
  assert.ok(!verifyResultSignature(claim, keyOf(own), signature));
});

/**
 * For other implementations; computed by one in Python. Integers are 8 bytes, big endian, two's complement; every field
 * stands after its length in 4 bytes; a leaf is hashed after 0x00, a node after 0x01.
 */
test('vectors: header and outputs, leaves and root, byte for byte', () => {
  const header = (hex: string) => `00000014${Buffer.from('fog-result-header-v1').toString('hex')}${hex}`;
  const output = (hex: string) => `00000014${Buffer.from('fog-result-output-v1').toString('hex')}${hex}`;
  const [a, b, stdout] = ['a', 'b', 'out'].map((text) => sha256(text).slice('sha256:'.length));
  const rootOf = (...rows: string[]) =>
    `sha256:${merkleRoot(rows.map((hex) => Buffer.from(hex, 'hex'))).toString('hex')}`;

  // Exit code 0, no stdout declared, no outputs.
  const empty = resultDigest({ exitCode: 0, stdout: null, outputs: [] });
  assert.equal(empty, 'sha256:500bf9674cb6039609bfe65876770e1533c551d2fbc22afcdaee8568c7c84209');
  assert.equal(empty, rootOf(header('000000080000000000000000' + '00000000' + '000000080000000000000000')));

  // Exit code -1, stdout "out", the file /b of 1 byte and the file /out/e, called "é", of 300.
  const full = resultDigest({
    exitCode: -1,
    stdout: sha256('out'),
    outputs: [
      { name: 'é', path: '/out/e', digest: sha256('a'), bytes: 300 },
      { name: 'b', path: '/b', digest: sha256('b'), bytes: 1 },
    ],
  });
  assert.equal(full, 'sha256:1b8188997594ff2dbcc91a89a45cbcd53528598682db997b8ab6ffa425c7262b');
  assert.equal(
    full,
    rootOf(
      header(`00000008ffffffffffffffff00000020${stdout}000000080000000000000002`),
      output(`0000000162000000022f6200000020${b}000000080000000000000001`),
      output(`00000002c3a9000000062f6f75742f6500000020${a}00000008000000000000012c`),
    ),
  );
});

test('vector: what is signed', () => {
  const input = resultSigningInput({ job: 'j1', partition: 2, fence: 3, nodeId: 'n4', digest: sha256('a') });
  assert.equal(
    Buffer.from(input).toString('hex'),
    `00000017${Buffer.from('fog-result-signature-v1').toString('hex')}000000026a31` +
      '000000080000000000000002000000080000000000000003000000026e34' +
      '00000020ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb',
  );
});
