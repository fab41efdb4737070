/** The native backend in each form that this machine can run, and oracles for its primitives. */
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { PURE_PRIMITIVES, x25519PublicKey } from '@fog/sphinx';
import {
  createNativeBackend,
  loadNative,
  type NativeBackend,
  type NativeChoice,
  X25519_TIERS,
} from '../src/backends/native.ts';

/** Of random inputs for each primitive; a million takes some minutes. */
export const FUZZ_RUNS = Number(process.env.FOG_FUZZ_RUNS ?? 10_000);
export const SEED = Number(process.env.FOG_SEED ?? 1);

const loaded = loadNative();
/** For tests that need the addon: false, or why they are skipped. */
export const SKIP = loaded.available ? false : loaded.reason;

function madeOf(choices: readonly NativeChoice[]): NativeBackend[] {
  return choices.flatMap((choice) => {
    const made = createNativeBackend(choice);
    return made.available ? [made.backend] : [];
  });
}

/** One for each way to compute X25519 that this processor has. */
export const X25519_FORMS = madeOf(X25519_TIERS.map((x25519) => ({ x25519 })));
/** One for each way to compute AES and SHA-256; where the processor has no instructions for them, both are one. */
export const SYMMETRIC_FORMS = madeOf([{ symmetric: 'best' }, { symmetric: 'portable' }]);

/** Bytes that depend on the seed alone, one piece after another. */
export function seededStream(seed: number): (length: number) => Uint8Array {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, seed);
  let pool = PURE_PRIMITIVES.chacha20Stream(key, 1 << 16);
  let at = 0;
  return (length) => {
    if (length > 1 << 15) throw new RangeError('a piece is at most 32 KiB long');
    if (at + length > pool.length - 32) {
      pool = PURE_PRIMITIVES.chacha20Stream(pool.subarray(pool.length - 32), pool.length);
      at = 0;
    }
    at += length;
    return pool.slice(at - length, at);
  };
}

/** A whole number from 0 to `end - 1`, for `end` up to 2^24: nearly uniform, which is enough for a choice of inputs. */
export function below(stream: (length: number) => Uint8Array, end: number): number {
  const [a, b, c, d] = stream(4) as unknown as [number, number, number, number];
  return (a + 256 * (b + 256 * (c + 256 * d))) % end;
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

const BASE_POINT = littleEndian(9n);

/** X25519 of OpenSSL, which refuses points of low order: zeros stand for these. */
export function opensslX25519(scalar: Uint8Array, element: Uint8Array): Uint8Array {
  // Its import of a private key demands the public key, and fails when that is another: one more check of ours.
  const [portable] = X25519_FORMS;
  const x = base64(portable?.x25519(scalar, BASE_POINT) ?? x25519PublicKey(scalar));
  const key = { kty: 'OKP', crv: 'X25519', d: base64(scalar), x };
  const privateKey = createPrivateKey({ key, format: 'jwk' });
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: base64(element) }, format: 'jwk' });
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch {
    return new Uint8Array(32);
  }
}

/** A number as 32 bytes, the lowest first. */
export function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 0xffn));
}

const P = 2n ** 255n - 19n;
/** X coordinates of all points whose order divides 8, on the curve and its twist, and their non-canonical forms. */
export const LOW_ORDER = [
  0n,
  1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  P - 1n,
  P,
  P + 1n,
].map(littleEndian);

/** Coordinates at the edges of their representation: all that are not canonical, and those just below p. */
export const EDGES = Array.from({ length: 27 }, (_, offset) => littleEndian(P - 8n + BigInt(offset)));

/** `assert.deepEqual` would spend a minute on the difference of two long arrays; the first place is enough. */
export function assertSameBytes(found: Uint8Array, expected: Uint8Array, message: string): void {
  assert.equal(found.length, expected.length, `${message}: length`);
  if (Buffer.compare(found, expected) === 0) return;
  const at = expected.findIndex((byte, index) => byte !== found[index]);
  assert.fail(`${message}: byte ${at} is ${found[at]}, and should be ${expected[at]}`);
}

/** Products in one call of the addon. */
export const BATCH = 64;
const BYTES = 32;

/** Scalars and elements of a batch. Most lanes are random; between them stand those that go wrong easily. */
export function x25519Inputs(stream: (length: number) => Uint8Array): { scalars: Uint8Array; elements: Uint8Array } {
  const scalars = stream(BATCH * BYTES);
  const elements = stream(BATCH * BYTES);
  for (let lane = 0; lane < BATCH; lane += 1) {
    const element = elements.subarray(lane * BYTES, (lane + 1) * BYTES);
    const scalar = scalars.subarray(lane * BYTES, (lane + 1) * BYTES);
    const kind = below(stream, 16);
    const special = kind < 2 ? LOW_ORDER : kind < 4 ? EDGES : [];
    if (special.length > 0) {
      element.set(special[below(stream, special.length)] as Uint8Array);
      if (below(stream, 2) === 1) element[31] = (element[31] as number) | 0x80;
    }
    // Long runs of equal bits make limbs that are full or empty.
    if (kind === 4) for (let at = 0; at < BYTES; at += 1) element[at] = below(stream, 2) * 0xff;
    if (kind === 5) scalar.fill(below(stream, 2) * 0xff);
    if (kind === 6) for (let at = 0; at < BYTES; at += 1) scalar[at] = below(stream, 2) * 0xff;
  }
  return { scalars, elements };
}
