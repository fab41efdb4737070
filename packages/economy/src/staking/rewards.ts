/**
 * Rewards by the method F1: one number a validator, what a share has earned since it began, is written down whenever a
 * delegation changes; a delegation is paid its shares times the difference of two such numbers. So an epoch costs the
 * same for one delegator and for a million.
 *
 *     allocated -> tax (treasury) | commission | streaming --(time)--> current --(end of period)--> reward per share
 *     reward per share --(withdrawal)--> wallet | dust --(whole micro-FOG)--> treasury
 *
 * Numbers count per share, not per token: a slash changes no shares, so a withdrawal has no slashes to replay. All of it
 * is exact. At any time the validator's account `rewards` holds, to the last fraction, what is streaming, its commission,
 * the current rewards, the dust, and the pending rewards of all delegations. What rounding leaves is named: a division
 * of a period to the next period, a withdrawal to the treasury, commission and tax to the delegators.
 *
 * Source: Ojha and Frey, "F1 Fee Distribution" (Tokenomics 2019).
 */

import { FogError } from '@fog/contract';
import { allocate, assertAmount, portionOf } from '../amounts.ts';
import { assertTime, validatorOf } from './checks.ts';
import { STAKING_LIMITS } from './limits.ts';
import type { StakingParameters } from './parameters.ts';
import type { Delegation, Validator } from './rows.ts';
import type { Rows } from './state.ts';
import { account, movement, type StakingTransfer } from './transfers.ts';

/**
 * Fractions of a micro-FOG in one. More than any validator has shares, so that what a division leaves over is less than a
 * micro-FOG; and decimal, so that what divides well in decimals is paid in full.
 */
export const FRACTIONS = 10n ** 30n;

/** What has accrued since the last look joins the running period. Time that goes back changes nothing. */
function accrue(validator: Validator, now: number): Validator {
  const { streaming, streamsFrom, streamsUntil } = validator;
  if (streaming === 0n || now <= streamsFrom) return validator;
  const isOver = now >= streamsUntil;
  const accrued = isOver ? streaming : (streaming * BigInt(now - streamsFrom)) / BigInt(streamsUntil - streamsFrom);
  return {
    ...validator,
    streaming: streaming - accrued,
    streamsFrom: now,
    currentRewards: validator.currentRewards + accrued * FRACTIONS,
  };
}

/**
 * Divides what the running period has earned, and begins the next. A period in which no share has earned anything goes
 * on. Nobody's rewards, of a validator without stake, are dust. Answers the validator, not yet put.
 */
export function endPeriod(rows: Rows, before: Validator, now: number): Validator {
  const validator = accrue(before, now);
  if (validator.shares === 0n) {
    return { ...validator, currentRewards: 0n, dust: validator.dust + validator.currentRewards };
  }
  const earned = validator.currentRewards / validator.shares;
  if (earned === 0n) return validator;
  const { validator: name, period } = validator;
  const rewardPerShare = rewardPerShareAt(rows, name, period - 1) + earned;
  rows.put('periods', { validator: name, period, rewardPerShare, references: 1 });
  refer(rows, name, period - 1, -1);
  return {
    ...validator,
    period: period + 1,
    currentRewards: validator.currentRewards - earned * validator.shares,
  };
}

/** One reference more or less to an ended period; the row goes with the last. */
export function refer(rows: Rows, validator: string, period: number, change: 1 | -1): void {
  const row = rows.get('periods', validator, String(period));
  if (row === undefined) throw missingPeriod(validator, period);
  const references = row.references + change;
  if (references === 0) rows.remove('periods', row);
  else rows.put('periods', { ...row, references });
}

function rewardPerShareAt(rows: Rows, validator: string, period: number): bigint {
  const row = rows.get('periods', validator, String(period));
  if (row === undefined) throw missingPeriod(validator, period);
  return row.rewardPerShare;
}

function missingPeriod(validator: string, period: number): FogError {
  return new FogError('internal', `the end of period ${period} of ${validator} is missing among the rows`, {
    hint: 'rowsNeeded() names the rows that an operation works on',
  });
}

export interface Settled {
  validator: Validator;
  delegation: Delegation;
  /** Whole micro-FOG that were paid. */
  paid: bigint;
  transfers: StakingTransfer[];
}

/** Ends the period and pays the delegation what is pending, into the delegator's wallet. Nothing of it is put yet. */
export function settle(rows: Rows, before: Validator, delegation: Delegation, now: number, cause: string): Settled {
  const ended = endPeriod(rows, before, now);
  const { validator: name, delegator, startPeriod } = delegation;
  const last = ended.period - 1;
  const pending = pendingFraction(rows, ended, delegation);
  if (startPeriod !== last) {
    refer(rows, name, last, 1);
    refer(rows, name, startPeriod, -1);
  }
  const paid = pending / FRACTIONS;
  const left = pending - paid * FRACTIONS;
  const swept = sweepDust({ ...ended, held: ended.held - paid, dust: ended.dust + left }, cause);
  const from = account('rewards', name);
  return {
    validator: swept.validator,
    delegation: { ...delegation, startPeriod: last },
    paid,
    transfers: [
      ...movement([cause, name, 'pay'], { kind: 'reward', from, to: account('wallet', delegator), amount: paid }),
      ...swept.transfers,
    ],
  };
}

function pendingFraction(rows: Rows, { validator, period }: Validator, { shares, startPeriod }: Delegation): bigint {
  return shares * (rewardPerShareAt(rows, validator, period - 1) - rewardPerShareAt(rows, validator, startPeriod));
}

/** Whole micro-FOG of dust go to the treasury. */
export function sweepDust(validator: Validator, cause: string): { validator: Validator; transfers: StakingTransfer[] } {
  const amount = validator.dust / FRACTIONS;
  const from = account('rewards', validator.validator);
  return {
    validator: { ...validator, dust: validator.dust - amount * FRACTIONS, held: validator.held - amount },
    transfers: movement([cause, validator.validator, 'dust'], {
      kind: 'reward',
      from,
      to: account('treasury'),
      amount,
    }),
  };
}

export interface EpochReward {
  /** From 0 on; each later than the one before. */
  epoch: number;
  amount: bigint;
  /** The account that pays, in the currency `fog`. */
  source: bigint;
  /** By what the rest is divided after the tax: stake, or work that was verified. */
  weights: readonly { validator: string; weight: bigint }[];
}

/**
 * Divides the rewards of an epoch: tax to the treasury, the rest by the weights with the largest remainders. A validator
 * that is jailed, or has no stake, weighs nothing; when nobody weighs anything the treasury gets it all. Costs a row and
 * a transfer a validator, however many delegators it has. Throws `conflict` for an epoch that has paid one of them already.
 */
export function allocateEpoch(
  rows: Rows,
  { epoch, amount, source, weights }: EpochReward,
  now: number,
  { communityTaxPpm, rewardSpreadMilliseconds, commissionMostPpm }: StakingParameters,
): StakingTransfer[] {
  assertTime(epoch, 'the epoch');
  assertAmount(amount, { what: 'the reward' });
  assertDistinct(weights);
  const validators = weights.map(({ validator }) => validatorOf(rows, validator));
  const counted = validators.map((validator, index) => {
    if (validator.lastEpoch >= epoch) throw paidAlready(validator, epoch);
    const isPaid = validator.status === 'active' && validator.shares > 0n;
    return isPaid ? (weights[index]?.weight ?? 0n) : 0n;
  });
  const tax = portionOf(amount, communityTaxPpm);
  const parts = allocate(amount - tax, counted);
  const divided = parts.reduce((sum, part) => sum + part, 0n);
  const transfers: StakingTransfer[] = [];
  const treasury = account('treasury');
  if (source !== treasury) {
    const rest = { kind: 'reward', from: source, to: treasury, amount: amount - divided } as const;
    transfers.push(...movement(['epoch', epoch], rest));
  }
  for (const [index, validator] of validators.entries()) {
    const part = parts[index] ?? 0n;
    const paid = { ...validator, lastEpoch: epoch };
    rows.put('validators', withReward(paid, part, { now, rewardSpreadMilliseconds, commissionMostPpm }));
    const to = part === 0n ? 0n : account('rewards', validator.validator);
    transfers.push(
      ...movement(['epoch', epoch, validator.validator], { kind: 'reward', from: source, to, amount: part }),
    );
  }
  return transfers;
}

function withReward(
  before: Validator,
  part: bigint,
  {
    now,
    rewardSpreadMilliseconds: spreadMilliseconds,
    commissionMostPpm: most,
  }: Pick<StakingParameters, 'rewardSpreadMilliseconds' | 'commissionMostPpm'> & { now: number },
): Validator {
  if (part === 0n) return before;
  const validator = accrue(before, now);
  const commission = portionOf(part, validator.commissionPpm < most ? validator.commissionPpm : most);
  const streaming = validator.streaming + part - commission;
  const streamed = {
    ...validator,
    commission: validator.commission + commission,
    held: validator.held + part,
    streaming,
    streamsFrom: now,
    streamsUntil: now + spreadMilliseconds,
  };
  if (spreadMilliseconds > 0) return streamed;
  return { ...streamed, streaming: 0n, currentRewards: validator.currentRewards + streaming * FRACTIONS };
}

function assertDistinct(weights: EpochReward['weights']): void {
  const most = STAKING_LIMITS.epochValidators;
  const isDistinct = new Set(weights.map(({ validator }) => validator)).size === weights.length;
  if (isDistinct && weights.length <= most) return;
  throw new FogError('invalid-request', `an epoch pays at most ${most} validators, and each of them once`, {
    details: { validators: weights.length },
  });
}

function paidAlready({ validator, lastEpoch }: Validator, epoch: number): FogError {
  return new FogError('conflict', `${validator} has been paid for epoch ${lastEpoch}: epoch ${epoch} is no later one`, {
    details: { validator, epoch, lastEpoch },
  });
}

/** What a delegation could withdraw now. Changes nothing. */
export function pendingReward(rows: Rows, delegation: Delegation, now: number): bigint {
  const validator = accrue(validatorOf(rows, delegation.validator), now);
  const current = validator.shares === 0n ? 0n : validator.currentRewards / validator.shares;
  return (pendingFraction(rows, validator, delegation) + delegation.shares * current) / FRACTIONS;
}
