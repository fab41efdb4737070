/** The path_* functions of WASI preview 1. Symbolic links do not exist: creating one answers ENOTSUP. */
import {
  ERRNO,
  FD_FLAG,
  FILE_RIGHTS,
  FILE_TYPE,
  FOLDER_RIGHTS,
  OPEN_FLAG,
  type Preview1Name,
  RIGHT,
  WasiError,
} from './abi.ts';
import { setTimes, writeFilestat } from './descriptor-functions.ts';
import type { FileNode, Resolved, TreeNode } from './memory-file-system.ts';
import type { HostFunctions, Preview1Context } from './preview1.ts';

type PathNames = Extract<Preview1Name, `path_${string}`>;

export function pathFunctions(context: Preview1Context): HostFunctions<PathNames> {
  const { memory, descriptors, fileSystem, clock } = context;
  const resolve = (fd: number, right: bigint, pointer: number, length: number, creating = false): Resolved =>
    fileSystem.resolve(descriptors.folder(fd, right).node, memory.text(pointer, length), creating);
  return {
    path_open: openFunction(context),
    path_create_directory: (fd: number, pointer: number, length: number) => {
      const target = resolve(fd, RIGHT.pathCreateDirectory, pointer, length, true);
      if (target.node !== null) return ERRNO.exist;
      fileSystem.createFolder(target.parent, target.name);
    },
    path_filestat_get: (fd: number, _flags: number, pointer: number, length: number, result: number) => {
      writeFilestat(memory, result, existing(resolve(fd, RIGHT.pathFilestatGet, pointer, length)));
    },
    path_filestat_set_times: (
      fd: number,
      _flags: number,
      pointer: number,
      length: number,
      accessed: bigint,
      modified: bigint,
      timeFlags: number,
    ) => {
      const node = existing(resolve(fd, RIGHT.pathFilestatSetTimes, pointer, length));
      setTimes(node, accessed, modified, timeFlags, clock.peek());
    },
    path_link: (
      oldFd: number,
      _flags: number,
      oldPointer: number,
      oldLength: number,
      newFd: number,
      newPointer: number,
      newLength: number,
    ) => {
      const node = existing(resolve(oldFd, RIGHT.pathLinkSource, oldPointer, oldLength));
      const target = resolve(newFd, RIGHT.pathLinkTarget, newPointer, newLength, true);
      if (node.type === FILE_TYPE.folder) return ERRNO.perm;
      if (target.node !== null) return ERRNO.exist;
      if (target.folderOnly) return ERRNO.noent;
      fileSystem.link(node, target.parent, target.name);
    },
    path_readlink: (fd: number, pointer: number, length: number) => {
      existing(resolve(fd, RIGHT.pathReadlink, pointer, length));
      return ERRNO.inval;
    },
    path_remove_directory: (fd: number, pointer: number, length: number) => {
      const target = resolve(fd, RIGHT.pathRemoveDirectory, pointer, length);
      const node = existing(target);
      if (node.type !== FILE_TYPE.folder) return ERRNO.notdir;
      if (target.name === '') return ERRNO.inval;
      fileSystem.unlink(target.parent, target.name, node);
    },
    path_rename: (
      oldFd: number,
      oldPointer: number,
      oldLength: number,
      newFd: number,
      newPointer: number,
      newLength: number,
    ) => {
      const from = resolve(oldFd, RIGHT.pathRenameSource, oldPointer, oldLength);
      fileSystem.rename(from, resolve(newFd, RIGHT.pathRenameTarget, newPointer, newLength, true));
    },
    path_symlink: () => ERRNO.notsup,
    path_unlink_file: (fd: number, pointer: number, length: number) => {
      const target = resolve(fd, RIGHT.pathUnlinkFile, pointer, length);
      const node = existing(target);
      if (node.type === FILE_TYPE.folder) return ERRNO.isdir;
      fileSystem.unlink(target.parent, target.name, node);
    },
  };
}

function existing({ node, folderOnly }: Resolved): TreeNode {
  if (node === null) throw new WasiError(ERRNO.noent);
  if (folderOnly && node.type !== FILE_TYPE.folder) throw new WasiError(ERRNO.notdir);
  return node;
}

function openFunction({ memory, descriptors, fileSystem }: Preview1Context) {
  /** Finds or creates the file or folder to open. */
  const find = (target: Resolved, openFlags: number): TreeNode => {
    const wantsFolder = (openFlags & OPEN_FLAG.folder) !== 0;
    if (target.node === null) {
      if ((openFlags & OPEN_FLAG.create) === 0) throw new WasiError(ERRNO.noent);
      if (wantsFolder) throw new WasiError(ERRNO.inval);
      if (target.folderOnly) throw new WasiError(ERRNO.isdir);
      return fileSystem.createFile(target.parent, target.name);
    }
    if ((openFlags & OPEN_FLAG.create) !== 0 && (openFlags & OPEN_FLAG.exclusive) !== 0) {
      throw new WasiError(ERRNO.exist);
    }
    if (target.node.type === FILE_TYPE.file && (wantsFolder || target.folderOnly)) throw new WasiError(ERRNO.notdir);
    return target.node;
  };

  const openFile = (node: FileNode, openFlags: number, base: { flags: number; rights: bigint }): number => {
    const truncates = (openFlags & OPEN_FLAG.truncate) !== 0;
    if (node.content.readOnly && (truncates || (base.rights & RIGHT.fdWrite) !== 0n)) throw new WasiError(ERRNO.rofs);
    const opened = descriptors.openFile(node, { ...base, rights: base.rights & FILE_RIGHTS, inheritingRights: 0n });
    if (truncates) fileSystem.resize(node, 0);
    return opened;
  };

  return (
    fd: number,
    _lookupFlags: number,
    pointer: number,
    length: number,
    openFlags: number,
    rights: bigint,
    inheriting: bigint,
    flags: number,
    result: number,
  ): number | undefined => {
    const creates = (openFlags & OPEN_FLAG.create) !== 0;
    const needed =
      RIGHT.pathOpen |
      (creates ? RIGHT.pathCreateFile : 0n) |
      ((openFlags & OPEN_FLAG.truncate) !== 0 ? RIGHT.pathFilestatSetSize : 0n);
    const folder = descriptors.folder(fd, needed);
    const wanted = BigInt.asUintN(64, rights);
    const wantedInheriting = BigInt.asUintN(64, inheriting);
    if (((wanted | wantedInheriting) & ~folder.inheritingRights) !== 0n) return ERRNO.notcapable;
    if (flags > FD_FLAG.all) return ERRNO.inval;
    // The pointer of the result is checked before anything is created.
    memory.bytes(result, 4);
    const node = find(fileSystem.resolve(folder.node, memory.text(pointer, length), creates), openFlags);
    if (node.type === FILE_TYPE.file) {
      memory.writeU32(result, openFile(node, openFlags, { flags, rights: wanted }));
      return;
    }
    if ((openFlags & OPEN_FLAG.truncate) !== 0 || (wanted & RIGHT.fdWrite) !== 0n) return ERRNO.isdir;
    const base = { flags, rights: wanted & FOLDER_RIGHTS, inheritingRights: wantedInheriting };
    memory.writeU32(result, descriptors.openFolder(node, base));
  };
}
