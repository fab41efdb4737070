/**
 * Documents with a signature: the body, and Ed25519 (RFC 8032) over "label, line feed, canonical JSON of the body". The
 * label names the kind of document, so that no signature is good for a document of another kind.
 */
import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import { signatureSchema } from './fields.ts';

/** Bodies say what they are. */
export interface DocumentBody {
  kind: string;
}

export interface Signed<Body extends DocumentBody> {
  body: Body;
  /** Hex. */
  signature: string;
}

export const signedSchema = <Schema extends z.ZodType<DocumentBody>>(body: Schema) =>
  z.strictObject({ body, signature: signatureSchema });

/** Signs bytes by the Ed25519 key of an authority or a relay, which it alone holds. */
export type SignBytes = (bytes: Uint8Array) => Uint8Array;

/** DER in front of a raw key of Ed25519: PKCS #8 and SubjectPublicKeyInfo of RFC 8410. */
const PRIVATE_KEY_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_KEY_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/** What a signature is over. */
export function signingBytes(body: DocumentBody): Uint8Array {
  return Buffer.from(`${labelOf(body)}\n${canonicalJson(body)}`, 'utf8');
}

/** SHA-256 of what is signed, hex: names a document whoever signed it. */
export function documentDigest(body: DocumentBody): string {
  return createHash('sha256').update(signingBytes(body)).digest('hex');
}

export function signDocument<Body extends DocumentBody>(body: Body, signBytes: SignBytes): Signed<Body> {
  return { body, signature: Buffer.from(signBytes(signingBytes(body))).toString('hex') };
}

/** `publicKey`: hex of the raw key. */
export function isSignedBy({ body, signature }: Signed<DocumentBody>, publicKey: string): boolean {
  return isSignatureOf(signingBytes(body), signature, publicKey);
}

export function isSignatureOf(bytes: Uint8Array, signature: string, publicKey: string): boolean {
  const der = Buffer.concat([PUBLIC_KEY_HEAD, Buffer.from(publicKey, 'hex')]);
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    return verify(null, bytes, key, Buffer.from(signature, 'hex'));
  } catch {
    // Not a key.
    return false;
  }
}

/** Signs by a raw Ed25519 secret key (32 bytes). The key is copied into OpenSSL; wipe yours if you need it no more. */
export function ed25519Signer(secretKey: Uint8Array): SignBytes {
  const der = Buffer.concat([PRIVATE_KEY_HEAD, secretKey]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return (bytes) => sign(null, bytes, key);
}

/** Hex of the public key of a raw secret key. */
export function ed25519PublicKey(secretKey: Uint8Array): string {
  const der = Buffer.concat([PRIVATE_KEY_HEAD, secretKey]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  der.fill(0);
  return key.export({ format: 'der', type: 'spki' }).subarray(PUBLIC_KEY_HEAD.length).toString('hex');
}

/** Reads text that a stranger sent: the document, or what is wrong with it. Never throws. */
export function readDocument<Schema extends z.ZodType>(
  text: string,
  schema: Schema,
  mostBytes: number,
): { document: z.infer<Schema> } | { fault: string } {
  if (Buffer.byteLength(text) > mostBytes) return { fault: `has more than ${mostBytes} bytes` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: 'is not JSON' };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { document: parsed.data };
  const [issue] = parsed.error.issues;
  return { fault: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'has not the form that it must have'}` };
}

function labelOf({ kind }: DocumentBody): string {
  return `fog-betanet-${kind}-v1`;
}
