/** What a provider has to have at stake for a lease, and how a newcomer without anything gets there. */
import { assertAmount, assertPpm, portionOf, WHOLE_PPM } from '../amounts.ts';
import type { Validator } from './rows.ts';

export interface LeaseAtRisk {
  /** What the buyer loses when the result is wrong: what the task may cost at most. */
  valueMicroFog: bigint;
  /** Whether other nodes compute the same task before a result counts. */
  isReplicated: boolean;
  /** Of the value, by the job's frozen terms. Above the whole where lies that nobody checks must not pay. */
  bondPpm: bigint;
}

/**
 * The bond for a lease, rounded up for the buyer: nothing for a task that is replicated, since there a lie earns nothing.
 * Throws `invalid-request` for an amount or share out of its range; the share may be a hundred times the whole.
 */
export function bondFor({ valueMicroFog, isReplicated, bondPpm }: LeaseAtRisk): bigint {
  assertAmount(valueMicroFog, { what: 'the value of the lease' });
  assertAmount(bondPpm, { most: 100n * WHOLE_PPM, what: 'the bond in parts per million of the value' });
  return isReplicated ? 0n : (valueMicroFog * bondPpm + WHOLE_PPM - 1n) / WHOLE_PPM;
}

/** What a validator has free for bonds: its tokens without those of its live leases; nothing while it is jailed. */
export function freeForBonds(
  validator: Pick<Validator, 'status' | 'tokens'> | undefined,
  bondsOfLiveLeases: bigint,
): bigint {
  const tokens = validator?.status === 'active' ? validator.tokens : 0n;
  return tokens > bondsOfLiveLeases ? tokens - bondsOfLiveLeases : 0n;
}

/** What an owner of nodes has for leases, and what it has given of it. */
export interface OwnerBonds {
  validator: Pick<Validator, 'status' | 'tokens' | 'faults'> | undefined;
  /** Something of its own stake is on its way out. */
  isLeaving: boolean;
  /** Of its live leases, what they bind together, and how many there are that bind anything. */
  bound: bigint;
  leases: number;
}

/**
 * Whether an owner may hold one more lease that takes this bond: its bond covers it, or it is a newcomer, whose bond is
 * made up by what is held back of its earnings, and holds fewer than `unbondedLeases`. Who was slashed, or takes out its
 * stake, is no newcomer any more.
 */
export function mayTakeLease(bond: bigint, owner: OwnerBonds, unbondedLeases: number): boolean {
  if (bond === 0n || bond <= freeForBonds(owner.validator, owner.bound)) return true;
  const isNewcomer =
    !owner.isLeaving &&
    (owner.validator === undefined || (owner.validator.status === 'active' && owner.validator.faults === 0));
  return isNewcomer && owner.leases < unbondedLeases;
}

export interface HeldBack {
  /** Joins the provider's own stake: a `delegate` of the owner to itself. */
  toBond: bigint;
  toWallet: bigint;
}

/**
 * Divides an earning of a provider whose bond is not full yet: a share of it, rounded down for the provider, is held back
 * until `bonded` has reached `wanted`. Whoever has nothing joins with nothing, and its first work pays its bond. Nothing
 * is held back while slashes of the validator are held, for nobody can join it then.
 */
export function heldBack(
  earning: bigint,
  {
    bonded,
    wanted,
    sharePpm,
    heldSlashes = 0,
  }: { bonded: bigint; wanted: bigint; sharePpm: bigint; heldSlashes?: number },
): HeldBack {
  assertAmount(earning, { what: 'the earning' });
  assertAmount(bonded, { what: 'the bond that is there' });
  assertAmount(wanted, { what: 'the bond that is wanted' });
  assertPpm(sharePpm, 'the share that is held back');
  const missing = wanted > bonded && heldSlashes === 0 ? wanted - bonded : 0n;
  const share = portionOf(earning, sharePpm);
  const toBond = share < missing ? share : missing;
  return { toBond, toWallet: earning - toBond };
}
