/** Candidates of a lottery whose outputs are hashes of a name and a number: as random as those of a relay, and cheap. */
import { createHash } from 'node:crypto';
import type { Candidate, LotteryParameters } from '../../src/lottery/relay-lottery.ts';

export const PARAMETERS: LotteryParameters = {
  layers: 1,
  seatsPerLayer: 1,
  minimumStake: 1n,
  saturationStake: 1_000n,
  operatorSharePpm: 1_000_000,
};

/** `round` makes one draw different from another. */
export function candidate(name: string, round: number, given: Partial<Candidate> = {}): Candidate {
  return {
    id: idOf(name),
    operator: name,
    stake: 1n,
    reputationPpm: 1_000_000,
    performancePpm: 1_000_000,
    output: createHash('sha512').update(`output ${name} ${round}`).digest(),
    ...given,
  };
}

export function idOf(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}

export function seedOfRound(round: number): Uint8Array {
  return createHash('sha256').update(`seed ${round}`).digest();
}
