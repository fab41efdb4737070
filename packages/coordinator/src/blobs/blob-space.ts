/** How much of the space for blobs is used: stored, left unfinished, and promised to uploads in progress. */
import { FogError } from '@fog/contract';
import { HTTP_LIMITS } from '../limits.ts';

export interface BlobSpaceDependencies {
  limitBytes: number;
  count(): Promise<{ blobs: number; blobBytes: number }>;
  partialBytes(): number;
  freeDiskBytes(): Promise<number>;
  now(): number;
}

/** The room of one upload: first what it announced, then what it really brings. */
export interface Reservation {
  /** Bytes that are in the file at the beginning. */
  begin(bytes: number): void;
  /** Throws `storage-full`. */
  grow(bytes: number): void | Promise<void>;
  end(): void;
}

export class BlobSpace {
  readonly #dependencies: BlobSpaceDependencies;
  #blobs = 0;
  #blobBytes = 0;
  /** Time to count again; counting sees what other coordinators stored. */
  #countAt = 0;
  #counting: Promise<void> | null = null;
  /** Promised to uploads in progress, and of that what has arrived. */
  #reservedBytes = 0;
  #inProgressBytes = 0;

  constructor(dependencies: BlobSpaceDependencies) {
    this.#dependencies = dependencies;
  }

  async totals(): Promise<{ blobs: number; blobBytes: number; inProgressBytes: number }> {
    if (this.#dependencies.now() >= this.#countAt) {
      this.#counting ??= this.#count().finally(() => {
        this.#counting = null;
      });
      await this.#counting;
    }
    return { blobs: this.#blobs, blobBytes: this.#blobBytes, inProgressBytes: this.#inProgressBytes };
  }

  freeDiskBytes(): Promise<number> {
    return this.#dependencies.freeDiskBytes();
  }

  /**
   * Promises room for `bytes`, of which `already` stand on the disk. Throws `storage-full` when they do not fit
   * beside what was promised to others.
   */
  async reserve(bytes: number, { already }: { already: number }): Promise<Reservation> {
    await this.totals();
    await this.#refuseFullDisk(bytes - already);
    // Nothing is awaited between the look and the promise, so that many uploads at once cannot all be let in.
    let reserved = bytes + HTTP_LIMITS.blobOverheadBytes;
    if (this.#usedBytes() + reserved - already > this.#dependencies.limitBytes) throw this.#full();
    let arrived = 0;
    let unchecked = 0;
    this.#reservedBytes += reserved;
    return {
      begin: (start) => {
        arrived = start;
        this.#inProgressBytes += start;
      },
      grow: (more) => {
        arrived += more;
        unchecked += more;
        this.#inProgressBytes += more;
        if (arrived > reserved) {
          // A body of unknown length, or one that is longer than announced.
          this.#reservedBytes += arrived - reserved;
          reserved = arrived;
          if (this.#usedBytes() > this.#dependencies.limitBytes) throw this.#full();
        }
        if (unchecked < HTTP_LIMITS.freeDiskCheckBytes) return undefined;
        unchecked = 0;
        return this.#refuseFullDisk(0);
      },
      end: () => {
        this.#reservedBytes -= reserved;
        this.#inProgressBytes -= arrived;
      },
    };
  }

  /** A blob was stored. */
  added(bytes: number): void {
    this.#blobs += 1;
    this.#blobBytes += bytes;
  }

  /** Counts again before the next answer. */
  forget(): void {
    this.#countAt = 0;
  }

  #usedBytes(): number {
    const stored = this.#blobBytes + this.#blobs * HTTP_LIMITS.blobOverheadBytes;
    return stored + this.#dependencies.partialBytes() + this.#reservedBytes;
  }

  async #count(): Promise<void> {
    const start = performance.now();
    const { blobs, blobBytes } = await this.#dependencies.count();
    this.#blobs = blobs;
    this.#blobBytes = blobBytes;
    const took = performance.now() - start;
    const wait = Math.max(HTTP_LIMITS.blobTotalsMilliseconds, took * HTTP_LIMITS.blobTotalsShare);
    this.#countAt = this.#dependencies.now() + wait;
  }

  async #refuseFullDisk(bytes: number): Promise<void> {
    const free = await this.#dependencies.freeDiskBytes();
    if (free - bytes >= HTTP_LIMITS.freeDiskBytes) return;
    throw new FogError('storage-full', 'the disk of the blobs is almost full', {
      details: { freeBytes: free, keptFreeBytes: HTTP_LIMITS.freeDiskBytes },
      hint: 'free space on the disk of the coordinator',
    });
  }

  #full(): FogError {
    const { limitBytes } = this.#dependencies;
    return new FogError('storage-full', 'the space for blobs is used up', {
      details: { limitBytes, usedBytes: this.#usedBytes() },
      hint: 'raise blobSpace, shorten keepBlobs, or wait until unused blobs are collected',
    });
  }
}
