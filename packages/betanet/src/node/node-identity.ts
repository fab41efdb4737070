import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FogError } from '@fog/contract';
import { keyPairFrom, type NoiseKeyPair } from '@fog/transport';
import { nodeIdOf } from '../directory/fields.ts';
import { ed25519PublicKey, ed25519Signer, type SignBytes } from '../directory/signed-document.ts';
import { vrfPublicKey } from '../lottery/ecvrf.ts';

const KEY_BYTES = 32;

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
    ['identity', 'link', 'vrf'].map((name) => readOrMake(join(folder, `${name}.key`))),
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

async function readOrMake(path: string): Promise<Uint8Array> {
  const made = randomBytes(KEY_BYTES);
  try {
    // Only if it is not there: a key must never be written over.
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(made);
    await file.sync();
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const key = await readFile(path);
  if (key.length === KEY_BYTES) return key;
  throw new FogError('data-directory', `${path} has ${key.length} bytes, and a key has ${KEY_BYTES}`, {
    hint: 'bring the file back from where it was copied; or delete it, and the node is a new one to everybody',
  });
}
