/**
 * Looks at a tree that a job writes, or has written, without being led out of it.
 *
 * A running job can put a symbolic link in the place of a folder between two looks at it. So every folder is opened
 * without following links, and what is in it is reached through the open descriptor (/proc/self/fd). Where there is no
 * /proc, which is where containers run in a virtual machine, plain paths are used.
 */
import { constants, type Dir, existsSync, lstatSync, type Stats } from 'node:fs';
import { type FileHandle, open, opendir } from 'node:fs/promises';
import { DOCKER_LIMITS } from '../limits.ts';

export interface WrittenEntry {
  /** Names from the root of the tree on, as the bytes that they are. */
  path: readonly Buffer[];
  stats: Stats;
  /** Leads to the entry and nowhere else while `visit` runs; its last component is to be opened with O_NOFOLLOW. */
  hostPath: Buffer;
}

/** Answers false to end the walk, and 'skip' to leave a folder out. */
type Visit = (entry: WrittenEntry) => boolean | 'skip' | Promise<boolean | 'skip'>;

export class TooDeep extends Error {
  override readonly name = 'TooDeep';
}

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const HAS_DESCRIPTOR_PATHS = existsSync('/proc/self/fd');

/**
 * Visits everything below `root`, folders before what is in them, in no order. Answers whether the walk came to its end.
 * What vanishes meanwhile is passed over. Throws TooDeep, and the errors of the file system.
 */
export async function walkWritten(root: string, visit: Visit): Promise<boolean> {
  return walk(Buffer.from(root), [], visit);
}

async function walk(hostPath: Buffer, path: readonly Buffer[], visit: Visit): Promise<boolean> {
  if (path.length > DOCKER_LIMITS.pathDepth) throw new TooDeep('folders within folders without end');
  const handle = await openFolder(hostPath, path.length === 0);
  if (handle === null) return true;
  try {
    const pinned = HAS_DESCRIPTOR_PATHS ? Buffer.from(`/proc/self/fd/${handle.fd}`) : hostPath;
    const folder = (await opendir(pinned as unknown as string, {
      encoding: 'buffer' as BufferEncoding,
      bufferSize: 128,
    })) as Dir;
    for await (const { name } of folder) {
      const bytes = name as unknown as Buffer;
      const entryPath = Buffer.concat([pinned, SLASH, bytes]);
      // Some microseconds; as a promise it would take ten times as long, and a walk is of thousands.
      const stats = lstatSync(entryPath, { throwIfNoEntry: false });
      if (stats === undefined) continue;
      const entry = { path: [...path, bytes], stats, hostPath: entryPath };
      const answer = await visit(entry);
      if (answer === false) return false;
      if (answer === true && stats.isDirectory() && !(await walk(entryPath, entry.path, visit))) return false;
    }
    return true;
  } finally {
    await handle.close();
  }
}

const SLASH = Buffer.from('/');

/** Null for what has vanished or is no folder any more. */
async function openFolder(hostPath: Buffer, isRoot: boolean): Promise<FileHandle | null> {
  try {
    return await open(hostPath, FOLDER_FLAGS);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!isRoot && (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP')) return null;
    throw error;
  }
}

export interface Written {
  bytes: number;
  files: number;
}

/** Sizes as they would be read, holes included. Ends early once either maximum is passed. */
export async function measureWritten(roots: readonly string[], most: Written): Promise<Written> {
  const written: Written = { bytes: 0, files: 0 };
  for (const root of roots) {
    const completed = await walkWritten(root, ({ stats }) => {
      written.files += 1;
      if (stats.isFile()) written.bytes += stats.size;
      return written.files <= most.files && written.bytes <= most.bytes;
    });
    if (!completed) break;
  }
  return written;
}
