/** What is proposed: the record of a proposal, the terms that it is decided under, and its id. */
import { PROPOSAL_STATES, type ProposalState } from '@fog/contract';
import { assertAmount } from '../amounts.ts';
import { accountId, CURRENCIES, TRANSFER_CODES, type TransferKind, transferId } from '../chart.ts';
import { type CanonicalField, canonicalDigest } from './canonical-bytes.ts';
import type { Quorum, Tally } from './counting.ts';
import { governanceFault } from './faults.ts';
import { assertPrincipal } from './fields.ts';
import { GOVERNANCE_LIMITS } from './limits.ts';
import { assertParameter, type ParameterChange } from './parameter-changes.ts';
import type { Parameters } from './parameters.ts';

/** What a transfer of governance has of the ledger's. Currency is always FOG: faucet money has no say. */
export interface GovernanceTransfer {
  id: bigint;
  debitAccount: bigint;
  creditAccount: bigint;
  amount: bigint;
  ledger: number;
  code: number;
}

export interface Grant {
  /** A principal. */
  to: string;
  amountMicroFog: bigint;
}

export const PROPOSAL_KINDS = ['text', 'parameter', 'treasury'] as const;
export type ProposalKind = (typeof PROPOSAL_KINDS)[number];

export type ProposalAction =
  | { kind: 'text' }
  | { kind: 'parameter'; changes: readonly ParameterChange[] }
  | { kind: 'treasury'; grants: readonly Grant[] };

export { PROPOSAL_STATES, type ProposalState };

/**
 * How power is read. `lesser`: the lesser of what a voter had just before the proposal and at the snapshot, which is the
 * last tick before the vote opens. `snapshot`: what the voter had at the tick of the snapshot, which is fixed by the
 * proposal as its own tick plus the delay; ticks and milliseconds are then the same. Source of the latter: OpenZeppelin.
 */
export const WEIGHINGS = ['lesser', 'snapshot'] as const;
export type Weighing = (typeof WEIGHINGS)[number];

/** Frozen when the proposal is made: what is voted later changes the next proposals, not this one. */
export interface ProposalTerms {
  weighing: Weighing;
  votingDelayMilliseconds: number;
  votingPeriodMilliseconds: number;
  lateQuorumMilliseconds: number;
  /** Null: what succeeded can be executed at once and never expires. */
  timelockMilliseconds: number | null;
  executionWindowMilliseconds: number;
  quorum: Quorum;
  approvalPpm: bigint;
  depositMicroFog: bigint;
}

/** What does not change of a proposal; its id is made of it. */
export interface ProposalContent {
  network: string;
  proposer: string;
  title: string;
  text: string;
  action: ProposalAction;
  terms: ProposalTerms;
  createdSequence: number;
  createdAtMilliseconds: number;
}

export interface Proposal extends ProposalContent {
  /** 64 hex digits. */
  id: string;
  state: ProposalState;
  /** Known from the opening on, like the four below. */
  openedAtMilliseconds: number | null;
  snapshotSequence: number | null;
  /** Of the published snapshot; null where none was made. */
  snapshotRoot: string | null;
  supplyMicroFog: bigint | null;
  quorumMicroFog: bigint | null;
  /** Ballots are taken until then, inclusive. */
  votesUntilMilliseconds: number | null;
  quorumReachedAtMilliseconds: number | null;
  tally: Tally;
  ballots: number;
  executableAtMilliseconds: number | null;
  expiresAtMilliseconds: number | null;
  endedAtMilliseconds: number | null;
  /** Why the guardian stopped it. */
  vetoReason: string | null;
  deposit: 'held' | 'returned' | 'forfeited';
}

/** When something happens: the tick of the journal, for power, and the time, for periods. */
export interface Clock {
  sequence: number;
  nowMilliseconds: number;
}

export function termsOf(parameters: Parameters): ProposalTerms {
  return {
    weighing: 'lesser',
    votingDelayMilliseconds: Number(parameters.votingDelayMilliseconds),
    votingPeriodMilliseconds: Number(parameters.votingPeriodMilliseconds),
    lateQuorumMilliseconds: Number(parameters.lateQuorumMilliseconds),
    timelockMilliseconds: Number(parameters.timelockMilliseconds),
    executionWindowMilliseconds: Number(parameters.executionWindowMilliseconds),
    quorum: { ppm: parameters.quorumPpm },
    approvalPpm: parameters.approvalPpm,
    depositMicroFog: parameters.proposalDeposit,
  };
}

/**
 * The timing and counting of OpenZeppelin's Governor, in ticks, for conformance: one clock, weight at the snapshot, more
 * for than against, no deposit. Without a timelock what succeeded is executed at once.
 */
export function openZeppelinTerms(given: {
  delayTicks: number;
  periodTicks: number;
  quorum: Quorum;
  extensionTicks?: number;
  timelockTicks?: number;
  graceTicks?: number;
}): ProposalTerms {
  return {
    weighing: 'snapshot',
    votingDelayMilliseconds: given.delayTicks,
    votingPeriodMilliseconds: given.periodTicks,
    lateQuorumMilliseconds: given.extensionTicks ?? 0,
    timelockMilliseconds: given.timelockTicks ?? null,
    executionWindowMilliseconds: given.graceTicks ?? 2 ** 50,
    quorum: given.quorum,
    approvalPpm: 500_000n,
    depositMicroFog: 0n,
  };
}

/** Throws `invalid-request` for an action that cannot be meant: names, numbers, amounts and parameters are looked at. */
export function assertAction(action: ProposalAction): void {
  if (!PROPOSAL_KINDS.includes(action.kind)) {
    throw governanceFault('malformed', `there are no proposals of the kind ${JSON.stringify(action.kind)}`, {
      hint: `kinds are ${PROPOSAL_KINDS.join(', ')}`,
    });
  }
  const actions = action.kind === 'parameter' ? action.changes : action.kind === 'treasury' ? action.grants : null;
  if (actions !== null && (actions.length === 0 || actions.length > GOVERNANCE_LIMITS.actions)) {
    throw governanceFault(
      'malformed',
      `a proposal does 1 to ${GOVERNANCE_LIMITS.actions} things, not ${actions.length}`,
    );
  }
  if (action.kind === 'parameter') for (const { name, value } of action.changes) assertParameter(name, value);
  if (action.kind === 'treasury') {
    for (const { to, amountMicroFog } of action.grants) {
      assertPrincipal(to, 'who gets the money');
      assertAmount(amountMicroFog, { least: 1n, what: 'what the treasury pays' });
    }
  }
}

/** Hex: a hash of all that does not change. Whoever signs it has signed what is proposed, and under which terms. */
export function proposalIdOf(content: ProposalContent): string {
  const { terms } = content;
  const quorum: CanonicalField[] =
    'ppm' in terms.quorum ? ['ppm', terms.quorum.ppm] : ['votes', terms.quorum.votesMicroFog];
  return canonicalDigest('fog-proposal-v1', [
    content.network,
    content.proposer,
    content.createdSequence,
    content.createdAtMilliseconds,
    content.title,
    content.text,
    terms.weighing,
    terms.votingDelayMilliseconds,
    terms.votingPeriodMilliseconds,
    terms.lateQuorumMilliseconds,
    terms.timelockMilliseconds ?? 'none',
    terms.executionWindowMilliseconds,
    ...quorum,
    terms.approvalPpm,
    terms.depositMicroFog,
    ...actionFields(content.action),
  ]);
}

function actionFields(action: ProposalAction): CanonicalField[] {
  switch (action.kind) {
    case 'text':
      return ['text'];
    case 'parameter':
      return ['parameter', ...action.changes.flatMap(({ name, value }) => [name, value])];
    case 'treasury':
      return ['treasury', ...action.grants.flatMap(({ to, amountMicroFog }) => [to, amountMicroFog])];
  }
}

/** A transfer of FOG for a proposal; nothing for an amount of zero. */
export function transferOf(
  kind: TransferKind,
  cause: readonly (string | number)[],
  { from, to, amount }: { from: bigint; to: bigint; amount: bigint },
): GovernanceTransfer[] {
  if (amount === 0n) return [];
  return [
    {
      id: transferId(kind, ...cause),
      debitAccount: from,
      creditAccount: to,
      amount,
      ledger: CURRENCIES.fog,
      code: TRANSFER_CODES[kind],
    },
  ];
}

export const walletOf = (principal: string) => accountId('fog', 'wallet', principal);
export const depositAccountOf = (proposalId: string) => accountId('fog', 'deposit', proposalId);
export const treasuryAccount = () => accountId('fog', 'treasury');
