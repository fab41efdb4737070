/** What the rank is used for: placement, and the lottery of relays. Both only change its scale, so its order stays. */
import { FogError } from '@fog/contract';
import { REPUTATION_LIMITS } from './limits.ts';
import { type RankOptions, type ReputationRecord, reputationOf } from './record.ts';

/** What placement takes a stranger's next result to be right with, as verification does: a fifth of strangers lie. */
export const STRANGER_PPM = 800_000;
/** What a relay counts for of which nothing is known: relaying needs newcomers, and is checked by other means. */
export const NEW_RELAY_PPM = 500_000;

/**
 * The worst of several records, such as those of a node in a runtime and of its owner: a good name covers no bad machine,
 * and no new machine a bad name. Throws `invalid-request` without any.
 */
export function worstReputation(records: readonly ReputationRecord[], now: number, options: RankOptions = {}): number {
  if (records.length === 0 || records.length > REPUTATION_LIMITS.recordsOfRank) {
    throw new FogError('invalid-request', `a rank of ${records.length} records`, {
      hint: `give 1 to ${REPUTATION_LIMITS.recordsOfRank}`,
    });
  }
  return Math.min(...records.map((record) => reputationOf(record, now, options)));
}

/** 0.8 to below 1, as `NodeOffer.reputation` has it: the probability that the next result is right, as far as is known. */
export function placementReputation(
  records: readonly ReputationRecord[],
  now: number,
  options: RankOptions = {},
): number {
  return scaled(worstReputation(records, now, options), STRANGER_PPM) / 1_000_000;
}

/** Parts per million, 500,000 to below 1,000,000: `reputationPpm` of a relay by the record of its operator. */
export function relayReputationPpm(operator: ReputationRecord, now: number): number {
  return scaled(reputationOf(operator, now), NEW_RELAY_PPM);
}

function scaled(ppm: number, least: number): number {
  return least + Math.floor((ppm * (1_000_000 - least)) / 1_000_000);
}
