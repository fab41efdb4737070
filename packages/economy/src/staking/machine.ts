/**
 * Staking as one state machine: what happens, at a time, gives the transfers that the ledger has to make with it, and
 * the facts that people are told. The state machines of stake, of slashes and of validators stand in `delegations.ts`,
 * `slashing.ts` and `liveness.ts`, the way of rewards in `rewards.ts`.
 *
 * Pure: the same rows, event, time and parameters always give the same step. An event that is refused throws a `FogError`
 * and changes nothing. Rows and transfers belong into one transaction: where the ledger has one of the transfers already,
 * the event came a second time, and its rows are not to be kept either.
 */
import { assertName, assertTime } from './checks.ts';
import {
  delegate,
  open,
  redelegate,
  release,
  setCommission,
  unbond,
  unlock,
  withdraw,
  withdrawCommission,
} from './delegations.ts';
import type { Outcome, StakingEvent, StakingStep } from './events.ts';
import { takeSlot, unjail } from './liveness.ts';
import type { StakingParameters } from './parameters.ts';
import { allocateEpoch } from './rewards.ts';
import { appeal, decide, forget, post, prove } from './slashing.ts';
import { Draft, type RowChange, type Rows, type StakingState } from './state.ts';
import { linked } from './transfers.ts';

/** The step, and the rows that it changes, over rows that hold at least those that `rowsNeeded` names. */
export function stakingStep(
  rows: Rows,
  event: StakingEvent,
  now: number,
  parameters: StakingParameters,
): StakingStep & { changes: RowChange[] } {
  assertTime(now, 'the time');
  if ('cause' in event) assertName(event.cause, 'the cause');
  const draft = new Draft(rows);
  const { accounts = [], transfers = [], facts = [] } = outcomeOf(draft, event, now, parameters);
  return { accounts, transfers: linked(transfers), facts, changes: draft.changes() };
}

/** The step; the state is what it is afterwards. */
export function applyStaking(
  state: StakingState,
  event: StakingEvent,
  now: number,
  parameters: StakingParameters,
): StakingStep {
  const { changes, ...step } = stakingStep(state, event, now, parameters);
  state.apply(changes);
  return step;
}

function outcomeOf(rows: Rows, event: StakingEvent, now: number, parameters: StakingParameters): Outcome {
  switch (event.kind) {
    case 'open':
      return open(rows, event, now, parameters);
    case 'set-commission':
      return setCommission(rows, event, now, parameters);
    case 'delegate':
      return delegate(rows, event, now);
    case 'unbond':
      return unbond(rows, event, now, parameters);
    case 'redelegate':
      return redelegate(rows, event, now, parameters);
    case 'release':
      return release(rows, event, now);
    case 'unlock':
      return unlock(rows, event, now);
    case 'allocate':
      return { transfers: allocateEpoch(rows, event, now, parameters) };
    case 'withdraw':
      return withdraw(rows, event, now);
    case 'withdraw-commission':
      return withdrawCommission(rows, event, now);
    case 'slot':
      return takeSlot(rows, event, now, parameters);
    case 'unjail':
      return unjail(rows, event, now);
    case 'prove':
      return prove(rows, event, now, parameters);
    case 'appeal':
      return appeal(rows, event, now, parameters);
    case 'decide':
      return decide(rows, event, now, parameters);
    case 'post':
      return post(rows, event, now, parameters);
    case 'forget':
      return forget(rows, event, now, parameters);
  }
}
