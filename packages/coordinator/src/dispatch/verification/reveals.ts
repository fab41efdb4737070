/**
 * What the nodes that are connected here keep of tasks that another coordinator has decided on, and what they were not
 * told because a hint or a frame was lost on the way: they are asked for results that are due, and told to drop those
 * that nobody will ask for. A node that is asked or told twice answers once.
 */
import { type AttemptName, attemptKey, type FailureReason } from '@fog/contract';
import { type BulkStatement, runBulk } from '../../store/bulk.ts';
import type { Database } from '../../store/database.ts';
import type { Dispatcher } from '../dispatcher.ts';
import type { AgentSession, Sessions } from '../sessions.ts';
import { openFences, readRecord } from './record.ts';

const LOAD_RECORDS: BulkStatement = {
  text: `SELECT t.job_id, t.partition, t.verification FROM ROWS AS k CROSS JOIN tasks t
    WHERE t.job_id = k.job_id AND t.partition = k.partition AND t.verification IS NOT NULL`,
  columns: { job_id: 'text', partition: 'integer' },
};

const LOAD_STATES: BulkStatement = {
  text: `SELECT a.job_id, a.partition, a.fence, a.state FROM ROWS AS k CROSS JOIN attempts a
    WHERE a.job_id = k.job_id AND a.partition = k.partition AND a.fence = k.fence`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer' },
};

/** Why an attempt that its session still holds was decided on elsewhere: what failed there was not shown in time. */
export function stopReason(state: string): FailureReason {
  return state === 'failed' ? 'withheld' : state === 'cancelled' ? 'cancelled' : 'superseded';
}

export function revealFrame(attempts: readonly AttemptName[]): string {
  return JSON.stringify({ type: 'reveal', attempts });
}

export async function askForResults({ read }: Pick<Database, 'read'>, sessions: Sessions): Promise<void> {
  const waiting = committedIn(sessions);
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

/**
 * A running attempt ends by itself, one that has run and keeps its outputs never does: where it is decided, or its job
 * is gone, it gives its disk back.
 */
export async function stopDecidedResults(
  { read }: Pick<Database, 'read'>,
  dispatcher: Pick<Dispatcher, 'sessions' | 'wake'>,
): Promise<void> {
  const kept = committedIn(dispatcher.sessions);
  if (kept.length === 0) return;
  const rows = await runBulk<{ job_id: string; partition: number; fence: number; state: string }>(
    read,
    LOAD_STATES,
    kept.map(({ name }) => [name.job, name.partition, name.fence]),
  );
  const states = new Map(
    rows.map(({ job_id: job, partition, fence, state }) => [attemptKey({ job, partition, fence }), state]),
  );
  const decided = kept.flatMap(({ session, name }) => {
    const state = states.get(attemptKey(name)) ?? 'gone';
    // A turn may have come in between.
    const isKept = session.open && session.needsOf(name) !== undefined;
    return state === 'committed' || !isKept ? [] : [{ session, attempt: name, reason: stopReason(state) }];
  });
  if (decided.length === 0) return;
  for (const [session, entries] of Map.groupBy(decided, (entry) => entry.session)) {
    for (const { attempt } of entries) session.release(attempt);
    const attempts = entries.map(({ attempt, reason }) => ({ attempt, reason }));
    session.link.send(JSON.stringify({ type: 'stop', attempts }));
  }
  dispatcher.wake();
}

function committedIn(sessions: Sessions): { session: AgentSession; name: AttemptName }[] {
  return [...sessions.all()].flatMap((session) => session.committed.map((name) => ({ session, name })));
}
