/** A few nodes with keys from a seed, and random bytes from it, for tests. */
import { createHash } from 'node:crypto';
import { type PathHop, PURE_PRIMITIVES, x25519PublicKey } from '@fog/sphinx';

export interface TestNode extends PathHop {
  privateKey: Uint8Array;
}

/** Bytes that depend on the seed and the name alone. */
export function seededBytes(seed: number, name: string, length: number): Uint8Array {
  const key = createHash('sha256').update(`${seed} ${name}`).digest();
  return PURE_PRIMITIVES.chacha20Stream(key, length);
}

/** A source of random bytes that gives the same for the same seed. */
export function seededRandom(seed: number): (bytes: Uint8Array) => void {
  let calls = 0;
  return (bytes) => {
    calls += 1;
    bytes.set(seededBytes(seed, `call ${calls}`, bytes.length));
  };
}

/** `count` nodes in the order of a path: delays of 1, 2, 3, ... milliseconds, none at the last. */
export function testPath(seed: number, count: number): TestNode[] {
  return Array.from({ length: count }, (_, index) => {
    const privateKey = seededBytes(seed, `key ${index}`, 32);
    return {
      privateKey,
      publicKey: x25519PublicKey(privateKey),
      id: seededBytes(seed, `id ${index}`, 32),
      delayMilliseconds: index === count - 1 ? 0 : index + 1,
    };
  });
}
