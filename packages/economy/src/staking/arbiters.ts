/**
 * Who runs a task again to prove a result of it wrong, where the coordinator cannot do so itself.
 *
 * The draw is by stake: of all that is at stake with the candidates, somebody has to own nearly everything to be drawn for
 * all places. By heads it would be enough to come with many names. Nobody who has a say in the matter can be drawn, and
 * no two of one network. The seed is random, made after all results had been signed; whoever knows it draws the same.
 */
import { createHash } from 'node:crypto';
import { FogError } from '@fog/contract';
import { assertAmount } from '../amounts.ts';
import { assertName } from './checks.ts';
import { STAKING_LIMITS } from './limits.ts';

/** An owner that may be drawn. */
export interface ArbiterCandidate {
  owner: string;
  /** Network of its node that would run the task. */
  prefix: string;
  /** What it has at stake, in micro-FOG. */
  stake: bigint;
}

/** Whose results differ, who pays, who has made the answer that was expected: none of these owners and networks. */
export interface ArbiterParties {
  owners: readonly string[];
  prefixes: readonly string[];
}

export interface ArbiterDraw {
  seed: string;
  candidates: readonly ArbiterCandidate[];
  parties: ArbiterParties;
}

/** Those of the candidates that can be drawn, by name. */
export function eligibleArbiters(
  candidates: readonly ArbiterCandidate[],
  { owners, prefixes }: ArbiterParties,
): ArbiterCandidate[] {
  const seen = new Set(owners);
  const eligible = candidates.filter(({ owner, prefix, stake }) => {
    if (stake < STAKING_LIMITS.leastArbiterMicroFog || prefixes.includes(prefix) || seen.has(owner)) return false;
    seen.add(owner);
    return true;
  });
  return eligible.sort((a, b) => (a.owner < b.owner ? -1 : 1));
}

/**
 * The owners who run the task again, in the order in which they were drawn. Throws `unavailable` when there are too few,
 * and `invalid-request` for more candidates than can be drawn from.
 */
export function drawArbiters(
  { job, partition }: { job: string; partition: number },
  { seed, candidates, parties }: ArbiterDraw,
  count: number,
): string[] {
  if (candidates.length > STAKING_LIMITS.arbiterCandidates) {
    throw new FogError('invalid-request', `${candidates.length} candidates are more than can be drawn from`);
  }
  for (const { owner, stake } of candidates) {
    assertName(owner, 'an arbiter');
    assertAmount(stake, { what: `what ${owner} has at stake` });
  }
  let left = eligibleArbiters(candidates, parties);
  const drawn: string[] = [];
  while (drawn.length < count && left.length > 0) {
    const whole = left.reduce((sum, { stake }) => sum + stake, 0n);
    const { owner, prefix } = at(left, lotOf(seed, job, String(partition), String(drawn.length)) % whole);
    drawn.push(owner);
    left = left.filter((other) => other.owner !== owner && other.prefix !== prefix);
  }
  if (drawn.length === count) return drawn;
  throw new FogError('unavailable', `${count} arbiters are needed, and only ${drawn.length} can be drawn`, {
    details: { needed: count, found: drawn.length },
    hint: 'a trusted node can run the task again: fog node trust NAME',
  });
}

/** Who holds this micro-FOG, of all that they have at stake one after the other. */
function at(candidates: readonly ArbiterCandidate[], place: bigint): ArbiterCandidate {
  let before = 0n;
  const found = candidates.find(({ stake }) => {
    before += stake;
    return place < before;
  });
  return found as ArbiterCandidate;
}

function lotOf(...parts: readonly string[]): bigint {
  const hash = createHash('sha256').update('fog-arbiters-v2');
  for (const part of parts) hash.update(`\n${Buffer.byteLength(part)}:${part}`);
  return BigInt(`0x${hash.digest('hex')}`);
}
