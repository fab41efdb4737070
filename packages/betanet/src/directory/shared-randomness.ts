/**
 * The seed of an epoch's lottery, from values that authorities commit to before they see each other's. As long as one
 * of them reveals a value that it drew at random, nobody knew the seed before the commitments were made.
 *
 * What is left to those who would bend it: the last to reveal sees the seed with and without its value, and may
 * withhold it. With m such authorities that act together that is a choice among 2^m seeds, each time in public: the
 * consensus names who withheld.
 */
import { domainHash } from '../lottery/domain-hash.ts';
import type { PreviousSeed, Vote } from './documents.ts';

const COMMITMENT_LABEL = 'fog-betanet-commitment-v1';
const SEED_LABEL = 'fog-betanet-seed-v1';

export interface RandomValue {
  authority: string;
  /** Hex of 32 random bytes. */
  value: string;
}

/** Hex. Bound to network, epoch and authority: copied by another it cannot be opened. */
export function commitmentTo(scope: { network: string; epoch: number }, { authority, value }: RandomValue): string {
  return hex(domainHash(COMMITMENT_LABEL, [scope.network, scope.epoch, authority, value]));
}

/** Hex. In whatever order the reveals come. */
export function seedOf(
  scope: { network: string; epoch: number },
  reveals: readonly RandomValue[],
  previous: PreviousSeed | null,
): string {
  const inOrder = reveals.toSorted((a, b) => (a.authority < b.authority ? -1 : 1));
  return hex(
    domainHash(SEED_LABEL, [
      scope.network,
      scope.epoch,
      previous?.epoch ?? null,
      previous?.seed ?? null,
      ...inOrder.flatMap(({ authority, value }) => [authority, value]),
    ]),
  );
}

/** The seed that the next is chained to: what most votes say; of equals the newest, then the first in the alphabet. */
export function agreedPrevious(votes: readonly Pick<Vote, 'previous'>[]): PreviousSeed | null {
  const counts = new Map<string, { previous: PreviousSeed | null; votes: number }>();
  for (const { previous } of votes) {
    const key = previous === null ? '' : `${previous.epoch} ${previous.seed}`;
    counts.set(key, { previous, votes: (counts.get(key)?.votes ?? 0) + 1 });
  }
  const [first] = [...counts.values()].sort(
    (a, b) =>
      b.votes - a.votes ||
      (b.previous?.epoch ?? -2) - (a.previous?.epoch ?? -2) ||
      ((a.previous?.seed ?? '') < (b.previous?.seed ?? '') ? -1 : 1),
  );
  return first?.previous ?? null;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
