/** The open descriptors of one attempt. 0 to 2 are the standard streams, 3 is the root folder. */
import { WASM_LIMITS } from '../../limits.ts';
import { ALL_RIGHTS, ERRNO, FILE_RIGHTS, FILE_TYPE, FOLDER_RIGHTS, RIGHT, WasiError } from './abi.ts';
import type { FileNode, FolderNode, MemoryFileSystem } from './memory-file-system.ts';

interface DescriptorBase {
  flags: number;
  rights: bigint;
  inheritingRights: bigint;
}

export interface FileDescriptor extends DescriptorBase {
  kind: 'file';
  node: FileNode;
  position: number;
}

export interface FolderDescriptor extends DescriptorBase {
  kind: 'folder';
  node: FolderNode;
  preopenName: string | null;
  /** Names as they were when the listing began (cookie 0), so that cookies stay valid while entries change. */
  listing: readonly string[] | null;
}

export interface LogDescriptor extends DescriptorBase {
  kind: 'log';
  stream: 'stdout' | 'stderr';
}

export type Descriptor = FileDescriptor | FolderDescriptor | LogDescriptor;

const STREAM_RIGHTS =
  RIGHT.fdWrite |
  RIGHT.fdFilestatGet |
  RIGHT.fdFdstatSetFlags |
  RIGHT.pollFdReadwrite |
  RIGHT.fdSync |
  RIGHT.fdDatasync;

export class DescriptorTable {
  readonly #descriptors: (Descriptor | undefined)[] = [];
  readonly #fileSystem: MemoryFileSystem;

  constructor(fileSystem: MemoryFileSystem, standardInput: FileNode) {
    this.#fileSystem = fileSystem;
    this.openFile(standardInput, { flags: 0, rights: FILE_RIGHTS & ~RIGHT.fdWrite, inheritingRights: 0n });
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#insert({ kind: 'log', stream, flags: 0, rights: STREAM_RIGHTS, inheritingRights: 0n });
    }
    this.openFolder(fileSystem.root, { flags: 0, rights: FOLDER_RIGHTS, inheritingRights: ALL_RIGHTS }, '/');
  }

  openFile(node: FileNode, base: DescriptorBase): number {
    const descriptor = this.#insert({ kind: 'file', node, position: 0, ...base });
    node.opened += 1;
    return descriptor;
  }

  openFolder(node: FolderNode, base: DescriptorBase, preopenName: string | null = null): number {
    return this.#insert({ kind: 'folder', node, preopenName, listing: null, ...base });
  }

  /** Throws EBADF when it is not open, ENOTCAPABLE when it lacks one of `rights`. */
  get(fd: number, rights = 0n): Descriptor {
    const descriptor = this.#descriptors[fd];
    if (descriptor === undefined) throw new WasiError(ERRNO.badf);
    if ((descriptor.rights & rights) !== rights) throw new WasiError(ERRNO.notcapable);
    return descriptor;
  }

  /** Throws EISDIR for folders and ESPIPE for the streams as well. */
  file(fd: number, rights: bigint): FileDescriptor {
    const descriptor = this.get(fd);
    if (descriptor.kind === 'folder') throw new WasiError(ERRNO.isdir);
    if (descriptor.kind === 'log') throw new WasiError(ERRNO.spipe);
    if ((descriptor.rights & rights) !== rights) throw new WasiError(ERRNO.notcapable);
    return descriptor;
  }

  /** Throws ENOTDIR for what is no folder. */
  folder(fd: number, rights: bigint): FolderDescriptor {
    const descriptor = this.get(fd);
    if (descriptor.kind !== 'folder') throw new WasiError(ERRNO.notdir);
    if ((descriptor.rights & rights) !== rights) throw new WasiError(ERRNO.notcapable);
    return descriptor;
  }

  close(fd: number): void {
    const descriptor = this.get(fd);
    this.#descriptors[fd] = undefined;
    if (descriptor.kind === 'file') this.#fileSystem.closed(descriptor.node);
  }

  /** Moves a descriptor over another that is open, which is closed. */
  renumber(from: number, to: number): void {
    const descriptor = this.get(from);
    this.get(to);
    if (from === to) return;
    this.close(to);
    this.#descriptors[to] = descriptor;
    this.#descriptors[from] = undefined;
  }

  /** Takes the lowest free number, as POSIX wants. Throws EMFILE. */
  #insert(descriptor: Descriptor): number {
    const free = this.#descriptors.indexOf(undefined);
    const fd = free < 0 ? this.#descriptors.length : free;
    if (fd >= WASM_LIMITS.descriptors) throw new WasiError(ERRNO.mfile);
    this.#descriptors[fd] = descriptor;
    return fd;
  }
}

/** Offsets of the guest are 64 bits; above 2^53 no file of ours can end. Throws EFBIG (EINVAL for negative ones). */
export function fileOffset(value: bigint): number {
  const signed = BigInt.asIntN(64, value);
  if (signed < 0n) throw new WasiError(ERRNO.inval);
  if (signed > BigInt(Number.MAX_SAFE_INTEGER)) throw new WasiError(ERRNO.fbig);
  return Number(signed);
}

export function fileTypeOfDescriptor(descriptor: Descriptor): number {
  return descriptor.kind === 'log' ? FILE_TYPE.unknown : descriptor.node.type;
}
