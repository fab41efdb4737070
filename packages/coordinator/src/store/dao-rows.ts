/** Rows of proposals, ballots, snapshots and parameters. */
import {
  type AuditEntry,
  type Ballot,
  type Choice,
  isEnded,
  type Proposal,
  type PublishedSnapshot,
  readProposal,
  type VoterPower,
  writeProposal,
} from '@fog/economy/governance';
import { type Insertable, type Selectable, sql } from 'kysely';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { DaoAuditTable, DaoBallotsTable, DaoSnapshotsTable } from './dao-tables.ts';
import type { Database, Reader, Writer } from './database.ts';
import { rowLock } from './turn-rows.ts';

/** What ballots are signed for. The name that was stored first stays. */
export async function storeNetwork(writer: Writer, name: string): Promise<void> {
  await writer
    .insertInto('dao_network')
    .values({ id: 1, name })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function readNetwork(reader: Reader): Promise<string> {
  const { name } = await reader.selectFrom('dao_network').select('name').executeTakeFirstOrThrow();
  return name;
}

/** The value of a parameter that a vote has changed, and which one. */
export interface StoredParameter {
  name: string;
  value: bigint;
  proposal: string;
  changedAt: number;
}

export async function readParameters(reader: Reader): Promise<StoredParameter[]> {
  const rows = await reader.selectFrom('dao_parameters').selectAll().orderBy('name').execute();
  return rows.map(({ name, value, proposal, changed_at }) => {
    return { name, value: BigInt(value), proposal, changedAt: changed_at };
  });
}

/** What votes have changed from a moment on, in order: names, and what they were before. */
export async function readChangesSince(reader: Reader, at: number): Promise<{ name: string; before: bigint }[]> {
  const rows = await reader
    .selectFrom('dao_audit')
    .select(['subject', 'before'])
    .where('kind', '=', 'parameter')
    .where('carried_out_at', '>=', at)
    .orderBy('carried_out_at')
    .orderBy('sequence')
    .execute();
  return rows.map(({ subject: name, before }) => ({ name, before: BigInt(before ?? 0) }));
}

/** What an execution changes, and its entry in the record. */
export async function saveExecution(writer: Writer, audit: AuditEntry): Promise<void> {
  const { proposal, atMilliseconds } = audit;
  for (const { name, after } of audit.changes) {
    const changed = { value: String(after), proposal, changed_at: atMilliseconds };
    await writer
      .insertInto('dao_parameters')
      .values({ name, ...changed })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(changed))
      .execute();
  }
  await writer.insertInto('dao_audit').values(auditRows(audit)).execute();
}

function auditRows({ proposal, kind, title, by, sequence, atMilliseconds, changes, grants }: AuditEntry) {
  const all = { proposal, title, asked_by: by, sequence, carried_out_at: atMilliseconds };
  const rows: Omit<Insertable<DaoAuditTable>, 'position'>[] = [
    ...changes.map(({ name, before, after }) => {
      return { ...all, kind: 'parameter', subject: name, before: String(before), after: String(after) };
    }),
    ...grants.map(({ to, amountMicroFog }) => {
      return { ...all, kind: 'grant', subject: to, before: null, after: String(amountMicroFog) };
    }),
    ...(kind === 'text' ? [{ ...all, kind, subject: '', before: null, after: null }] : []),
  ];
  return rows.map((row, position) => ({ ...row, position }));
}

/** The newest first. */
export async function readAudit(
  reader: Reader,
  { before, limit }: { before: { at: number; proposal: string; position: number } | null; limit: number },
): Promise<Selectable<DaoAuditTable>[]> {
  let query = reader.selectFrom('dao_audit').selectAll();
  if (before !== null) {
    const { at, proposal, position } = before;
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('carried_out_at', 'proposal', 'position'), '<', tuple(at, proposal, position)),
    );
  }
  const ordered = query.orderBy('carried_out_at', 'desc').orderBy('proposal', 'desc').orderBy('position', 'desc');
  return await ordered.limit(limit).execute();
}

/** When something becomes of a proposal by itself. */
export function dueAt(proposal: Proposal): number | null {
  switch (proposal.state) {
    case 'pending':
      return proposal.createdAtMilliseconds + proposal.terms.votingDelayMilliseconds + 1;
    case 'active':
      return (proposal.votesUntilMilliseconds ?? 0) + 1;
    case 'queued':
      return proposal.executableAtMilliseconds;
    default:
      return null;
  }
}

/** Stores a new proposal, or what has become of one whose row is locked. */
export async function saveProposal(writer: Writer, proposal: Proposal): Promise<void> {
  const changed = {
    state: proposal.state,
    is_live: isEnded(proposal) ? 0 : 1,
    due_at: dueAt(proposal),
    body: writeProposal(proposal),
  };
  const { id, proposer, createdAtMilliseconds } = proposal;
  await writer
    .insertInto('dao_proposals')
    .values({ id, proposer, created_at: createdAtMilliseconds, ...changed })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(changed))
    .execute();
}

/** Nobody looks at it before. */
export async function putOff(writer: Writer, id: string, until: number): Promise<void> {
  await writer
    .updateTable('dao_proposals')
    .set({ due_at: until })
    .where('id', '=', id)
    .where('is_live', '=', 1)
    .execute();
}

/** Locked until the end of the transaction; take the ledger's clock after it. */
export async function lockProposal(writer: Writer, engine: Database['engine'], id: string): Promise<Proposal | null> {
  const { rows } = await sql<{ body: string }>`SELECT body FROM dao_proposals WHERE id = ${id}
    ${rowLock(engine, 'FOR UPDATE')}`.execute(writer);
  const [row] = rows;
  return row === undefined ? null : readProposal(row.body);
}

/** By its whole id. */
export async function readStoredProposal(reader: Reader, id: string): Promise<Proposal | null> {
  const row = await reader.selectFrom('dao_proposals').select('body').where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : readProposal(row.body);
}

/** Ids that begin like this, two at most. */
export async function idsBeginning(reader: Reader, prefix: string): Promise<string[]> {
  const rows = await reader
    .selectFrom('dao_proposals')
    .select('id')
    .where('id', '>=', prefix)
    .where('id', '<=', `${prefix}${'f'.repeat(64 - prefix.length)}`)
    .limit(2)
    .execute();
  return rows.map(({ id }) => id);
}

/** The newest first. */
export async function readProposals(
  reader: Reader,
  {
    state,
    before,
    limit,
  }: { state?: string | undefined; before: { createdAt: number; id: string } | null; limit: number },
): Promise<Proposal[]> {
  let query = reader.selectFrom('dao_proposals').select('body');
  if (state !== undefined) query = query.where('state', '=', state);
  if (before !== null) {
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('created_at', 'id'), '<', tuple(before.createdAt, before.id)),
    );
  }
  const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
  return rows.map(({ body }) => readProposal(body));
}

/** Those that have not ended. */
export async function readLiveProposals(reader: Reader): Promise<Proposal[]> {
  const rows = await reader.selectFrom('dao_proposals').select('body').where('is_live', '=', 1).execute();
  return rows.map(({ body }) => readProposal(body));
}

export async function countLive(reader: Reader, proposer: string): Promise<{ live: number; liveOfProposer: number }> {
  const rows = await reader.selectFrom('dao_proposals').select('proposer').where('is_live', '=', 1).execute();
  return { live: rows.length, liveOfProposer: rows.filter((row) => row.proposer === proposer).length };
}

export async function readDue(reader: Reader, now: number, limit: number): Promise<string[]> {
  const rows = await reader
    .selectFrom('dao_proposals')
    .select('id')
    .where('due_at', '<=', now)
    .orderBy('due_at')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** How many there are in each state. */
export async function countProposals(reader: Reader): Promise<Map<string, number>> {
  const rows = await reader
    .selectFrom('dao_proposals')
    .select(({ fn }) => ['state', fn.countAll<number>().as('count')])
    .groupBy('state')
    .execute();
  return new Map(rows.map(({ state, count }) => [state, Number(count)]));
}

export async function insertBallot(writer: Writer, ballot: Ballot, number: number): Promise<void> {
  const { proposal, voter, choice, nonce, signature, publicKey, powerMicroFog, castSequence, castAtMilliseconds } =
    ballot;
  const cast = { cast_sequence: castSequence, cast_at: castAtMilliseconds };
  await writer
    .insertInto('dao_ballots')
    .values({
      proposal,
      voter,
      number,
      choice,
      nonce,
      signature,
      public_key: publicKey,
      power: String(powerMicroFog),
      ...cast,
    })
    .execute();
}

export type BallotRow = Selectable<DaoBallotsTable>;

export async function readBallot(reader: Reader, proposal: string, voter: string): Promise<BallotRow | null> {
  const row = await reader
    .selectFrom('dao_ballots')
    .selectAll()
    .where('proposal', '=', proposal)
    .where('voter', '=', voter)
    .executeTakeFirst();
  return row ?? null;
}

/** In the order in which they were cast. */
export async function readBallots(
  reader: Reader,
  proposal: string,
  { after, limit }: { after: number; limit: number },
): Promise<BallotRow[]> {
  return await reader
    .selectFrom('dao_ballots')
    .selectAll()
    .where('proposal', '=', proposal)
    .where('number', '>', after)
    .orderBy('number')
    .limit(limit)
    .execute();
}

export function ballotOf(row: BallotRow, network: string): Ballot {
  const { proposal, voter, choice, nonce, signature, public_key, power, cast_sequence, cast_at } = row;
  return {
    network,
    proposal,
    voter,
    choice: choice as Choice,
    nonce,
    signature,
    publicKey: public_key,
    powerMicroFog: BigInt(power),
    castSequence: cast_sequence,
    castAtMilliseconds: cast_at,
  };
}

const INSERT_VOTERS: BulkStatement = {
  text: `INSERT INTO dao_snapshot_voters (proposal, voter, public_key, power)
    SELECT proposal, voter, public_key, power FROM ROWS AS d`,
  columns: { proposal: 'text', voter: 'text', public_key: 'text', power: 'text' },
};

export async function insertSnapshot(
  writer: Writer,
  snapshot: Omit<PublishedSnapshot, 'leaves'> & { leaves: readonly VoterPower[] },
): Promise<void> {
  const { proposal, beforeSequence, snapshotSequence, supplyMicroFog, voters, treeRoot, root, leaves } = snapshot;
  const ticks = { before_sequence: beforeSequence, snapshot_sequence: snapshotSequence };
  await writer
    .insertInto('dao_snapshots')
    .values({ proposal, ...ticks, supply: String(supplyMicroFog), voters, tree_root: treeRoot, root })
    .execute();
  await runBulk(
    writer,
    INSERT_VOTERS,
    leaves.map(({ voter, publicKey, powerMicroFog }) => [proposal, voter, publicKey, String(powerMicroFog)]),
  );
}

export async function readSnapshot(reader: Reader, proposal: string): Promise<Selectable<DaoSnapshotsTable> | null> {
  const row = await reader.selectFrom('dao_snapshots').selectAll().where('proposal', '=', proposal).executeTakeFirst();
  return row ?? null;
}

export async function readVoter(reader: Reader, proposal: string, voter: string): Promise<VoterPower | null> {
  const [power] = await votersWhere(reader, proposal, { voter, limit: 1 });
  return power ?? null;
}

/** By name. */
export async function readVoters(
  reader: Reader,
  proposal: string,
  { after, limit }: { after: string; limit: number },
): Promise<VoterPower[]> {
  return await votersWhere(reader, proposal, { after, limit });
}

async function votersWhere(
  reader: Reader,
  proposal: string,
  { voter, after, limit }: { voter?: string; after?: string; limit: number },
): Promise<VoterPower[]> {
  let query = reader.selectFrom('dao_snapshot_voters').selectAll().where('proposal', '=', proposal);
  if (voter !== undefined) query = query.where('voter', '=', voter);
  if (after !== undefined) query = query.where('voter', '>', after);
  const rows = await query.orderBy('voter').limit(limit).execute();
  return rows.map((row) => ({ voter: row.voter, publicKey: row.public_key, powerMicroFog: BigInt(row.power) }));
}
