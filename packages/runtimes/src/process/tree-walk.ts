/**
 * Walks folders that a job has written, or is writing to at this moment, without ever leaving them: each folder is
 * opened through the descriptor of the one above it and never through a symbolic link, whatever is put in its place in
 * between. Nothing else is opened, so no fifo or device can block.
 */
import { constants, type Stats } from 'node:fs';
import { chmod, type FileHandle, lstat, open, readdir } from 'node:fs/promises';
import { PROCESS_LIMITS } from '../limits.ts';

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const FILE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface TreeEntry {
  /** Bytes of the path below the folder that the walk began at; names need not be text. */
  path: Buffer;
  /** Valid until the walk goes on. */
  openPath: Buffer;
  stats: Stats;
}

/** A path that reaches `name` in an open folder. */
export function childPath(folder: FileHandle, name: Buffer | string): Buffer {
  const bytes = typeof name === 'string' ? Buffer.from(name) : name;
  return Buffer.concat([Buffer.from(`/proc/self/fd/${folder.fd}/`), bytes]);
}

/** Rejects with ENOTDIR or ELOOP where there is something else. `force` takes away a mode that forbids it. */
export async function openFolder(path: Buffer | string, force = false): Promise<FileHandle> {
  return forced(path, FOLDER_FLAGS, force);
}

/** `stats` came from lstat of the same path and said that it is a regular file. */
export async function openFile(path: Buffer | string): Promise<FileHandle> {
  return forced(path, FILE_FLAGS, true);
}

async function forced(path: Buffer | string, flags: number, force: boolean): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    if (!force || (error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
  }
  // Nothing of the job runs any more when this is asked for, so that it still is what it was a moment ago.
  await chmod(path, 0o700);
  return open(path, flags);
}

/**
 * All entries below a folder, each folder before what is in it; folders are passed over that cannot be opened, unless
 * `force`. Throws RangeError where they are nested too deeply.
 */
export async function* walkTree(
  folder: FileHandle,
  force = false,
  prefix: Buffer = Buffer.alloc(0),
  depth = 0,
): AsyncGenerator<TreeEntry> {
  if (depth > PROCESS_LIMITS.folderDepth) throw new RangeError('folders are nested too deeply');
  const names = await readdir(`/proc/self/fd/${folder.fd}`, { encoding: 'buffer' });
  for (const name of names) {
    const openPath = childPath(folder, name);
    let stats: Stats;
    try {
      stats = await lstat(openPath);
    } catch {
      continue; // It was removed since.
    }
    const path = prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]);
    yield { path, openPath, stats };
    if (!stats.isDirectory()) continue;
    let child: FileHandle;
    try {
      child = await openFolder(openPath, force);
    } catch (error) {
      if (force) throw error;
      continue;
    }
    try {
      yield* walkTree(child, force, path, depth + 1);
    } finally {
      await child.close();
    }
  }
}
