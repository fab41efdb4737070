/**
 * The file system of one attempt: a tree in memory. Inputs are files that lie on the host and are read when the guest
 * reads them; everything else is written by the guest under two quotas. No symbolic links exist, so a path can only
 * lead down from where it starts, and `..` stops there.
 *
 * Own code instead of @bjorn3/browser_wasi_shim 0.4.2, which was tried first: it has no quotas, holds every input in
 * memory, ignores rights and `..` limits partly, lists folders unsorted, writes the three times of a filestat to wrong
 * offsets, reads the flags of a clock subscription from a wrong offset and allows one subscription a poll, and lets a
 * bad guest pointer surface as a RangeError of the host.
 */
import { WASM_LIMITS } from '../../limits.ts';
import { ERRNO, FILE_TYPE, WasiError } from './abi.ts';
import { type FileContent, HostContent, MemoryContent, type OpenHostFiles } from './file-content.ts';
import { failedStop } from './stop.ts';
import type { VirtualClock } from './virtual-clock.ts';

interface NodeTimes {
  accessed: bigint;
  modified: bigint;
  changed: bigint;
}

export interface FileNode {
  readonly type: typeof FILE_TYPE.file;
  readonly inode: bigint;
  readonly content: FileContent;
  readonly times: NodeTimes;
  links: number;
  /** Descriptors that refer to it: an unlinked file keeps its bytes until the last is closed. */
  opened: number;
}

export interface FolderNode {
  readonly type: typeof FILE_TYPE.folder;
  readonly inode: bigint;
  readonly times: NodeTimes;
  readonly entries: Map<string, TreeNode>;
  /** null: removed from the tree; nothing can be created in it any more. The root is its own parent. */
  parent: FolderNode | null;
}

export type TreeNode = FileNode | FolderNode;

/** Where a path leads: `node` is null when the last name does not exist in `parent`. */
export interface Resolved {
  parent: FolderNode;
  /** '' when the path names the folder where it started. */
  name: string;
  node: TreeNode | null;
  /** The path ends in a slash, so only a folder will do. */
  folderOnly: boolean;
}

export interface Quota {
  diskBytes: number;
  files: number;
}

const encoder = new TextEncoder();

export class MemoryFileSystem {
  readonly root: FolderNode;
  readonly #clock: VirtualClock;
  readonly #quota: Quota;
  /** Declared output paths: made a folder when the guest first creates something below one that does not exist. */
  readonly #outputPaths: ReadonlySet<string>;
  #nextInode = 1n;
  #usedBytes = 0;
  #peakBytes = 0;
  #files = 0;

  constructor(clock: VirtualClock, quota: Quota, outputPaths: readonly string[]) {
    this.#clock = clock;
    this.#quota = quota;
    this.#outputPaths = new Set(outputPaths);
    this.root = this.#newFolder();
    this.root.parent = this.root;
    this.makeFolders('/tmp');
    for (const path of outputPaths) this.makeFolders(path.slice(0, path.lastIndexOf('/')));
  }

  /** The most bytes that files written by the guest have held at once. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Adds an input. Its folders are made; an input that is there twice replaces the first. */
  addHostFile(sandboxPath: string, hostPath: string, bytes: number, files: OpenHostFiles): void {
    const slash = sandboxPath.lastIndexOf('/');
    const folder = this.makeFolders(sandboxPath.slice(0, slash));
    const node = this.#newFile(new HostContent(files, hostPath, bytes));
    node.links = 1;
    this.#files += 1;
    folder.entries.set(sandboxPath.slice(slash + 1), node);
  }

  /** A file outside of the tree, such as the standard input. */
  detachedFile(content: FileContent): FileNode {
    return this.#newFile(content);
  }

  makeFolders(path: string): FolderNode {
    let folder = this.root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      const next = folder.entries.get(name);
      if (next?.type === FILE_TYPE.file) throw failedStop('input-missing', 'An input lies below another input.');
      folder = next ?? this.#linkFolder(folder, name);
    }
    return folder;
  }

  /**
   * Follows a path from a folder. Throws ENOTCAPABLE for one that leaves the folder, ENOENT and ENOTDIR for one whose
   * folders are not there. `creating` makes a declared output folder on the way.
   */
  resolve(start: FolderNode, path: string, creating = false): Resolved {
    if (path === '') throw new WasiError(ERRNO.noent);
    if (path.startsWith('/')) throw new WasiError(ERRNO.notcapable);
    const names = path.split('/').filter((name) => name !== '' && name !== '.');
    const folderOnly = path.endsWith('/') || path.endsWith('/.') || path === '.';
    const folders: FolderNode[] = [start];
    for (const [index, name] of names.entries()) {
      const folder = folders.at(-1) ?? start;
      const last = index === names.length - 1;
      if (name === '..') {
        folders.pop();
        if (folders.length === 0) throw new WasiError(ERRNO.notcapable);
        continue;
      }
      if (encoder.encode(name).length > WASM_LIMITS.nameBytes) throw new WasiError(ERRNO.nametoolong);
      const node = folder.entries.get(name) ?? null;
      if (last) return { parent: folder, name, node, folderOnly };
      if (node === null) {
        if (!creating || !this.#outputPaths.has(this.#pathOf(folder, name))) throw new WasiError(ERRNO.noent);
        folders.push(this.#linkFolder(folder, name));
      } else if (node.type === FILE_TYPE.file) throw new WasiError(ERRNO.notdir);
      else folders.push(node);
      if (folders.length > WASM_LIMITS.pathDepth) throw new WasiError(ERRNO.nametoolong);
    }
    const folder = folders.at(-1) ?? start;
    return { parent: folder, name: '', node: folder, folderOnly: true };
  }

  /** Creates an empty file. Throws the stop of the attempt above the quota of files. */
  createFile(parent: FolderNode, name: string): FileNode {
    this.#take(parent);
    const node = this.#newFile(new MemoryContent());
    node.links = 1;
    parent.entries.set(name, node);
    this.#touch(parent);
    return node;
  }

  createFolder(parent: FolderNode, name: string): FolderNode {
    this.#take(parent);
    this.#files -= 1;
    const folder = this.#linkFolder(parent, name);
    this.#touch(parent);
    return folder;
  }

  link(node: FileNode, parent: FolderNode, name: string): void {
    this.#take(parent);
    node.links += 1;
    node.times.changed = this.#clock.peek();
    parent.entries.set(name, node);
    this.#touch(parent);
  }

  /** Takes an entry out of the tree. Inputs stay: EROFS. */
  unlink(parent: FolderNode, name: string, node: TreeNode): void {
    if (node.type === FILE_TYPE.file) {
      if (node.content.readOnly) throw new WasiError(ERRNO.rofs);
      node.links -= 1;
      node.times.changed = this.#clock.peek();
      this.#releaseIfGone(node);
    } else {
      if (node.entries.size > 0) throw new WasiError(ERRNO.notempty);
      node.parent = null;
    }
    parent.entries.delete(name);
    this.#files -= 1;
    this.#touch(parent);
  }

  /** Moves an entry over what stands there, as rename(2) does. */
  rename(from: Resolved, to: Resolved): void {
    const { node } = from;
    if (node === null) throw new WasiError(ERRNO.noent);
    if (from.name === '' || to.name === '') throw new WasiError(ERRNO.inval);
    if (node.type === FILE_TYPE.file) {
      if (node.content.readOnly) throw new WasiError(ERRNO.rofs);
      if (from.folderOnly || to.folderOnly) throw new WasiError(ERRNO.notdir);
      if (to.node?.type === FILE_TYPE.folder) throw new WasiError(ERRNO.isdir);
    } else {
      if (to.node?.type === FILE_TYPE.file) throw new WasiError(ERRNO.notdir);
      for (let folder: FolderNode = to.parent; ; ) {
        if (folder === node) throw new WasiError(ERRNO.inval);
        if (folder.parent === null || folder.parent === folder) break;
        folder = folder.parent;
      }
    }
    if (to.node === node) return;
    if (to.parent.parent === null) throw new WasiError(ERRNO.noent);
    if (to.node !== null) this.unlink(to.parent, to.name, to.node);
    from.parent.entries.delete(from.name);
    to.parent.entries.set(to.name, node);
    if (node.type === FILE_TYPE.folder) node.parent = to.parent;
    node.times.changed = this.#clock.peek();
    this.#touch(from.parent);
    this.#touch(to.parent);
  }

  read(node: FileNode, position: number, target: Uint8Array): number {
    node.times.accessed = this.#clock.peek();
    return node.content.read(position, target);
  }

  /** Throws the stop of the attempt when the file would grow above the quota, before anything is written. */
  write(node: FileNode, position: number, source: Uint8Array): void {
    if (node.content.readOnly) throw new WasiError(ERRNO.rofs);
    if (source.length > 0) this.#account(Math.max(0, position + source.length - node.content.size));
    node.content.write(position, source);
    this.#touch(node);
  }

  resize(node: FileNode, size: number): void {
    if (node.content.readOnly) throw new WasiError(ERRNO.rofs);
    this.#account(size - node.content.size);
    node.content.resize(size);
    this.#touch(node);
  }

  closed(node: FileNode): void {
    node.opened -= 1;
    this.#releaseIfGone(node);
  }

  #releaseIfGone(node: FileNode): void {
    if (node.links > 0 || node.opened > 0 || node.content.readOnly) return;
    this.#usedBytes -= node.content.size;
    node.content.resize(0);
  }

  #account(growth: number): void {
    if (this.#usedBytes + growth > this.#quota.diskBytes) {
      throw failedStop(
        'output-too-large',
        `The program wrote more than its limit of ${this.#quota.diskBytes} bytes of disk.`,
      );
    }
    this.#usedBytes += growth;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
  }

  /** One more entry in a folder. Throws ENOENT when the folder was removed. */
  #take(parent: FolderNode): void {
    if (parent.parent === null) throw new WasiError(ERRNO.noent);
    if (this.#files >= this.#quota.files) {
      throw failedStop('output-too-large', `The program created more than its limit of ${this.#quota.files} files.`);
    }
    this.#files += 1;
  }

  #touch(node: TreeNode): void {
    node.times.modified = this.#clock.peek();
    node.times.changed = node.times.modified;
  }

  #linkFolder(parent: FolderNode, name: string): FolderNode {
    const folder = this.#newFolder();
    folder.parent = parent;
    parent.entries.set(name, folder);
    this.#files += 1;
    return folder;
  }

  #newFolder(): FolderNode {
    return { type: FILE_TYPE.folder, inode: this.#inode(), times: this.#times(), entries: new Map(), parent: null };
  }

  #newFile(content: FileContent): FileNode {
    return { type: FILE_TYPE.file, inode: this.#inode(), times: this.#times(), content, links: 0, opened: 0 };
  }

  #inode(): bigint {
    const inode = this.#nextInode;
    this.#nextInode += 1n;
    return inode;
  }

  #times(): NodeTimes {
    const now = this.#clock.peek();
    return { accessed: now, modified: now, changed: now };
  }

  #pathOf(folder: FolderNode, name: string): string {
    const names = [name];
    for (let current = folder; current.parent !== null && current.parent !== current; current = current.parent) {
      const { parent } = current;
      for (const [key, node] of parent.entries) if (node === current) names.unshift(key);
    }
    return `/${names.join('/')}`;
  }
}

/** Names of a folder sorted by the bytes of their UTF-8 form. */
export function sortedNames(folder: FolderNode): string[] {
  return [...folder.entries.keys()].sort(compareByBytes);
}

/** Order of the UTF-8 forms of two strings: UTF-16 order, but with surrogates above the rest. */
export function compareByBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const difference = byteRank(a.charCodeAt(index)) - byteRank(b.charCodeAt(index));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function byteRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
