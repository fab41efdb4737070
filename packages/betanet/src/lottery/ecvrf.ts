/**
 * A verifiable random function: whoever holds the secret key computes one unpredictable output for an input, with a
 * proof that anybody can check by the public key, and that no other output has.
 *
 *     prove(secretKey, alpha) -> pi (80 bytes)        pi = Gamma (32) | c (16) | s (32)
 *     verify(publicKey, alpha, pi) -> beta (64 bytes) or null
 *
 * Source: RFC 9381, ECVRF-EDWARDS25519-SHA512-TAI (suite 0x03); the sections are named at each step. Keys are those of
 * Ed25519 (RFC 8032). Only the multiplications by secrets are in constant time: alpha is public here, and so is what
 * trying and incrementing tells of it.
 */
import { createHash } from 'node:crypto';
import { FogError } from '@fog/contract';
import { ed25519 } from '@noble/curves/ed25519.js';

export const VRF_KEY_BYTES = 32;
export const VRF_PROOF_BYTES = 80;
export const VRF_OUTPUT_BYTES = 64;

const SUITE = 0x03;
const COFACTOR = 8n;
const POINT_BYTES = 32;
const CHALLENGE_BYTES = 16;
const { Point } = ed25519;
const { Fn } = Point;
type Curve = InstanceType<typeof Point>;

/** What the RFC's examples list beside the proof. `nonce` is as good as the secret key: for tests only. */
export interface ProofSteps {
  publicKey: Uint8Array;
  /** The secret scalar x, as 32 bytes, little-endian, clamped and not reduced. */
  scalar: Uint8Array;
  /** How often trying and incrementing went on. */
  counter: number;
  /** H, the point that alpha was hashed to. */
  hashedPoint: Uint8Array;
  /** k_string, from which the nonce was reduced. */
  nonceString: Uint8Array;
  nonce: Uint8Array;
  /** U = k*B. */
  nonceTimesBase: Uint8Array;
  /** V = k*H. */
  nonceTimesHash: Uint8Array;
  proof: Uint8Array;
}

/** The public key of a secret one (32 bytes). */
export function vrfPublicKey(secretKey: Uint8Array): Uint8Array {
  assertLength('secret key', secretKey, VRF_KEY_BYTES);
  return ed25519.getPublicKey(secretKey);
}

/** The proof (80 bytes) for an input of any length. Section 5.1. */
export function prove(secretKey: Uint8Array, alpha: Uint8Array): Uint8Array {
  const steps = proofSteps(secretKey, alpha);
  steps.scalar.fill(0);
  steps.nonce.fill(0);
  steps.nonceString.fill(0);
  return steps.proof;
}

/** `prove` with everything that it computes on the way, for the examples of appendix B.3. */
export function proofSteps(secretKey: Uint8Array, alpha: Uint8Array): ProofSteps {
  assertLength('secret key', secretKey, VRF_KEY_BYTES);
  const { scalar, prefix, pointBytes: publicKey } = ed25519.utils.getExtendedPublicKey(secretKey);
  const { point, counter } = encodeToCurve(publicKey, alpha);
  const hashedPoint = point.toBytes();
  const gamma = point.multiply(scalar);
  // Section 5.4.2.2: the nonce of RFC 8032.
  const nonceString = sha512(prefix, hashedPoint);
  prefix.fill(0);
  const nonce = Fn.create(littleEndian(nonceString));
  const nonceTimesBase = Point.BASE.multiply(nonce).toBytes();
  const nonceTimesHash = point.multiply(nonce).toBytes();
  const challenge = challengeOf([publicKey, hashedPoint, gamma.toBytes(), nonceTimesBase, nonceTimesHash]);
  const answer = Fn.add(nonce, Fn.mul(Fn.create(littleEndian(challenge)), scalar));
  const proof = new Uint8Array(Buffer.concat([gamma.toBytes(), challenge, Fn.toBytes(answer)]));
  return {
    publicKey,
    scalar: clampedScalar(secretKey),
    counter,
    hashedPoint,
    nonceString,
    nonce: Fn.toBytes(nonce),
    nonceTimesBase,
    nonceTimesHash,
    proof,
  };
}

/**
 * The output (64 bytes) if the proof is right, otherwise null; never throws on what a stranger sent. The key is
 * validated each time, so that the output is unpredictable and unique whoever made the key. Section 5.3.
 */
export function verify(publicKey: Uint8Array, alpha: Uint8Array, proof: Uint8Array): Uint8Array | null {
  const key = validKey(publicKey);
  const parts = decodeProof(proof);
  if (key === null || parts === null) return null;
  const { gamma, challenge, answer } = parts;
  const { point } = encodeToCurve(publicKey, alpha);
  const c = Fn.create(littleEndian(challenge));
  // U = s*B - c*Y, V = s*H - c*Gamma
  const u = Point.BASE.multiplyUnsafe(answer).subtract(key.multiplyUnsafe(c));
  const v = point.multiplyUnsafe(answer).subtract(gamma.multiplyUnsafe(c));
  const expected = challengeOf([publicKey, point.toBytes(), gamma.toBytes(), u.toBytes(), v.toBytes()]);
  return Buffer.from(expected).equals(challenge) ? outputOf(gamma) : null;
}

/** The output that a proof stands for; null if it cannot be decoded. It is *not* checked. Section 5.2. */
export function proofToHash(proof: Uint8Array): Uint8Array | null {
  const parts = decodeProof(proof);
  return parts === null ? null : outputOf(parts.gamma);
}

/** Whether a public key may be registered: a point in its one encoding, not of small order. Section 5.4.5. */
export function isValidVrfKey(publicKey: Uint8Array): boolean {
  return validKey(publicKey) !== null;
}

function validKey(publicKey: Uint8Array): Curve | null {
  const point = decodePoint(publicKey);
  return point === null || point.isSmallOrder() ? null : point;
}

/** Section 5.4.4. */
function decodeProof(proof: Uint8Array): { gamma: Curve; challenge: Uint8Array; answer: bigint } | null {
  if (proof.length !== VRF_PROOF_BYTES) return null;
  const gamma = decodePoint(proof.subarray(0, POINT_BYTES));
  const challenge = proof.subarray(POINT_BYTES, POINT_BYTES + CHALLENGE_BYTES);
  const answer = littleEndian(proof.subarray(POINT_BYTES + CHALLENGE_BYTES));
  return gamma === null || answer >= Fn.ORDER ? null : { gamma, challenge, answer };
}

/** Section 5.4.1.1, with the public key as salt: half of all strings are points, so 256 tries always find one. */
function encodeToCurve(publicKey: Uint8Array, alpha: Uint8Array): { point: Curve; counter: number } {
  for (let counter = 0; counter < 256; counter += 1) {
    const tried = sha512([SUITE, 0x01], publicKey, alpha, [counter, 0x00]).subarray(0, POINT_BYTES);
    const point = decodePoint(tried)?.multiplyUnsafe(COFACTOR);
    if (point !== undefined && !point.is0()) return { point, counter };
  }
  throw new FogError('internal', 'no point was found for the input of the verifiable random function in 256 tries');
}

/** Section 5.4.3. */
function challengeOf(points: readonly Uint8Array[]): Uint8Array {
  return sha512([SUITE, 0x02], ...points, [0x00]).subarray(0, CHALLENGE_BYTES);
}

function outputOf(gamma: Curve): Uint8Array {
  return sha512([SUITE, 0x03], gamma.multiplyUnsafe(COFACTOR).toBytes(), [0x00]);
}

/** RFC 8032, section 5.1.3, with its one encoding per point. */
function decodePoint(bytes: Uint8Array): Curve | null {
  if (bytes.length !== POINT_BYTES) return null;
  try {
    return Point.fromBytes(bytes, false);
  } catch {
    return null;
  }
}

/** RFC 8032, section 5.1.5. */
function clampedScalar(secretKey: Uint8Array): Uint8Array {
  const hashed = sha512(secretKey);
  const scalar = hashed.slice(0, VRF_KEY_BYTES);
  hashed.fill(0);
  scalar[0] = (scalar[0] ?? 0) & 0xf8;
  scalar[31] = ((scalar[31] ?? 0) & 0x7f) | 0x40;
  return scalar;
}

function sha512(...parts: (Uint8Array | readonly number[])[]): Uint8Array {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part instanceof Uint8Array ? part : Uint8Array.from(part));
  return new Uint8Array(hash.digest());
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex') || '0'}`);
}

function assertLength(what: string, { length }: Uint8Array, bytes: number): void {
  if (length === bytes) return;
  throw new FogError('invalid-request', `the ${what} has ${length} bytes; it must have ${bytes}`);
}
