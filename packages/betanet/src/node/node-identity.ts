import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { keyPairFrom, type NoiseKeyPair } from '@fog/transport';
import { nodeIdOf } from '../directory/fields.ts';
import { ed25519PublicKey, ed25519Signer, type SignBytes } from '../directory/signed-document.ts';
import { vrfPublicKey } from '../lottery/ecvrf.ts';
import { readOrMakeKey } from './key-file.ts';

const LOST = 'bring the file back from where it was copied; or delete it, and the node is a new one to everybody';

/** The keys of a node that outlive epochs. All public halves are hex. */
export interface NodeIdentity {
  /** SHA-256 of the identity key, hex: the id in headers of packets. */
  id: string;
  identityKey: string;
  sign: SignBytes;
  link: NoiseKeyPair;
  linkKey: string;
  /** Secret, for proofs in the lottery. */
  vrfSecretKey: Uint8Array;
  vrfKey: string;
}

/** Reads the keys of a folder, and makes those that are not there. Throws `data-directory` for files that are no keys. */
export async function openIdentity(folder: string): Promise<NodeIdentity> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const [identitySecret, linkSecret, vrfSecretKey] = (await Promise.all(
    ['identity', 'link', 'vrf'].map((name) => readOrMakeKey(join(folder, `${name}.key`), LOST)),
  )) as [Uint8Array, Uint8Array, Uint8Array];
  const identityKey = ed25519PublicKey(identitySecret);
  const link = keyPairFrom(linkSecret);
  const identity: NodeIdentity = {
    id: nodeIdOf(identityKey),
    identityKey,
    sign: ed25519Signer(identitySecret),
    link,
    linkKey: Buffer.from(link.publicKey).toString('hex'),
    vrfSecretKey,
    vrfKey: Buffer.from(vrfPublicKey(vrfSecretKey)).toString('hex'),
  };
  identitySecret.fill(0);
  linkSecret.fill(0);
  return identity;
}
