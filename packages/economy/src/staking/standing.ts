/** What others read of stake: the relay lottery, governance, people. Changes nothing. */
import { tokensFor } from './pool.ts';
import type { Delegation, Validator } from './rows.ts';

/** What a delegation would bring if it left now, rounded down; without what a held slash has taken. */
export function stakeOf(validator: Validator, delegation: Pick<Delegation, 'shares'>): bigint {
  return tokensFor(validator, delegation.shares);
}

/**
 * The stake of one relay, for the lottery of the mix network: the stake with its operator, divided by the relays that
 * the operator runs, and rounded down, so that more relays are not more stake. Nothing while the operator is jailed.
 */
export function relayStake(operator: Pick<Validator, 'status' | 'tokens'> | undefined, relays: number): bigint {
  if (operator?.status !== 'active' || !Number.isSafeInteger(relays) || relays < 1) return 0n;
  return operator.tokens / BigInt(relays);
}

/** By what an epoch's rewards are divided where stake alone counts; jailed validators weigh nothing. */
export function stakeWeights(validators: Iterable<Validator>): { validator: string; weight: bigint }[] {
  return [...validators].map(({ validator, status, tokens }) => ({
    validator,
    weight: status === 'active' ? tokens : 0n,
  }));
}
