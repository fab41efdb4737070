/** The signing key of an authority, in its folder. */
import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FogError } from '@fog/contract';

const KEY_BYTES = 32;

/** 32 bytes, made when they are not there; the file is its owner's alone. Throws `data-directory`. */
export async function authorityKey(folder: string): Promise<Uint8Array> {
  const path = join(folder, 'authority.key');
  try {
    // Only if it is not there: a key must never be written over.
    await using file = await open(path, 'wx', 0o600);
    const made = randomBytes(KEY_BYTES);
    await file.writeFile(made);
    await file.sync();
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const key = await readFile(path);
  if (key.length === KEY_BYTES) return key;
  throw new FogError('data-directory', `${path} has ${key.length} bytes, and a key has ${KEY_BYTES}`, {
    hint: 'bring the file back from where it was copied: the genesis names this key',
  });
}
