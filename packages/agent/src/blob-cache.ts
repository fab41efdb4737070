/**
 * Verified blobs on this machine. Files are read-only under `sha256/ab/<hex>`, the place that sandboxes may read. Bytes
 * on their way lie under `partial/`, out of their reach, and go on where a broken connection left them.
 */
import { createHash, type Hash } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FogError } from '@fog/contract';
import { AttemptFailure } from './attempt-failure.ts';
import { type Cached, DiskCache } from './disk-cache.ts';
import { AGENT_LIMITS } from './limits.ts';
import type { BlobClient, Transfers } from './transfers.ts';

export interface BlobCacheOptions {
  directory: string;
  /** All files together, those on their way included. */
  capacityBytes: number;
  transfers: Pick<Transfers, 'run'>;
}

export class BlobCache {
  readonly #options: BlobCacheOptions;
  readonly #cache: DiskCache;

  /** Finds what earlier runs left. Unfinished downloads of theirs are dropped: their hash state is gone. */
  static async open(options: BlobCacheOptions): Promise<BlobCache> {
    const cache = new BlobCache(options);
    await rm(join(options.directory, 'partial'), { recursive: true, force: true });
    await mkdir(join(options.directory, 'partial'), { recursive: true, mode: 0o700 });
    await mkdir(cache.readableFolder, { recursive: true, mode: 0o700 });
    await cache.#scan();
    return cache;
  }

  private constructor(options: BlobCacheOptions) {
    this.#options = options;
    this.#cache = new DiskCache({
      capacityBytes: options.capacityBytes,
      what: { plural: 'blobs', setting: 'agent.cache' },
      drop: ({ hostPath }) => {
        try {
          unlinkSync(hostPath);
        } catch {
          // gone already
        }
      },
    });
  }

  /** Where sandboxes read. */
  get readableFolder(): string {
    return join(this.#options.directory, 'sha256');
  }

  get usedBytes(): number {
    return this.#cache.usedBytes;
  }

  has(digest: string): boolean {
    return this.#cache.has(digest);
  }

  /** Where the blob lies, or will lie. */
  pathOf(digest: string): string {
    const hex = digest.slice('sha256:'.length);
    return join(this.readableFolder, hex.slice(0, 2), hex);
  }

  /**
   * The blob, fetched if need be, kept from being dropped until `release`. Throws `AttemptFailure`: `input-missing` when
   * the coordinator has no such blob, `staging` when it cannot be had or there is no room.
   */
  async acquire(digest: string, signal: AbortSignal): Promise<Cached> {
    return await this.#cache.acquire(digest, (until) => this.#download(digest, until), signal);
  }

  release(digest: string): void {
    this.#cache.release(digest);
  }

  /** Failing, it leaves nothing behind. */
  async #download(digest: string, signal: AbortSignal): Promise<Cached> {
    const partial = join(this.#options.directory, 'partial', digest.slice('sha256:'.length));
    const download = new PartialBlob(digest, await open(partial, 'w', 0o600), (bytes) => this.#cache.reserve(bytes));
    try {
      await this.#options.transfers.run(
        (client, tryFor) => download.goOn(client, tryFor),
        () => download.bytes,
        signal,
      );
      await download.file.datasync();
      await download.file.close();
      await chmod(partial, 0o400);
      await mkdir(join(this.pathOf(digest), '..'), { recursive: true, mode: 0o700 });
      await rename(partial, this.pathOf(digest));
      this.#cache.giveBack(download.reservedBytes - download.bytes);
      return { digest, hostPath: this.pathOf(digest), bytes: download.bytes };
    } catch (error) {
      this.#cache.giveBack(download.reservedBytes);
      await download.file.close().catch(() => {});
      await rm(partial, { force: true }).catch(() => {});
      throw downloadFailure(digest, error);
    }
  }

  async #scan(): Promise<void> {
    const found: (Cached & { usedMilliseconds: number })[] = [];
    for (const folder of await readdir(this.readableFolder)) {
      for (const name of await readdir(join(this.readableFolder, folder)).catch(() => [])) {
        const digest = `sha256:${name}`;
        const hostPath = this.pathOf(digest);
        const facts = await stat(hostPath).catch(() => null);
        if (facts === null || !/^[0-9a-f]{64}$/.test(name)) continue;
        found.push({ digest, hostPath, bytes: facts.size, usedMilliseconds: facts.mtimeMs });
      }
    }
    found.sort((left, right) => left.usedMilliseconds - right.usedMilliseconds);
    this.#cache.adopt(found);
  }
}

/** A file that grows as bytes arrive, with the hash of what it has. */
class PartialBlob {
  readonly file: FileHandle;
  bytes = 0;
  /** Room taken in the cache; never given back while the download lives. */
  reservedBytes = 0;
  readonly #digest: string;
  readonly #reserve: (bytes: number) => void;
  #hash: Hash = createHash('sha256');
  #wrongDigests = 0;

  constructor(digest: string, file: FileHandle, reserve: (bytes: number) => void) {
    this.#digest = digest;
    this.file = file;
    this.#reserve = reserve;
  }

  /** Fetches what is missing and verifies the whole. Throws what broke the connection, or `AttemptFailure`. */
  async goOn(client: BlobClient, signal: AbortSignal): Promise<void> {
    for (;;) {
      if (this.bytes > 0 && this.#isRight()) return; // the connection broke after the last byte
      const body = await client.getBlob(this.#digest, { offset: this.bytes, signal });
      for await (const chunk of body) await this.#take(chunk);
      if (this.#isRight()) return;
      this.#wrongDigests += 1;
      if (this.#wrongDigests > AGENT_LIMITS.digestRetries) {
        throw new AttemptFailure('staging', `the bytes fetched for blob ${this.#digest} have another digest`);
      }
      await this.file.truncate(0);
      this.bytes = 0;
      this.#hash = createHash('sha256');
    }
  }

  async #take(chunk: Uint8Array): Promise<void> {
    const more = this.bytes + chunk.length - this.reservedBytes;
    if (more > 0) {
      this.#reserve(more);
      this.reservedBytes += more;
    }
    const { bytesWritten } = await this.file.write(chunk, 0, chunk.length, this.bytes);
    if (bytesWritten !== chunk.length) throw new Error('the disk is full');
    this.#hash.update(chunk);
    this.bytes += chunk.length;
  }

  #isRight(): boolean {
    return `sha256:${this.#hash.copy().digest('hex')}` === this.#digest;
  }
}

function downloadFailure(digest: string, error: unknown): unknown {
  if (error instanceof AttemptFailure) return error;
  if (error instanceof FogError && error.code === 'cancelled') return error;
  if (error instanceof FogError && (error.code === 'blob-not-found' || error.code === 'not-found')) {
    return new AttemptFailure('input-missing', `blob ${digest} does not exist`, { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new AttemptFailure('staging', `blob ${digest} could not be fetched: ${message}`, { cause: error });
}
