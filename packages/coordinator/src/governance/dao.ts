/** Governance as the routes ask for it. */
import {
  type AuditEntryDocument,
  type BallotDocument,
  type EmissionEpochDocument,
  FogError,
  type Membership,
  type ParameterDocument,
  type ProposalActionDocument,
  type ProposalDocument,
  type SnapshotHeadDocument,
  type VoterDocument,
} from '@fog/contract';
import {
  type Ballot,
  type Choice,
  type ParameterName,
  type Proposal,
  type ProposalAction,
  type SignedBallot,
  type VoterPower,
  writeProposal,
} from '@fog/economy/governance';
import { decodeCursor, encodeCursor } from '../access/page-cursor.ts';
import type { Caller, Page, PageRequest } from '../service.ts';
import { EMISSION_LIMITS } from '../settlement/emission/limits.ts';
import {
  ballotOf,
  idsBeginning,
  readAudit,
  readBallot,
  readBallots,
  readNetwork,
  readProposals,
  readSnapshot,
  readStoredProposal,
  readVoter,
  readVoters,
} from '../store/dao-rows.ts';
import type { Database } from '../store/database.ts';
import { type EmissionEpoch, readEpochs } from '../store/emission-rows.ts';
import { readPower, readStake, readVotingKey } from '../store/power-rows.ts';
import type { Proposals } from './proposals.ts';
import type { RunningParameters } from './running-parameters.ts';
import type { VotingPower } from './voting-power.ts';

export interface DaoDependencies {
  database: Database;
  parameters: RunningParameters;
  power: VotingPower;
  proposals: Proposals;
}

const WHOLE_ID = 64;

export class Dao {
  readonly #dependencies: DaoDependencies;

  constructor(dependencies: DaoDependencies) {
    this.#dependencies = dependencies;
  }

  parameters(): ParameterDocument[] {
    return this.#dependencies.parameters.list();
  }

  async audit({ cursor, limit }: PageRequest): Promise<Page<AuditEntryDocument>> {
    const key = decodeCursor(cursor, /^\d{1,16} [0-9a-f]{64} \d{1,4}$/);
    const [at, proposal, position] = key?.split(' ') ?? [];
    const before = proposal === undefined ? null : { at: Number(at), proposal, position: Number(position) };
    const rows = await readAudit(this.#dependencies.database.read, { before, limit: limit + 1 });
    return pageOf(
      rows,
      limit,
      (row) => `${row.carried_out_at} ${row.proposal} ${row.position}`,
      (row) => ({
        proposal: row.proposal,
        title: row.title,
        kind: row.kind as AuditEntryDocument['kind'],
        subject: row.subject,
        before: row.before,
        after: row.after,
        by: row.asked_by === '' ? null : row.asked_by,
        sequence: row.sequence,
        at: row.carried_out_at,
      }),
    );
  }

  /** New money of epochs that are over, newest first. */
  async emission({ cursor, limit }: PageRequest): Promise<Page<EmissionEpochDocument>> {
    const before = decodeCursor(cursor, /^\d{1,10}$/);
    const request = { before: before === undefined ? null : Number(before), limit: limit + 1 };
    const found = await readEpochs(this.#dependencies.database.read, request);
    return pageOf(found, limit, ({ epoch }) => String(epoch), epochDocument);
  }

  async membership(caller: Caller, named: string | undefined): Promise<Membership> {
    const { database, power } = this.#dependencies;
    const { read } = database;
    const principal = named ?? caller.principal;
    const stake = await readStake(read, principal);
    return {
      network: await readNetwork(read),
      principal,
      votingKey: await readVotingKey(read, principal),
      delegate: stake?.delegate ?? null,
      bonded: String(stake?.bondedMicroFog ?? 0n),
      power: String((await readPower(read, principal))?.powerMicroFog ?? 0n),
      supply: String((await readPower(read, null))?.powerMicroFog ?? 0n),
      lockedUntil: await power.lockedUntil(read, principal),
    };
  }

  async setVotingKey(caller: Caller, publicKey: string): Promise<Membership> {
    await this.#dependencies.power.registerKey(caller.principal, publicKey);
    return await this.membership(caller, undefined);
  }

  async delegate(caller: Caller, to: string | null): Promise<Membership> {
    await this.#dependencies.power.delegate(caller.principal, to);
    return await this.membership(caller, undefined);
  }

  async propose(
    caller: Caller,
    { title, text, action }: { title: string; text: string; action: ProposalActionDocument },
  ): Promise<ProposalDocument> {
    const request = { proposer: caller.principal, title, text, action: actionOf(action) };
    return documentOf(await this.#dependencies.proposals.propose(request));
  }

  async list({ state, cursor, limit }: PageRequest & { state?: string | undefined }): Promise<Page<ProposalDocument>> {
    const key = decodeCursor(cursor, /^\d{1,16} [0-9a-f]{64}$/);
    const [createdAt, id] = key?.split(' ') ?? [];
    const before = id === undefined ? null : { createdAt: Number(createdAt), id };
    const found = await readProposals(this.#dependencies.database.read, { state, before, limit: limit + 1 });
    return pageOf(found, limit, (item) => `${item.createdAtMilliseconds} ${item.id}`, documentOf);
  }

  async get(given: string): Promise<ProposalDocument> {
    return documentOf(await this.#find(given));
  }

  /** What a voter has to vote with on a proposal, and how it voted. */
  async voteOf(caller: Caller, given: string, named: string | undefined) {
    const { read } = this.#dependencies.database;
    const { id } = await this.#find(given);
    const voter = named ?? caller.principal;
    const power = await readVoter(read, id, voter);
    const ballot = await readBallot(read, id, voter);
    return {
      voter,
      power: power === null ? null : voterDocument(power),
      choice: (ballot?.choice as Choice | undefined) ?? null,
    };
  }

  async cast(given: string, ballot: SignedBallot): Promise<BallotDocument> {
    return ballotDocument(await this.#dependencies.proposals.cast(await this.#idOf(given), ballot));
  }

  async ballots(given: string, { cursor, limit }: PageRequest): Promise<Page<BallotDocument>> {
    const { read } = this.#dependencies.database;
    const { id, network } = await this.#find(given);
    const after = Number(decodeCursor(cursor, /^\d{1,10}$/) ?? 0);
    const rows = await readBallots(read, id, { after, limit: limit + 1 });
    return pageOf(
      rows,
      limit,
      ({ number }) => String(number),
      (row) => ballotDocument(ballotOf(row, network)),
    );
  }

  async snapshot(given: string): Promise<SnapshotHeadDocument> {
    const { id, network, state } = await this.#find(given);
    const row = await readSnapshot(this.#dependencies.database.read, id);
    if (row === null) {
      throw new FogError('not-found', `proposal ${id} has no snapshot: its vote has not opened (${state})`, {
        hint: 'power is read when the delay of the proposal is over',
      });
    }
    return {
      network,
      proposal: id,
      beforeSequence: row.before_sequence,
      snapshotSequence: row.snapshot_sequence,
      supplyMicroFog: row.supply,
      voters: row.voters,
      treeRoot: row.tree_root,
      root: row.root,
    };
  }

  async voters(given: string, { cursor, limit }: PageRequest): Promise<Page<VoterDocument>> {
    const id = await this.#idOf(given);
    const after = decodeCursor(cursor, /^[A-Za-z0-9._-]{1,63}$/) ?? '';
    const found = await readVoters(this.#dependencies.database.read, id, { after, limit: limit + 1 });
    return pageOf(found, limit, ({ voter }) => voter, voterDocument);
  }

  async cancel(caller: Caller, given: string): Promise<ProposalDocument> {
    return documentOf(await this.#dependencies.proposals.cancel(await this.#idOf(given), caller.principal));
  }

  /** The guardian is the operator. */
  async veto(caller: Caller, given: string, reason: string): Promise<ProposalDocument> {
    const { principal, scope } = caller;
    const veto = { by: principal, isGuardian: scope === 'admin', reason };
    return documentOf(await this.#dependencies.proposals.veto(await this.#idOf(given), veto));
  }

  async execute(caller: Caller, given: string): Promise<ProposalDocument> {
    return documentOf(await this.#dependencies.proposals.execute(await this.#idOf(given), caller.principal));
  }

  async #find(given: string): Promise<Proposal> {
    const id = await this.#idOf(given);
    const proposal = await readStoredProposal(this.#dependencies.database.read, id);
    if (proposal === null) throw unknownProposal(given);
    return proposal;
  }

  /** The whole id of what was named by its first digits. */
  async #idOf(given: string): Promise<string> {
    if (given.length === WHOLE_ID) return given;
    const [id, second] = await idsBeginning(this.#dependencies.database.read, given);
    if (id === undefined) throw unknownProposal(given);
    if (second === undefined) return id;
    throw new FogError('invalid-request', `several proposals begin with ${given}`, { hint: 'give more of the id' });
  }
}

function unknownProposal(given: string): FogError {
  return new FogError('not-found', `there is no proposal ${given}`, { hint: 'fog dao ls' });
}

function actionOf(action: ProposalActionDocument): ProposalAction {
  switch (action.kind) {
    case 'text':
      return { kind: 'text' };
    case 'parameter':
      return {
        kind: 'parameter',
        changes: action.changes.map(({ name, value }) => ({ name: name as ParameterName, value: BigInt(value) })),
      };
    case 'treasury':
      return {
        kind: 'treasury',
        grants: action.grants.map(({ to, amountMicroFog }) => ({ to, amountMicroFog: BigInt(amountMicroFog) })),
      };
  }
}

/** As it stands in a record: with amounts as texts. */
function documentOf(proposal: Proposal): ProposalDocument {
  return JSON.parse(writeProposal(proposal)) as ProposalDocument;
}

function ballotDocument({ powerMicroFog, ...ballot }: Ballot): BallotDocument {
  return { ...ballot, powerMicroFog: String(powerMicroFog) };
}

function epochDocument({ epoch, claims, sharePpm, settledAt, ...amounts }: EmissionEpoch): EmissionEpochDocument {
  const { epochMilliseconds } = EMISSION_LIMITS;
  return {
    epoch,
    startsAt: epoch * epochMilliseconds,
    endsAt: (epoch + 1) * epochMilliseconds,
    claims,
    burned: String(amounts.burnedMicroFog),
    sharePpm: Number(sharePpm),
    wanted: String(amounts.wantedMicroFog),
    most: String(amounts.mostMicroFog),
    made: String(amounts.madeMicroFog),
    settledAt,
  };
}

function voterDocument({ voter, publicKey, powerMicroFog }: VoterPower): VoterDocument {
  return { voter, publicKey, powerMicroFog: String(powerMicroFog) };
}

/** Of rows that were asked for one more than fit. */
function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => string,
  itemOf: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const next = rows.length > limit && last !== undefined ? encodeCursor(keyOf(last)) : null;
  return { items: shown.map(itemOf), next };
}
