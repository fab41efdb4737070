/** The content-addressed store of blobs: a folder for the bytes and the table `blobs` for what is in it. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, opendir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { decodeFolderManifest, FogError, type FolderEntry, LIMITS } from '@fog/contract';
import { HTTP_LIMITS } from '../limits.ts';
import type { Logger } from '../routes/problem.ts';
import type { Database } from '../store/database.ts';
import { BlobPaths, type Claim, newClaim } from './blob-paths.ts';
import { countBlobs, deleteMarked, findBlob, insertBlob, markForDeletion, renewBlobs } from './blob-rows.ts';
import { BlobSpace, type Reservation } from './blob-space.ts';
import { PartialUploads } from './partial-uploads.ts';
import { tooLarge, Upload, type UploadBody } from './upload.ts';

export interface BlobStoreDependencies {
  directory: string;
  database: Database;
  logger: Logger;
  /** Largest single blob. */
  blobBytes: number;
  /** All blobs and unfinished uploads. */
  blobSpaceBytes: number;
  /** How long blobs stay that nothing refers to. */
  keepMilliseconds: number;
  now?: () => number;
  /** Replaced in tests. */
  freeDiskBytes?: () => Promise<number>;
  stallMilliseconds?: number;
}

export interface BlobTotals {
  blobs: number;
  blobBytes: number;
  /** Unfinished uploads. */
  partialBytes: number;
  limitBytes: number;
  freeDiskBytes: number;
}

export interface UploadRequest {
  /** Bytes that are here already; the body goes on from there. */
  offset: number;
  /** Content-Length, null when unknown. */
  length: number | null;
  body: UploadBody;
}

/** Throws `data-directory` when the folder cannot be made or written. */
export async function openBlobStore(dependencies: BlobStoreDependencies): Promise<BlobStore> {
  const paths = new BlobPaths(dependencies.directory);
  try {
    await mkdir(paths.complete, { recursive: true, mode: 0o700 });
    await mkdir(paths.partial, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const message = `cannot use the folder of blobs ${dependencies.directory}: ${(cause as Error).message}`;
    throw new FogError('data-directory', message, { cause });
  }
  const store = new BlobStore(paths, dependencies);
  await store.partials.tidy();
  await store.totals();
  return store;
}

export class BlobStore {
  readonly paths: BlobPaths;
  readonly partials: PartialUploads;
  readonly #dependencies: BlobStoreDependencies;
  readonly #claim: Claim;
  readonly #space: BlobSpace;
  readonly #now: () => number;
  readonly #active = new Map<string, Set<Upload>>();
  readonly #shards = new Set<string>();
  #activeCount = 0;
  #claims = 0;

  constructor(paths: BlobPaths, dependencies: BlobStoreDependencies) {
    this.paths = paths;
    this.#dependencies = dependencies;
    this.#now = dependencies.now ?? Date.now;
    this.#claim = newClaim(randomBytes(6).toString('hex'));
    this.partials = new PartialUploads({
      paths,
      claim: this.#claim,
      newPath: (digest) => this.#newPath(digest),
      logger: dependencies.logger,
    });
    this.#space = new BlobSpace({
      limitBytes: dependencies.blobSpaceBytes,
      count: () => countBlobs(dependencies.database.read),
      partialBytes: () => this.partials.totalBytes,
      freeDiskBytes: dependencies.freeDiskBytes ?? (() => freeBytes(paths.root)),
      now: this.#now,
    });
  }

  get keepMilliseconds(): number {
    return this.#dependencies.keepMilliseconds;
  }

  /** The uploads of this store are no longer protected from other processes. */
  close(): void {
    this.partials.close();
  }

  /** Whether the blob is complete. The answer is good for `keepMilliseconds`: it renews the blob. */
  async has(digest: string): Promise<boolean> {
    return (await this.stat(digest)) !== null;
  }

  /** Size of a complete blob, or null. Renews the blob as `has` does. */
  async stat(digest: string): Promise<{ bytes: number } | null> {
    const { database, keepMilliseconds } = this.#dependencies;
    const row = await findBlob(database.read, digest);
    if (row === null) return null;
    const now = this.#now();
    const renewAfter = Math.min(HTTP_LIMITS.blobRenewMilliseconds, keepMilliseconds / 4);
    if (now - row.stored_at > renewAfter) {
      const missing = await database.write((writer) => renewBlobs(writer, [digest], now));
      if (missing.length > 0) return null;
    }
    // The row comes before the file, so it alone does not prove the file.
    const bytes = await sizeOf(this.paths.blob(digest));
    return bytes === row.bytes ? { bytes } : null;
  }

  /** Bytes of a broken or running upload that the next one may go on from. */
  async uploadOffset(digest: string): Promise<number> {
    const running = this.#longest(digest);
    return Math.max(running?.bytes ?? 0, await this.partials.size(digest));
  }

  /** Opens a complete blob for reading; the caller closes the file. Throws `blob-not-found`. */
  async open(digest: string): Promise<{ file: FileHandle; bytes: number }> {
    let file: FileHandle;
    try {
      file = await open(this.paths.blob(digest), 'r');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw notFound(digest);
      throw cause;
    }
    try {
      return { file, bytes: (await file.stat()).size };
    } catch (cause) {
      await file.close();
      throw cause;
    }
  }

  /** The bytes of a blob; null when it is not there, or larger. */
  async readSmall(digest: string, mostBytes: number): Promise<Uint8Array | null> {
    const size = await sizeOf(this.paths.blob(digest));
    return size === null || size > mostBytes ? null : await readFile(this.paths.blob(digest));
  }

  /** Entries of a blob that is a folder manifest. Throws `blob-not-found`, and `invalid-request` when it is none. */
  async readFolder(digest: string): Promise<FolderEntry[]> {
    const size = await sizeOf(this.paths.blob(digest));
    if (size === null) throw notFound(digest);
    if (size > LIMITS.folderManifestBytes) {
      throw new FogError('invalid-request', `the blob ${digest} is too large for a folder manifest`);
    }
    return decodeFolderManifest(await readFile(this.paths.blob(digest), 'utf8'));
  }

  /**
   * Takes in a blob; fulfilled when it is verified and on disk. `created` is false when it was there already.
   * Throws `blob-offset-mismatch` with `details.offset`, `blob-digest-mismatch`, `body-too-large`, `storage-full`,
   * `too-many-requests`, `conflict` (another upload of it is in progress; try again), `timed-out`.
   */
  async receive(digest: string, request: UploadRequest): Promise<{ bytes: number; created: boolean }> {
    const existing = await this.stat(digest);
    if (existing !== null) return { ...existing, created: false };
    this.#refuseAtOnce(request);
    const total = request.offset + (request.length ?? 0);
    const reservation = await this.#space.reserve(total, { already: request.offset });
    this.#activeCount += 1;
    try {
      const path = request.offset === 0 ? this.#newPath(digest) : await this.#claimPartial(digest, request.offset);
      if (path !== null) return await this.#take(digest, path, request, reservation);
    } finally {
      this.#activeCount -= 1;
      reservation.end();
    }
    return this.receive(digest, request);
  }

  /** Deletes a blob that no job refers to, whatever its age. False when it is referenced or absent. */
  async delete(digest: string): Promise<boolean> {
    const now = this.#now();
    const { database } = this.#dependencies;
    const marked = await database.write((writer) =>
      markForDeletion(writer, [digest], { cutoff: Number.MAX_SAFE_INTEGER, now }),
    );
    await this.deleteMarkedFiles(marked, now);
    return marked.length > 0;
  }

  /** Second half of a deletion: the files of rows marked with `mark`, then the rows. */
  async deleteMarkedFiles(digests: readonly string[], mark: number): Promise<void> {
    for (const digest of digests) {
      // Whoever slept this long may have lost the mark to another coordinator.
      if (this.#now() - mark > HTTP_LIMITS.collectTakeoverMilliseconds / 2) return;
      await rm(this.paths.blob(digest), { force: true });
    }
    await this.#dependencies.database.write((writer) => deleteMarked(writer, digests, mark));
    this.#space.forget();
  }

  async totals(): Promise<BlobTotals> {
    const { blobs, blobBytes, inProgressBytes } = await this.#space.totals();
    return {
      blobs,
      blobBytes,
      partialBytes: this.partials.totalBytes + inProgressBytes,
      limitBytes: this.#dependencies.blobSpaceBytes,
      freeDiskBytes: await this.#space.freeDiskBytes(),
    };
  }

  /** Complete blobs on disk of one of the 256 shards, in no order. */
  async *list(shard: number): AsyncGenerator<{ digest: string; bytes: number; modifiedAt: number }> {
    const prefix = shard.toString(16).padStart(2, '0');
    const directory = await opendir(this.paths.shard(`sha256:${prefix.padEnd(64, '0')}`)).catch(() => null);
    if (directory === null) return;
    for await (const entry of directory) {
      const digest = `sha256:${prefix}${entry.name}`;
      if (!/^sha256:[0-9a-f]{64}$/.test(digest)) continue;
      const found = await stat(this.paths.blob(digest)).catch(() => null);
      if (found !== null) yield { digest, bytes: found.size, modifiedAt: found.mtimeMs };
    }
  }

  /** Receives into the file at `path`, which is ours. */
  async #take(
    digest: string,
    path: string,
    request: UploadRequest,
    reservation: Reservation,
  ): Promise<{ bytes: number; created: boolean }> {
    const limits = {
      mostBytes: this.#dependencies.blobBytes,
      grow: (bytes: number) => reservation.grow(bytes),
      stallMilliseconds: this.#dependencies.stallMilliseconds ?? HTTP_LIMITS.stallMilliseconds,
    };
    let upload: Upload | undefined;
    try {
      upload = request.offset === 0 ? await Upload.create(path, limits) : await Upload.resume(path, limits);
      reservation.begin(upload.bytes);
      this.#register(digest, upload);
      await upload.receive(request.body);
      return await this.#finish(digest, upload);
    } catch (error) {
      throw await this.#breakOff(digest, path, upload, error);
    } finally {
      if (upload !== undefined) this.#unregister(digest, upload);
    }
  }

  /** What can be refused before a byte is read. */
  #refuseAtOnce({ offset, length }: UploadRequest): void {
    const { blobBytes } = this.#dependencies;
    if (offset + (length ?? 0) > blobBytes) throw tooLarge(blobBytes);
    if (offset === 0 && this.partials.count + this.#activeCount >= HTTP_LIMITS.partialUploads) {
      throw new FogError('too-many-requests', 'there are too many unfinished uploads');
    }
  }

  /** The path of the partial file, now ours; null when the blob was completed meanwhile. */
  async #claimPartial(digest: string, offset: number): Promise<string | null> {
    if (!(await this.#outlastRival(digest))) return null;
    const path = this.#newPath(digest);
    const bytes = await this.partials.claim(digest, path);
    if (bytes === offset) return path;
    if (bytes !== null) await this.partials.release(digest, path, bytes);
    const message = bytes === null ? 'nothing of this blob is here' : `${bytes} bytes of this blob are here`;
    throw new FogError('blob-offset-mismatch', message, { details: { offset: bytes ?? 0 } });
  }

  /**
   * A connection that died without a word leaves its upload waiting, and its client comes back with the rest. Such a
   * silent upload gives way; one that makes progress does not. False when the blob is complete now.
   */
  async #outlastRival(digest: string): Promise<boolean> {
    const deadline = performance.now() + HTTP_LIMITS.blobRivalMilliseconds;
    for (let rival = this.#longest(digest); rival !== undefined; rival = this.#longest(digest)) {
      if (rival.idleMilliseconds() >= HTTP_LIMITS.idleUploadMilliseconds) {
        rival.interrupt(new FogError('conflict', 'a newer upload of this blob took over'));
      }
      if (performance.now() > deadline) {
        throw new FogError('conflict', 'another upload of this blob is in progress', { retryable: true });
      }
      await pause(HTTP_LIMITS.blobRivalPollMilliseconds);
      if (await this.has(digest)) return false;
    }
    return true;
  }

  async #finish(digest: string, upload: Upload): Promise<{ bytes: number; created: boolean }> {
    const { bytes } = upload;
    const actual = upload.digest();
    if (actual !== digest) {
      throw new FogError('blob-digest-mismatch', `the ${bytes} bytes received have the digest ${actual}`, {
        details: { expected: digest, actual, bytes },
        hint: 'what was received is thrown away; upload the blob again from offset 0',
      });
    }
    await upload.sync();
    await upload.close();
    await this.#insertRow(digest, bytes);
    const shard = this.paths.shard(digest);
    if (!this.#shards.has(shard)) {
      await mkdir(shard, { recursive: true, mode: 0o700 });
      await syncDirectory(this.paths.complete);
      this.#shards.add(shard);
    }
    await rename(upload.path, this.paths.blob(digest));
    await syncDirectory(shard);
    await this.partials.drop(digest);
    this.#space.added(bytes);
    return { bytes, created: true };
  }

  async #insertRow(digest: string, bytes: number): Promise<void> {
    const { database } = this.#dependencies;
    const deadline = performance.now() + HTTP_LIMITS.blobRivalMilliseconds;
    while (!(await database.write((writer) => insertBlob(writer, digest, bytes, this.#now())))) {
      if (performance.now() > deadline) {
        throw new FogError('conflict', 'the blob is being deleted at this moment', { retryable: true });
      }
      await pause(HTTP_LIMITS.blobRivalPollMilliseconds);
    }
  }

  /** Gives the file back or throws it away, and returns the error to tell. */
  async #breakOff(digest: string, path: string, upload: Upload | undefined, error: unknown): Promise<unknown> {
    await upload?.close().catch(() => undefined);
    const code = error instanceof FogError ? error.code : (error as NodeJS.ErrnoException).code;
    const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'storage-full';
    const worthless = full || code === 'blob-digest-mismatch' || code === 'body-too-large';
    try {
      if (worthless) await rm(path, { force: true });
      else await this.partials.release(digest, path, upload?.bytes ?? 0);
    } catch (failure) {
      this.#dependencies.logger.warn({ err: failure, digest }, 'an unfinished upload could not be put aside');
    }
    if (full && !(error instanceof FogError)) return new FogError('storage-full', 'the disk of the blobs is full');
    return error;
  }

  #newPath(digest: string): string {
    this.#claims += 1;
    return this.paths.claimed(digest, this.#claim, this.#claims);
  }

  #register(digest: string, upload: Upload): void {
    const uploads = this.#active.get(digest) ?? new Set();
    this.#active.set(digest, uploads.add(upload));
  }

  #unregister(digest: string, upload: Upload): void {
    const uploads = this.#active.get(digest);
    uploads?.delete(upload);
    if (uploads?.size === 0) this.#active.delete(digest);
  }

  #longest(digest: string): Upload | undefined {
    return [...(this.#active.get(digest) ?? [])].sort((left, right) => right.bytes - left.bytes)[0];
  }
}

export function notFound(digest: string): FogError {
  return new FogError('blob-not-found', `there is no blob ${digest}`, { hint: 'upload it first' });
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** A rename is on disk only when the folder is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
