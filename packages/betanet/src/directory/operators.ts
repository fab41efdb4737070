/**
 * Who runs a relay. A name is only what its descriptor says, and anybody may say it; a name that begins with `key-` is
 * the hash of a key, and is believed with the key's signature over the relay's identity alone.
 */
import { createHash } from 'node:crypto';
import type { Descriptor, OperatorProof } from './documents.ts';
import { ed25519PublicKey, ed25519Signer, isSignedBy, signDocument } from './signed-document.ts';

const KEYED_NAME = 'key-';
/** Of the hash, so that nobody makes a key for the name of another. */
const NAME_DIGITS = 40;

/** `publicKey`: Ed25519, hex. */
export function operatorNameOf(publicKey: string): string {
  const hash = createHash('sha256').update(Buffer.from(publicKey, 'hex')).digest('hex');
  return KEYED_NAME + hash.slice(0, NAME_DIGITS);
}

/** Name and proof of an operator by its Ed25519 secret key (32 bytes), for the relay of an identity key (hex). */
export function keyedOperator(
  secretKey: Uint8Array,
  relay: { network: string; identityKey: string },
): { operator: string; operatorProof: OperatorProof } {
  const publicKey = ed25519PublicKey(secretKey);
  const { signature } = signDocument(claimOf(relay), ed25519Signer(secretKey));
  return { operator: operatorNameOf(publicKey), operatorProof: { publicKey, signature } };
}

/** Whether a descriptor may name the operator that it names. */
export function mayNameOperator(
  body: Pick<Descriptor, 'network' | 'identityKey' | 'operator' | 'operatorProof'>,
): boolean {
  const { operator, operatorProof: proof } = body;
  if (proof === null) return !operator.startsWith(KEYED_NAME);
  if (operator !== operatorNameOf(proof.publicKey)) return false;
  return isSignedBy({ body: claimOf(body), signature: proof.signature }, proof.publicKey);
}

function claimOf({ network, identityKey }: { network: string; identityKey: string }) {
  return { kind: 'operator', network, identityKey };
}
