/** Unfinished uploads on disk: given back, claimed, adopted from dead processes, and thrown away when old. */
import { copyFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HTTP_LIMITS } from '../limits.ts';
import type { Logger } from '../routes/problem.ts';
import { type BlobPaths, type Claim, parsePartialName } from './blob-paths.ts';

export interface PartialUploadsDependencies {
  paths: BlobPaths;
  claim: Claim;
  /** A path for a claimed file of this store. */
  newPath(digest: string): string;
  logger: Logger;
}

/** Stores of this process: a claim with our pid and another store's name belonged to a process before us. */
const liveStores = new Set<string>();

export class PartialUploads {
  readonly #dependencies: PartialUploadsDependencies;
  /** Sizes of files that broke off, as far as this process knows; counts against the space for blobs. */
  #sizes = new Map<string, number>();
  #totalBytes = 0;

  constructor(dependencies: PartialUploadsDependencies) {
    this.#dependencies = dependencies;
    liveStores.add(dependencies.claim.store);
  }

  get totalBytes(): number {
    return this.#totalBytes + this.count * HTTP_LIMITS.blobOverheadBytes;
  }

  get count(): number {
    return this.#sizes.size;
  }

  close(): void {
    liveStores.delete(this.#dependencies.claim.store);
  }

  /** Bytes of a broken upload. */
  async size(digest: string): Promise<number> {
    const found = await stat(this.#dependencies.paths.released(digest)).catch(() => null);
    return found?.size ?? 0;
  }

  /** Makes a broken upload ours, at `path`. Returns its size, or null when there is none: one claimant wins. */
  async claim(digest: string, path: string): Promise<number | null> {
    try {
      await rename(this.#dependencies.paths.released(digest), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.#set(digest, null);
      return null;
    }
    this.#set(digest, null);
    return (await stat(path)).size;
  }

  /** Gives a claimed file back. Of two the longer stays. Nobody may write to it any more. */
  async release(digest: string, path: string, bytes: number): Promise<void> {
    const before = await this.size(digest);
    if (bytes === 0 || before >= bytes) {
      await rm(path, { force: true });
      return;
    }
    await rename(path, this.#dependencies.paths.released(digest));
    this.#set(digest, bytes);
  }

  /** The blob is complete; what broke off before is worth nothing now. */
  async drop(digest: string): Promise<void> {
    if (!this.#sizes.has(digest)) return;
    await rm(this.#dependencies.paths.released(digest), { force: true });
    this.#set(digest, null);
  }

  /** Adopts the files of dead processes and deletes what is old. `now` is the clock of the file system. */
  async tidy(now: number = Date.now()): Promise<void> {
    const { paths, logger } = this.#dependencies;
    const sizes = new Map<string, number>();
    for (const name of await readdir(paths.partial)) {
      const path = join(paths.partial, name);
      try {
        const found = await stat(path);
        const age = now - found.mtimeMs;
        const partial = parsePartialName(name);
        if (partial?.claim != null) {
          if (this.#isDead(partial.claim, age)) await this.#adopt(partial.digest, path, found.size);
        } else if (age > HTTP_LIMITS.partialMilliseconds) {
          await rm(path, { force: true });
        } else if (partial !== null) {
          sizes.set(partial.digest, found.size);
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') logger.warn({ err: error, name }, 'unfinished upload');
      }
    }
    // Those given back while we looked are known by their own `#set`.
    for (const [digest, bytes] of this.#sizes) {
      if (!sizes.has(digest) && (await this.size(digest)) > 0) sizes.set(digest, bytes);
    }
    this.#sizes = sizes;
    this.#totalBytes = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  #isDead(claim: Claim, ageMilliseconds: number): boolean {
    if (ageMilliseconds > HTTP_LIMITS.abandonedClaimMilliseconds) return !liveStores.has(claim.store);
    if (claim.host !== this.#dependencies.claim.host) return false;
    if (claim.pid === process.pid) return !liveStores.has(claim.store);
    try {
      process.kill(claim.pid, 0); // signal 0 asks whether it exists
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ESRCH';
    }
  }

  async #adopt(digest: string, path: string, bytes: number): Promise<void> {
    const copy = this.#dependencies.newPath(digest);
    if (bytes > 0) {
      await copyFile(path, copy);
      await this.release(digest, copy, bytes);
    }
    await rm(path, { force: true });
  }

  #set(digest: string, bytes: number | null): void {
    this.#totalBytes += (bytes ?? 0) - (this.#sizes.get(digest) ?? 0);
    if (bytes === null) this.#sizes.delete(digest);
    else this.#sizes.set(digest, bytes);
  }
}
