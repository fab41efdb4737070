/**
 * The table `blobs`, which decides what exists: a blob is there when it has a row and a file.
 *
 *     (absent) --upload--> stored_at > 0 --collector, by age--> stored_at < 0 --file deleted--> (absent)
 *                            ^-- renewed --|
 *
 * Row first, file second, both when a blob comes and, with the mark, when it goes: whoever renewed the row before the
 * mark keeps the file, and whoever comes after the mark waits until both are gone. The mark is the negative time, so
 * that a deletion whose process died is found and finished.
 */
import { sql } from 'kysely';
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Reader, Writer } from '../store/database.ts';

/** Inserts or renews the row. False when the blob is being deleted at this moment. */
export async function insertBlob(writer: Writer, digest: string, bytes: number, now: number): Promise<boolean> {
  const rows = await writer
    .insertInto('blobs')
    .values({ digest, bytes, stored_at: now })
    .onConflict((conflict) =>
      conflict.column('digest').doUpdateSet({ stored_at: now }).where('blobs.stored_at', '>', 0),
    )
    .returning('digest')
    .execute();
  return rows.length > 0;
}

/**
 * Renews the rows, so that the blobs stay for another whole `keepBlobs`, and returns the digests that have none.
 * Rows younger than the limit are left as they are: a write for every submit of a popular program would be in vain.
 * A job that names blobs calls it in the transaction that inserts its `job_blobs`: from then on the reference keeps
 * them, and until then the renewal does.
 */
export async function renewBlobs(
  writer: Writer,
  digests: readonly string[],
  now: number,
  unlessYoungerThanMilliseconds = 0,
): Promise<string[]> {
  const wanted = [...new Set(digests)].sort();
  const rows = await runBulk<{ digest: string; stored_at: number }>(
    writer,
    FIND_BLOBS,
    wanted.map((digest) => [digest]),
  );
  const old = rows.filter((row) => row.stored_at <= now - unlessYoungerThanMilliseconds);
  const renewed = await runBulk<{ digest: string }>(
    writer,
    RENEW_BLOBS,
    old.map((row) => [row.digest, now]),
  );
  const kept = new Set(renewed.map((row) => row.digest));
  const known = new Set(rows.filter((row) => !old.includes(row) || kept.has(row.digest)).map((row) => row.digest));
  return wanted.filter((digest) => !known.has(digest));
}

export async function readBlobSizes(
  reader: Reader,
  digests: readonly string[],
): Promise<{ digest: string; bytes: number }[]> {
  return await reader.selectFrom('blobs').select(['digest', 'bytes']).where('digest', 'in', digests).execute();
}

/** Which of these are not there. */
export async function findMissingBlobs(reader: Reader, digests: readonly string[]): Promise<string[]> {
  const wanted = [...new Set(digests)];
  const rows = await runBulk<{ digest: string }>(
    reader,
    FIND_BLOBS,
    wanted.map((digest) => [digest]),
  );
  const known = new Set(rows.map(({ digest }) => digest));
  return wanted.filter((digest) => !known.has(digest));
}

const FIND_BLOBS: BulkStatement = {
  text: `SELECT t.digest, t.stored_at FROM ROWS AS k CROSS JOIN blobs t
    WHERE t.digest = k.digest AND t.stored_at > 0 ORDER BY t.digest`,
  columns: { digest: 'text' },
  lock: 'FOR SHARE OF t',
};

const RENEW_BLOBS: BulkStatement = {
  text: `UPDATE blobs SET stored_at = d.at FROM ROWS AS d
    WHERE blobs.digest = d.digest AND blobs.stored_at > 0 RETURNING blobs.digest`,
  columns: { digest: 'text', at: 'bigint' },
};

export async function findBlob(reader: Reader, digest: string): Promise<{ bytes: number; stored_at: number } | null> {
  const row = await reader
    .selectFrom('blobs')
    .select(['bytes', 'stored_at'])
    .where('digest', '=', digest)
    .where('stored_at', '>', 0)
    .executeTakeFirst();
  return row ?? null;
}

export async function countBlobs(reader: Reader): Promise<{ blobs: number; blobBytes: number }> {
  const row = await reader
    .selectFrom('blobs')
    .select((expression) => [
      expression.fn.countAll<number>().as('blobs'),
      sql<number>`COALESCE(SUM(bytes), 0)`.as('blobBytes'),
    ])
    .executeTakeFirstOrThrow();
  return { blobs: Number(row.blobs), blobBytes: Number(row.blobBytes) };
}

/** Neither a job names it, nor a task as its checkpoint. */
const IS_UNREFERENCED = sql<boolean>`NOT EXISTS (SELECT 1 FROM job_blobs WHERE job_blobs.digest = blobs.digest)
  AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.checkpoint_manifest = blobs.digest)`;

/** Blobs not renewed since `cutoff` that nothing refers to, oldest first. */
export async function collectable(reader: Reader, cutoff: number, limit: number): Promise<string[]> {
  const rows = await reader
    .selectFrom('blobs')
    .select('digest')
    .where('stored_at', '>', 0)
    .where('stored_at', '<', cutoff)
    .where(IS_UNREFERENCED)
    .orderBy('stored_at')
    .limit(limit)
    .execute();
  return rows.map((row) => row.digest);
}

/** Marks those that are still unreferenced and old, and returns them: their files may be deleted now. */
export async function markForDeletion(
  writer: Writer,
  digests: readonly string[],
  times: { cutoff: number; now: number },
): Promise<string[]> {
  if (digests.length === 0) return [];
  const rows = await writer
    .updateTable('blobs')
    .set({ stored_at: -times.now })
    .where('digest', 'in', [...digests].sort())
    .where('stored_at', '>', 0)
    .where('stored_at', '<', times.cutoff)
    .where(IS_UNREFERENCED)
    .returning('digest')
    .execute();
  return rows.map((row) => row.digest);
}

/** Takes over a deletion that was marked before `before` and not finished. */
export async function takeOverMarks(writer: Writer, before: number, now: number): Promise<string[]> {
  const rows = await writer
    .updateTable('blobs')
    .set({ stored_at: -now })
    .where('stored_at', '<', 0)
    .where('stored_at', '>', -before)
    .returning('digest')
    .execute();
  return rows.map((row) => row.digest);
}

/** Marks a file that has no row; false when a row came into being. */
export async function markStray(writer: Writer, digest: string, now: number): Promise<boolean> {
  const rows = await writer
    .insertInto('blobs')
    .values({ digest, bytes: 0, stored_at: -now })
    .onConflict((conflict) => conflict.column('digest').doNothing())
    .returning('digest')
    .execute();
  return rows.length > 0;
}

export async function deleteMarked(writer: Writer, digests: readonly string[], mark: number): Promise<void> {
  if (digests.length === 0) return;
  await writer
    .deleteFrom('blobs')
    .where('digest', 'in', [...digests].sort())
    .where('stored_at', '=', -mark)
    .execute();
}
