/** Files of AEZ v5: encryption with and without associated strings, key extraction, hash, PRF. */
import { aezDecrypt, aezEncrypt, aezHash, aezPrf, extractKey } from '@fog/sphinx';
import { z } from 'zod';
import { assertBytes, type Check, hex, parseShape } from '../vector-shape.ts';
import { nativeBackends } from './backends.ts';

const encryptSchema = z.strictObject({
  k: hex,
  nonce: hex,
  data: z.array(hex),
  /** Bytes of expansion. */
  tau: z.int().min(0),
  m: hex,
  c: hex,
});
const extractSchema = z.strictObject({ a: hex, b: hex });
/** Here tau is in bits. */
const hashSchema = z.strictObject({ k: hex, tau: z.int().min(0), data: z.array(hex), v: hex });
/** Here tau is the length of the result in bytes. */
const prfSchema = z.strictObject({ k: hex, delta: hex, tau: z.int().min(0), r: hex });

const caseSchema = z.union([encryptSchema, extractSchema, hashSchema, prfSchema]);

export function aezChecks(content: unknown): Check[] {
  return parseShape(z.array(caseSchema), content).map((vector, index) => ({
    name: `${index}`,
    run: () => check(vector),
  }));
}

function check(vector: z.output<typeof caseSchema>): void {
  if ('m' in vector) {
    checkNative(vector);
    const inputs = { key: vector.k, nonce: vector.nonce, associated: vector.data, expansionBytes: vector.tau };
    assertBytes(aezEncrypt(inputs, vector.m), vector.c, 'encrypted');
    assertBytes(aezDecrypt(inputs, vector.c), vector.m, 'decrypted');
  } else if ('a' in vector) {
    assertBytes(extractKey(vector.a), vector.b, 'extracted key');
  } else if ('v' in vector) {
    assertBytes(aezHash(vector.k, vector.data, vector.tau), vector.v, 'hash');
  } else {
    assertBytes(aezPrf(vector.k, vector.delta, vector.tau), vector.r, 'output');
  }
}

/** The addon has as much of AEZ as packets need. */
function checkNative({ k, nonce, data, tau, m, c }: z.output<typeof encryptSchema>): void {
  if (k.length !== 48 || nonce.length !== 16 || data.length > 0 || tau > 0 || m.length < 32) return;
  for (const { name, backend } of nativeBackends()) {
    const text = m.slice();
    backend.aezEncrypt(k, nonce, text);
    assertBytes(text, c, `encrypted by ${name}`);
    backend.aezDecrypt(k, nonce, text);
    assertBytes(text, m, `decrypted by ${name}`);
  }
}
