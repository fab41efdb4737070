/**
 * Opening a vote: power is read at ticks that are over, the snapshot is hashed without holding anything, and then published
 * with the opened proposal. Of two coordinators that open a vote the second finds it open.
 */
import {
  advance,
  type OpeningPower,
  openingOf,
  type PowerSnapshot,
  type Proposal,
  powerSnapshot,
} from '@fog/economy/governance';
import type { SqlLedger } from '../settlement/sql-ledger.ts';
import { insertSnapshot, lockProposal, readStoredProposal, saveProposal } from '../store/dao-rows.ts';
import type { Database } from '../store/database.ts';
import { readPower, readVotersAt } from '../store/power-rows.ts';

export interface OpeningDependencies {
  database: Database;
  ledger: SqlLedger;
  now: () => number;
}

/** Opens the vote on a proposal whose delay is over; nothing otherwise. */
export async function openVote({ database, ledger, now }: OpeningDependencies, id: string): Promise<void> {
  const found = await readStoredProposal(database.read, id);
  if (found === null || found.state !== 'pending') return;
  const clock = await database.write((writer) => ledger.tick(writer, now()));
  if (openingOf(found, clock) === null) return;
  const { power, snapshot } = await snapshotOf(database, found, clock);
  await database.write(async (writer) => {
    const proposal = await lockProposal(writer, database.engine, id);
    if (proposal?.state !== 'pending') return;
    const { nowMilliseconds } = await ledger.tick(writer, now());
    // The tick is that of the snapshot; the vote begins when it is published.
    const { proposal: opened } = advance(proposal, { sequence: clock.sequence, nowMilliseconds }, power);
    await saveProposal(writer, opened);
    await insertSnapshot(writer, snapshot);
  });
}

async function snapshotOf(
  { read }: Pick<Database, 'read'>,
  proposal: Proposal,
  clock: { sequence: number; nowMilliseconds: number },
): Promise<{ power: OpeningPower; snapshot: PowerSnapshot }> {
  const ticks = openingOf(proposal, clock) ?? { beforeSequence: 0, snapshotSequence: 0 };
  const { beforeSequence, snapshotSequence } = ticks;
  const supplyBeforeMicroFog = (await readPower(read, null, beforeSequence))?.powerMicroFog ?? 0n;
  const supplyAtSnapshotMicroFog = (await readPower(read, null, snapshotSequence))?.powerMicroFog ?? 0n;
  const supplyMicroFog =
    supplyBeforeMicroFog < supplyAtSnapshotMicroFog ? supplyBeforeMicroFog : supplyAtSnapshotMicroFog;
  const entries = await readVotersAt(read, { before: beforeSequence, atSnapshot: snapshotSequence });
  const head = { network: proposal.network, proposal: proposal.id, ...ticks, supplyMicroFog };
  const snapshot = powerSnapshot(head, entries);
  return { snapshot, power: { supplyBeforeMicroFog, supplyAtSnapshotMicroFog, snapshotRoot: snapshot.root } };
}
