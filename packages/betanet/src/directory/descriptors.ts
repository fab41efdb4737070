/** Which descriptors are good: what every authority and every reader of a vote checks alike. */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import { isValidVrfKey } from '../lottery/ecvrf.ts';
import { isPublicHost } from './addresses.ts';
import type { SignedDescriptor } from './documents.ts';
import { nodeIdOf } from './fields.ts';
import { mayNameOperator } from './operators.ts';
import { isSignedBy } from './signed-document.ts';

export const DESCRIPTOR_FAULTS = [
  'wrong-network',
  'private-address',
  'bad-key',
  'registered-in-the-future',
  'bad-signature',
  'operator-not-proven',
] as const;
export type DescriptorFault = (typeof DESCRIPTOR_FAULTS)[number];

/** DER in front of raw keys of X25519 (RFC 8410). */
const PUBLIC_KEY_HEAD = Buffer.from('302a300506032b656e032100', 'hex');
const PRIVATE_KEY_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex');
/** Of no meaning: any scalar takes a point of low order to zero. */
const PROBE_KEY = createPrivateKey({
  key: Buffer.concat([PRIVATE_KEY_HEAD, Buffer.alloc(32, 1)]),
  format: 'der',
  type: 'pkcs8',
});

/** The first fault of a descriptor whose form is right, or null. It does not depend on the time. */
export function descriptorFault(
  document: SignedDescriptor,
  network: { network: string; test: boolean },
): DescriptorFault | null {
  const { body } = document;
  if (body.network !== network.network) return 'wrong-network';
  if (!network.test && !body.addresses.every(({ host }) => isPublicHost(host))) return 'private-address';
  if (body.registeredEpoch > body.epoch) return 'registered-in-the-future';
  if (!isSignedBy(document, body.identityKey)) return 'bad-signature';
  if (!mayNameOperator(body)) return 'operator-not-proven';
  const sharedKeys = [body.linkKey, ...body.sphinxKeys.map(({ publicKey }) => publicKey)];
  const isValid = sharedKeys.every(isX25519Key) && isValidVrfKey(Buffer.from(body.vrfKey, 'hex'));
  return isValid ? null : 'bad-key';
}

export function idOfDescriptor({ body }: SignedDescriptor): string {
  return nodeIdOf(body.identityKey);
}

/** Whether something secret can be agreed with the key: not a point of low order. */
function isX25519Key(publicKey: string): boolean {
  try {
    return diffieHellman({ privateKey: PROBE_KEY, publicKey: x25519Key(publicKey) }).some((byte) => byte !== 0);
  } catch {
    return false;
  }
}

function x25519Key(publicKey: string): KeyObject {
  const der = Buffer.concat([PUBLIC_KEY_HEAD, Buffer.from(publicKey, 'hex')]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}
