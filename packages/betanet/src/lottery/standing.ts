/** What a relay has staked, and what it is worth trusting: asked of whoever keeps it, if anybody does. */
import { PARTS_PER_MILLION } from './fixed-point.ts';

export interface Standing {
  /** In the economy's smallest unit. */
  stake: bigint;
  /** Parts per million, at most a whole. */
  reputationPpm: number;
}

export interface StandingSource {
  /** `id`: of the relay, hex. `operator`: whom its descriptor names. `relays`: how many name the same one. */
  standingOf(relay: { id: string; operator: string; relays: number }): Standing;
}

/** Where no economy is on, all stand alike: one unit of stake, the whole reputation. */
export const NO_ECONOMY: StandingSource = {
  standingOf: () => ({ stake: 1n, reputationPpm: PARTS_PER_MILLION }),
};
