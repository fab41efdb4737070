/** Which inputs of a turn still hold when it begins: reports of the newest sessions, losses of nodes that are silent. */
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Writer } from '../store/database.ts';
import type { DispatcherInput } from './inputs.ts';
import type { AgentSession } from './sessions.ts';

const MOVE_JOURNALS: BulkStatement = {
  text: `UPDATE nodes SET acknowledged = d.upto, last_seen_at = d.at
    FROM ROWS AS d WHERE nodes.id = d.node AND nodes.session = d.session RETURNING nodes.id, nodes.session`,
  columns: { node: 'text', session: 'bigint', upto: 'bigint', at: 'bigint' },
};

/**
 * Moves the journals on, and answers up to which entry. A session that a newer one has replaced, here or elsewhere, is
 * not listened to and not named.
 */
export async function moveJournals(
  writer: Writer,
  inputs: readonly DispatcherInput[],
  at: number,
): Promise<Map<AgentSession, number>> {
  const upTo = new Map<AgentSession, number>();
  for (const input of inputs) if (input.kind === 'entry') upTo.set(input.session, input.sequence);
  if (upTo.size === 0) return upTo;
  const rows = [...upTo].map(([session, sequence]) => [session.nodeId, session.session, sequence, at]);
  const moved = await runBulk<{ id: string; session: number }>(writer, MOVE_JOURNALS, rows);
  const valid = new Set(moved.map((row) => `${row.id} ${row.session}`));
  for (const session of upTo.keys()) if (!valid.has(`${session.nodeId} ${session.session}`)) upTo.delete(session);
  return upTo;
}

/** Drops entries of replaced sessions, and losses of nodes that are back by now. */
export async function stillTrue(
  writer: Writer,
  inputs: readonly DispatcherInput[],
  acknowledged: ReadonlyMap<AgentSession, number>,
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
    if (input.kind === 'entry') return acknowledged.has(input.session);
    if (input.kind === 'lost') return silent.has(input.node);
    return true;
  });
}
