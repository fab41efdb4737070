/** The fd_* functions of WASI preview 1. */
import {
  ALL_RIGHTS,
  ERRNO,
  FD_FLAG,
  FILE_TYPE,
  type Preview1Name,
  RIGHT,
  TIME_FLAG,
  WasiError,
  WHENCE,
} from './abi.ts';
import { type FolderDescriptor, fileOffset, fileTypeOfDescriptor } from './descriptors.ts';
import type { GuestMemory } from './guest-memory.ts';
import { sortedNames, type TreeNode } from './memory-file-system.ts';
import type { HostFunctions, Preview1Context } from './preview1.ts';

type FdNames = Extract<Preview1Name, `fd_${string}`>;
type TransferNames = 'fd_read' | 'fd_write' | 'fd_pread' | 'fd_pwrite' | 'fd_seek' | 'fd_tell';
type ListingNames = 'fd_readdir' | 'fd_prestat_get' | 'fd_prestat_dir_name';

export function descriptorFunctions(context: Preview1Context): HostFunctions<FdNames> {
  return { ...transferFunctions(context), ...listingFunctions(context), ...attributeFunctions(context) };
}

function transferFunctions({ memory, descriptors, fileSystem, log }: Preview1Context): HostFunctions<TransferNames> {
  const readAt = (fd: number, vectors: Uint8Array[], position: number): number => {
    const { node } = descriptors.file(fd, RIGHT.fdRead);
    let total = 0;
    for (const vector of vectors) {
      const count = fileSystem.read(node, position + total, vector);
      total += count;
      if (count < vector.length) break;
    }
    return total;
  };
  const writeAt = (fd: number, vectors: Uint8Array[], position: number): number => {
    const { node } = descriptors.file(fd, RIGHT.fdWrite);
    let total = 0;
    for (const vector of vectors) {
      fileSystem.write(node, position + total, vector);
      total += vector.length;
    }
    return total;
  };
  return {
    fd_read: (fd: number, iovs: number, count: number, result: number) => {
      const descriptor = descriptors.get(fd, RIGHT.fdRead);
      if (descriptor.kind !== 'file') return descriptor.kind === 'folder' ? ERRNO.isdir : ERRNO.badf;
      const vectors = memory.vectors(iovs, count);
      memory.writeU32(result, 0);
      const total = readAt(fd, vectors, descriptor.position);
      descriptor.position += total;
      memory.writeU32(result, total);
    },
    fd_write: (fd: number, iovs: number, count: number, result: number) => {
      const descriptor = descriptors.get(fd, RIGHT.fdWrite);
      const vectors = memory.vectors(iovs, count);
      memory.writeU32(result, 0);
      let total = 0;
      if (descriptor.kind === 'file') {
        const append = (descriptor.flags & FD_FLAG.append) !== 0;
        const position = append ? descriptor.node.content.size : descriptor.position;
        total = writeAt(fd, vectors, position);
        descriptor.position = position + total;
      } else if (descriptor.kind === 'log') {
        for (const vector of vectors) {
          if (vector.length > 0) log(descriptor.stream, vector);
          total += vector.length;
        }
      } else return ERRNO.isdir;
      memory.writeU32(result, total);
    },
    fd_pread: (fd: number, iovs: number, count: number, offset: bigint, result: number) => {
      descriptors.file(fd, RIGHT.fdRead | RIGHT.fdSeek);
      const vectors = memory.vectors(iovs, count);
      memory.writeU32(result, 0);
      memory.writeU32(result, readAt(fd, vectors, fileOffset(offset)));
    },
    fd_pwrite: (fd: number, iovs: number, count: number, offset: bigint, result: number) => {
      descriptors.file(fd, RIGHT.fdWrite | RIGHT.fdSeek);
      const vectors = memory.vectors(iovs, count);
      memory.writeU32(result, 0);
      memory.writeU32(result, writeAt(fd, vectors, fileOffset(offset)));
    },
    fd_seek: (fd: number, offset: bigint, whence: number, result: number) => {
      // Asking for the position is allowed with the right to tell alone.
      const tells = offset === 0n && whence === WHENCE.current;
      const descriptor = descriptors.file(fd, 0n);
      const right = descriptor.rights & (tells ? RIGHT.fdSeek | RIGHT.fdTell : RIGHT.fdSeek);
      if (right === 0n) return ERRNO.notcapable;
      if (whence > WHENCE.end) return ERRNO.inval;
      const base = { [WHENCE.set]: 0, [WHENCE.current]: descriptor.position }[whence] ?? descriptor.node.content.size;
      const position = fileOffset(BigInt(base) + BigInt.asIntN(64, offset));
      memory.writeU64(result, BigInt(position));
      descriptor.position = position;
    },
    fd_tell: (fd: number, result: number) => {
      memory.writeU64(result, BigInt(descriptors.file(fd, RIGHT.fdTell).position));
    },
  };
}

const DIRENT_BYTES = 24;
const encoder = new TextEncoder();

function listingFunctions({ memory, descriptors }: Preview1Context): HostFunctions<ListingNames> {
  const preopenName = (fd: number): Uint8Array => {
    const descriptor = descriptors.get(fd);
    if (descriptor.kind !== 'folder' || descriptor.preopenName === null) throw new WasiError(ERRNO.badf);
    return encoder.encode(descriptor.preopenName);
  };
  return {
    fd_prestat_get: (fd: number, result: number) => {
      const name = preopenName(fd);
      memory.writeU32(result, 0);
      memory.writeU32(result + 4, name.length);
    },
    fd_prestat_dir_name: (fd: number, buffer: number, length: number) => {
      const name = preopenName(fd);
      if (name.length > length) return ERRNO.nametoolong;
      memory.bytes(buffer, name.length).set(name);
    },
    fd_readdir: (fd: number, buffer: number, length: number, cookie: bigint, result: number) => {
      const descriptor = descriptors.folder(fd, RIGHT.fdReaddir);
      const target = memory.bytes(buffer, length);
      // A full buffer tells the guest to ask again; less than full says that the listing is over.
      let used = 0;
      for (const { bytes } of direntsFrom(descriptor, cookie)) {
        const part = bytes.subarray(0, length - used);
        target.set(part, used);
        used += part.length;
        if (used === length) break;
      }
      memory.writeU32(result, used);
    },
  };
}

/** Entries from `cookie` on, which counts the names of the listing with `.` and `..` before them. */
function* direntsFrom(descriptor: FolderDescriptor, cookie: bigint): Generator<{ bytes: Uint8Array }> {
  if (cookie === 0n || descriptor.listing === null) descriptor.listing = ['.', '..', ...sortedNames(descriptor.node)];
  // An i64 comes signed.
  const first = BigInt.asUintN(64, cookie);
  if (first > BigInt(descriptor.listing.length)) return;
  for (let index = Number(first); index < descriptor.listing.length; index += 1) {
    const name = descriptor.listing[index] ?? '';
    const node = entryNamed(descriptor, name);
    if (node === undefined) continue;
    const nameBytes = encoder.encode(name);
    const bytes = new Uint8Array(DIRENT_BYTES + nameBytes.length);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(index + 1), true);
    view.setBigUint64(8, node.inode, true);
    view.setUint32(16, nameBytes.length, true);
    view.setUint8(20, node.type);
    bytes.set(nameBytes, DIRENT_BYTES);
    yield { bytes };
  }
}

function entryNamed({ node }: FolderDescriptor, name: string): TreeNode | undefined {
  if (name === '.') return node;
  if (name === '..') return node.parent ?? node;
  return node.entries.get(name);
}

type AttributeNames = Exclude<FdNames, TransferNames | ListingNames>;

function attributeFunctions({
  memory,
  descriptors,
  fileSystem,
  clock,
}: Preview1Context): HostFunctions<AttributeNames> {
  return {
    fd_advise: (fd: number, _offset: bigint, _length: bigint, advice: number) => {
      descriptors.file(fd, RIGHT.fdAdvise);
      if (advice > 5) return ERRNO.inval;
    },
    fd_allocate: (fd: number, offset: bigint, length: bigint) => {
      const { node } = descriptors.file(fd, RIGHT.fdAllocate);
      const size = fileOffset(offset) + fileOffset(length);
      if (size > node.content.size) fileSystem.resize(node, size);
    },
    fd_close: (fd: number) => descriptors.close(fd),
    fd_renumber: (from: number, to: number) => descriptors.renumber(from, to),
    fd_sync: (fd: number) => void descriptors.get(fd, RIGHT.fdSync),
    fd_datasync: (fd: number) => void descriptors.get(fd, RIGHT.fdDatasync),
    fd_fdstat_get: (fd: number, result: number) => {
      const descriptor = descriptors.get(fd);
      memory.bytes(result, 24).fill(0);
      memory.writeU8(result, fileTypeOfDescriptor(descriptor));
      memory.writeU16(result + 2, descriptor.flags);
      memory.writeU64(result + 8, descriptor.rights);
      memory.writeU64(result + 16, descriptor.inheritingRights);
    },
    fd_fdstat_set_flags: (fd: number, flags: number) => {
      if (flags > FD_FLAG.all) return ERRNO.inval;
      descriptors.get(fd, RIGHT.fdFdstatSetFlags).flags = flags;
    },
    fd_fdstat_set_rights: (fd: number, rights: bigint, inheriting: bigint) => {
      const descriptor = descriptors.get(fd);
      const wanted = BigInt.asUintN(64, rights);
      const wantedInheriting = BigInt.asUintN(64, inheriting);
      if ((wanted & ~descriptor.rights) !== 0n || (wantedInheriting & ~descriptor.inheritingRights) !== 0n) {
        return ERRNO.notcapable;
      }
      descriptor.rights = wanted;
      descriptor.inheritingRights = wantedInheriting & ALL_RIGHTS;
    },
    fd_filestat_get: (fd: number, result: number) => {
      const descriptor = descriptors.get(fd, RIGHT.fdFilestatGet);
      if (descriptor.kind !== 'log') return writeFilestat(memory, result, descriptor.node);
      memory.bytes(result, 64).fill(0);
      memory.writeU64(result + 24, 1n);
    },
    fd_filestat_set_size: (fd: number, size: bigint) => {
      const { node } = descriptors.file(fd, RIGHT.fdFilestatSetSize);
      fileSystem.resize(node, fileOffset(size));
    },
    fd_filestat_set_times: (fd: number, accessed: bigint, modified: bigint, flags: number) => {
      const descriptor = descriptors.get(fd, RIGHT.fdFilestatSetTimes);
      if (descriptor.kind === 'log') return ERRNO.badf;
      setTimes(descriptor.node, accessed, modified, flags, clock.peek());
    },
  };
}

/** filestat: dev, ino, type, nlink, size, three times; 64 bytes. */
export function writeFilestat(memory: GuestMemory, result: number, node: TreeNode): void {
  const isFile = node.type === FILE_TYPE.file;
  memory.bytes(result, 64).fill(0);
  memory.writeU64(result, 1n);
  memory.writeU64(result + 8, node.inode);
  memory.writeU8(result + 16, node.type);
  memory.writeU64(result + 24, isFile ? BigInt(node.links) : 1n);
  memory.writeU64(result + 32, isFile ? BigInt(node.content.size) : 0n);
  memory.writeU64(result + 40, node.times.accessed);
  memory.writeU64(result + 48, node.times.modified);
  memory.writeU64(result + 56, node.times.changed);
}

/** Throws EINVAL when a time is to be set to a value and to now at once. */
export function setTimes(node: TreeNode, accessed: bigint, modified: bigint, flags: number, now: bigint): void {
  const both = (one: number, other: number): boolean => (flags & one) !== 0 && (flags & other) !== 0;
  if (
    flags > TIME_FLAG.all ||
    both(TIME_FLAG.accessed, TIME_FLAG.accessedNow) ||
    both(TIME_FLAG.modified, TIME_FLAG.modifiedNow)
  ) {
    throw new WasiError(ERRNO.inval);
  }
  if ((flags & TIME_FLAG.accessed) !== 0) node.times.accessed = BigInt.asUintN(64, accessed);
  if ((flags & TIME_FLAG.accessedNow) !== 0) node.times.accessed = now;
  if ((flags & TIME_FLAG.modified) !== 0) node.times.modified = BigInt.asUintN(64, modified);
  if ((flags & TIME_FLAG.modifiedNow) !== 0) node.times.modified = now;
  node.times.changed = now;
}
