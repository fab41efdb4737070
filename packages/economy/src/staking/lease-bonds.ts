/** What a provider has to have at stake for a lease, and how a newcomer without anything gets there. */
import { FogError } from '@fog/contract';
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

/** Throws `insufficient-funds` with what is missing when a lease needs a larger bond than is free. */
export function assertBond(owner: string, bond: bigint, free: bigint): void {
  if (bond <= free) return;
  throw new FogError(
    'insufficient-funds',
    `${owner} has ${free} micro-FOG free for bonds, and this lease takes ${bond}`,
    {
      details: { owner, bond: String(bond), free: String(free), missing: String(bond - free) },
      hint: 'bond more, or take replicated tasks, which need no bond',
    },
  );
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
