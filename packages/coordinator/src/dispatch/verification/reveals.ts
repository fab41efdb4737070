/**
 * Asks the nodes that are connected here for results that are due: those that another coordinator has decided on, and
 * those whose first question was lost on the way. A node that is asked twice answers once.
 */
import { type AttemptName, attemptKey } from '@fog/contract';
import { type BulkStatement, runBulk } from '../../store/bulk.ts';
import type { Database } from '../../store/database.ts';
import type { AgentSession, Sessions } from '../sessions.ts';
import { openFences, readRecord } from './record.ts';

const LOAD_RECORDS: BulkStatement = {
  text: `SELECT t.job_id, t.partition, t.verification FROM ROWS AS k CROSS JOIN tasks t
    WHERE t.job_id = k.job_id AND t.partition = k.partition AND t.verification IS NOT NULL`,
  columns: { job_id: 'text', partition: 'integer' },
};

export function revealFrame(attempts: readonly AttemptName[]): string {
  return JSON.stringify({ type: 'reveal', attempts });
}

export async function askForResults({ read }: Pick<Database, 'read'>, sessions: Sessions): Promise<void> {
  const waiting = [...sessions.all()].flatMap((session) => session.committed.map((name) => ({ session, name })));
  if (waiting.length === 0) return;
  const keys = new Map(waiting.map(({ name }) => [`${name.job}/${name.partition}`, [name.job, name.partition]]));
  const rows = await runBulk<{ job_id: string; partition: number; verification: string }>(read, LOAD_RECORDS, [
    ...keys.values(),
  ]);
  const open = new Set(
    rows.flatMap(({ job_id: job, partition, verification }) =>
      openFences(readRecord(verification)).map((fence) => attemptKey({ job, partition, fence })),
    ),
  );
  const asked = Map.groupBy(
    waiting.filter(({ name }) => open.has(attemptKey(name))),
    ({ session }): AgentSession => session,
  );
  for (const [session, entries] of asked) session.link.send(revealFrame(entries.map(({ name }) => name)));
}
