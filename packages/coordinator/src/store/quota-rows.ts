/** Quotas of principals, and what each coordinator has placed of them. */
import type { QuotaLimits } from '@fog/contract';
import { sql } from 'kysely';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';
import { IS_HELD } from './live-attempts.ts';

export interface RunningUse {
  running: number;
  milliCpu: number;
  memoryBytes: number;
}

export type QuotaRecord = QuotaLimits & { principal: string };

/** By name, of one principal or all. */
export async function readQuotas(
  reader: Reader,
  request: { principal?: string | null; after?: string | undefined; limit: number },
): Promise<QuotaRecord[]> {
  let query = reader.selectFrom('quotas').selectAll().orderBy('principal').limit(request.limit);
  if (request.principal != null) query = query.where('principal', '=', request.principal);
  if (request.after !== undefined) query = query.where('principal', '>', request.after);
  return (await query.execute()).map(({ principal, milli_cpu, memory_bytes, running, queued }) => {
    return { principal, milliCpu: milli_cpu, memoryBytes: memory_bytes, running, queued };
  });
}

export async function countQuotas(reader: Reader): Promise<number> {
  const count = reader.fn.countAll<number>().as('count');
  const row = await reader.selectFrom('quotas').select(count).executeTakeFirst();
  return Number(row?.count ?? 0);
}

export async function saveQuota(
  writer: Writer,
  principal: string,
  { limits, by, at }: { limits: QuotaLimits; by: string; at: number },
): Promise<void> {
  const { milliCpu: milli_cpu, memoryBytes: memory_bytes, running, queued } = limits;
  const values = { milli_cpu, memory_bytes, running, queued, set_by: by, set_at: at };
  await writer
    .insertInto('quotas')
    .values({ principal, ...values })
    .onConflict((conflict) => conflict.column('principal').doUpdateSet(values))
    .execute();
}

export async function deleteQuota(writer: Writer, principal: string): Promise<boolean> {
  await writer.deleteFrom('quota_uses').where('principal', '=', principal).execute();
  const result = await writer.deleteFrom('quotas').where('principal', '=', principal).executeTakeFirst();
  return result.numDeletedRows > 0n;
}

const LOCK_QUOTAS: BulkStatement = {
  text: 'SELECT t.principal FROM ROWS AS k CROSS JOIN quotas t WHERE t.principal = k.principal ORDER BY t.principal',
  columns: { principal: 'text' },
  lock: 'FOR UPDATE OF t',
};

/** Until the end of the transaction no other coordinator places tasks of these. `principals` is sorted. */
export async function lockQuotas(writer: Writer, principals: readonly string[]): Promise<void> {
  await runBulk(
    writer,
    LOCK_QUOTAS,
    principals.map((principal) => [principal]),
  );
}

const OTHERS_USES: BulkStatement = {
  text: `SELECT u.principal, u.running, u.milli_cpu, u.memory_bytes FROM ROWS AS k CROSS JOIN quota_uses u
    WHERE u.principal = k.principal AND u.coordinator_id <> k.own
      AND u.coordinator_id IN (SELECT id FROM coordinators)`,
  columns: { principal: 'text', own: 'text' },
};

/** What other coordinators that are alive have placed of these. */
export async function othersUses(
  reader: Reader,
  principals: readonly string[],
  own: string,
): Promise<Map<string, RunningUse>> {
  const rows = await runBulk<{ principal: string; running: number; milli_cpu: number; memory_bytes: number }>(
    reader,
    OTHERS_USES,
    principals.map((principal) => [principal, own]),
  );
  const uses = new Map<string, RunningUse>();
  for (const row of rows) {
    const use = uses.getOrInsertComputed(row.principal, () => ({ running: 0, milliCpu: 0, memoryBytes: 0 }));
    use.running += row.running;
    use.milliCpu += row.milli_cpu;
    use.memoryBytes += row.memory_bytes;
  }
  return uses;
}

const SAVE_USES: BulkStatement = {
  text: `INSERT INTO quota_uses (principal, coordinator_id, milli_cpu, memory_bytes, running)
    SELECT principal, coordinator_id, milli_cpu, memory_bytes, running FROM ROWS AS d WHERE true
    ON CONFLICT (principal, coordinator_id) DO UPDATE
      SET milli_cpu = excluded.milli_cpu, memory_bytes = excluded.memory_bytes, running = excluded.running`,
  columns: {
    principal: 'text',
    coordinator_id: 'text',
    milli_cpu: 'bigint',
    memory_bytes: 'bigint',
    running: 'bigint',
  },
};

export async function saveUses(
  writer: Writer,
  coordinatorId: string,
  uses: readonly { principal: string; use: RunningUse }[],
): Promise<void> {
  const sorted = uses.toSorted((a, b) => (a.principal < b.principal ? -1 : 1));
  const rows = sorted.map(({ principal, use }) => {
    return [principal, coordinatorId, use.milliCpu, use.memoryBytes, use.running];
  });
  await runBulk(writer, SAVE_USES, rows);
}

/** What coordinators that are gone had placed is counted by those that its nodes come to. */
export async function removeStaleUses(writer: Writer): Promise<void> {
  await sql`DELETE FROM quota_uses WHERE coordinator_id NOT IN (SELECT id FROM coordinators)`.execute(writer);
}

/** Tasks that wait over all its unfinished jobs, those that are no rows yet among them. */
export async function queuedTasksOf(reader: Reader, principal: string): Promise<number> {
  const { rows } = await sql<{ queued: number | null }>`SELECT SUM(queued + task_count - expanded) AS queued FROM jobs
    WHERE submitter = ${principal} AND ended_at IS NULL AND purpose = 'user'`.execute(reader);
  return Number(rows[0]?.queued ?? 0);
}

/** What these principals have, by the attempts and jobs in the database, for people to look at. */
export async function usesOf(
  reader: Reader,
  principals: readonly string[],
): Promise<Map<string, RunningUse & { queued: number }>> {
  const uses = new Map<string, RunningUse & { queued: number }>();
  if (principals.length === 0) return uses;
  for (const principal of principals) {
    uses.set(principal, { running: 0, milliCpu: 0, memoryBytes: 0, queued: await queuedTasksOf(reader, principal) });
  }
  const rows = await reader
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .innerJoin('tasks', (join) =>
      join.onRef('tasks.job_id', '=', 'attempts.job_id').onRef('tasks.partition', '=', 'attempts.partition'),
    )
    .innerJoin('placement_classes', 'placement_classes.id', 'tasks.class_id')
    .select(['jobs.submitter', 'placement_classes.requirements'])
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where(IS_HELD)
    .where('attempts.state', '<>', 'committed')
    .where('jobs.submitter', 'in', principals)
    .groupBy(['jobs.submitter', 'placement_classes.requirements'])
    .execute();
  for (const { submitter, requirements, count } of rows) {
    const use = uses.get(submitter);
    if (use === undefined) continue;
    const { milliCpu, memoryBytes } = JSON.parse(requirements) as { milliCpu: number; memoryBytes: number };
    use.running += Number(count);
    use.milliCpu += Number(count) * milliCpu;
    use.memoryBytes += Number(count) * memoryBytes;
  }
  return uses;
}
