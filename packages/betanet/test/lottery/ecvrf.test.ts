import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { ed25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { isValidVrfKey, proofSteps, proofToHash, prove, verify, vrfPublicKey } from '../../src/lottery/ecvrf.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value).toString('hex'));
const secretOf = (name: string) => new Uint8Array(createHash('sha256').update(name).digest());

/** RFC 9381, appendix B.3, examples 16 and 17. */
const EXAMPLES = [
  {
    secretKey: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    alpha: '',
    counter: 0,
    hashedPoint: '91bbed02a99461df1ad4c6564a5f5d829d0b90cfc7903e7a5797bd658abf3318',
    proof:
      '8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d97' +
      '27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805',
    output:
      '90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af026798' +
      'e8f81cd2e333de5cdf4f3e140fdd8ae',
  },
  {
    secretKey: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    alpha: '72',
    counter: 1,
    hashedPoint: '5b659fc3d4e9263fd9a4ed1d022d75eaacc20df5e09f9ea937502396598dc551',
    proof:
      'f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465' +
      '301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02',
    output:
      'eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5e5b54c70a848a' +
      '0bef4553a41befc57663b56373a5031',
  },
];

describe('verifiable random function', () => {
  for (const example of EXAMPLES) {
    test(`example of the RFC with alpha "${example.alpha}"`, () => {
      const secretKey = bytes(example.secretKey);
      const steps = proofSteps(secretKey, bytes(example.alpha));
      assert.equal(steps.counter, example.counter);
      assert.equal(hex(steps.hashedPoint), example.hashedPoint);
      assert.equal(hex(prove(secretKey, bytes(example.alpha))), example.proof);
      assert.equal(hex(verify(vrfPublicKey(secretKey), bytes(example.alpha), bytes(example.proof))), example.output);
      assert.equal(hex(proofToHash(bytes(example.proof))), example.output);
    });
  }

  test('a proof is of one key and one input, and no bit of it can be changed', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 60 }),
        fc.integer({ min: 0, max: 639 }),
        (secretKey, alpha, bit) => {
          const publicKey = vrfPublicKey(secretKey);
          const proof = prove(secretKey, alpha);
          const output = verify(publicKey, alpha, proof);
          assert.deepEqual(output, proofToHash(proof));
          assert.notEqual(output, null);
          const changed = proof.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
          assert.equal(verify(publicKey, alpha, changed), null);
          assert.equal(verify(publicKey, new Uint8Array([...alpha, 0]), proof), null);
          assert.equal(verify(vrfPublicKey(secretOf('another')), alpha, proof), null);
        },
      ),
      { numRuns: 8 },
    );
  });

  test('an answer of the curve order or more is refused, though it is the same modulo the order', () => {
    const secretKey = secretOf('order');
    const proof = prove(secretKey, bytes('00'));
    const answer = BigInt(`0x${Buffer.from(proof.slice(48)).reverse().toString('hex')}`) + ed25519.Point.Fn.ORDER;
    const changed = Uint8Array.from(proof);
    changed.set(Buffer.from(answer.toString(16).padStart(64, '0'), 'hex').reverse(), 48);
    assert.notEqual(verify(vrfPublicKey(secretKey), bytes('00'), proof), null);
    assert.equal(verify(vrfPublicKey(secretKey), bytes('00'), changed), null);
    assert.equal(proofToHash(changed), null);
  });

  test('keys of small order, off the curve, in another spelling or of another length are refused', () => {
    const { Fp, BASE } = ed25519.Point;
    assert.equal(isValidVrfKey(BASE.toBytes()), true);
    // Identity, order 2, order 4, order 8.
    const smallOrder = [
      `01${'00'.repeat(31)}`,
      `ec${'ff'.repeat(30)}7f`,
      '00'.repeat(32),
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    ];
    for (const key of smallOrder) {
      assert.equal(ed25519.Point.fromHex(key).isSmallOrder(), true);
      assert.equal(isValidVrfKey(bytes(key)), false, key);
    }
    const spelledWithP = Buffer.from((Fp.ORDER + 1n).toString(16).padStart(64, '0'), 'hex').reverse();
    assert.equal(isValidVrfKey(spelledWithP), false, 'y = p + 1');
    assert.equal(isValidVrfKey(bytes(`02${'00'.repeat(31)}`)), false, 'y = 2 is not on the curve');
    assert.equal(isValidVrfKey(BASE.toBytes().subarray(0, 31)), false);
  });

  test('under a key of small order a proof could be made for anything: none is accepted', () => {
    const identity = bytes(`01${'00'.repeat(31)}`);
    const proof = prove(secretOf('forger'), bytes('00'));
    assert.equal(verify(identity, bytes('00'), proof), null);
  });

  test('garbage is refused without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 90 }), fc.uint8Array({ maxLength: 40 }), (proof, key) => {
        assert.equal(verify(key, proof, proof), null);
        assert.equal(proof.length === 80 || proofToHash(proof) === null, true);
      }),
      { numRuns: 500 },
    );
  });

  test('a secret key of another length is an error that says so', () => {
    assert.throws(() => prove(new Uint8Array(31), new Uint8Array()), { code: 'invalid-request', message: /31 bytes/ });
  });
});
