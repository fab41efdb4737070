import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { FogError } from '@fog/contract';

const KEY_BYTES = 32;

/**
 * 32 bytes, made when they are not there; the file is its owner's alone, and never written over. Throws `data-directory`,
 * with `hint`, for a file that is no key.
 */
export async function readOrMakeKey(path: string, hint: string): Promise<Uint8Array> {
  const made = randomBytes(KEY_BYTES);
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(made);
    await file.sync();
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const key = await readFile(path);
  if (key.length === KEY_BYTES) return key;
  throw new FogError('data-directory', `${path} has ${key.length} bytes, and a key has ${KEY_BYTES}`, { hint });
}
