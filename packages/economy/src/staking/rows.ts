/**
 * The rows that staking consists of. Each belongs to one validator, and each operation names the few that it needs, so
 * that a database can keep them as tables: plain data, no row holds a list.
 *
 * A validator is a principal that owns nodes; its own stake is a delegation to itself. Whoever stakes has shares of the
 * validator's tokens: a slash takes tokens, and no share changes. A share never is worth more than one token.
 */

export const VALIDATOR_STATUSES = ['active', 'jailed', 'tombstoned'] as const;
export type ValidatorStatus = (typeof VALIDATOR_STATUSES)[number];

export interface Validator {
  /** Name of the principal. */
  validator: string;
  status: ValidatorStatus;
  /** It cannot be unjailed before; milliseconds since 1970. */
  jailedUntil: number;
  /** Slashes that were posted. */
  faults: number;
  /** Slashes that are held: nobody joins or leaves meanwhile. */
  heldSlashes: number;
  /** Rows of `redelegations` that begin here. */
  redelegations: number;
  commissionPpm: bigint;
  commissionChangedAt: number;
  /** Balance of its account `bonded`, without what is reserved for held slashes. */
  tokens: bigint;
  /** What held slashes took of its tokens: it may come back, so it counts for the price of a share. */
  heldTokens: bigint;
  /** Sum of the shares of its delegations. */
  shares: bigint;
  /** Number of the running period; the one before has a row. */
  period: number;
  /** Rewards of the running period, and what the division of the last one left over; units of 10^-30 micro-FOG. */
  currentRewards: bigint;
  /** Micro-FOG that accrue evenly from one time to the other. */
  streaming: bigint;
  streamsFrom: number;
  streamsUntil: number;
  /** Its commission, not yet withdrawn. */
  commission: bigint;
  /** Fractions that withdrawals left; whole ones go to the treasury. Units of 10^-30 micro-FOG. */
  dust: bigint;
  /** Balance of its account `rewards`. */
  held: bigint;
  /** The last epoch that paid it; -1 when none has. */
  lastEpoch: number;
}

export interface Delegation {
  validator: string;
  delegator: string;
  shares: bigint;
  /** Of these, so many came from another validator and cannot leave yet. */
  lockedShares: bigint;
  /** The ended period from which on it has not been paid. */
  startPeriod: number;
}

/** The end of a period: what one share has earned since the validator began. Kept as long as something refers to it. */
export interface Period {
  validator: string;
  period: number;
  /** Units of 10^-30 micro-FOG. */
  rewardPerShare: bigint;
  /** By the validator (to its last one), by delegations (that began then), by slashes (that ended it). */
  references: number;
}

/** All stake that left a validator in one hour: liable for faults until `leftAt`, paid back from `releasesAt` on. */
export interface Cohort {
  validator: string;
  leftAt: number;
  releasesAt: number;
  /** What left, before any slash. */
  initialTokens: bigint;
  tokens: bigint;
  shares: bigint;
  /** Held slashes that took of it: nobody is paid back meanwhile. */
  holds: number;
}

/** The part of one delegator in a cohort. */
export interface UnbondingEntry {
  validator: string;
  delegator: string;
  leftAt: number;
  shares: bigint;
}

/** Stake that moved from `validator` to `to`, and stays liable for faults of the first until `leftAt`. */
export interface Redelegation {
  validator: string;
  to: string;
  delegator: string;
  leftAt: number;
  /** From then on no evidence can reach it. */
  until: number;
  initialTokens: bigint;
  /** Locked shares of the delegation to `to`. */
  shares: bigint;
}

export const SLASH_STATES = ['held', 'appealed', 'posted', 'overturned'] as const;
export type SlashState = (typeof SLASH_STATES)[number];

export interface Slash {
  validator: string;
  /** Names the attempt whose result was wrong. */
  fault: string;
  state: SlashState;
  faultAt: number;
  heldAt: number;
  appealableUntil: number;
  decideUntil: number;
  /** Sum of its parts. */
  amount: bigint;
  /** Of that, what was the validator's own: its buyer is compensated out of no more. */
  ownAmount: bigint;
  parts: number;
  buyer: string;
  /** What the buyer paid for the task: its compensation is no more. */
  paidForTask: bigint;
  /** Of what is left after the compensation, by the job's frozen terms; the rest burns. */
  insurancePpm: bigint;
  /** The period that it ended. */
  period: number;
}

export const SLASH_POOLS = ['bonded', 'unbonding', 'redelegated'] as const;
export type SlashPool = (typeof SLASH_POOLS)[number];

/** What a held slash took from one place. */
export interface SlashPart {
  validator: string;
  fault: string;
  part: number;
  pool: SlashPool;
  amount: bigint;
  /** Of a cohort or a redelegation; else 0. */
  leftAt: number;
  /** Of a redelegation; else empty. */
  to: string;
  delegator: string;
}

/** The last slots of a validator, the newest in the lowest bit; a 1 is a slot that was missed. */
export interface Liveness {
  validator: string;
  missed: bigint;
  /** Slots since it began or was jailed, up to the length of the window. */
  slots: number;
}

export interface StakingTables {
  validators: Validator;
  delegations: Delegation;
  periods: Period;
  cohorts: Cohort;
  entries: UnbondingEntry;
  redelegations: Redelegation;
  slashes: Slash;
  slashParts: SlashPart;
  liveness: Liveness;
}
export type TableName = keyof StakingTables;

/** What tells the rows of one validator apart: names of fields, in order. None: there is one row a validator. */
export const ROW_KEYS = {
  validators: [],
  delegations: ['delegator'],
  periods: ['period'],
  cohorts: ['leftAt'],
  entries: ['leftAt', 'delegator'],
  redelegations: ['leftAt', 'to', 'delegator'],
  slashes: ['fault'],
  slashParts: ['fault', 'part'],
  liveness: [],
} as const satisfies { [Table in TableName]: readonly (keyof StakingTables[Table])[] };

export const TABLE_NAMES = Object.keys(ROW_KEYS) as TableName[];

export function keyOf<Table extends TableName>(table: Table, row: StakingTables[Table]): string {
  const fields = ROW_KEYS[table] as readonly (keyof StakingTables[Table])[];
  return rowKey(...fields.map((field) => row[field] as string | number));
}

/** Names hold no line breaks, see `assertName`. */
export function rowKey(...parts: readonly (string | number)[]): string {
  return parts.length === 1 ? String(parts[0]) : parts.join('\n');
}
