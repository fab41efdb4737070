/** What happens to stake, and what follows of it. All plain data. */
import type { Currency } from '../chart.ts';
import type { FaultClaim } from './evidence.ts';
import type { LivenessSlot } from './liveness.ts';
import type { EpochReward } from './rewards.ts';
import type { StakingAccount, StakingTransfer } from './transfers.ts';

/**
 * `cause` names one request: ids of transfers come from it, so a request that comes twice moves money once. The shell
 * checks beforehand that whoever asks is the validator or delegator that the event names.
 */
export type StakingEvent =
  | { kind: 'open'; validator: string; commissionPpm: bigint }
  | { kind: 'set-commission'; validator: string; commissionPpm: bigint }
  /** Of a validator to itself: it bonds. */
  | { kind: 'delegate'; validator: string; delegator: string; amount: bigint; currency: Currency; cause: string }
  /** `amount` null: all that may leave. `votesUntil`: until then stake of the delegator that voted stays, or null. */
  | {
      kind: 'unbond';
      validator: string;
      delegator: string;
      amount: bigint | null;
      votesUntil: number | null;
      cause: string;
    }
  | { kind: 'redelegate'; validator: string; to: string; delegator: string; amount: bigint | null; cause: string }
  /** An entry whose time has passed is paid back, unless it voted after it began to leave. */
  | { kind: 'release'; validator: string; delegator: string; leftAt: number; votesUntil: number | null }
  /** Moved stake that no evidence can reach any more may leave its new validator. */
  | { kind: 'unlock'; validator: string; to: string; delegator: string; leftAt: number }
  | ({ kind: 'allocate' } & EpochReward)
  | { kind: 'withdraw'; validator: string; delegator: string; cause: string }
  | { kind: 'withdraw-commission'; validator: string; cause: string }
  | { kind: 'slot'; validator: string; slot: LivenessSlot }
  | { kind: 'unjail'; validator: string }
  | ({ kind: 'prove' } & FaultClaim)
  | { kind: 'appeal'; validator: string; fault: string }
  | { kind: 'decide'; validator: string; fault: string; isOverturned: boolean }
  /** The time of a held slash is over: it posts. */
  | { kind: 'post'; validator: string; fault: string }
  /** A slash that is posted or overturned, of a fault too old for evidence. */
  | { kind: 'forget'; validator: string; fault: string };

export type StakingFact =
  | { kind: 'paid'; validator: string; delegator: string; amount: bigint }
  | { kind: 'joined'; validator: string; delegator: string; amount: bigint; shares: bigint }
  | { kind: 'left'; validator: string; delegator: string; amount: bigint; leftAt: number; releasesAt: number }
  | { kind: 'moved'; validator: string; to: string; delegator: string; amount: bigint; until: number }
  | { kind: 'released'; validator: string; delegator: string; amount: bigint }
  | { kind: 'jailed'; validator: string; until: number; because: 'liveness' | 'fault' }
  | { kind: 'unjailed'; validator: string }
  | { kind: 'tombstoned'; validator: string }
  | { kind: 'slash-held'; validator: string; fault: string; amount: bigint; appealableUntil: number }
  | { kind: 'slash-appealed'; validator: string; fault: string; decideUntil: number }
  | { kind: 'slash-posted'; validator: string; fault: string; compensation: bigint; insurance: bigint; burned: bigint }
  | { kind: 'slash-overturned'; validator: string; fault: string; amount: bigint };

export interface StakingStep {
  /** To be opened before the transfers; one that exists already is no fault. */
  accounts: StakingAccount[];
  /** One chain: all of them happen, or none. */
  transfers: StakingTransfer[];
  facts: StakingFact[];
}

export type EventOf<Kind extends StakingEvent['kind']> = Extract<StakingEvent, { kind: Kind }>;

/** What an operation answers: what it leaves out is none. */
export type Outcome = Partial<StakingStep>;
