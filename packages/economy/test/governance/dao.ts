/** A network in memory around the pure functions: what a store and a clock do, no more. Sequence and time only grow. */
import { createHash } from 'node:crypto';
import {
  advance,
  type Ballot,
  type Choice,
  castBallot,
  type DaoRecord,
  DEFAULT_PARAMETERS,
  delegatesThatCount,
  type Execution,
  execute,
  type GovernanceTransfer,
  isEnded,
  lockedUntil,
  type OpeningPower,
  openingOf,
  type Parameters,
  PowerBook,
  type PowerSnapshot,
  type Proposal,
  type ProposalAction,
  powerSnapshot,
  propose,
  type SignedBallot,
  type Step,
  signBallot,
  termsOf,
  veto,
  votingKeyOf,
} from '../../src/governance/index.ts';

export const NETWORK = 'test-net';
export const GUARDIAN = 'guardian';
export const FOG = 1_000_000n;
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export function secretOf(name: string): Uint8Array {
  return createHash('sha256').update(`secret of ${name}`).digest();
}

const keys = new Map<string, string>();
export function keyOf(name: string): string {
  const key = keys.get(name) ?? votingKeyOf(secretOf(name));
  keys.set(name, key);
  return key;
}

export function signed(
  proposal: Pick<Proposal, 'id' | 'network'>,
  voter: string,
  choice: Choice,
  secret = secretOf(voter),
): SignedBallot {
  const nonce = createHash('sha256').update(`${proposal.id}${voter}`).digest('hex').slice(0, 32);
  return signBallot({ network: proposal.network, proposal: proposal.id, voter, choice, nonce }, secret);
}

export class Dao {
  readonly book = new PowerBook();
  readonly proposals = new Map<string, Proposal>();
  readonly ballots = new Map<string, Ballot[]>();
  readonly snapshots = new Map<string, PowerSnapshot>();
  readonly transfers: GovernanceTransfer[] = [];
  readonly executions: Execution[] = [];
  parameters: Parameters = DEFAULT_PARAMETERS;
  treasury = 1000n * FOG;
  sequence = 10;
  now = 1_000_000;

  get clock() {
    return { sequence: this.sequence, nowMilliseconds: this.now };
  }

  bond(owner: string, amount: bigint): void {
    this.sequence += 1;
    this.book.apply({ owner, sequence: this.sequence, bondedMicroFog: amount });
  }

  delegate(owner: string, delegate: string | null): void {
    this.sequence += 1;
    this.book.apply({ owner, sequence: this.sequence, delegate });
  }

  /** Bonds and votes for oneself. */
  join(owner: string, amount: bigint): void {
    this.bond(owner, amount);
    this.delegate(owner, owner);
  }

  propose(proposer: string, action: ProposalAction = { kind: 'text' }): Proposal {
    this.sequence += 1;
    const live = [...this.proposals.values()].filter((proposal) => !isEnded(proposal));
    const step = propose(
      { proposer, title: `what ${proposer} wants`, text: 'It is better so.\nSee for yourself.', action },
      {
        network: NETWORK,
        clock: this.clock,
        terms: termsOf(this.parameters),
        parameters: this.parameters,
        thresholdMicroFog: this.parameters.proposalThreshold,
        proposerPowerMicroFog: this.book.pastPowerOf(proposer, this.sequence - 1, this.sequence),
        liveOfProposer: live.filter((proposal) => proposal.proposer === proposer).length,
        live: live.length,
      },
    );
    return this.keep(step);
  }

  /** Time passes, and everything that follows of it happens. */
  pass(milliseconds: number): void {
    this.now += milliseconds;
    this.sequence += 1;
    for (const { id } of this.proposals.values()) this.look(id);
  }

  look(id: string): Proposal {
    const proposal = this.get(id);
    return this.keep(advance(proposal, this.clock, this.opening(proposal)));
  }

  get(id: string): Proposal {
    const proposal = this.proposals.get(id);
    if (proposal === undefined) throw new Error(`no proposal ${id}`);
    return proposal;
  }

  opening(proposal: Proposal): OpeningPower | null {
    const ticks = openingOf(proposal, this.clock);
    if (ticks === null) return null;
    const supplyBeforeMicroFog = this.book.pastSupply(ticks.beforeSequence, this.sequence);
    const supplyAtSnapshotMicroFog = this.book.pastSupply(ticks.snapshotSequence, this.sequence);
    const lesser = supplyBeforeMicroFog < supplyAtSnapshotMicroFog ? supplyBeforeMicroFog : supplyAtSnapshotMicroFog;
    const snapshot = powerSnapshot(
      { network: NETWORK, proposal: proposal.id, ...ticks, supplyMicroFog: lesser },
      this.book.voters().map((voter) => ({
        voter,
        publicKey: keyOf(voter),
        beforeMicroFog: this.book.pastPowerOf(voter, ticks.beforeSequence, this.sequence),
        atSnapshotMicroFog: this.book.pastPowerOf(voter, ticks.snapshotSequence, this.sequence),
      })),
    );
    this.snapshots.set(proposal.id, snapshot);
    return { supplyBeforeMicroFog, supplyAtSnapshotMicroFog, snapshotRoot: snapshot.root };
  }

  vote(id: string, voter: string, choice: Choice): Ballot {
    return this.cast(id, signed(this.get(id), voter, choice));
  }

  cast(id: string, ballot: SignedBallot): Ballot {
    this.sequence += 1;
    const stored = this.ballots.get(id) ?? [];
    const proposal = this.look(id);
    const power = this.snapshots.get(id)?.placeOf(ballot.voter)?.power ?? null;
    const earlier = stored.find(({ voter }) => voter === ballot.voter) ?? null;
    const step = castBallot(proposal, ballot, { power, earlier }, this.clock);
    this.keep(step);
    this.ballots.set(id, [...stored, step.ballot]);
    return step.ballot;
  }

  veto(id: string, by = GUARDIAN): Proposal {
    this.sequence += 1;
    const proposal = this.get(id);
    const given = { by, guardian: GUARDIAN, reason: 'it would harm the network' };
    return this.keep(veto(proposal, given, this.clock, this.opening(proposal)));
  }

  execute(id: string): Execution {
    this.sequence += 1;
    const { clock, parameters, treasury: treasuryMicroFog } = this;
    const execution = execute(this.get(id), { by: 'anybody', clock, parameters, treasuryMicroFog });
    this.keep(execution);
    this.parameters = execution.parameters;
    this.executions.push(execution);
    return execution;
  }

  lockedUntil(owner: string): number | null {
    const voted = [...this.proposals.values()].filter(({ id, terms, createdSequence, snapshotSequence }) => {
      if (snapshotSequence === null) return false;
      const delegates = delegatesThatCount(terms, {
        before: this.book.pastDelegateOf(owner, createdSequence - 1, this.sequence + 1),
        atSnapshot: this.book.pastDelegateOf(owner, snapshotSequence, this.sequence + 1),
      });
      return (this.ballots.get(id) ?? []).some(({ voter }) => delegates.includes(voter));
    });
    return lockedUntil(voted, this.now);
  }

  record(id: string): DaoRecord {
    const snapshot = this.snapshots.get(id);
    if (snapshot === undefined) throw new Error(`the vote on ${id} has not opened`);
    const ballots = (this.ballots.get(id) ?? []).map((ballot) => {
      const { index, proof } = snapshot.placeOf(ballot.voter) ?? { index: 0, proof: [] };
      return { ...ballot, index, proof };
    });
    return { proposal: this.get(id), snapshot, ballots };
  }

  keep({ proposal, transfers }: Step): Proposal {
    this.proposals.set(proposal.id, proposal);
    this.transfers.push(...transfers);
    return proposal;
  }
}

/** A network of three, in which nothing was proposed yet. */
export function smallDao(): Dao {
  const dao = new Dao();
  dao.join('ann', 1000n * FOG);
  dao.join('bo', 700n * FOG);
  dao.join('cy', 300n * FOG);
  return dao;
}

/** One whose proposal by ann is open for votes. */
export function openDao(action?: ProposalAction): { dao: Dao; id: string } {
  const dao = smallDao();
  const { id } = dao.propose('ann', action);
  dao.pass(DAY + 1);
  return { dao, id };
}
