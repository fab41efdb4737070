/** Members of a network: their stake, their keys, and what they sign. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { ProposalActionDocument, ProposalDocument } from '@fog/contract';
import { ACCOUNT_CODES, accountId, CURRENCIES, TRANSFER_CODES } from '@fog/economy/chart';
import { type Choice, type ParameterName, type Parameters, signBallot, votingKeyOf } from '@fog/economy/governance';
import type { Dao } from '../../src/governance/dao.ts';
import { saveExecution } from '../../src/store/dao-rows.ts';
import type { Fog } from '../dispatch/fog-harness.ts';

export const FOG = 1_000_000n;
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export const caller = (principal: string) => ({ scope: 'submit' as const, principal });
export const ADMIN = { scope: 'admin' as const, principal: 'admin' };

export function economyOf(fog: Fog) {
  assert.ok(fog.economy !== null);
  return fog.economy;
}

export const daoOf = (fog: Fog): Dao => economyOf(fog).governance.dao;
export const parametersOf = (fog: Fog): Parameters => economyOf(fog).governance.parameters.values;

export function secretOf(name: string): Uint8Array {
  return createHash('sha256').update(`secret of ${name}`).digest();
}

let transfers = 0n;

/** Bonds so much in all: what staking tells when money has moved. */
export async function bond(fog: Fog, owner: string, before: bigint, after: bigint): Promise<void> {
  const { ledger, governance } = economyOf(fog);
  transfers += 1n;
  const [issuance, wallet] = [accountId('fog', 'issuance'), accountId('fog', 'wallet', owner)];
  const id = (BigInt(Date.now()) << 40n) + transfers;
  await fog.database.write(async (writer) => {
    const accounts = [
      { id: issuance, ledger: CURRENCIES.fog, code: ACCOUNT_CODES.issuance },
      { id: wallet, ledger: CURRENCIES.fog, code: ACCOUNT_CODES.wallet, flags: 2 },
    ];
    const money = { debitAccount: issuance, creditAccount: wallet, ledger: CURRENCIES.fog };
    const transfer = { id, ...money, amount: 500n * FOG, code: TRANSFER_CODES.issue };
    const { sequence } = await ledger.apply(writer, { accounts, transfers: [transfer] }, fog.clock.now);
    await governance.power.moved(writer, [{ owner, before, after }], sequence);
  });
}

/** Bonds, registers a key, and votes for itself. */
export async function join(fog: Fog, owner: string, amount: bigint): Promise<void> {
  await bond(fog, owner, 0n, amount);
  await daoOf(fog).setVotingKey(caller(owner), votingKeyOf(secretOf(owner)));
  await daoOf(fog).delegate(caller(owner), owner);
}

/** Three of them, of whom ann has half of all, and nobody any power yet but their own. */
export async function threeMembers(fog: Fog): Promise<void> {
  await join(fog, 'ann', 1000n * FOG);
  await join(fog, 'bo', 700n * FOG);
  await join(fog, 'cy', 300n * FOG);
}

export async function proposeBy(
  fog: Fog,
  proposer: string,
  action: ProposalActionDocument = { kind: 'text' },
): Promise<ProposalDocument> {
  return await daoOf(fog).propose(caller(proposer), { title: `what ${proposer} wants`, text: 'It is better.', action });
}

export function signed(
  { id, network }: Pick<ProposalDocument, 'id' | 'network'>,
  voter: string,
  choice: Choice,
  secret = secretOf(voter),
) {
  const nonce = createHash('sha256').update(`${id}${voter}`).digest('hex').slice(0, 32);
  return signBallot({ network, proposal: id, voter, choice, nonce }, secret);
}

export async function vote(fog: Fog, proposal: ProposalDocument, voter: string, choice: Choice = 'for') {
  return await daoOf(fog).cast(proposal.id, signed(proposal, voter, choice));
}

/** What a vote would have changed, from now on. */
export async function decree(fog: Fog, values: Partial<Record<ParameterName, bigint>>): Promise<void> {
  const { parameters } = economyOf(fog).governance;
  decrees += 1;
  const before = parameters.values;
  const changes = Object.entries(values).map(([name, after]) => {
    return { name: name as ParameterName, before: before[name as ParameterName], after };
  });
  const proposal = decrees.toString(16).padStart(64, '0');
  const counted = { tally: { for: 1n, against: 0n, abstain: 0n }, supplyMicroFog: 1n, quorumMicroFog: 1n };
  const entry = {
    ...counted,
    kind: 'parameter',
    title: 'a decree',
    by: 'admin',
    grants: [],
    snapshotRoot: null,
  } as const;
  await fog.database.write((writer) =>
    saveExecution(writer, { ...entry, proposal, sequence: decrees, atMilliseconds: fog.clock.now, changes }),
  );
  await parameters.look();
}

let decrees = 0;

/** Time passes, and what is due happens. */
export async function pass(fog: Fog, milliseconds: number): Promise<void> {
  await fog.advance(milliseconds);
}
