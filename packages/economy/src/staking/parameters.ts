/** What governance may change of staking. The shell hands over the values of today with each event. */
import { FogError } from '@fog/contract';
import { assertPpm } from '../amounts.ts';
import { STAKING_LIMITS } from './limits.ts';

export interface StakingParameters {
  /** From the end of the hour in which stake leaves until it can be spent. */
  unbondingMilliseconds: number;
  /** Faults of longer ago are not looked at. Less than the time above, so that no fault outlives the stake it costs. */
  evidenceAgeMilliseconds: number;
  /** How long a held slash can be appealed against. */
  appealMilliseconds: number;
  /** How long an appeal can be decided; an undecided one does not stop the slash. */
  decisionMilliseconds: number;
  /** An epoch's rewards accrue evenly over so long: who stays for a part of it earns that part. 0 is at once. */
  rewardSpreadMilliseconds: number;
  /** Of all rewards, to the treasury, before anybody else. */
  communityTaxPpm: bigint;
  /** Posted slashes after which a validator never comes back. */
  tombstoneFaults: number;
  /** How long a validator that was jailed has to wait at least. */
  jailMilliseconds: number;
  /** The liveness window: so many of the last slots count, and of these so many have to be answered. */
  livenessSlots: number;
  livenessAnsweredPpm: bigint;
  /** Of its rewards, the most that a validator keeps before its delegators; one that asked for more gets this. */
  commissionMostPpm: bigint;
  /** Arbiters drawn for a fault that the coordinator does not run again itself. */
  arbiters: number;
}

const DAY_MILLISECONDS = 86_400_000;

export const DEFAULT_STAKING_PARAMETERS: Readonly<StakingParameters> = {
  unbondingMilliseconds: 14 * DAY_MILLISECONDS,
  evidenceAgeMilliseconds: 7 * DAY_MILLISECONDS,
  appealMilliseconds: 3 * DAY_MILLISECONDS,
  decisionMilliseconds: 3 * DAY_MILLISECONDS,
  rewardSpreadMilliseconds: DAY_MILLISECONDS,
  communityTaxPpm: 20_000n,
  tombstoneFaults: 3,
  jailMilliseconds: 600_000,
  livenessSlots: 100,
  livenessAnsweredPpm: 500_000n,
  commissionMostPpm: 1_000_000n,
  arbiters: 3,
};

/** Throws `invalid-configuration` for what is out of its range, or evidence that may be older than leaving stake. */
export function assertStakingParameters(parameters: StakingParameters): void {
  const longest = STAKING_LIMITS.parameterMilliseconds;
  assertWhole(parameters.unbondingMilliseconds, 'unbondingMilliseconds', 1, longest);
  assertWhole(parameters.evidenceAgeMilliseconds, 'evidenceAgeMilliseconds', 1, longest);
  assertWhole(parameters.appealMilliseconds, 'appealMilliseconds', 0, longest);
  assertWhole(parameters.decisionMilliseconds, 'decisionMilliseconds', 0, longest);
  assertWhole(parameters.rewardSpreadMilliseconds, 'rewardSpreadMilliseconds', 0, longest);
  assertWhole(parameters.tombstoneFaults, 'tombstoneFaults', 1, Number.MAX_SAFE_INTEGER);
  assertWhole(parameters.jailMilliseconds, 'jailMilliseconds', 0, longest);
  assertWhole(parameters.livenessSlots, 'livenessSlots', 1, STAKING_LIMITS.livenessSlots);
  assertWhole(parameters.arbiters, 'arbiters', 1, STAKING_LIMITS.arbiters);
  assertPpm(parameters.communityTaxPpm, 'communityTaxPpm');
  assertPpm(parameters.livenessAnsweredPpm, 'livenessAnsweredPpm');
  assertPpm(parameters.commissionMostPpm, 'commissionMostPpm');
  if (parameters.evidenceAgeMilliseconds < parameters.unbondingMilliseconds) return;
  throw new FogError('invalid-configuration', 'evidenceAgeMilliseconds is not less than unbondingMilliseconds', {
    hint: 'stake that has left for good cannot be slashed any more: shorten the one or lengthen the other',
  });
}

function assertWhole(value: number, what: string, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new FogError(
    'invalid-configuration',
    `${what} is ${value}; it has to be a whole number from ${least} to ${most}`,
  );
}
