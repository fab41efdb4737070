/** Files that hold secrets: readable by their owner alone, and complete or absent, never half written. */
import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FogError } from '@fog/contract';

/** Text of the file, or null when there is none. Closes it to others when it was open to them. */
export async function readPrivateFile(path: string): Promise<string | null> {
  try {
    const text = await readFile(path, 'utf8');
    await chmod(path, 0o600);
    return text;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw unusable('read', path, cause);
  }
}

/**
 * Writes the file with mode 0600 and syncs it to disk. With `replace: false` an existing file stays and the answer
 * is false: of two processes that start together one wins. Throws `data-directory`.
 */
export async function writePrivateFile(path: string, text: string, options: { replace: boolean }): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (options.replace) {
      await rename(temporary, path);
      return true;
    }
    return await publish(temporary, path);
  } catch (cause) {
    throw unusable('write', path, cause);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function publish(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function unusable(verb: string, path: string, cause: unknown): FogError {
  return new FogError('data-directory', `cannot ${verb} ${path}: ${(cause as Error).message}`, { cause });
}
