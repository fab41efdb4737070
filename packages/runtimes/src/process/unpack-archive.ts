/**
 * Unpacks the archive of a root file system into a folder of this machine.
 *
 * What is written where is decided from a tree in memory, never from what lies on the disk: names lead through folders
 * of that tree alone, and as long as anything is written there is no symbolic link that could be followed. They are
 * made last.
 *
 *     folders, files, hard links (in the order of the archive) -> symbolic links -> rights and times of folders -> sync
 *
 * Owners are those of the agent; of rights only whether a file may be executed is kept.
 */
import { execFile } from 'node:child_process';
import { chmod, link, lutimes, mkdir, open, symlink, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ARCHIVE_LIMITS } from '../limits.ts';
import { removeTree } from '../remove-tree.ts';
import { type ArchiveEntry, ArchiveFault, type ArchiveLimits, archiveEntries, shown } from './archive-entries.ts';

export { ArchiveFault } from './archive-entries.ts';

export interface UnpackRequest {
  archivePath: string;
  /** Must not exist, and its parent must be closed to everybody else. */
  folder: string;
  signal: AbortSignal;
  /** Called with the bytes that are about to be taken up on the disk, bit by bit; what it throws ends the unpacking. */
  claim(bytes: number): void;
}

/**
 * Failing, it leaves nothing behind. Throws `ArchiveFault` for what is wrong with the archive; everything else (a full
 * disk, what `claim` threw, the reason of `signal`) is none of its doing.
 */
export async function unpackArchive(request: UnpackRequest, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<void> {
  const { archivePath, folder, signal, claim } = request;
  await mkdir(folder);
  try {
    const tree = new UnpackedTree(folder, claim, limits);
    for await (const entry of archiveEntries(archivePath, signal, limits)) await tree.add(entry);
    await tree.finish(signal);
    // A power cut must not leave a root that looks complete and has empty files.
    await run('sync', ['-f', '--', folder], { signal });
  } catch (error) {
    await removeTree(folder);
    throw signal.aborted ? signal.reason : ofTheArchive(error);
  }
}

const run = promisify(execFile);

/** More names for one file, or longer ones, than the file system of the node has. */
function ofTheArchive(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'EMLINK' && code !== 'ENAMETOOLONG') return error;
  return new ArchiveFault(`does not fit into the file system of the node: ${(error as Error).message}`);
}

type LeafNode = { kind: 'file' } | { kind: 'symlink'; target: string; modifiedSeconds: number };
type TreeNode = FolderNode | LeafNode;

interface FolderNode {
  kind: 'folder';
  children: Map<string, TreeNode>;
  modifiedSeconds: number;
}

function nodeOf(entry: Extract<ArchiveEntry, { kind: 'file' | 'symlink' }>): LeafNode {
  if (entry.kind === 'file') return { kind: 'file' };
  return { kind: 'symlink', target: entry.target, modifiedSeconds: entry.modifiedSeconds };
}

const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;
const PROGRAM_MODE = 0o755;

class UnpackedTree {
  readonly #folder: string;
  readonly #claim: (bytes: number) => void;
  readonly #limits: ArchiveLimits;
  #made = 0;
  readonly #root: FolderNode = { kind: 'folder', children: new Map(), modifiedSeconds: 0 };

  constructor(folder: string, claim: (bytes: number) => void, limits: ArchiveLimits) {
    this.#folder = folder;
    this.#claim = claim;
    this.#limits = limits;
  }

  async add(entry: ArchiveEntry): Promise<void> {
    const { path } = entry;
    const name = path.at(-1);
    if (entry.kind === 'folder') {
      (await this.#folderAt(path)).modifiedSeconds = entry.modifiedSeconds;
      return;
    }
    if (name === undefined) throw new ArchiveFault('has something else than a folder as its root');
    const parent = await this.#folderAt(path.slice(0, -1));
    const made = entry.kind === 'hardlink' ? this.#original(entry) : nodeOf(entry);
    if (parent.children.get(name) === made) return; // another name for itself, or for what has this name, too
    await this.#clear(parent, name, path);
    this.#count();
    const place = this.#hostPath(path);
    if (entry.kind === 'file') await this.#write(place, entry);
    if (entry.kind === 'hardlink' && made.kind === 'file') await link(this.#hostPath(entry.target), place);
    parent.children.set(name, made);
  }

  /** Makes what is left: links, and what the writing of other entries would have changed of folders. */
  async finish(signal: AbortSignal): Promise<void> {
    await this.#finish(this.#root, this.#folder, signal);
  }

  async #finish(folder: FolderNode, hostPath: string, signal: AbortSignal): Promise<void> {
    for (const [name, node] of folder.children) {
      signal.throwIfAborted();
      const path = join(hostPath, name);
      if (node.kind === 'folder') await this.#finish(node, path, signal);
      if (node.kind !== 'symlink') continue;
      await symlink(node.target, path);
      await lutimes(path, node.modifiedSeconds, node.modifiedSeconds);
    }
    await chmod(hostPath, FOLDER_MODE);
    await utimes(hostPath, folder.modifiedSeconds, folder.modifiedSeconds);
  }

  /** That folder, made with those above it where the archive does not name them. */
  async #folderAt(path: readonly string[]): Promise<FolderNode> {
    let folder = this.#root;
    for (const [index, name] of path.entries()) {
      const child = folder.children.get(name);
      if (child !== undefined && child.kind !== 'folder') {
        const what = child.kind === 'file' ? 'file' : 'link';
        const where = shown(path.slice(0, index + 1).join('/'));
        throw new ArchiveFault(`has ${where} as a ${what} and as a folder`);
      }
      if (child !== undefined) {
        folder = child;
        continue;
      }
      this.#count();
      await mkdir(this.#hostPath(path.slice(0, index + 1)), { mode: 0o700 });
      const made: FolderNode = { kind: 'folder', children: new Map(), modifiedSeconds: 0 };
      folder.children.set(name, made);
      folder = made;
    }
    return folder;
  }

  #count(): void {
    const { entries, entryBytes } = this.#limits;
    this.#made += 1;
    if (this.#made > entries) throw new ArchiveFault(`has more than ${entries} entries with the folders above them`);
    this.#claim(entryBytes);
  }

  /** Of two entries of one name that are no folders, the later one counts. */
  async #clear(parent: FolderNode, name: string, path: readonly string[]): Promise<void> {
    const before = parent.children.get(name);
    if (before?.kind === 'folder') {
      throw new ArchiveFault(`has ${shown(path.join('/'))} as a folder and as something else`);
    }
    if (before?.kind === 'file') await unlink(this.#hostPath(path));
    parent.children.delete(name);
  }

  #original({ path, target }: Extract<ArchiveEntry, { kind: 'hardlink' }>): LeafNode {
    let node: TreeNode | undefined = this.#root;
    for (const name of target) node = node?.kind === 'folder' ? node.children.get(name) : undefined;
    if (node === undefined || node.kind === 'folder') {
      const names = `${shown(path.join('/'))}, to ${shown(target.join('/'))}`;
      throw new ArchiveFault(`has a hard link to what is no file before it in the archive: ${names}`);
    }
    return node;
  }

  async #write(place: string, entry: Extract<ArchiveEntry, { kind: 'file' }>): Promise<void> {
    await using file = await open(place, 'wx', 0o600);
    for await (const chunk of entry.content) {
      this.#claim(chunk.length);
      for (let written = 0; written < chunk.length; ) {
        written += (await file.write(chunk, written)).bytesWritten;
      }
    }
    await file.chmod(entry.isExecutable ? PROGRAM_MODE : FILE_MODE);
    await file.utimes(entry.modifiedSeconds, entry.modifiedSeconds);
  }

  #hostPath(path: readonly string[]): string {
    return join(this.#folder, ...path);
  }
}
