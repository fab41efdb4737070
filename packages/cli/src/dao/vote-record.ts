/** The record of a vote: fetched in pieces from a coordinator, put together here, and counted without one. */
import { FogError, type VoterDocument } from '@fog/contract';
import {
  type DaoRecord,
  formatDaoRecord,
  parseDaoRecord,
  powerSnapshot,
  proposalFrom,
  type Recount,
  recount,
} from '@fog/economy/governance';
import type { Fog } from '@fog/sdk';
import { allPages } from '../commands/command-context.ts';

type Client = Fog['client'];

/** The file of a vote that has opened. Throws `not-found` before, `protocol-violation` for voters without their root. */
export async function fetchRecord(client: Client, id: string): Promise<string> {
  const params = { proposal: id };
  const proposal = proposalFrom(await client.call('getProposal', { params }));
  const { root, treeRoot: _, voters: __, ...head } = await client.call('getSnapshot', { params });
  const voters = await Array.fromAsync(
    allPages((cursor) => client.call('listVoters', { params, query: cursor === undefined ? {} : { cursor } })),
  );
  const found = await Array.fromAsync(
    allPages((cursor) => client.call('listBallots', { params, query: cursor === undefined ? {} : { cursor } })),
  );
  const { placeOf, ...snapshot } = powerSnapshot(
    { ...head, supplyMicroFog: BigInt(head.supplyMicroFog) },
    voters.map(entryOf),
  );
  if (snapshot.root !== root) {
    throw new FogError('protocol-violation', `the voters of ${id} are not those that its published root was made of`);
  }
  // Ballots may have come since the proposal was read.
  const ballots = found.slice(0, proposal.ballots).map(({ choice, powerMicroFog, ...ballot }) => {
    const { index, proof } = placeOf(ballot.voter) ?? { index: 0, proof: [] };
    return { ...ballot, choice, powerMicroFog: BigInt(powerMicroFog), index, proof };
  });
  return formatDaoRecord({ proposal, snapshot, ballots });
}

function entryOf({ voter, publicKey, powerMicroFog }: VoterDocument) {
  const power = BigInt(powerMicroFog);
  return { voter, publicKey, beforeMicroFog: power, atSnapshotMicroFog: power };
}

/** Counts a record again. Throws `invalid-request` for a file that is none. */
export function recountFile(text: string): { record: DaoRecord; count: Recount } {
  const record = parseDaoRecord(text);
  return { record, count: recount(record.proposal, record.snapshot, record.ballots) };
}
