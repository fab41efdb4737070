/** How much disk the database takes, and when that is too much to take in more jobs. */
import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { FogError, formatBytes } from '@fog/contract';
import { sql } from 'kysely';
import { HTTP_LIMITS } from '../limits.ts';
import type { Database } from './database.ts';

export interface DatabaseSize {
  /** On the disk. */
  bytes: number;
  /** Of these, what holds rows: SQLite keeps pages that have become free, and fills them first. */
  usedBytes: number;
  /** Free on that disk; null where it is not ours to see. */
  freeDiskBytes: number | null;
}

export interface DatabaseSpaceDependencies {
  measure: () => Promise<DatabaseSize>;
  limitBytes: number;
}

/**
 * Measured by a sweep, looked at by every submit: jobs that run may end and be removed whatever the size, so it is
 * new jobs that are refused.
 */
export class DatabaseSpace {
  readonly limitBytes: number;
  readonly #measure: () => Promise<DatabaseSize>;
  #size: DatabaseSize | null = null;

  constructor({ measure, limitBytes }: DatabaseSpaceDependencies) {
    this.#measure = measure;
    this.limitBytes = limitBytes;
  }

  /** Null before the first measurement. */
  get size(): DatabaseSize | null {
    return this.#size;
  }

  async measure(): Promise<void> {
    this.#size = await this.#measure();
  }

  /** Why no job can be taken in: `storage-full`, or null. */
  fault(): FogError | null {
    if (this.#size === null) return null;
    const { usedBytes, freeDiskBytes } = this.#size;
    if (freeDiskBytes !== null && freeDiskBytes < HTTP_LIMITS.freeDiskBytes) {
      return new FogError(
        'storage-full',
        `the disk of the database is almost full: ${formatBytes(freeDiskBytes)} free`,
        {
          details: { freeDiskBytes, keptFreeBytes: HTTP_LIMITS.freeDiskBytes },
          hint: 'free space on the disk of the coordinator',
        },
      );
    }
    if (usedBytes < this.limitBytes) return null;
    return new FogError('storage-full', `the database holds ${formatBytes(usedBytes)}, which is its limit`, {
      details: { usedBytes, limitBytes: this.limitBytes },
      hint: 'raise databaseSpace, shorten keepJobs, or wait until old jobs are removed',
    });
  }
}

/** Asks the engine and the file system. */
export async function measureDatabase(database: Database, directory: string): Promise<DatabaseSize> {
  if (database.engine === 'postgres') {
    const { rows } = await sql<{ bytes: number }>`SELECT pg_database_size(current_database()) AS bytes`.execute(
      database.read,
    );
    const bytes = Number(rows[0]?.bytes ?? 0);
    return { bytes, usedBytes: bytes, freeDiskBytes: null };
  }
  const pragma = async (name: string): Promise<number> => {
    const { rows } = await sql.raw<Record<string, number>>(`PRAGMA ${name}`).execute(database.read);
    return Number(Object.values(rows[0] ?? {})[0] ?? 0);
  };
  const [pageBytes, pages, freePages] = [
    await pragma('page_size'),
    await pragma('page_count'),
    await pragma('freelist_count'),
  ];
  const files = await Promise.all(['fog.sqlite', 'fog.sqlite-wal'].map((name) => bytesOf(join(directory, name))));
  const { bavail, bsize } = await statfs(directory);
  return {
    bytes: files.reduce((sum, bytes) => sum + bytes, 0),
    usedBytes: (pages - freePages) * pageBytes,
    freeDiskBytes: bavail * bsize,
  };
}

async function bytesOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}
