/**
 * Stake that joins, leaves, moves.
 *
 *     wallet --(delegate)--> bonded --(unbond)--> unbonding: a cohort --(release, 14 days after it left)--> wallet
 *     bonded --(redelegate)--> bonded with another, locked --(unlock, when evidence is too old)--> free
 *
 * What left in an hour is liable for faults until the end of that hour; what moved, for those of its former validator
 * until then. Locked stake cannot leave or move again, or it would be out of reach of a slash before evidence is too old.
 */
import { FogError } from '@fog/contract';
import { assertPpm, formatFog } from '../amounts.ts';
import { assertName, assertStake, assertUnfrozen, assertVotesAreOver, validatorOf } from './checks.ts';
import type { EventOf, Outcome } from './events.ts';
import { STAKING_LIMITS } from './limits.ts';
import type { StakingParameters } from './parameters.ts';
import { isJoinable, type Pool, sharesFor, sharesWorth, tokensFor } from './pool.ts';
import { endPeriod, refer, type Settled, settle, sweepDust } from './rewards.ts';
import { type Cohort, type Delegation, rowKey, type Validator } from './rows.ts';
import type { Rows } from './state.ts';
import { account, movement, validatorAccounts } from './transfers.ts';

const PPM_PER_PERCENT = 10_000n;

export function open(
  rows: Rows,
  { validator, commissionPpm }: EventOf<'open'>,
  now: number,
  parameters: StakingParameters,
): Outcome {
  assertName(validator, 'the name of a validator');
  assertCommission(commissionPpm, parameters);
  if (rows.get('validators', validator) !== undefined) {
    throw new FogError('conflict', `${validator} is a validator already`, { details: { validator } });
  }
  rows.put('periods', { validator, period: 0, rewardPerShare: 0n, references: 1 });
  rows.put('validators', {
    ...{ validator, status: 'active', jailedUntil: 0, faults: 0, heldSlashes: 0, redelegations: 0 },
    ...{
      commissionPpm,
      commissionChangedAt: now,
      tokens: 0n,
      heldTokens: 0n,
      shares: 0n,
      period: 1,
      currentRewards: 0n,
    },
    ...{ streaming: 0n, streamsFrom: now, streamsUntil: now, commission: 0n, dust: 0n, held: 0n, lastEpoch: -1 },
  });
  return { accounts: validatorAccounts(validator) };
}

/** Lower at any time; higher by little, and once a day, so that nobody's rewards are taken from under them. */
export function setCommission(
  rows: Rows,
  event: EventOf<'set-commission'>,
  now: number,
  parameters: StakingParameters,
): Outcome {
  const validator = validatorOf(rows, event.validator);
  assertCommission(event.commissionPpm, parameters);
  const { commissionStepPpm, commissionStepMilliseconds } = STAKING_LIMITS;
  const rise = event.commissionPpm - validator.commissionPpm;
  const isRested = now - validator.commissionChangedAt >= commissionStepMilliseconds;
  if (rise > 0n && (rise > commissionStepPpm || !isRested)) {
    throw new FogError('conflict', `the commission may rise by ${percentOf(commissionStepPpm)}, once a day`, {
      details: { validator: event.validator, changedAt: validator.commissionChangedAt },
    });
  }
  rows.put('validators', {
    ...validator,
    commissionPpm: event.commissionPpm,
    commissionChangedAt: rise > 0n ? now : validator.commissionChangedAt,
  });
  return {};
}

/** 12,500 parts per million -> `1.25 %`. */
function percentOf(ppm: bigint): string {
  return `${Number(ppm) / Number(PPM_PER_PERCENT)} %`;
}

function assertCommission(commissionPpm: bigint, { commissionMostPpm: most }: StakingParameters): void {
  assertPpm(commissionPpm, 'the commission');
  if (commissionPpm <= most) return;
  throw new FogError(
    'invalid-request',
    `the commission is ${percentOf(commissionPpm)}; ${percentOf(most)} is the most`,
    {
      details: { mostPpm: Number(most) },
      hint: 'ask for less: a vote sets the most, see fog dao parameters',
    },
  );
}

export function delegate(rows: Rows, event: EventOf<'delegate'>, now: number): Outcome {
  const { delegator, amount, cause } = event;
  assertName(delegator, 'the name of a delegator');
  assertStake(amount, event.currency, delegator === event.validator ? 1n : STAKING_LIMITS.leastDelegationMicroFog);
  const before = validatorOf(rows, event.validator);
  assertMayJoin(before);
  const settled = settle(rows, before, delegationOf(rows, before, delegator), now, cause);
  const shares = join(rows, settled, amount, 0n);
  const bond = { kind: 'bond', from: account('wallet', delegator), to: account('bonded', event.validator) } as const;
  return {
    transfers: [...settled.transfers, ...movement([cause], { ...bond, amount })],
    facts: [...paidFact(settled), { kind: 'joined', validator: event.validator, delegator, amount, shares }],
  };
}

function assertMayJoin(validator: Validator): void {
  assertUnfrozen(validator);
  if (validator.status !== 'tombstoned') return;
  throw new FogError('conflict', `${validator.validator} has been put out for its faults: nobody can join it`, {
    details: { validator: validator.validator },
    hint: 'choose another validator',
  });
}

/** What a share is worth while slashes are held: as if they were overturned, so that neither way it is more than a token. */
export function poolOf({ tokens, heldTokens, shares }: Validator): Pool {
  return { tokens: tokens + heldTokens, shares };
}

/** The delegation as it is, or an empty one with its reference to the period that ended last. */
export function delegationOf(rows: Rows, { validator, period }: Validator, delegator: string): Delegation {
  const existing = rows.get('delegations', validator, delegator);
  if (existing !== undefined) return existing;
  refer(rows, validator, period - 1, 1);
  return { validator, delegator, shares: 0n, lockedShares: 0n, startPeriod: period - 1 };
}

/** Puts validator and delegation with the shares of an amount that joins; answers the shares. */
export function join(rows: Rows, { validator, delegation }: Settled, amount: bigint, lockedShares: bigint): bigint {
  const shares = sharesFor(poolOf(validator), amount);
  const tokens = validator.tokens + amount;
  rows.put('validators', { ...validator, tokens, shares: validator.shares + shares });
  rows.put('delegations', {
    ...delegation,
    shares: delegation.shares + shares,
    lockedShares: delegation.lockedShares + (lockedShares > 0n ? shares : 0n),
  });
  return shares;
}

/** Puts validator and delegation without so many shares, the locked ones among them; answers what they were worth. */
export function leave(rows: Rows, { validator, delegation }: Settled, shares: bigint, lockedShares: bigint): bigint {
  const amount = tokensFor(poolOf(validator), shares);
  const left = { tokens: validator.tokens - amount, shares: validator.shares - shares };
  rows.put('validators', { ...validator, ...left });
  const remaining = delegation.shares - shares;
  if (remaining > 0n) {
    rows.put('delegations', {
      ...delegation,
      shares: remaining,
      lockedShares: delegation.lockedShares - lockedShares,
    });
  } else {
    rows.remove('delegations', delegation);
    refer(rows, delegation.validator, delegation.startPeriod, -1);
  }
  return amount;
}

export function paidFact({ delegation: { validator, delegator }, paid }: Settled): NonNullable<Outcome['facts']> {
  return paid === 0n ? [] : [{ kind: 'paid', validator, delegator, amount: paid }];
}

/** Throws `not-found` where nothing is staked. */
function existingDelegation(rows: Rows, validator: string, delegator: string): Delegation {
  const delegation = rows.get('delegations', validator, delegator);
  if (delegation !== undefined) return delegation;
  throw new FogError('not-found', `${delegator} has nothing staked with ${validator}`, {
    details: { validator, delegator },
  });
}

export function unbond(rows: Rows, event: EventOf<'unbond'>, now: number, parameters: StakingParameters): Outcome {
  const { validator: name, delegator, votesUntil, cause } = event;
  const before = validatorOf(rows, name);
  assertUnfrozen(before);
  assertVotesAreOver(delegator, votesUntil, now);
  const settled = settle(rows, before, existingDelegation(rows, name, delegator), now, cause);
  const amount = leave(rows, settled, leavingShares(settled, event.amount), 0n);
  const cohort = cohortAt(rows, name, now, parameters);
  const shares = amount === 0n ? 0n : sharesFor(cohort, amount);
  if (shares > 0n) {
    rows.put('cohorts', {
      ...cohort,
      initialTokens: cohort.initialTokens + amount,
      tokens: cohort.tokens + amount,
      shares: cohort.shares + shares,
    });
    const entry = rows.get('entries', name, rowKey(cohort.leftAt, delegator));
    const { leftAt } = cohort;
    rows.put('entries', { validator: name, delegator, leftAt, shares: shares + (entry?.shares ?? 0n) });
  }
  const { leftAt, releasesAt } = cohort;
  const from = account('bonded', name);
  const unbonding = { kind: 'unbond', from, to: account('unbonding', name), amount } as const;
  return {
    transfers: [...settled.transfers, ...movement([cause], unbonding)],
    facts: [...paidFact(settled), { kind: 'left', validator: name, delegator, amount, leftAt, releasesAt }],
  };
}

/**
 * The shares that leave: for an amount, those that are worth it, or all when less than the least delegation would stay.
 * Throws `insufficient-funds` for more than may leave.
 */
function leavingShares({ validator, delegation }: Settled, amount: bigint | null): bigint {
  const free = delegation.shares - delegation.lockedShares;
  if (amount === null && free > 0n) return free;
  if (amount !== null) assertStake(amount, 'fog');
  const most = tokensFor(validator, free);
  if (amount === null || amount > most) {
    throw new FogError(
      'insufficient-funds',
      `${formatFog(most)} FOG of the stake may leave; ${amount === null ? 'all' : `${formatFog(amount)} FOG`} was asked for`,
      {
        details: {
          missing: String((amount ?? 1n) - most),
          locked: String(tokensFor(validator, delegation.lockedShares)),
        },
        hint: 'stake that came from another validator can leave when that one can no longer be slashed for it',
      },
    );
  }
  const shares = sharesWorth(validator, amount);
  const staying = tokensFor(validator, free - shares);
  const isTooLittle = delegation.delegator !== delegation.validator && staying < STAKING_LIMITS.leastDelegationMicroFog;
  return isTooLittle && delegation.lockedShares === 0n ? free : shares;
}

/** The cohort that leaves at the end of this hour. One that was slashed to nothing takes nobody: there is another after it. */
function cohortAt(rows: Rows, validator: string, now: number, { unbondingMilliseconds }: StakingParameters): Cohort {
  const hour = STAKING_LIMITS.cohortMilliseconds;
  for (let leftAt = (Math.floor(now / hour) + 1) * hour; ; leftAt += 1) {
    const releasesAt = leftAt + unbondingMilliseconds;
    const cohort = rows.get('cohorts', validator, rowKey(leftAt));
    if (cohort === undefined) {
      return { validator, leftAt, releasesAt, initialTokens: 0n, tokens: 0n, shares: 0n, holds: 0 };
    }
    if (isJoinable(cohort)) return cohort;
  }
}

/** Throws `conflict` before the time, and while a held slash of this stake may still be returned. */
export function release(rows: Rows, event: EventOf<'release'>, now: number): Outcome {
  const { validator, delegator, leftAt } = event;
  const entry = rows.get('entries', validator, rowKey(leftAt, delegator));
  const cohort = rows.get('cohorts', validator, rowKey(leftAt));
  if (entry === undefined || cohort === undefined) {
    throw new FogError('not-found', `nothing of ${delegator} left ${validator} at ${leftAt}, or it is paid back`, {
      details: { validator, delegator, leftAt },
    });
  }
  assertVotesAreOver(delegator, event.votesUntil, now);
  if (now < cohort.releasesAt || cohort.holds > 0) {
    const why =
      cohort.holds > 0 ? 'a slash of this stake is held' : `this stake is paid back from ${cohort.releasesAt} on`;
    throw new FogError('conflict', why, {
      details: { validator, delegator, leftAt, releasesAt: cohort.releasesAt, holds: cohort.holds },
      retryable: true,
    });
  }
  const amount = tokensFor(cohort, entry.shares);
  const rest = { ...cohort, tokens: cohort.tokens - amount, shares: cohort.shares - entry.shares };
  rows.remove('entries', entry);
  if (rest.shares === 0n) rows.remove('cohorts', cohort);
  else rows.put('cohorts', rest);
  const from = account('unbonding', validator);
  const back = { kind: 'release', from, to: account('wallet', delegator), amount } as const;
  return {
    transfers: movement([validator, delegator, leftAt], back),
    facts: [{ kind: 'released', validator, delegator, amount }],
  };
}

export function redelegate(
  rows: Rows,
  event: EventOf<'redelegate'>,
  now: number,
  parameters: StakingParameters,
): Outcome {
  const { validator: name, to, delegator, cause } = event;
  if (name === to) throw new FogError('invalid-request', `stake with ${name} is moved to ${to}, where it is already`);
  const before = validatorOf(rows, name);
  assertUnfrozen(before);
  assertMayJoin(validatorOf(rows, to));
  if (before.redelegations >= STAKING_LIMITS.redelegations) {
    throw new FogError('too-many-requests', `too much stake that moved away from ${name} is still liable for it`, {
      hint: 'unbond instead, or wait until some of it no longer is',
    });
  }
  const leaving = settle(rows, before, existingDelegation(rows, name, delegator), now, cause);
  const amount = leave(rows, leaving, leavingShares(leaving, event.amount), 0n);
  assertStake(amount, 'fog', STAKING_LIMITS.leastRedelegationMicroFog);
  const target = validatorOf(rows, to);
  const joining = settle(rows, target, delegationOf(rows, target, delegator), now, cause);
  const shares = join(rows, joining, amount, 1n);
  const until = now + parameters.evidenceAgeMilliseconds;
  const moved = rows.get('redelegations', name, rowKey(now, to, delegator));
  rows.put('redelegations', {
    ...{ validator: name, to, delegator, leftAt: now, until },
    initialTokens: amount + (moved?.initialTokens ?? 0n),
    shares: shares + (moved?.shares ?? 0n),
  });
  const left = validatorOf(rows, name);
  rows.put('validators', { ...left, redelegations: left.redelegations + (moved === undefined ? 1 : 0) });
  const move = { kind: 'redelegate', from: account('bonded', name), to: account('bonded', to), amount } as const;
  return {
    transfers: [...leaving.transfers, ...joining.transfers, ...movement([cause], move)],
    facts: [
      ...paidFact(leaving),
      ...paidFact(joining),
      { kind: 'moved', validator: name, to, delegator, amount, until },
    ],
  };
}

export function unlock(
  rows: Rows,
  { validator: name, to, delegator, leftAt }: EventOf<'unlock'>,
  now: number,
): Outcome {
  const moved = rows.get('redelegations', name, rowKey(leftAt, to, delegator));
  if (moved === undefined) {
    throw new FogError('not-found', `nothing of ${delegator} moved from ${name} to ${to} at ${leftAt}, or it is free`, {
      details: { validator: name, to, delegator, leftAt },
    });
  }
  if (now <= moved.until) {
    throw new FogError('conflict', `what moved from ${name} is liable for its faults until ${moved.until}`, {
      details: { validator: name, to, delegator, until: moved.until },
      retryable: true,
    });
  }
  const validator = validatorOf(rows, name);
  rows.put('validators', { ...validator, redelegations: validator.redelegations - 1 });
  rows.remove('redelegations', moved);
  const delegation = rows.get('delegations', to, delegator);
  if (delegation !== undefined && moved.shares > 0n) {
    rows.put('delegations', { ...delegation, lockedShares: delegation.lockedShares - moved.shares });
  }
  return {};
}

export function withdraw(rows: Rows, { validator, delegator, cause }: EventOf<'withdraw'>, now: number): Outcome {
  const before = validatorOf(rows, validator);
  const settled = settle(rows, before, existingDelegation(rows, validator, delegator), now, cause);
  rows.put('validators', settled.validator);
  rows.put('delegations', settled.delegation);
  return { transfers: settled.transfers, facts: paidFact(settled) };
}

export function withdrawCommission(
  rows: Rows,
  { validator: name, cause }: EventOf<'withdraw-commission'>,
  now: number,
): Outcome {
  const before = endPeriod(rows, validatorOf(rows, name), now);
  const amount = before.commission;
  const { validator, transfers } = sweepDust({ ...before, commission: 0n, held: before.held - amount }, cause);
  rows.put('validators', validator);
  const pay = { kind: 'reward', from: account('rewards', name), to: account('wallet', name), amount } as const;
  return {
    transfers: [...movement([cause, name, 'commission'], pay), ...transfers],
    facts: amount === 0n ? [] : [{ kind: 'paid', validator: name, delegator: name, amount }],
  };
}
