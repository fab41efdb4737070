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
import { allOf, type BulkStatement, type ColumnKind, runBulk } from '../store/bulk.ts';
import type { Database, Writer } from '../store/database.ts';
import { LIVE_STATES } from '../store/live-attempts.ts';
import { readOwners, unknownOwner } from '../store/reputation-rows.ts';
import type { NodeRow } from '../store/tables.ts';
import { insertEvents, type NewEvent } from '../store/turn-rows.ts';
import { readTrust } from '../store/verification-rows.ts';
import type { NodeRecord } from './sessions.ts';

export interface AdmittedNode {
  session: number;
  acknowledged: number;
  cordoned: boolean;
  /** It was told to finish by then; null while it is not draining. */
  drainUntil: number | null;
  owner: string;
  trusted: boolean;
  /** What placement knows of it. */
  record: NodeRecord;
  /** Attempts that the database believes to be alive on this node. */
  believed: { name: AttemptName; state: AttemptState; logBytes: number }[];
}

/** A node that asks to be let in. */
export interface Arrival {
  hello: HelloFrame;
  joining: { owner: string; trusted: boolean } | null;
  prefix: string;
  blobToken: string;
}

/**
 * Stores the new sessions of nodes: a fixed number of statements, since after a cut thousands come back at once.
 * Answers in the order of the arrivals, with `unauthenticated` for a node that is unknown and brings no join token.
 */
export async function admitNodes(
  writer: Writer,
  arrivals: readonly Arrival[],
  context: { engine: Database['engine']; coordinatorId: string; now: number },
): Promise<(AdmittedNode | FogError)[]> {
  const ids = [...new Set(arrivals.map(({ hello }) => hello.nodeId))].map((id) => [id]);
  if (context.engine === 'postgres') await runBulk(writer, LOCK_NODES, ids);
  const rows = new Map((await runBulk<NodeRow>(writer, LOAD_NODES, ids)).map((row) => [row.id, row]));
  const believed = Map.groupBy(await runBulk<LiveAttempt>(writer, LOAD_LIVE_ATTEMPTS, ids), (row) => row.node_id);
  const known = await readTrust(writer, ids.flat(), context.now);
  const owners = await readOwners(
    writer,
    arrivals.map((arrival) => ownerOf(arrival, rows.get(arrival.hello.nodeId))),
  );
  const changed = new Map<string, NodeRow>();
  const events: NewEvent[] = [];
  const admissions = arrivals.map((arrival): AdmittedNode | FogError => {
    const { hello, joining } = arrival;
    const existing = rows.get(hello.nodeId);
    if (existing === undefined && joining === null) return notKnown();
    const row = nodeRow(arrival, existing, context);
    const data: NodeEventData[] = [{ type: 'node.connected', session: row.session }];
    if (existing === undefined) data.unshift({ type: 'node.joined', name: hello.node.name, by: row.owner });
    for (const entry of data) events.push([row.id, row.next_sequence++, context.now, JSON.stringify(entry)]);
    rows.set(row.id, row);
    changed.set(row.id, row);
    return {
      session: row.session,
      acknowledged: row.acknowledged,
      cordoned: row.cordoned === 1,
      drainUntil: row.drain_until,
      owner: row.owner,
      trusted: row.trusted === 1,
      record: {
        ...(known.get(row.id) ?? { trust: {}, reputation: {} }),
        ofOwner: owners.get(row.owner) ?? unknownOwner(row.owner),
        losses: row.losses,
        connectedMilliseconds: row.connected_milliseconds,
        connectedAt: context.now,
      },
      believed: (believed.get(row.id) ?? []).map((attempt) => ({
        name: { job: attempt.job_id, partition: attempt.partition, fence: attempt.fence },
        state: attempt.state as AttemptState,
        logBytes: attempt.log_bytes,
      })),
    };
  });
  const columns = Object.keys(STORE_NODES.columns) as (keyof NodeRow)[];
  const values = [...changed.values()].map((row) => columns.map((column) => row[column]));
  await allOf([runBulk(writer, STORE_NODES, values), insertEvents(writer, events)]);
  return admissions;
}

/**
 * A node may connect to two coordinators at the same moment: the numbers of its session, journal and events must not
 * be read by one while the other moves them on. A lock of its own, because a new node has no row to lock; in the order
 * of the ids, so that two coordinators cannot wait for each other.
 */
const LOCK_NODES: BulkStatement = {
  text: `SELECT pg_advisory_xact_lock(hashtextextended(k.id, 0)) FROM (SELECT id FROM ROWS AS d ORDER BY id) AS k`,
  columns: { id: 'text' },
};

const LOAD_NODES: BulkStatement = {
  text: 'SELECT t.* FROM ROWS AS k CROSS JOIN nodes t WHERE t.id = k.id ORDER BY t.id',
  columns: { id: 'text' },
  lock: 'FOR UPDATE OF t',
};

const LOAD_LIVE_ATTEMPTS: BulkStatement = {
  text: `SELECT t.node_id, t.job_id, t.partition, t.fence, t.state, t.log_bytes
    FROM ROWS AS k CROSS JOIN attempts t
    WHERE t.node_id = k.id AND t.state IN ${LIVE_STATES}`,
  columns: { id: 'text' },
};

interface LiveAttempt {
  node_id: string;
  job_id: string;
  partition: number;
  fence: number;
  state: string;
  log_bytes: number;
}

const NODE_COLUMNS = {
  id: 'text',
  public_key: 'text',
  name: 'text',
  owner: 'text',
  trusted: 'integer',
  prefix: 'text',
  state: 'text',
  cordoned: 'integer',
  drain_until: 'bigint',
  description: 'text',
  session: 'bigint',
  coordinator_id: 'text',
  boot_id: 'text',
  journal_id: 'text',
  acknowledged: 'bigint',
  blob_token_hash: 'text',
  joined_at: 'bigint',
  losses: 'integer',
  connected_milliseconds: 'bigint',
  last_seen_at: 'bigint',
  silent_since: 'bigint',
  next_sequence: 'bigint',
} as const satisfies Record<keyof NodeRow, ColumnKind>;

const STORE_NODES: BulkStatement = {
  text: `INSERT INTO nodes (${Object.keys(NODE_COLUMNS).join(', ')})
    SELECT ${Object.keys(NODE_COLUMNS).join(', ')} FROM ROWS AS d WHERE true
    ON CONFLICT (id) DO UPDATE SET ${Object.keys(NODE_COLUMNS)
      .filter((column) => column !== 'id')
      .map((column) => `${column} = excluded.${column}`)
      .join(', ')}`,
  columns: NODE_COLUMNS,
};

export interface Reconciliation {
  /** Held and believed alive: they go on if their task is undecided. */
  resume: { name: AttemptName; logBytes: number; state: HeldAttempt['state']; isCommitted: boolean }[];
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
  for (const { attempt, state } of held) {
    const entry = believedByKey.get(attemptKey(attempt));
    if (entry === undefined) result.stop.push(attempt);
    else {
      const isCommitted = entry.state === 'committed';
      result.resume.push({ name: attempt, logBytes: entry.logBytes, state, isCommitted });
    }
  }
  for (const entry of believed) {
    if (heldKeys.has(attemptKey(entry.name))) continue;
    result.forgotten.push({ name: entry.name, why: entry.state === 'leased' ? 'undelivered' : 'node-lost' });
  }
  return result;
}

function notKnown(): FogError {
  return new FogError('unauthenticated', 'this node is not known here and brings no valid join token', {
    hint: 'fog token create --scope node, then fog node join URL --token TOKEN',
  });
}

function ownerOf({ joining }: Pick<Arrival, 'joining'>, existing: Pick<NodeRow, 'owner'> | undefined): string {
  return existing?.owner ?? joining?.owner ?? '';
}

/** The row of the new session; its events are still to be numbered. */
function nodeRow(
  { hello, joining, prefix, blobToken }: Arrival,
  existing: NodeRow | undefined,
  { coordinatorId, now }: { coordinatorId: string; now: number },
): NodeRow {
  return {
    id: hello.nodeId,
    public_key: hello.publicKey,
    name: hello.node.name,
    owner: ownerOf({ joining }, existing),
    trusted: existing?.trusted ?? (joining?.trusted === true ? 1 : 0),
    prefix,
    state: 'connected',
    cordoned: existing?.cordoned ?? 0,
    // An agent that was started anew shall work again; one that was only cut off has not heard of it, perhaps.
    drain_until: existing?.boot_id === hello.bootId ? existing.drain_until : null,
    description: JSON.stringify(hello.node),
    session: (existing?.session ?? 0) + 1,
    coordinator_id: coordinatorId,
    boot_id: hello.bootId,
    journal_id: hello.journalId,
    acknowledged: existing?.journal_id === hello.journalId ? existing.acknowledged : 0,
    blob_token_hash: createHash('sha256').update(blobToken).digest('hex'),
    joined_at: existing?.joined_at ?? now,
    losses: existing?.losses ?? 0,
    connected_milliseconds: existing?.connected_milliseconds ?? 0,
    last_seen_at: now,
    silent_since: null,
    next_sequence: existing?.next_sequence ?? 1,
  };
}
