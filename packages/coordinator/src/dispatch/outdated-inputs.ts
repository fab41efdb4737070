/** Which inputs of a turn still hold when it begins: reports of the newest sessions, losses of nodes that are silent. */
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Writer } from '../store/database.ts';
import type { DispatcherInput } from './inputs.ts';
import type { AgentSession } from './sessions.ts';

const MOVE_JOURNALS: BulkStatement = {
  text: `UPDATE nodes SET acknowledged = d.upto, last_seen_at = d.at
    FROM ROWS AS d WHERE nodes.id = d.node AND nodes.session = d.session
    RETURNING nodes.id, nodes.session, nodes.trusted`,
  columns: { node: 'text', session: 'bigint', upto: 'bigint', at: 'bigint' },
};

/** Of a session whose reports a turn takes in. */
export interface Heard {
  /** Its journal is durable up to this entry. */
  upTo: number;
  /** As the database has it at this moment; what the session says of it may be older. */
  isTrusted: boolean;
}

/** Moves the journals on. A session that a newer one has replaced, here or elsewhere, is not listened to and not named. */
export async function moveJournals(
  writer: Writer,
  inputs: readonly DispatcherInput[],
  at: number,
): Promise<Map<AgentSession, Heard>> {
  const upTo = new Map<AgentSession, number>();
  for (const input of inputs) if (input.kind === 'entry') upTo.set(input.session, input.sequence);
  if (upTo.size === 0) return new Map();
  const rows = [...upTo].map(([session, sequence]) => [session.nodeId, session.session, sequence, at]);
  const moved = await runBulk<{ id: string; session: number; trusted: number }>(writer, MOVE_JOURNALS, rows);
  const trusted = new Map(moved.map((row) => [`${row.id} ${row.session}`, row.trusted === 1]));
  const heard = new Map<AgentSession, Heard>();
  for (const [session, sequence] of upTo) {
    const isTrusted = trusted.get(`${session.nodeId} ${session.session}`);
    if (isTrusted !== undefined) heard.set(session, { upTo: sequence, isTrusted });
  }
  return heard;
}

/** Drops entries of replaced sessions, and losses of nodes that are back by now. */
export async function stillTrue(
  writer: Writer,
  inputs: readonly DispatcherInput[],
  heard: ReadonlyMap<AgentSession, Heard>,
): Promise<DispatcherInput[]> {
  const nodes = [...new Set(inputs.flatMap((input) => (input.kind === 'lost' ? [input.node] : [])))];
  const silent = new Set<string>();
  if (nodes.length > 0) {
    const query = writer
      .selectFrom('nodes')
      .select('id')
      .where('silent_since', 'is not', null)
      .where('id', 'in', nodes);
    for (const row of await query.execute()) silent.add(row.id);
  }
  return inputs.filter((input) => {
    if (input.kind === 'entry') return heard.has(input.session);
    if (input.kind === 'lost') return silent.has(input.node);
    return true;
  });
}
