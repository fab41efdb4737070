/**
 * Unpacked root file systems of native programs, by the digest of their archive, the least recently used ones dropped
 * when space is short.
 *
 *     absent -> fetched and unpacked (one flight, however many wait) -> kept -> in use <-> idle -> evicted
 *
 *     <directory>/<hex>/tree          the root, which sandboxes see read-only
 *     <directory>/<hex>/facts.json    what it takes up
 *     <directory>/partial-<hex>/      on its way; removed at the next start
 *     <directory>/evicted-<n>/        being removed, the same
 */
import { renameSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchiveFault, removeTree, unpackArchive } from '@fog/runtimes';
import { z } from 'zod';
import { AttemptFailure } from './attempt-failure.ts';
import type { BlobCache } from './blob-cache.ts';
import { syncFolder, writeFileDurably } from './durable-file.ts';
import { type FlightPlan, Flights } from './flights.ts';

export interface UnpackedRoot {
  hostPath: string;
}

interface Entry extends UnpackedRoot {
  /** As the unpacker counts them. */
  bytes: number;
  users: number;
}

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
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #flights = new Flights<Entry>();
  #usedBytes = 0;
  #evictions = 0;

  /** Finds what earlier runs left, and removes what is not complete. */
  static async open(options: RootCacheOptions): Promise<RootCache> {
    const cache = new RootCache(options);
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    await cache.#scan();
    return cache;
  }

  private constructor(options: RootCacheOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  has(digest: string): boolean {
    return this.#entries.has(digest);
  }

  /** Where the root lies, or will lie. */
  pathOf(digest: string): string {
    return join(this.#folderOf(digest), 'tree');
  }

  /**
   * The root, fetched and unpacked if need be, kept from eviction until `release`. Throws `AttemptFailure`:
   * `input-missing` when there is no such archive, or one that breaks a rule; `staging` when it cannot be had or there
   * is no room.
   */
  async acquire(digest: string, signal: AbortSignal): Promise<UnpackedRoot> {
    for (let it = this.#flights.ending(digest); it !== null; it = this.#flights.ending(digest)) await it;
    const entry = this.#entries.get(digest);
    if (entry === undefined) return await this.#make(digest, signal);
    this.#entries.delete(digest);
    this.#entries.set(digest, entry);
    entry.users += 1;
    return entry;
  }

  release(digest: string): void {
    const entry = this.#entries.get(digest);
    if (entry !== undefined) entry.users -= 1;
  }

  #make(digest: string, signal: AbortSignal): Promise<UnpackedRoot> {
    const plan: FlightPlan<Entry> = {
      fly: (until) => this.#unpack(digest, until),
      landed: (entry, waiting) => {
        entry.users = waiting;
        this.#entries.set(digest, entry);
      },
      unclaimed: () => this.release(digest),
    };
    return this.#flights.join(digest, plan, signal);
  }

  /** Failing, it leaves nothing behind. */
  async #unpack(digest: string, signal: AbortSignal): Promise<Entry> {
    const { directory, blobs } = this.#options;
    const archive = await blobs.acquire(digest, signal);
    const partial = join(directory, `partial-${hexOf(digest)}`);
    let bytes = 0;
    const claim = (more: number): void => {
      this.#reserve(more);
      bytes += more;
    };
    try {
      await mkdir(partial, { mode: 0o700 });
      await unpackArchive({ archivePath: archive.hostPath, folder: join(partial, 'tree'), signal, claim });
      await writeFileDurably(join(partial, 'facts.json'), `${JSON.stringify({ bytes })}\n`, 0o600);
      signal.throwIfAborted();
      await rename(partial, this.#folderOf(digest));
      await syncFolder(directory);
      return { hostPath: this.pathOf(digest), bytes, users: 0 };
    } catch (error) {
      await removeTree(partial);
      await removeTree(this.#folderOf(digest));
      this.#usedBytes -= bytes;
      throw unpackingFailure(error);
    } finally {
      blobs.release(digest);
    }
  }

  /** Makes room by dropping idle roots. Throws when what is in use leaves none. */
  #reserve(bytes: number): void {
    this.#usedBytes += bytes;
    for (const [digest, entry] of this.#entries) {
      if (this.#usedBytes <= this.#options.capacityBytes) return;
      if (entry.users === 0) this.#evict(digest, entry);
    }
    if (this.#usedBytes <= this.#options.capacityBytes) return;
    this.#usedBytes -= bytes;
    const most = `${this.#options.capacityBytes} bytes, setting agent.roots`;
    throw new AttemptFailure('staging', `the roots in use do not fit into what the node keeps of them (${most})`);
  }

  /** Out of the way at once, for the same root may be wanted again; a large one takes a while to be gone. */
  #evict(digest: string, entry: Entry): void {
    this.#entries.delete(digest);
    this.#usedBytes -= entry.bytes;
    const folder = this.#folderOf(digest);
    const evicted = join(this.#options.directory, `evicted-${this.#evictions}`);
    this.#evictions += 1;
    try {
      renameSync(folder, evicted);
      void removeTree(evicted);
    } catch {
      // gone already
    }
  }

  #folderOf(digest: string): string {
    return join(this.#options.directory, hexOf(digest));
  }

  async #scan(): Promise<void> {
    const { directory } = this.#options;
    const found: { digest: string; bytes: number; madeMilliseconds: number }[] = [];
    for (const name of await readdir(directory)) {
      const facts = /^[0-9a-f]{64}$/.test(name) ? await readFacts(join(directory, name)) : null;
      if (facts === null) await removeTree(join(directory, name));
      else found.push({ digest: `sha256:${name}`, ...facts });
    }
    found.sort((left, right) => left.madeMilliseconds - right.madeMilliseconds);
    for (const { digest, bytes } of found) {
      this.#entries.set(digest, { hostPath: this.pathOf(digest), bytes, users: 0 });
      this.#usedBytes += bytes;
    }
    this.#reserve(0);
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
