/**
 * Epochs and rounds. The round for epoch E is the work of the authorities that ends with its consensus; it fills epoch
 * E-1, and for epoch 0 a time before it that the genesis states. Its steps end at fractions of it:
 *
 *     descriptors     relays register
 *     votes           authorities send each other the relays they know, and commit to a random value
 *     vote-witness    ... and which votes they have received
 *     reveals         they open their commitments
 *     reveal-witness  ... and tell which they have seen opened
 *     proofs          the seed is known; relays prove what they drew
 *     proof-lists     authorities send each other the proofs they have
 *     proof-witness   ... and which lists they have received
 *     consensus       each computes the consensus and endorses it; a threshold of endorsements make it valid
 *     idle            until the next round begins
 */
import { type Genesis, ROUND_STEPS, type RoundStep } from './genesis.ts';

type Times = Pick<Genesis, 'genesisMilliseconds' | 'epochMilliseconds' | 'bootstrapMilliseconds'>;

/** Number of the epoch at a time; negative before the first. */
export function epochAt(
  { genesisMilliseconds, epochMilliseconds }: Pick<Times, 'genesisMilliseconds' | 'epochMilliseconds'>,
  now: number,
): number {
  return Math.floor((now - genesisMilliseconds) / epochMilliseconds);
}

export function epochStart({ genesisMilliseconds, epochMilliseconds }: Times, epoch: number): number {
  return genesisMilliseconds + epoch * epochMilliseconds;
}

export interface Round {
  /** For which the round is. */
  epoch: number;
  startsAtMilliseconds: number;
  /** The beginning of the epoch that it is for. */
  endsAtMilliseconds: number;
}

export function roundFor(times: Times, epoch: number): Round {
  const endsAtMilliseconds = epochStart(times, epoch);
  const length = epoch === 0 ? times.bootstrapMilliseconds : times.epochMilliseconds;
  return { epoch, startsAtMilliseconds: endsAtMilliseconds - length, endsAtMilliseconds };
}

/** When a step of the round for an epoch is over. */
export function stepEnd(genesis: Genesis, epoch: number, step: RoundStep): number {
  const { startsAtMilliseconds, endsAtMilliseconds } = roundFor(genesis, epoch);
  const length = endsAtMilliseconds - startsAtMilliseconds;
  return startsAtMilliseconds + Math.floor((length * genesis.schedule[step]) / 1_000_000);
}

export type Moment = { epoch: number; step: RoundStep | 'idle' };

/** Round and step at a time; null before the first round. */
export function momentAt(genesis: Genesis, now: number): Moment | null {
  const epoch = Math.max(0, epochAt(genesis, now) + 1);
  if (now < roundFor(genesis, epoch).startsAtMilliseconds) return null;
  return { epoch, step: ROUND_STEPS.find((step) => now < stepEnd(genesis, epoch, step)) ?? 'idle' };
}

/** When the next step begins after `now`, or the first round. */
export function nextDeadline(genesis: Genesis, now: number): number {
  const moment = momentAt(genesis, now);
  if (moment === null) return roundFor(genesis, 0).startsAtMilliseconds;
  const { epoch, step } = moment;
  return step === 'idle' ? epochStart(genesis, epoch) : stepEnd(genesis, epoch, step);
}

/** Epochs whose keys a node accepts at a time: the present one, and the one before during the grace after it. */
export function acceptedEpochs(genesis: Genesis, now: number): number[] {
  const epoch = epochAt(genesis, now);
  return now < epochStart(genesis, epoch) + genesis.graceMilliseconds ? [epoch - 1, epoch] : [epoch];
}
