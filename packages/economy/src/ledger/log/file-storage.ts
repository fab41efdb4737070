/** A folder of real files as the storage of a log. One process at a time. */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFolder } from '@fog/contract/node';
import { LOG_LIMITS } from './limits.ts';
import type { LogStorage, ReadableFile, WritableFile } from './storage.ts';

const FILE_MODE = 0o600;

/**
 * Makes the folder (0700) and holds its lock until it is disposed of. Throws `data-directory` when the folder cannot be
 * used, or another process has it.
 */
export function openFolder(folder: string): LogStorage & Disposable {
  const lock = lockFolder(folder, 'ledger');
  return { ...folderStorage(folder), [Symbol.dispose]: () => lock[Symbol.dispose]() };
}

/** The same without the lock: only for who works for a process that holds it. */
export function folderStorage(folder: string): LogStorage {
  return {
    place: folder,
    list: () => readdirSync(folder),
    openToRead: (name) => openToRead(folder, name),
    create: async (name) => writable(name, await open(join(folder, name), 'w', FILE_MODE)),
    openToWrite: async (name) => writable(name, await open(join(folder, name), 'r+')),
    rename: (from, to) => rename(join(folder, from), join(folder, to)),
    remove: (name) => rm(join(folder, name), { force: true }),
    async syncFolder() {
      // Windows cannot open folders; its renames are journaled by the file system.
      if (process.platform === 'win32') return;
      const handle = await open(folder, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  };
}

function openToRead(folder: string, name: string): ReadableFile {
  const descriptor = openSync(join(folder, name), 'r');
  return {
    name,
    bytes: fstatSync(descriptor).size,
    read(offset, into) {
      let done = 0;
      while (done < into.length) {
        const got = readSync(descriptor, into, done, into.length - done, offset + done);
        if (got === 0) break;
        done += got;
      }
      return done;
    },
    close: () => closeSync(descriptor),
  };
}

function writable(name: string, handle: FileHandle): WritableFile {
  const write = async (offset: number, bytes: Uint8Array) => {
    let done = 0;
    while (done < bytes.length) {
      done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    }
  };
  return {
    name,
    write,
    // Zeros that are written take their room now, and a later sync of what replaces them has no lengths to change.
    async reserve(bytes, pace) {
      const zeros = new Uint8Array(Math.min(bytes, LOG_LIMITS.reserveBytes));
      for (let offset = 0; offset < bytes; offset += zeros.length) {
        await write(offset, zeros.subarray(0, Math.min(zeros.length, bytes - offset)));
        await handle.datasync();
        await pace();
      }
    },
    truncate: (bytes) => handle.truncate(bytes),
    sync: () => handle.datasync(),
    close: () => handle.close(),
  };
}
