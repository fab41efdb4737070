/** One proposal in a network of voters with known weights, driven tick by tick. One token is one micro-FOG. */
import assert from 'node:assert/strict';
import type { FogError } from '@fog/contract';
import {
  advance,
  type Choice,
  castVote,
  DEFAULT_PARAMETERS,
  execute,
  faultOf,
  type GovernanceFault,
  type OpeningPower,
  openingOf,
  openZeppelinTerms,
  PowerBook,
  type Proposal,
  type ProposalState,
  propose,
  type Quorum,
  type Vote,
  veto,
} from '@fog/economy/governance';

export interface Fixture {
  supply: bigint;
  weights: ReadonlyMap<string, bigint>;
  delay: number;
  period: number;
  quorum: Quorum;
}

const PERCENT_PPM = 10_000;
/** Of OpenZeppelin's tests, for files that do not tell theirs. */
const USUAL = 'supply 100, votes v1=10 v2=7 v3=5 v4=2, delay 4, period 16, quorum 10%';

export function quorumOfPercent(percent: number): Quorum {
  return { ppm: BigInt(Math.round(percent * PERCENT_PPM)) };
}

/** What the note of a file says of its fixture; what it does not say is as usual. */
export function fixtureOf(note: string): Fixture {
  const number = (pattern: RegExp) => Number((pattern.exec(note) ?? pattern.exec(USUAL))?.[1]);
  const pairs = (text: string) => [...text.matchAll(/\b([A-Za-z_]\w*)\s*=\s*(\d+)\b/g)];
  const told = pairs(note);
  const weights = (told.length > 0 ? told : pairs(USUAL)).map(([, name = '', weight = '']): [string, bigint] => [
    name,
    BigInt(weight),
  ]);
  return {
    supply: BigInt(number(/\bsupply\s*(?:of\s*|=\s*)?(\d+)/)),
    weights: new Map(weights),
    delay: number(/\bdelay\s*(?:of\s*|=\s*)?(\d+)/),
    period: number(/\bperiod\s*(?:of\s*|=\s*)?(\d+)/),
    quorum: quorumOfPercent(number(/\bquorum\s*(?:of\s*|=\s*)?(\d+(?:\.\d+)?)\s*%/)),
  };
}

/** Names of OpenZeppelin's errors and states for ours. */
const ERRORS: Readonly<Partial<Record<GovernanceFault, string>>> = {
  'insufficient-proposer-votes': 'InsufficientProposerVotes',
  'unexpected-state': 'UnexpectedProposalState',
  'invalid-vote-type': 'InvalidVoteType',
  'exceeds-remaining-weight': 'ExceedRemainingWeight',
  'already-voted': 'AlreadyCastVote',
  'not-proposer': 'UnableToCancel',
  'future-lookup': 'FutureLookup',
};
const STATES: Readonly<Record<ProposalState, string>> = {
  pending: 'Pending',
  active: 'Active',
  succeeded: 'Succeeded',
  queued: 'Queued',
  executed: 'Executed',
  defeated: 'Defeated',
  expired: 'Expired',
  cancelled: 'Canceled',
  vetoed: 'Canceled',
};

export function stateName({ state }: Proposal): string {
  return STATES[state];
}

/** Throws unless this is the error that a file expects, e.g. `UnexpectedProposalState(Pending)`. */
export function assertError(error: unknown, expected: string): void {
  const [, name, argument] = /^(?:Governor|ERC\d+|Votes)?([A-Z]\w*)(?:\((\w*)\))?$/.exec(expected) ?? [];
  assert.ok(name !== undefined && Object.values(ERRORS).includes(name), `unknown error "${expected}"`);
  const fault = faultOf(error);
  if (fault === null) throw error;
  assert.equal(ERRORS[fault], name, (error as FogError).message);
  if (name !== 'UnexpectedProposalState' || argument === undefined || argument === '') return;
  assert.equal(STATES[(error as FogError).details.state as ProposalState], argument, 'the state of the proposal');
}

export interface WorldOptions {
  quorum?: Quorum;
  extension?: number;
  threshold?: bigint;
  timelock?: number;
  grace?: number;
}

const CREATED_TICK = 100;
const GUARDIAN = 'guardian';

export class GovernorWorld {
  readonly #book = new PowerBook();
  readonly #fixture: Fixture;
  readonly #options: WorldOptions;
  readonly #used = new Map<string, bigint>();
  #proposal: Proposal | null = null;
  tick = CREATED_TICK;

  constructor(fixture: Fixture, options: WorldOptions) {
    this.#fixture = fixture;
    this.#options = options;
    const delegated = [...fixture.weights.values()].reduce((sum, weight) => sum + weight, 0n);
    assert.ok(delegated <= fixture.supply, `the voters have ${delegated} of a supply of ${fixture.supply}`);
    this.#book.apply({ owner: 'undelegated', sequence: 1, bondedMicroFog: fixture.supply - delegated });
    for (const [voter, bondedMicroFog] of fixture.weights) {
      this.#book.apply({ owner: voter, sequence: 2, bondedMicroFog, delegate: voter });
    }
  }

  get proposal(): Proposal {
    assert.ok(this.#proposal !== null, 'nothing was proposed');
    return this.#proposal;
  }

  weightOf(voter: string): bigint {
    const weight = this.#fixture.weights.get(voter);
    assert.ok(weight !== undefined, `nothing is told of the voter "${voter}"`);
    return weight;
  }

  /** Whoever stands first in the fixture and has weight. */
  anyVoter(): string {
    const [voter] = [...this.#fixture.weights].find(([, weight]) => weight > 0n) ?? [];
    assert.ok(voter !== undefined, 'no voter has weight');
    return voter;
  }

  usedBy(voter: string): bigint {
    return this.#used.get(voter) ?? 0n;
  }

  propose(proposer: string | undefined): void {
    const { delay, period, quorum } = this.#fixture;
    const { threshold = 0n, extension, timelock, grace } = this.#options;
    const { proposal } = propose(
      { proposer: proposer ?? 'proposer', title: 'a proposal', text: '', action: { kind: 'text' } },
      {
        network: 'conformance',
        clock: this.#clock(),
        terms: openZeppelinTerms({
          delayTicks: delay,
          periodTicks: period,
          quorum: this.#options.quorum ?? quorum,
          ...(extension === undefined ? {} : { extensionTicks: extension }),
          ...(timelock === undefined ? {} : { timelockTicks: timelock }),
          ...(grace === undefined ? {} : { graceTicks: grace }),
        }),
        parameters: DEFAULT_PARAMETERS,
        thresholdMicroFog: threshold,
        proposerPowerMicroFog: proposer === undefined ? 0n : this.#book.pastPowerOf(proposer, this.tick - 1, this.tick),
        liveOfProposer: 0,
        live: 0,
      },
    );
    this.#proposal = proposal;
  }

  /** The first tick at which a vote counts. */
  toOpening(): void {
    this.tick = CREATED_TICK + this.#fixture.delay + 1;
    this.advance();
  }

  /** The last tick at which a vote counts. */
  get deadline(): number {
    const { votesUntilMilliseconds } = this.proposal;
    return votesUntilMilliseconds ?? CREATED_TICK + this.#fixture.delay + this.#fixture.period;
  }

  advance(): void {
    this.#proposal = advance(this.proposal, this.#clock(), this.#power()).proposal;
  }

  /** Weight that is left goes to a choice, or parts of it where a fractional vote says. A voter without weight is skipped. */
  vote(voter: string, vote: Vote): void {
    const weightMicroFog = this.weightOf(voter);
    const snapshot = CREATED_TICK + this.#fixture.delay;
    if (this.tick > snapshot) assert.equal(this.#book.pastPowerOf(voter, snapshot, this.tick), weightMicroFog);
    if (weightMicroFog === 0n) return;
    const cast = { vote, weightMicroFog, usedMicroFog: this.usedBy(voter) };
    const { proposal, usedMicroFog } = castVote(this.proposal, cast, this.#clock(), this.#power());
    this.#proposal = proposal;
    this.#used.set(voter, usedMicroFog);
  }

  execute(): void {
    this.#proposal = execute(this.proposal, {
      by: 'anybody',
      clock: this.#clock(),
      parameters: DEFAULT_PARAMETERS,
      treasuryMicroFog: 0n,
      power: this.#power(),
    }).proposal;
  }

  stop(): void {
    const given = { by: GUARDIAN, guardian: GUARDIAN, reason: 'a scenario' };
    this.#proposal = veto(this.proposal, given, this.#clock(), this.#power()).proposal;
  }

  #clock() {
    return { sequence: this.tick, nowMilliseconds: this.tick };
  }

  #power(): OpeningPower | null {
    const opening = openingOf(this.proposal, this.#clock());
    if (opening === null) return null;
    return {
      supplyBeforeMicroFog: this.#book.pastSupply(opening.beforeSequence, this.tick),
      supplyAtSnapshotMicroFog: this.#book.pastSupply(opening.snapshotSequence, this.tick),
      snapshotRoot: null,
    };
  }
}

export const CHOICE_OF_SUPPORT: readonly Choice[] = ['against', 'for', 'abstain'];
