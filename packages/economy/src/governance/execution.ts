/**
 * Carrying out what was decided. Nothing is done here: what changes, what is paid and what goes into the record come
 * back, and whoever calls applies all of it in one transaction with the proposal, so that it happens once.
 */

import type { Tally } from './counting.ts';
import { governanceFault } from './faults.ts';
import { type AppliedChange, changedParameters } from './parameter-changes.ts';
import type { Parameters } from './parameters.ts';
import { advance, assertState, ended, type OpeningPower, type Step } from './proposal-machine.ts';
import type { Proposal } from './proposals.ts';
import { type Clock, type Grant, type ProposalKind, transferOf, treasuryAccount, walletOf } from './proposals.ts';

/** What is kept for good of an execution. */
export interface AuditEntry {
  proposal: string;
  kind: ProposalKind;
  title: string;
  by: string;
  sequence: number;
  atMilliseconds: number;
  changes: AppliedChange[];
  grants: readonly Grant[];
  tally: Tally;
  supplyMicroFog: bigint;
  quorumMicroFog: bigint;
  snapshotRoot: string | null;
}

export interface Execution extends Step {
  changes: AppliedChange[];
  /** All parameters as they are from now on. */
  parameters: Parameters;
  audit: AuditEntry;
}

export interface ExecutionContext {
  /** Who asks for it; anybody may. */
  by: string;
  clock: Clock;
  /** What holds now, which is not what held when it was proposed. */
  parameters: Parameters;
  /** What the treasury has and can pay. */
  treasuryMicroFog: bigint;
  power?: OpeningPower | null;
}

/**
 * Executes a proposal. Throws `conflict` before its timelock has run (fault `timelock-runs`), and in any state but that
 * of a proposal that passed; `invalid-request` (fault `out-of-range`) when a value cannot hold any more;
 * `insufficient-funds` when the treasury has less than it should pay. After the last two it may be tried again until it
 * expires.
 */
export function execute(proposal: Proposal, context: ExecutionContext): Execution {
  const { by, clock } = context;
  const step = advance(proposal, clock, context.power ?? null);
  const current = step.proposal;
  assertState(current, ['queued', 'succeeded'], 'executed');
  const executableAt = current.executableAtMilliseconds;
  if (executableAt !== null && clock.nowMilliseconds < executableAt) {
    throw governanceFault('timelock-runs', `proposal ${current.id} can be executed from ${executableAt} ms on`, {
      details: { executableAtMilliseconds: executableAt },
      hint: 'try again when its timelock has run',
    });
  }
  const { action } = current;
  const { parameters, changes } =
    action.kind === 'parameter'
      ? changedParameters(context.parameters, action.changes)
      : { parameters: context.parameters, changes: [] };
  const grants = action.kind === 'treasury' ? action.grants : [];
  const done = ended(step, 'executed', clock.nowMilliseconds);
  return {
    proposal: done.proposal,
    transfers: [...done.transfers, ...payments(current.id, grants, context.treasuryMicroFog)],
    changes,
    parameters,
    audit: {
      proposal: current.id,
      kind: action.kind,
      title: current.title,
      by,
      sequence: clock.sequence,
      atMilliseconds: clock.nowMilliseconds,
      changes,
      grants,
      tally: current.tally,
      supplyMicroFog: current.supplyMicroFog ?? 0n,
      quorumMicroFog: current.quorumMicroFog ?? 0n,
      snapshotRoot: current.snapshotRoot,
    },
  };
}

function payments(id: string, grants: readonly Grant[], treasuryMicroFog: bigint) {
  const sum = grants.reduce((total, { amountMicroFog }) => total + amountMicroFog, 0n);
  if (sum > treasuryMicroFog) {
    throw governanceFault(
      'treasury-too-small',
      `proposal ${id} pays ${sum} micro-FOG, and the treasury has ${treasuryMicroFog}`,
      {
        details: { missing: String(sum - treasuryMicroFog) },
        hint: 'execute it when the treasury has more, before it expires',
      },
    );
  }
  return grants.flatMap(({ to, amountMicroFog }, index) =>
    transferOf('grant', [id, index], { from: treasuryAccount(), to: walletOf(to), amount: amountMicroFog }),
  );
}
