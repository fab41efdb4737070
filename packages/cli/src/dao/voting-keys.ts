/**
 * Voting keys of this user: one file each, in the user's folder of settings, that nobody else may read.
 *
 *     $XDG_CONFIG_HOME/fog/voting-keys/NETWORK/PRINCIPAL/PUBLIC-KEY.key     64 hex digits
 *
 * Older keys stay: votes that have opened take ballots by the key of their snapshot.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { FogError, nameSchema } from '@fog/contract';
import { votingKeyOf } from '@fog/economy/governance';
import type { Terminal } from '../terminal.ts';

export interface KeyOwner {
  network: string;
  principal: string;
}

const SECRET = /^[0-9a-f]{64}\n?$/;

/** Makes a key and stores it. Answers the public key in hex, and the file. */
export async function makeVotingKey(terminal: Terminal, owner: KeyOwner): Promise<{ publicKey: string; file: string }> {
  const secret = randomBytes(32);
  const publicKey = votingKeyOf(secret);
  const file = keyFile(terminal, owner, publicKey);
  try {
    await mkdir(join(file, '..'), { recursive: true, mode: 0o700 });
    await writeFile(file, `${secret.toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    throw new FogError('invalid-request', `cannot write ${file}: ${(cause as Error).message}`, {
      cause,
      hint: 'set XDG_CONFIG_HOME to a folder that you may write to',
    });
  } finally {
    secret.fill(0);
  }
  return { publicKey, file };
}

/** The secret key, or null when it is not on this machine. Throws `invalid-request` for a file that holds another. */
export async function readVotingKey(
  terminal: Terminal,
  owner: KeyOwner,
  publicKey: string,
): Promise<Uint8Array | null> {
  const file = keyFile(terminal, owner, publicKey);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new FogError('invalid-request', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  const secret = SECRET.test(text) ? Buffer.from(text.trim(), 'hex') : null;
  if (secret !== null && votingKeyOf(secret) === publicKey) return secret;
  throw new FogError('invalid-request', `${file} does not hold the key that it is named for`, {
    hint: 'restore it from a copy, or make another with "fog dao key --new"',
  });
}

/** What a coordinator says of names becomes part of a path, so it is looked at. */
function keyFile({ environment }: Terminal, { network, principal }: KeyOwner, publicKey: string): string {
  const areNames = nameSchema.safeParse(network).success && nameSchema.safeParse(principal).success;
  if (!areNames || !/^[0-9a-f]{64}$/.test(publicKey)) {
    throw new FogError('protocol-violation', 'the coordinator names a network, a principal or a key that is none');
  }
  const settings = environment.XDG_CONFIG_HOME || join(environment.HOME || homedir(), '.config');
  return join(settings, 'fog', 'voting-keys', network, principal, `${publicKey}.key`);
}
