/**
 * Unpacked root file systems of native programs, by the digest of their archive.
 *
 *     <directory>/<hex>/tree          the root, which sandboxes see read-only
 *     <directory>/<hex>/facts.json    what it takes up
 *     <directory>/partial-<hex>/      on its way; removed at the next start
 *     <directory>/dropped-<n>/        being removed, the same
 */
import { renameSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchiveFault, removeTree, unpackArchive } from '@fog/runtimes';
import { z } from 'zod';
import { AttemptFailure } from './attempt-failure.ts';
import type { BlobCache } from './blob-cache.ts';
import { type Cached, DiskCache } from './disk-cache.ts';
import { syncFolder, writeFileDurably } from './durable-file.ts';

export interface RootCacheOptions {
  directory: string;
  /** All roots together, those on their way included. */
  capacityBytes: number;
  /** Where the archives come from; none is held when its root is unpacked. */
  blobs: Pick<BlobCache, 'acquire' | 'release'>;
}

const factsSchema = z.strictObject({ bytes: z.int().nonnegative() });

export class RootCache {
  readonly #options: RootCacheOptions;
  readonly #cache: DiskCache;
  #dropped = 0;

  /** Finds what earlier runs left, and removes what is not complete. */
  static async open(options: RootCacheOptions): Promise<RootCache> {
    const cache = new RootCache(options);
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    await cache.#scan();
    return cache;
  }

  private constructor(options: RootCacheOptions) {
    this.#options = options;
    this.#cache = new DiskCache({
      capacityBytes: options.capacityBytes,
      what: { plural: 'roots', setting: 'agent.roots' },
      drop: ({ digest }) => this.#drop(digest),
    });
  }

  get usedBytes(): number {
    return this.#cache.usedBytes;
  }

  has(digest: string): boolean {
    return this.#cache.has(digest);
  }

  /** Where the root lies, or will lie. */
  pathOf(digest: string): string {
    return join(this.#folderOf(digest), 'tree');
  }

  /**
   * The root, fetched and unpacked if need be, kept from being dropped until `release`. Throws `AttemptFailure`:
   * `input-missing` when there is no such archive, or one that breaks a rule; `staging` when it cannot be had or there
   * is no room.
   */
  async acquire(digest: string, signal: AbortSignal): Promise<Cached> {
    return await this.#cache.acquire(digest, (until) => this.#unpack(digest, until), signal);
  }

  release(digest: string): void {
    this.#cache.release(digest);
  }

  /** Failing, it leaves nothing behind. */
  async #unpack(digest: string, signal: AbortSignal): Promise<Cached> {
    const { directory, blobs } = this.#options;
    const archive = await blobs.acquire(digest, signal);
    const partial = join(directory, `partial-${hexOf(digest)}`);
    let bytes = 0;
    const claim = (more: number): void => {
      this.#cache.reserve(more);
      bytes += more;
    };
    try {
      await mkdir(partial, { mode: 0o700 });
      await unpackArchive({ archivePath: archive.hostPath, folder: join(partial, 'tree'), signal, claim });
      await writeFileDurably(join(partial, 'facts.json'), `${JSON.stringify({ bytes })}\n`, 0o600);
      signal.throwIfAborted();
      await rename(partial, this.#folderOf(digest));
      await syncFolder(directory);
      return { digest, hostPath: this.pathOf(digest), bytes };
    } catch (error) {
      await removeTree(partial);
      await removeTree(this.#folderOf(digest));
      this.#cache.giveBack(bytes);
      throw unpackingFailure(error);
    } finally {
      blobs.release(digest);
    }
  }

  /** A large one takes a while to be gone. */
  #drop(digest: string): void {
    const dropped = join(this.#options.directory, `dropped-${this.#dropped}`);
    this.#dropped += 1;
    try {
      renameSync(this.#folderOf(digest), dropped);
      void removeTree(dropped);
    } catch {
      // gone already
    }
  }

  #folderOf(digest: string): string {
    return join(this.#options.directory, hexOf(digest));
  }

  async #scan(): Promise<void> {
    const { directory } = this.#options;
    const found: (Cached & { madeMilliseconds: number })[] = [];
    for (const name of await readdir(directory)) {
      const facts = /^[0-9a-f]{64}$/.test(name) ? await readFacts(join(directory, name)) : null;
      if (facts === null) await removeTree(join(directory, name));
      else found.push({ digest: `sha256:${name}`, hostPath: this.pathOf(`sha256:${name}`), ...facts });
    }
    found.sort((left, right) => left.madeMilliseconds - right.madeMilliseconds);
    this.#cache.adopt(found);
  }
}

function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}

async function readFacts(folder: string): Promise<{ bytes: number; madeMilliseconds: number } | null> {
  const path = join(folder, 'facts.json');
  try {
    const { bytes } = factsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return { bytes, madeMilliseconds: (await stat(path)).mtimeMs };
  } catch {
    return null;
  }
}

function unpackingFailure(error: unknown): unknown {
  if (error instanceof ArchiveFault) {
    return new AttemptFailure('input-missing', `the archive ${error.message}`, { cause: error });
  }
  if (error instanceof AttemptFailure) return error;
  return new AttemptFailure('staging', `it cannot be unpacked: ${(error as Error).message}`, { cause: error });
}
