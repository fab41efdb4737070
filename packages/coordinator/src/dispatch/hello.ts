/**
 * A node connects: who it is, what it still holds, what it owes.
 *
 * Runs inside a turn, so nothing else decides on its attempts at the same time. The link has checked the signature;
 * whoever could sign for the key is the node.
 */

import { createHash } from 'node:crypto';
import {
  type AttemptName,
  type AttemptState,
  attemptKey,
  FogError,
  type HeldAttempt,
  type HelloFrame,
  type NodeEventData,
} from '@fog/contract';
import { sql } from 'kysely';
import type { Database, Writer } from '../store/database.ts';
import { IS_LIVE } from '../store/live-attempts.ts';
import type { NodeRow } from '../store/tables.ts';
import { insertEvents, rowLock } from '../store/turn-rows.ts';

export interface AdmittedNode {
  session: number;
  acknowledged: number;
  cordoned: boolean;
  draining: boolean;
  /** Attempts that the database believes to be alive on this node. */
  believed: { name: AttemptName; state: AttemptState; logBytes: number }[];
}

/** Stores the node's new session. Throws `unauthenticated` when it is unknown and brings no join token. */
export async function admitNode(
  writer: Writer,
  hello: HelloFrame,
  context: { engine: Database['engine']; owner: string | null; coordinatorId: string; blobToken: string; now: number },
): Promise<AdmittedNode> {
  await lockNode(writer, context.engine, hello.nodeId);
  const existing = await writer.selectFrom('nodes').selectAll().where('id', '=', hello.nodeId).executeTakeFirst();
  if (existing === undefined && context.owner === null) {
    throw new FogError('unauthenticated', 'this node is not known here and brings no valid join token', {
      hint: 'fog token create --scope node, then fog node join URL --token TOKEN',
    });
  }
  const events: NodeEventData[] = [];
  if (existing === undefined) events.push({ type: 'node.joined', name: hello.node.name, by: context.owner ?? '' });
  const session = (existing?.session ?? 0) + 1;
  events.push({ type: 'node.connected', session });
  const acknowledged = existing?.journal_id === hello.journalId ? existing.acknowledged : 0;
  const row = nodeRow(hello, { ...context, existing, session, acknowledged, events: events.length });
  await writer
    .insertInto('nodes')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
    .execute();
  const first = existing?.next_sequence ?? 1;
  await insertEvents(
    writer,
    events.map((data, index) => [hello.nodeId, first + index, context.now, JSON.stringify(data)]),
  );
  const attempts = await writer
    .selectFrom('attempts')
    .select(['job_id', 'partition', 'fence', 'state', 'log_bytes'])
    .where('node_id', '=', hello.nodeId)
    .where(IS_LIVE)
    .execute();
  return {
    session,
    acknowledged,
    cordoned: row.cordoned === 1,
    draining: false,
    believed: attempts.map((attempt) => ({
      name: { job: attempt.job_id, partition: attempt.partition, fence: attempt.fence },
      state: attempt.state as AttemptState,
      logBytes: attempt.log_bytes,
    })),
  };
}

/**
 * A node may connect to two coordinators at the same moment: the numbers of its session, journal and events must not
 * be read by one while the other moves them on. A lock of its own, because a new node has no row to lock.
 */
async function lockNode(writer: Writer, engine: Database['engine'], nodeId: string): Promise<void> {
  if (engine !== 'postgres') return;
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${nodeId}, 0))`.execute(writer);
  await sql`SELECT id FROM nodes WHERE id = ${nodeId} ${rowLock(engine, 'FOR UPDATE')}`.execute(writer);
}

export interface Reconciliation {
  /** Held and believed alive: they go on if their task is undecided. */
  resume: { name: AttemptName; logBytes: number }[];
  /** Held, but decided long ago or never heard of. */
  stop: AttemptName[];
  /** Believed alive, but no longer held. */
  forgotten: { name: AttemptName; why: 'node-lost' | 'undelivered' }[];
}

/** Compares what the node holds with what is believed of it. Pure. */
export function reconcile(held: readonly HeldAttempt[], believed: AdmittedNode['believed']): Reconciliation {
  const believedByKey = new Map(believed.map((entry) => [attemptKey(entry.name), entry]));
  const heldKeys = new Set(held.map((entry) => attemptKey(entry.attempt)));
  const result: Reconciliation = { resume: [], stop: [], forgotten: [] };
  for (const { attempt } of held) {
    const entry = believedByKey.get(attemptKey(attempt));
    if (entry === undefined) result.stop.push(attempt);
    else result.resume.push({ name: attempt, logBytes: entry.logBytes });
  }
  for (const entry of believed) {
    if (heldKeys.has(attemptKey(entry.name))) continue;
    result.forgotten.push({ name: entry.name, why: entry.state === 'leased' ? 'undelivered' : 'node-lost' });
  }
  return result;
}

function nodeRow(
  hello: HelloFrame,
  context: {
    owner: string | null;
    coordinatorId: string;
    blobToken: string;
    now: number;
    existing: NodeRow | undefined;
    session: number;
    acknowledged: number;
    events: number;
  },
): NodeRow {
  const { existing, now } = context;
  return {
    id: hello.nodeId,
    public_key: hello.publicKey,
    name: hello.node.name,
    owner: existing?.owner ?? context.owner ?? '',
    state: 'connected',
    cordoned: existing?.cordoned ?? 0,
    draining: 0,
    description: JSON.stringify(hello.node),
    session: context.session,
    coordinator_id: context.coordinatorId,
    boot_id: hello.bootId,
    journal_id: hello.journalId,
    acknowledged: context.acknowledged,
    blob_token_hash: createHash('sha256').update(context.blobToken).digest('hex'),
    joined_at: existing?.joined_at ?? now,
    last_seen_at: now,
    silent_since: null,
    next_sequence: (existing?.next_sequence ?? 1) + context.events,
  };
}
