/** Reads of nodes, in the shapes of the API. */

import {
  type AttemptName,
  type Capacity,
  NODE_STATES,
  type Node,
  type NodeDescription,
  type Owner,
  type ReputationEvidence,
  type RuntimeName,
  type RuntimeTrust,
} from '@fog/contract';
import {
  placementReputation,
  type ReputationRecord,
  readReputation,
  relayReputationPpm,
  reputationOf,
  rightResults,
  unknownReputation,
} from '@fog/economy/reputation';
import { credibilityOf, type NodeTrust, standingOf } from '@fog/verification';
import type { JobCache } from '../dispatch/job-cache.ts';
import {
  capacityFor,
  type Hurdle,
  hurdleOf,
  type PlacementClass,
  type PlacementNode,
} from '../dispatch/requirements.ts';
import type { Reader } from './database.ts';
import { IS_HELD } from './live-attempts.ts';
import { readOwners } from './reputation-rows.ts';
import type { NodeRow } from './tables.ts';
import { type NodeRecords, readTrust } from './verification-rows.ts';

/** Nodes by name, from behind (name, id) on, with what runs on them. */
export async function readNodes(
  reader: Reader,
  jobs: JobCache,
  request: { after?: { name: string; id: string } | undefined; limit: number; id?: string; now: number },
): Promise<Node[]> {
  let query = reader.selectFrom('nodes').selectAll().orderBy('name').orderBy('id').limit(request.limit);
  if (request.id !== undefined) query = query.where('id', '=', request.id);
  const { after } = request;
  if (after !== undefined) {
    query = query.where((row) =>
      row.or([row('name', '>', after.name), row.and([row('name', '=', after.name), row('id', '>', after.id)])]),
    );
  }
  const rows = await query.execute();
  if (rows.length === 0) return [];
  const attempts = await reader
    .selectFrom('attempts')
    .select(['job_id', 'partition', 'fence', 'node_id', 'state'])
    .where(
      'node_id',
      'in',
      rows.map((row) => row.id),
    )
    .where(IS_HELD)
    .execute();
  await jobs.load(reader, new Set(attempts.map((attempt) => attempt.job_id)));
  const records = await readTrust(
    reader,
    rows.map((row) => row.id),
    request.now,
  );
  const owners = await readOwners(
    reader,
    rows.map((row) => row.owner),
  );
  return rows.map((row) => {
    const held = attempts.filter((attempt) => attempt.node_id === row.id).map(toHeld);
    const { trust, reputation } = records.get(row.id) ?? NO_RECORDS;
    const known = { trust, reputation, ofOwner: owners.get(row.owner)?.reputation ?? UNKNOWN, now: request.now };
    return toNode(row, held, jobs, known);
  });
}

export async function readPlacementNodes(reader: Reader): Promise<PlacementNode[]> {
  const rows = await reader
    .selectFrom('nodes')
    .select(['id', 'description', 'state', 'cordoned', 'drain_until', 'owner', 'prefix', 'trusted'])
    .execute();
  return rows.map((row) => ({
    id: row.id,
    description: JSON.parse(row.description) as NodeDescription,
    state: row.state as PlacementNode['state'],
    cordoned: row.cordoned === 1 || row.drain_until !== null,
    owner: row.owner,
    prefix: row.prefix,
    trusted: row.trusted === 1,
  }));
}

/**
 * Which nodes suit a class and how many tasks at once; for the others, what is in the way. `termsOf`: what is in the way
 * besides what lasts. Pure.
 */
export function explainPlacement(
  placement: PlacementClass,
  nodes: readonly Node[],
  tasks: number,
  termsOf: (node: Node) => Hurdle | null = () => null,
) {
  const suitable: { id: string; name: string; slots: number; freeSlots: number }[] = [];
  const hurdles = new Map<string, { nodes: number; hint: string | undefined }>();
  for (const node of nodes) {
    const { id, name, description, state, owner, trusted } = node;
    const cordoned = node.cordoned || node.draining;
    // Networks only matter beside other replicas, of which a plan has none.
    const hurdle =
      hurdleOf(placement, { id, description, state, cordoned, owner, trusted, prefix: '' }) ?? termsOf(node);
    if (hurdle === null) {
      const { requirements } = placement;
      const slots = capacityFor(requirements, description.capacity);
      suitable.push({ id, name, slots, freeSlots: capacityFor(requirements, node.free) });
      continue;
    }
    const entry = hurdles.get(hurdle.constraint) ?? { nodes: 0, hint: hurdle.hint };
    hurdles.set(hurdle.constraint, { ...entry, nodes: entry.nodes + 1 });
  }
  suitable.sort((left, right) => right.freeSlots - left.freeSlots || right.slots - left.slots);
  const excluded = [...hurdles].map(([constraint, { nodes: count, hint }]) => ({
    constraint,
    nodes: count,
    ...(hint === undefined ? {} : { hint }),
  }));
  excluded.sort((left, right) => right.nodes - left.nodes);
  return { tasks, nodesKnown: nodes.length, nodes: suitable, excluded };
}

/** An attempt of a node; once committed, it takes up its disk alone. */
type HeldAttempt = AttemptName & { isCommitted: boolean };

function toHeld(row: { job_id: string; partition: number; fence: number; state: string }): HeldAttempt {
  return { job: row.job_id, partition: row.partition, fence: row.fence, isCommitted: row.state === 'committed' };
}

const UNKNOWN = unknownReputation();
const NO_RECORDS: NodeRecords = { trust: {}, reputation: {} };

/** What is known of a node, and of its owner. */
interface KnownOfNode extends NodeRecords {
  ofOwner: ReputationRecord;
  now: number;
}

function toRuntimeTrust(trust: NodeTrust, own: ReputationRecord, { ofOwner, now }: KnownOfNode): RuntimeTrust {
  const { consecutiveValid, valid, invalid, withheld, inconclusive, unreplicated } = trust;
  return {
    standing: standingOf(trust),
    credibility: credibilityOf(trust),
    reputation: placementReputation([own, ofOwner], now),
    evidence: toEvidence(own, now),
    ...{ consecutiveValid, valid, invalid, withheld, inconclusive },
    unchecked: unreplicated.length,
  };
}

/** By name. */
export async function ownersAfter(
  reader: Reader,
  { after = '', limit, now }: { after?: string | undefined; limit: number; now: number },
): Promise<Owner[]> {
  const query = reader.selectFrom('owner_reputations').select(['owner', 'record']).where('owner', '>', after);
  const rows = await query.orderBy('owner').limit(limit).execute();
  return rows.map(({ owner, record }) => {
    const reputation = readReputation(record);
    return { owner, evidence: toEvidence(reputation, now), relayReputationPpm: relayReputationPpm(reputation, now) };
  });
}

function toEvidence(record: ReputationRecord, now: number): ReputationEvidence {
  const { wrong, proven } = record;
  return { rightAtLeastPpm: reputationOf(record, now), right: rightResults(record, now), wrong, provenWrong: proven };
}

function toTrust({ trust, reputation, ...known }: KnownOfNode): Node['trust'] {
  const entries = Object.entries(trust) as [RuntimeName, NodeTrust][];
  return Object.fromEntries(
    entries.map(([runtime, record]) => {
      return [runtime, toRuntimeTrust(record, reputation[runtime] ?? UNKNOWN, { trust, reputation, ...known })];
    }),
  );
}

function toNode(row: NodeRow, held: readonly HeldAttempt[], jobs: JobCache, known: KnownOfNode): Node {
  const description = JSON.parse(row.description) as NodeDescription;
  const free: Capacity = { ...description.capacity };
  for (const { job, isCommitted } of held) {
    const { needs } = jobs.get(job);
    free.slots -= isCommitted ? 0 : 1;
    free.milliCpu -= isCommitted ? 0 : needs.milliCpu;
    free.memoryBytes -= isCommitted ? 0 : needs.memoryBytes;
    free.diskBytes -= needs.diskBytes;
  }
  for (const key of Object.keys(free) as (keyof Capacity)[]) free[key] = Math.max(0, free[key]);
  const state = NODE_STATES.find((known) => known === row.state) ?? 'unknown';
  return {
    id: row.id,
    name: row.name,
    state,
    cordoned: row.cordoned === 1,
    draining: row.drain_until !== null,
    owner: row.owner,
    trusted: row.trusted === 1,
    trust: toTrust(known),
    ownerReputation: toEvidence(known.ofOwner, known.now),
    joinedAt: row.joined_at,
    lastSeenAt: row.last_seen_at,
    description,
    free,
    running: held
      .filter(({ job }) => !jobs.get(job).isHidden)
      .map(({ job, partition, fence }) => ({ job, partition, fence })),
    cpuBusy: null,
    memoryFreeBytes: null,
  };
}
