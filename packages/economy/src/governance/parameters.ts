/**
 * What the members decide over: a closed catalogue. Each parameter has a unit, a range, a default and a meaning; whoever
 * runs a part of the system reads its values from here, and nothing else of it can be changed by a vote.
 *
 * Ranges of what protects governance itself (`guards`) have floors, so that no majority of a day can vote away the time
 * that the others have to notice: a timelock of a day at least, a quorum, a majority.
 */
export const PARAMETER_UNITS = ['ppm', 'micro-fog', 'milliseconds', 'switch', 'count'] as const;
export type ParameterUnit = (typeof PARAMETER_UNITS)[number];

export interface ParameterDescription {
  unit: ParameterUnit;
  least: bigint;
  most: bigint;
  default: bigint;
  meaning: string;
  /** Whether it protects governance itself. */
  guards?: true;
}

const FOG = 1_000_000n;
const SECOND = 1000n;
const HOUR = 3600n * SECOND;
const DAY = 24n * HOUR;

const share = (least: bigint, preset: bigint, most: bigint, meaning: string) =>
  ({ unit: 'ppm', least, most, default: preset, meaning }) as const;
const amount = (least: bigint, preset: bigint, most: bigint, meaning: string) =>
  ({ unit: 'micro-fog', least: least * FOG, most: most * FOG, default: preset * FOG, meaning }) as const;
const time = (least: bigint, preset: bigint, most: bigint, meaning: string) =>
  ({ unit: 'milliseconds', least, most, default: preset, meaning }) as const;
const count = (least: bigint, preset: bigint, most: bigint, meaning: string) =>
  ({ unit: 'count', least, most, default: preset, meaning }) as const;
const guarding = <Description extends object>(description: Description) => ({ ...description, guards: true }) as const;

export const PARAMETERS = {
  feePpm: share(0n, 50_000n, 200_000n, 'of what a result pays, this share goes to the treasury'),
  feeBurnPpm: share(0n, 0n, 1_000_000n, 'of the fees, this share burns instead'),
  premiumPpm: share(0n, 500_000n, 1_000_000n, 'of what a higher tier costs more, to the provider'),
  // The default is what CPython does in five minutes of the reference processor, at 13.3 * 10^9 units a second.
  sliceFuel: count(
    4n * 10n ** 10n,
    4n * 10n ** 12n,
    4n * 10n ** 14n,
    'units of fuel that cost as much as a slice: five minutes of a processor',
  ),
  cancelPpm: share(0n, 1_000_000n, 1_000_000n, 'of the price of what had run, paid by who cancels'),
  oversightPpm: share(0n, 500_000n, 1_000_000n, 'of what the treasury keeps of a job, for checks of its results'),
  silverPricePpm: share(1_000_000n, 2_500_000n, 20_000_000n, 'price of silver, in parts of the price of bronze'),
  goldPricePpm: share(1_000_000n, 5_000_000n, 40_000_000n, 'price of gold, in parts of the price of bronze'),
  creditMissedPpm: share(0n, 100_000n, 1_000_000n, 'of the price, given back when a promised wait is missed'),
  creditMissedByHalfPpm: share(0n, 250_000n, 1_000_000n, 'the same beyond 1.5 times the promised wait'),
  creditMissedTwofoldPpm: share(0n, 500_000n, 1_000_000n, 'the same beyond twice the promised wait'),
  creditMissedFourfoldPpm: share(0n, 1_000_000n, 1_000_000n, 'the same beyond four times the promised wait'),
  wrongResultSlashPpm: share(1000n, 50_000n, 1_000_000n, 'of a bond, taken for a result that is proven wrong'),
  insurancePpm: share(0n, 500_000n, 1_000_000n, 'of what damage leaves of a slash, to the insurance; the rest burns'),
  leaseBondPpm: share(0n, 1_000_000n, 1_000_000n, 'of what a result costs at most that nobody checks: its bond'),
  unbondedLeases: count(
    0n,
    64n,
    100_000n,
    'leases at a time, of those that take a bond, that a newcomer gets without having it',
  ),
  livenessSlots: count(20n, 100n, 1000n, 'quarters of an hour that are looked at, whether a validator was there'),
  livenessAnsweredPpm: share(50_000n, 500_000n, 950_000n, 'of these, it has to be there, or it is jailed'),
  jailMilliseconds: time(60n * SECOND, 600n * SECOND, 30n * DAY, 'how long who was not there gets nothing'),
  appealMilliseconds: time(DAY, 3n * DAY, 14n * DAY, 'how long a slash can be appealed against before it posts'),
  unbondingMilliseconds: time(7n * DAY, 14n * DAY, 60n * DAY, 'how long stake stays slashable after it is taken out'),
  epochTreasuryPpm: share(0n, 0n, 100_000n, 'of the treasury, divided each day among those with stake'),
  validatorCommissionMostPpm: share(0n, 200_000n, 1_000_000n, 'the largest share of rewards that a validator keeps'),
  proposalDeposit: amount(1n, 100n, 100_000n, 'held while a proposal is decided; kept when hardly anybody votes'),
  proposalThreshold: amount(1n, 100n, 1_000_000n, 'power that a proposer needs just before the proposal'),
  votingDelayMilliseconds: guarding(time(HOUR, DAY, 14n * DAY, 'from a proposal to its vote')),
  votingPeriodMilliseconds: guarding(time(DAY, 7n * DAY, 30n * DAY, 'how long ballots are taken')),
  lateQuorumMilliseconds: guarding(time(0n, DAY, 14n * DAY, 'time to vote that remains once the quorum is reached')),
  timelockMilliseconds: guarding(time(DAY, 2n * DAY, 30n * DAY, 'from the end of a vote to what it changes')),
  executionWindowMilliseconds: guarding(time(DAY, 14n * DAY, 60n * DAY, 'after the timelock, until it expires')),
  quorumPpm: guarding(share(50_000n, 100_000n, 500_000n, 'of all bonded stake, that has to be for or abstain')),
  approvalPpm: guarding(share(500_000n, 600_000n, 900_000n, 'of those for and against, more have to be for')),
  emissionSwitch: { unit: 'switch', least: 0n, most: 1n, default: 0n, meaning: 'whether new money is made for work' },
  emissionMost: amount(0n, 0n, 1_000_000n, 'new money of one epoch at most'),
  emissionSharePpm: share(0n, 500_000n, 1_000_000n, 'of the fees that a job burned, earned back at most'),
} as const satisfies Record<string, ParameterDescription>;

export type ParameterName = keyof typeof PARAMETERS;
export const PARAMETER_NAMES = Object.keys(PARAMETERS) as ParameterName[];
/** Those of before, which records of votes may name. */
export const RETIRED_PARAMETERS = ['downtimeSlashPpm'] as const;
/** A value for each parameter. */
export type Parameters = Readonly<Record<ParameterName, bigint>>;

export const DEFAULT_PARAMETERS: Parameters = Object.fromEntries(
  PARAMETER_NAMES.map((name) => [name, PARAMETERS[name].default]),
) as Record<ParameterName, bigint>;

/** Rules between parameters: what is listed may not come to more, together, than the one that bounds it. */
export const PARAMETER_RULES: readonly { together: readonly ParameterName[]; most: ParameterName }[] = [
  { together: ['silverPricePpm'], most: 'goldPricePpm' },
  { together: ['creditMissedPpm'], most: 'creditMissedByHalfPpm' },
  { together: ['creditMissedByHalfPpm'], most: 'creditMissedTwofoldPpm' },
  { together: ['creditMissedTwofoldPpm'], most: 'creditMissedFourfoldPpm' },
  { together: ['appealMilliseconds'], most: 'unbondingMilliseconds' },
  // A vote takes no longer than twice its period. Source: OpenZeppelin, GovernorPreventLateQuorum.
  { together: ['lateQuorumMilliseconds'], most: 'votingPeriodMilliseconds' },
  // Stake that begins to leave after the snapshot is not gone before its ballot can be cast, so that it can be held.
  { together: ['votingPeriodMilliseconds', 'lateQuorumMilliseconds'], most: 'unbondingMilliseconds' },
];
