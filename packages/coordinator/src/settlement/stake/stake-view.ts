/** What an owner sees of its stake. Changes nothing. */
import type { SlashRecord, Stake, ValidatorStanding } from '@fog/contract';
import {
  type Delegation,
  type Liveness,
  pendingReward,
  type Rows,
  type Slash,
  type StakingEvent,
  stakeOf,
  type Validator,
} from '@fog/economy/staking';
import type { Reader } from '../../store/database.ts';
import { readDelegationsOf, readMovesOf, readUnbondingOf } from '../../store/stake-queries.ts';
import { loadStakeRows } from '../../store/stake-rows.ts';
import type { StakeFaultsTable } from '../../store/stake-tables.ts';
import { readEvidence } from '../arbitration/record.ts';
import type { StakeListener } from '../stake-listener.ts';
import { STAKE_HOME_LIMITS } from './limits.ts';
import { LoadedStake } from './loaded-stake.ts';
import { bondedOf } from './stake-totals.ts';

const { shownParts } = STAKE_HOME_LIMITS;

export async function readStake(
  reader: Reader,
  principal: string,
  { now, listener }: { now: number; listener: Pick<StakeListener, 'lockedUntil'> },
): Promise<Stake> {
  const loaded = new LoadedStake(reader);
  const delegations = await readDelegationsOf(reader, principal, shownParts);
  const own = { kind: 'unjail', validator: principal } as const;
  await loaded.load([own, ...delegations.map(withdrawalOf)], now);
  const [liveness] = await loadStakeRows(reader, 'liveness', [{ validator: principal, key: '' }]);
  const validator = loaded.state.get('validators', principal);
  const unbonding = await readUnbondingOf(reader, principal, shownParts);
  const moved = await readMovesOf(reader, principal, shownParts);
  const bonded = (await bondedOf(reader, [principal])).get(principal) ?? 0n;
  return {
    principal,
    validator: validator === undefined ? null : ownStanding(validator, liveness),
    bonded: String(bonded),
    delegations: delegations.flatMap(({ validator: name }) => delegationView(loaded.state, name, principal, now)),
    unbonding: unbonding.map(({ entry, cohort }) => ({
      validator: cohort.validator,
      amount: String(cohort.shares === 0n ? 0n : (entry.shares * cohort.tokens) / cohort.shares),
      releasesAt: cohort.releasesAt,
      isHeld: cohort.holds > 0,
    })),
    moved: moved.map(({ validator: from, to, until }) => ({ from, to, until })),
    votesUntil: await listener.lockedUntil(reader, principal),
  };
}

/** Names the rows that tell what a delegation has earned. */
function withdrawalOf({ validator, delegator }: Delegation): StakingEvent {
  return { kind: 'withdraw', validator, delegator, cause: 'view' };
}

function delegationView(rows: Rows, name: string, delegator: string, now: number): Stake['delegations'] {
  const validator = rows.get('validators', name);
  const delegation = rows.get('delegations', name, delegator);
  // It has left between two reads.
  if (validator === undefined || delegation === undefined) return [];
  return [
    {
      validator: name,
      amount: String(stakeOf(validator, delegation)),
      locked: String(stakeOf(validator, { shares: delegation.lockedShares })),
      rewards: String(pendingReward(rows, delegation, now)),
    },
  ];
}

export function standingOf(row: Validator): ValidatorStanding {
  const { validator, status, jailedUntil, faults, heldSlashes, tokens, commissionPpm } = row;
  const shown = { validator, status, jailedUntil, faults, heldSlashes };
  return { ...shown, stake: String(tokens), commissionPpm: Number(commissionPpm) };
}

function ownStanding(row: Validator, liveness: Liveness | undefined): NonNullable<Stake['validator']> {
  const missed = [...(liveness?.missed ?? 0n).toString(2)].filter((bit) => bit === '1').length;
  return {
    ...standingOf(row),
    commission: String(row.commission),
    slots: liveness?.slots ?? 0,
    missedSlots: missed,
  };
}

export function slashRecordOf({ slash, fault }: { slash: Slash; fault: StakeFaultsTable }): SlashRecord {
  const { validator, state, amount, heldAt, appealableUntil, decideUntil, buyer, paidForTask } = slash;
  return {
    fault: fault.fault,
    node: fault.node_id,
    ...{ validator, state, amount: String(amount), heldAt, appealableUntil, decideUntil, buyer },
    paidForTask: String(paidForTask),
    claimedDigest: fault.claimed_digest,
    digest: fault.digest,
    provenBy: fault.evidence === null ? 'trusted' : 'arbiters',
    arbiters: fault.evidence === null ? [] : readEvidence(fault.evidence).runs.map(({ arbiter }) => arbiter),
    signature: fault.signature,
    appealReason: fault.appeal_reason,
    decidedBy: fault.decided_by,
    decisionReason: fault.decision_reason,
  };
}
