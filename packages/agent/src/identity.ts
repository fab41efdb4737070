/**
 * The node's identity: an Ed25519 key in `identity.key` (PKCS #8, PEM, mode 0600), made at the first start. The node
 * id is a hash of the public key, so it survives restarts and nobody else can claim it.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FogError } from '@fog/contract';
import { writeFileDurably } from './durable-file.ts';

export const IDENTITY_FILE = 'identity.key';

export interface NodeIdentity {
  /** `n` and the first 32 hex digits of the SHA-256 of the raw public key. */
  nodeId: string;
  /** Raw Ed25519 public key, base64url. */
  publicKey: string;
  /** Ed25519 signature (RFC 8032), base64url. */
  sign(message: Uint8Array): string;
}

/** Reads the key, or makes one. Throws `data-directory` when the file is readable by others or not such a key. */
export async function loadIdentity(dataDirectory: string): Promise<NodeIdentity> {
  const path = join(dataDirectory, IDENTITY_FILE);
  const text = await readKeyFile(path);
  if (text !== null) return identityOf(parseKey(text, path));
  const { privateKey } = generateKeyPairSync('ed25519');
  await writeFileDurably(path, privateKey.export({ format: 'pem', type: 'pkcs8' }) as string, 0o600);
  return identityOf(privateKey);
}

async function readKeyFile(path: string): Promise<string | null> {
  try {
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new FogError('data-directory', `${path} may be read by others (mode ${(mode & 0o777).toString(8)})`, {
        hint: `chmod 600 ${path}; if others could have copied it, delete it: the node then joins under another id`,
      });
    }
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof FogError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new FogError('data-directory', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

function parseKey(text: string, path: string): KeyObject {
  const hint = 'restore it from a copy, or delete it: the node then joins under another id';
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch (cause) {
    throw new FogError('data-directory', `${path} is not a private key`, { cause, hint });
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new FogError('data-directory', `${path} is a key of type ${key.asymmetricKeyType}, not ed25519`, { hint });
  }
  return key;
}

function identityOf(privateKey: KeyObject): NodeIdentity {
  const publicKey = createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '';
  const digest = createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex');
  return {
    nodeId: `n${digest.slice(0, 32)}`,
    publicKey,
    sign: (message) => sign(null, message, privateKey).toString('base64url'),
  };
}
