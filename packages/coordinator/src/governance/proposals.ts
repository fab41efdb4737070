/**
 * Proposals in the database: each operation locks the row of its proposal, takes the clock of the ledger, asks the pure
 * machine of `@fog/economy/governance`, and writes what comes out together with the money that it moves.
 *
 *     a look, or an operation -> the vote opens if its delay is over (openings.ts) -> the operation on what is there then
 */
import { FogError } from '@fog/contract';
import { accountId } from '@fog/economy/chart';
import { assertCovered } from '@fog/economy/escrow';
import {
  advance,
  type Ballot,
  type Clock,
  cancel,
  castBallot,
  execute,
  faultOf,
  openingOf,
  type Proposal,
  type ProposalRequest,
  propose,
  type SignedBallot,
  type Step,
  termsOf,
  veto,
} from '@fog/economy/governance';
import { DAO_LIMITS } from '../limits.ts';
import { readLedgerAccount, spendable } from '../settlement/ledger-queries.ts';
import { MoneyMoves } from '../settlement/money-moves.ts';
import type { SqlLedger } from '../settlement/sql-ledger.ts';
import {
  countLive,
  insertBallot,
  lockProposal,
  putOff,
  readBallot,
  readDue,
  readNetwork,
  readVoter,
  saveExecution,
  saveProposal,
} from '../store/dao-rows.ts';
import type { Database, Writer } from '../store/database.ts';
import { readPower } from '../store/power-rows.ts';
import { openVote } from './openings.ts';
import { parametersIn, type RunningParameters } from './running-parameters.ts';

export interface ProposalsDependencies {
  database: Database;
  ledger: SqlLedger;
  parameters: RunningParameters;
  now: () => number;
  warn: (message: string, data: Record<string, unknown>) => void;
}

/** In the record: nobody asked, its time had come. */
const BY_ITSELF = '';

export class Proposals {
  readonly #dependencies: ProposalsDependencies;

  constructor(dependencies: ProposalsDependencies) {
    this.#dependencies = dependencies;
  }

  /** Stores a proposal and takes its deposit. Throws what `propose` refuses, and `insufficient-funds`. */
  async propose(request: ProposalRequest): Promise<Proposal> {
    const { database, ledger, now } = this.#dependencies;
    const { proposer } = request;
    return await database.write(async (writer) => {
      const clock = await ledger.tick(writer, now());
      const parameters = await parametersIn(writer);
      const power = await readPower(writer, proposer, clock.sequence - 1);
      const step = propose(request, {
        network: await readNetwork(writer),
        clock,
        terms: termsOf(parameters),
        parameters,
        thresholdMicroFog: parameters.proposalThreshold,
        proposerPowerMicroFog: power?.powerMicroFog ?? 0n,
        ...(await countLive(writer, proposer)),
      });
      const wallet = await readLedgerAccount(writer, accountId('fog', 'wallet', proposer));
      assertCovered(step.proposal.terms.depositMicroFog, spendable(wallet));
      await this.#save(writer, step);
      return step.proposal;
    });
  }

  /** Counts a signed ballot. Throws what `castBallot` refuses. */
  async cast(id: string, ballot: SignedBallot): Promise<Ballot> {
    return await this.#on(id, async (writer, proposal, clock) => {
      const power = await readVoter(writer, id, ballot.voter);
      const earlier = await readBallot(writer, id, ballot.voter);
      const step = castBallot(proposal, ballot, { power, earlier }, clock);
      await this.#save(writer, step);
      await insertBallot(writer, step.ballot, step.proposal.ballots);
      return step.ballot;
    });
  }

  async cancel(id: string, by: string): Promise<Proposal> {
    return await this.#on(id, async (writer, proposal, clock) => {
      return await this.#save(writer, cancel(proposal, by, clock));
    });
  }

  /** `isGuardian`: whether `by` is one who can stop proposals. */
  async veto(
    id: string,
    { by, isGuardian, reason }: { by: string; isGuardian: boolean; reason: string },
  ): Promise<Proposal> {
    return await this.#on(id, async (writer, proposal, clock) => {
      return await this.#save(writer, veto(proposal, { by, guardian: isGuardian ? by : null, reason }, clock));
    });
  }

  /** Carries out what was decided: all of it, once, with its entry in the record. Throws what `execute` refuses. */
  async execute(id: string, by: string): Promise<Proposal> {
    const { parameters } = this.#dependencies;
    const executed = await this.#on(id, (writer, proposal, clock) => this.#execute(writer, proposal, by, clock));
    await parameters.look();
    return executed;
  }

  /** What a sweep does: moves on all whose time has come. */
  async look(): Promise<void> {
    const { database, now, warn } = this.#dependencies;
    for (const id of await readDue(database.read, now(), DAO_LIMITS.dueProposals)) {
      try {
        await this.#moveOn(id);
      } catch (error) {
        warn('a proposal could not be moved on', { proposal: id, error: (error as Error).message });
        await database.write((writer) => putOff(writer, id, now() + DAO_LIMITS.retryMilliseconds));
      }
    }
  }

  async #moveOn(id: string): Promise<void> {
    const { parameters, now } = this.#dependencies;
    const moved = await this.#on(id, async (writer, proposal, clock) => {
      const step = advance(proposal, clock);
      if (step.proposal !== proposal) await this.#save(writer, step);
      return step.proposal;
    });
    if (moved.state !== 'queued' || now() < (moved.executableAtMilliseconds ?? 0)) return;
    try {
      await this.#on(id, (writer, proposal, clock) => this.#execute(writer, proposal, BY_ITSELF, clock));
      await parameters.look();
    } catch (error) {
      const fault = faultOf(error);
      // Another was faster, or its clock is behind.
      if (fault === 'unexpected-state' || fault === 'timelock-runs') return;
      throw error;
    }
  }

  async #execute(writer: Writer, proposal: Proposal, by: string, clock: Clock): Promise<Proposal> {
    const treasury = await readLedgerAccount(writer, accountId('fog', 'treasury'));
    const execution = execute(proposal, {
      by,
      clock,
      parameters: await parametersIn(writer),
      treasuryMicroFog: spendable(treasury),
    });
    await saveExecution(writer, execution.audit);
    return await this.#save(writer, execution);
  }

  /** Runs `work` under the lock of the proposal, after its vote was opened if that is due. Throws `not-found`. */
  async #on<Result>(
    id: string,
    work: (writer: Writer, proposal: Proposal, clock: Clock) => Promise<Result>,
  ): Promise<Result> {
    const { database, ledger, now } = this.#dependencies;
    for (let tries = 0; tries < DAO_LIMITS.openings; tries += 1) {
      await openVote(this.#dependencies, id);
      const done = await database.write(async (writer) => {
        const proposal = await lockProposal(writer, database.engine, id);
        if (proposal === null) throw new FogError('not-found', `there is no proposal ${id}`, { hint: 'fog dao ls' });
        const clock = await ledger.tick(writer, now());
        if (openingOf(proposal, clock) !== null) return null;
        return { result: await work(writer, proposal, clock) };
      });
      if (done !== null) return done.result;
    }
    throw new FogError('unavailable', `the vote on ${id} is just opening`, { hint: 'try again' });
  }

  async #save(writer: Writer, { proposal, transfers }: Pick<Step, 'proposal' | 'transfers'>): Promise<Proposal> {
    const { ledger, now } = this.#dependencies;
    await saveProposal(writer, proposal);
    const moves = new MoneyMoves('fog');
    moves.openWallet(proposal.proposer);
    moves.openDeposit(proposal.id);
    if (proposal.state === 'executed' && proposal.action.kind === 'treasury') {
      for (const { to } of proposal.action.grants) moves.openWallet(to);
    }
    moves.add({ transfers });
    await moves.carryOut(writer, ledger, now());
    return proposal;
  }
}
