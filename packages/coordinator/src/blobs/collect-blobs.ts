/**
 * Deletes blobs that nothing refers to and nobody asked for since `keepMilliseconds`.
 *
 * A blob is referred to by a job that names it, by a task whose checkpoint it is, or by a folder manifest that one of
 * these names. Candidates are few, so they are looked for in the manifests, not the other way round; a candidate found
 * there is renewed, and is left alone for the next `keepMilliseconds`.
 */
import { open, readFile } from 'node:fs/promises';
import { decodeFolderManifest, LIMITS } from '@fog/contract';
import { sql } from 'kysely';
import { HTTP_LIMITS } from '../limits.ts';
import type { Logger } from '../routes/problem.ts';
import type { Database } from '../store/database.ts';
import { collectable, findBlob, markForDeletion, markStray, renewBlobs, takeOverMarks } from './blob-rows.ts';
import type { BlobStore } from './blob-store.ts';

export interface BlobCollectorDependencies {
  blobs: BlobStore;
  database: Database;
  logger: Logger;
  now?: () => number;
}

export interface Collected {
  deleted: number;
  /** Kept because a folder of a job has them. */
  keptByFolders: number;
  /** Files without a row. */
  strays: number;
}

const REFERENCES = [
  { table: 'job_blobs', digest: 'job_blobs.digest' },
  { table: 'tasks', digest: 'tasks.checkpoint_manifest' },
] as const;

const MANIFEST_START = '{"fogFolder":1';
const SHARDS = 256;

/** `run` is one bounded step; call it every few minutes. Several coordinators may run it at the same time. */
export class BlobCollector {
  readonly #dependencies: BlobCollectorDependencies;
  readonly #now: () => number;
  /** Referenced blobs known to be no manifests; saves opening them again. */
  readonly #plain = new Set<string>();
  #shard = 0;

  constructor(dependencies: BlobCollectorDependencies) {
    this.#dependencies = dependencies;
    this.#now = dependencies.now ?? Date.now;
  }

  async run(signal?: AbortSignal): Promise<Collected> {
    const { blobs, database, logger } = this.#dependencies;
    await blobs.partials.tidy();
    await this.#finishMarked();
    const cutoff = this.#now() - blobs.keepMilliseconds;
    const candidates = new Set(await collectable(database.read, cutoff, HTTP_LIMITS.collectCandidates));
    const keptByFolders = candidates.size === 0 ? 0 : await this.#keepFolderEntries(candidates, signal);
    let deleted = 0;
    const rest = [...candidates];
    for (let start = 0; start < rest.length && !signal?.aborted; start += HTTP_LIMITS.collectBatch) {
      const now = this.#now();
      const batch = rest.slice(start, start + HTTP_LIMITS.collectBatch);
      const marked = await database.write((writer) => markForDeletion(writer, batch, { cutoff, now }));
      await blobs.deleteMarkedFiles(marked, now);
      deleted += marked.length;
    }
    const strays = signal?.aborted ? 0 : await this.#collectStrays(cutoff);
    if (deleted > 0 || strays > 0) logger.info({ deleted, keptByFolders, strays }, 'blobs collected');
    return { deleted, keptByFolders, strays };
  }

  /** Deletions whose coordinator died half way. */
  async #finishMarked(): Promise<void> {
    const { blobs, database } = this.#dependencies;
    const now = this.#now();
    const before = now - HTTP_LIMITS.collectTakeoverMilliseconds;
    const marked = await database.write((writer) => takeOverMarks(writer, before, now));
    await blobs.deleteMarkedFiles(marked, now);
  }

  /** Takes the entries of referenced manifests out of `candidates` and renews them. Returns how many. */
  async #keepFolderEntries(candidates: Set<string>, signal: AbortSignal | undefined): Promise<number> {
    const { database } = this.#dependencies;
    const kept: string[] = [];
    for await (const digest of this.#referencedManifests(signal)) {
      for (const entry of await this.#entriesOf(digest)) {
        if (candidates.delete(entry)) kept.push(entry);
      }
      if (candidates.size === 0) break;
    }
    // Nothing is deleted on the strength of half a look.
    if (signal?.aborted) candidates.clear();
    if (kept.length > 0) await database.write((writer) => renewBlobs(writer, kept, this.#now()));
    return kept.length;
  }

  async *#referencedManifests(signal: AbortSignal | undefined): AsyncGenerator<string> {
    const { database } = this.#dependencies;
    for (const { table, digest: reference } of REFERENCES) {
      let after = '';
      while (!signal?.aborted) {
        const { rows } = await sql<{ digest: string }>`
          SELECT DISTINCT blobs.digest FROM ${sql.table(table)} JOIN blobs ON blobs.digest = ${sql.ref(reference)}
          WHERE blobs.bytes <= ${LIMITS.folderManifestBytes} AND blobs.digest > ${after}
          ORDER BY blobs.digest LIMIT ${HTTP_LIMITS.collectBatch}`.execute(database.read);
        for (const { digest } of rows) {
          if (await this.#isManifest(digest)) yield digest;
        }
        if (rows.length < HTTP_LIMITS.collectBatch) break;
        after = rows.at(-1)?.digest ?? after;
      }
    }
  }

  async #isManifest(digest: string): Promise<boolean> {
    if (this.#plain.has(digest)) return false;
    const file = await open(this.#dependencies.blobs.paths.blob(digest), 'r').catch(() => null);
    if (file === null) return false;
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MANIFEST_START.length), 0, MANIFEST_START.length, 0);
      const manifest = buffer.toString('latin1', 0, bytesRead) === MANIFEST_START;
      if (!manifest) this.#rememberPlain(digest);
      return manifest;
    } finally {
      await file.close();
    }
  }

  async #entriesOf(digest: string): Promise<string[]> {
    try {
      const text = await readFile(this.#dependencies.blobs.paths.blob(digest), 'utf8');
      return decodeFolderManifest(text).map((entry) => entry.digest);
    } catch {
      this.#rememberPlain(digest); // it only begins like one
      return [];
    }
  }

  #rememberPlain(digest: string): void {
    if (this.#plain.size >= HTTP_LIMITS.collectMemory) this.#plain.clear();
    this.#plain.add(digest);
  }

  /** Files without a row, of one shard a run: a database that was restored from a backup does not know them. */
  async #collectStrays(cutoff: number): Promise<number> {
    const { blobs, database } = this.#dependencies;
    let strays = 0;
    for await (const { digest, modifiedAt } of blobs.list(this.#shard)) {
      if (modifiedAt > cutoff) continue;
      const now = this.#now();
      if ((await findBlob(database.read, digest)) !== null) continue;
      if (!(await database.write((writer) => markStray(writer, digest, now)))) continue;
      await blobs.deleteMarkedFiles([digest], now);
      strays += 1;
    }
    this.#shard = (this.#shard + 1) % SHARDS;
    return strays;
  }
}
