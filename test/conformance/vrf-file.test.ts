/** The reader of examples of verifiable random functions; the examples themselves are run by the area that has them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { vrfProofSteps, vrfVerify } from '@fog/betanet';
import { checkVrfCase, parseVrfFile } from './vrf-file.ts';

const hex = (bytes: Uint8Array | null) => Buffer.from(bytes ?? []).toString('hex');

/** A section as an RFC prints it, with an example of our own. */
function section({ suite = 'ECVRF-EDWARDS25519-SHA512-TAI', alpha = '0102', more = '' } = {}): string {
  const secretKey = new Uint8Array(32).fill(7);
  const input = new Uint8Array(Buffer.from(alpha, 'hex'));
  const steps = vrfProofSteps(secretKey, input);
  const beta = hex(vrfVerify(steps.publicKey, input, steps.proof));
  const proof = hex(steps.proof);
  return `
B.3.  ${suite}

   The example secret key is of nobody; see Section 7.1.

   Example 1:

      SK =
      ${hex(secretKey)}
      PK =
      ${hex(steps.publicKey)}
      alpha = ${
        alpha === ''
          ? '(the empty string)'
          : `${alpha} (2 bytes; ASCII "of
      two lines")`
      }
${more}
      try_and_increment succeeded on ctr = ${steps.counter}
      H =
      ${hex(steps.hashedPoint)}

Somebody, et al.        Expires 10 February 2023               [Page 52]
\f
Internet-Draft                     VRF                       August 2022

      k =
      ${hex(steps.nonce)}
      U = k*B =
      ${hex(steps.nonceTimesBase)}
      V = k*H =
      ${hex(steps.nonceTimesHash)}
      pi = ${proof.slice(0, 57)}
      ${proof.slice(57, 100)}
      ${proof.slice(100)}
      beta = ${beta}

Authors' Addresses
   Email: x = y
`;
}

describe('file of verifiable random functions', () => {
  test('values are read across lines and pages, and checked', () => {
    for (const alpha of ['', '0102']) {
      const cases = parseVrfFile(section({ alpha }));
      assert.deepEqual(
        cases.map((found) => [found.name, found.alpha, found.pi.length]),
        [['ECVRF-EDWARDS25519-SHA512-TAI, example 1', alpha, 160]],
      );
      for (const found of cases) checkVrfCase(found);
    }
  });

  test('a wrong value of any key fails', () => {
    const [found] = parseVrfFile(section());
    assert.ok(found !== undefined);
    const flip = (text: string) => (text.startsWith('0') ? '1' : '0') + text.slice(1);
    for (const key of ['PK', 'alpha', 'H', 'k', 'U', 'V', 'pi', 'beta'] as const) {
      assert.throws(() => checkVrfCase({ ...found, [key]: flip(found[key]) }), key);
    }
    assert.throws(() => checkVrfCase({ ...found, ctr: found.ctr + 1 }));
  });

  test('sections of other suites are skipped by name; unknown suites, keys and lines are failures', () => {
    const other = section({ suite: 'ECVRF-EDWARDS25519-SHA512-ELL2', more: '      In Elligator2: u =\n      00ff' });
    assert.deepEqual(parseVrfFile(other), []);
    assert.equal(parseVrfFile(`${other.slice(0, other.indexOf('Authors'))}${section()}`).length, 1);
    assert.throws(() => parseVrfFile(section({ suite: 'ECVRF-ED448' })), /unknown suite ECVRF-ED448/);
    assert.throws(() => parseVrfFile(section({ more: '      Q = 00' })), /is not understood: Q = 00/);
    assert.throws(() => parseVrfFile(section({ more: '      and so on' })), /is not understood/);
    assert.throws(() => parseVrfFile(section({ more: '      In Elligator2: u = 00' })), /is not understood/);
    assert.throws(() => parseVrfFile(section({ more: '   Q = 00' })), /is not understood/);
    assert.throws(() => parseVrfFile(section().replace(/beta = .*/, '')), /has no beta/);
    assert.throws(() => parseVrfFile(section().replace('try_and', '')), /is not understood/);
    assert.throws(() => parseVrfFile('nothing'), /no example/);
  });
});
