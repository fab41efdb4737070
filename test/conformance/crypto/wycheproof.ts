/** Files of Project Wycheproof, by the algorithm that they name: each case is put to every way in which we compute it. */
import assert from 'node:assert/strict';
import { isSignatureOf } from '@fog/betanet';
import { hkdfExpand, nodePrimitives, type Primitives, PURE_PRIMITIVES } from '@fog/sphinx';
import { keyPairFrom, openText, sealText, sharedSecret } from '@fog/transport';
import { z } from 'zod';
import { nativeBackends, sphinxBackends } from '../sphinx/backends.ts';
import { assertBytes, type Check, hex, hexOfLength, parseShape } from '../vector-shape.ts';

const testFields = {
  tcId: z.int(),
  comment: z.string(),
  flags: z.array(z.string()),
  result: z.enum(['valid', 'acceptable', 'invalid']),
};
const sourceSchema = z.strictObject({ name: z.string(), version: z.string() });

const fileOf = <Group extends z.ZodType>(algorithm: string, group: Group) =>
  z.strictObject({
    algorithm: z.literal(algorithm),
    schema: z.string(),
    numberOfTests: z.int(),
    header: z.array(z.string()).optional(),
    notes: z.record(z.string(), z.unknown()).optional(),
    testGroups: z.array(group),
  });

const x25519Schema = fileOf(
  'XDH',
  z.strictObject({
    type: z.literal('XdhComp'),
    source: sourceSchema.optional(),
    curve: z.literal('curve25519'),
    tests: z.array(
      z.strictObject({ ...testFields, public: hexOfLength(32), private: hexOfLength(32), shared: hexOfLength(32) }),
    ),
  }),
);
const aeadSchema = fileOf(
  'CHACHA20-POLY1305',
  z.strictObject({
    type: z.literal('AeadTest'),
    source: sourceSchema.optional(),
    ivSize: z.int(),
    keySize: z.literal(256),
    tagSize: z.literal(128),
    tests: z.array(z.strictObject({ ...testFields, key: hex, iv: hex, aad: hex, msg: hex, ct: hex, tag: hex })),
  }),
);
const hkdfSchema = fileOf(
  'HKDF-SHA-256',
  z.strictObject({
    type: z.literal('HkdfTest'),
    source: sourceSchema.optional(),
    keySize: z.int(),
    tests: z.array(z.strictObject({ ...testFields, ikm: hex, salt: hex, info: hex, size: z.int(), okm: hex })),
  }),
);
const hmacSchema = fileOf(
  'HMACSHA256',
  z.strictObject({
    type: z.literal('MacTest'),
    source: sourceSchema.optional(),
    keySize: z.int(),
    tagSize: z.int().multipleOf(8),
    tests: z.array(z.strictObject({ ...testFields, key: hex, msg: hex, tag: hex })),
  }),
);
const ed25519Schema = fileOf(
  'EDDSA',
  z.strictObject({
    type: z.literal('EddsaVerify'),
    source: sourceSchema.optional(),
    publicKey: z.strictObject({
      type: z.string(),
      curve: z.literal('edwards25519'),
      keySize: z.literal(255),
      pk: hexOfLength(32),
    }),
    publicKeyDer: z.string(),
    publicKeyPem: z.string(),
    publicKeyJwk: z.record(z.string(), z.string()).optional(),
    tests: z.array(z.strictObject({ ...testFields, msg: hex, sig: hex })),
  }),
);

type TestOf<Schema extends z.ZodType<{ testGroups: { tests: unknown[] }[] }>> =
  z.output<Schema>['testGroups'][number]['tests'][number];

export function wycheproofChecks(content: unknown): Check[] {
  const { algorithm } = parseShape(z.looseObject({ algorithm: z.string() }), content);
  const checks = CHECKS[algorithm]?.(content);
  if (checks === undefined) throw new Error(`unknown algorithm ${algorithm}`);
  return checks;
}

const CHECKS: Readonly<Record<string, (content: unknown) => Check[]>> = {
  XDH: (content) => checksOf(parseShape(x25519Schema, content), (test) => checkX25519(test)),
  'CHACHA20-POLY1305': (content) => checksOf(parseShape(aeadSchema, content), (test) => checkAead(test)),
  'HKDF-SHA-256': (content) => checksOf(parseShape(hkdfSchema, content), (test) => checkHkdf(test)),
  HMACSHA256: (content) =>
    checksOf(parseShape(hmacSchema, content), (test, { tagSize }) => checkHmac(test, tagSize / 8)),
  EDDSA: (content) =>
    checksOf(parseShape(ed25519Schema, content), (test, { publicKey }) => checkEd25519(test, publicKey.pk)),
};

function checksOf<Test extends { tcId: number; comment: string }, Group extends { tests: Test[] }>(
  { numberOfTests, testGroups }: { numberOfTests: number; testGroups: Group[] },
  check: (test: Group['tests'][number], group: Group) => void,
): Check[] {
  const checks = testGroups.flatMap((group) =>
    group.tests.map((test) => ({ name: `${test.tcId}: ${test.comment}`, run: () => check(test, group) })),
  );
  if (checks.length !== numberOfTests) throw new Error(`${checks.length} tests, but it says ${numberOfTests}`);
  return checks;
}

/** The primitive gives what is listed, zeros too; a link refuses those. */
function checkX25519({ public: element, private: scalar, shared, result }: TestOf<typeof x25519Schema>): void {
  assert.notEqual(result, 'invalid', 'no input of X25519 is invalid');
  for (const { name, backend } of sphinxBackends()) assertBytes(backend.x25519(scalar, element), shared, name);
  const isZero = shared.every((byte) => byte === 0);
  if (isZero) assert.throws(() => sharedSecret(keyPairFrom(scalar), element), /low order/);
  else assertBytes(sharedSecret(keyPairFrom(scalar), element), shared, 'links');
}

function checkAead({ key, iv, aad, msg, ct, tag, result }: TestOf<typeof aeadSchema>): void {
  if (iv.length !== 12) {
    assert.equal(result, 'invalid');
    assert.throws(() => sealText(key, iv, msg, aad), RangeError);
    assert.throws(() => openText(key, iv, { ciphertext: ct, tag }, aad), RangeError);
    return;
  }
  const opened = openText(key, iv, { ciphertext: ct, tag }, aad);
  if (result === 'invalid') {
    assert.equal(opened, null, 'what is not authentic is not opened');
    return;
  }
  assertBytes(opened, msg, 'opened');
  const sealed = sealText(key, iv, msg, aad);
  assertBytes(sealed.ciphertext, ct, 'ciphertext');
  assertBytes(sealed.tag, tag, 'tag');
}

function checkHkdf({ ikm, salt, info, size, okm, result }: TestOf<typeof hkdfSchema>): void {
  for (const { name, primitives } of allPrimitives()) {
    const key = primitives.hmacSha256(salt, [ikm]);
    if (result === 'invalid') assert.throws(() => hkdfExpand(primitives, key, info, size), RangeError, name);
    else assertBytes(hkdfExpand(primitives, key, info, size), okm, name);
  }
}

function checkHmac({ key, msg, tag, result }: TestOf<typeof hmacSchema>, tagBytes: number): void {
  for (const { name, primitives } of allPrimitives()) {
    const mac = primitives.hmacSha256(key, [msg]).subarray(0, tagBytes);
    if (result === 'invalid') assert.notDeepEqual(Buffer.from(mac), Buffer.from(tag), name);
    else assertBytes(mac, tag, name);
  }
}

function checkEd25519({ msg, sig, result }: TestOf<typeof ed25519Schema>, publicKey: Uint8Array): void {
  const [signature, key] = [sig, publicKey].map((bytes) => Buffer.from(bytes).toString('hex')) as [string, string];
  assert.equal(isSignatureOf(msg, signature, key), result === 'valid');
}

function allPrimitives(): { name: string; primitives: Primitives }[] {
  const node = nodePrimitives(PURE_PRIMITIVES.x25519);
  return [
    { name: 'JavaScript', primitives: PURE_PRIMITIVES },
    { name: 'Node', primitives: node },
    ...nativeBackends().map(({ name, backend }) => {
      const hmacSha256: Primitives['hmacSha256'] = (key, parts) => backend.hmacSha256(key, Buffer.concat(parts));
      return { name, primitives: { ...node, hmacSha256 } };
    }),
  ];
}
