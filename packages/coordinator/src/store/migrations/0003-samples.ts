import { type Kysely, SqliteAdapter, sql } from 'kysely';

/** What attempts used over time. */
export async function up(database: Kysely<unknown>): Promise<void> {
  const isSqlite = database.getExecutor().adapter instanceof SqliteAdapter;
  await sql
    .raw(`CREATE TABLE samples (
      job_id TEXT NOT NULL, partition INTEGER NOT NULL, fence INTEGER NOT NULL, at BIGINT NOT NULL,
      cpu_milliseconds BIGINT, memory_bytes BIGINT, network_received_bytes BIGINT, network_sent_bytes BIGINT,
      disk_bytes BIGINT, processes BIGINT, PRIMARY KEY (job_id, partition, fence, at))${isSqlite ? ' WITHOUT ROWID' : ''}`)
    .execute(database);
}
