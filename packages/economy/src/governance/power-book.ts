/**
 * Who may vote with how much: bonded stake, and to whom its owner delegated the vote. A vote is delegated in one step:
 * whoever is delegated to cannot pass it on, so there are no cycles, and each unit of stake is power of one voter at
 * most. Stake whose owner delegated to nobody, not even to himself, is part of the supply and of no one's power.
 *
 * `moveStake` is the pure function that a store calls with the rows it names; `PowerBook` holds them all in memory.
 */
import { assertAmount } from '../amounts.ts';
import { governanceFault } from './faults.ts';
import { assertPrincipal } from './fields.ts';
import {
  assertPast,
  entryAt,
  keptCheckpoints,
  nextCheckpoint,
  type PowerCheckpoint,
  pastPower,
  withCheckpoint,
} from './power-checkpoints.ts';

/** A row (owner, sequence): what an owner had bonded from this tick on, and whose power it was. */
export interface StakeCheckpoint {
  owner: string;
  sequence: number;
  bondedMicroFog: bigint;
  delegate: string | null;
}

export interface StakeChange {
  owner: string;
  sequence: number;
  /** What is bonded now; as before when it is left out. */
  bondedMicroFog?: bigint;
  /** Who votes with it now; as before when it is left out. */
  delegate?: string | null;
}

export interface MovedStake {
  /** Takes the place of the owner's row of the same tick. */
  stake: StakeCheckpoint;
  /** Each takes the place of the row of the same name and tick. */
  powers: PowerCheckpoint[];
}

/**
 * What follows from a bond, an unbonding, a slash or a delegation. `latest` is the owner's last row; `latestPower` gives
 * the last row of the names that `touchedBy` tells. Throws `invalid-request` for ticks out of order and for amounts and
 * names that are none.
 */
export function moveStake(
  latest: StakeCheckpoint | null,
  change: StakeChange,
  latestPower: (of: string | null) => PowerCheckpoint | null,
): MovedStake {
  const stake = stakeAfter(latest, change);
  const before = latest?.bondedMicroFog ?? 0n;
  const deltas = new Map<string | null, bigint>();
  const add = (of: string | null, delta: bigint) => deltas.set(of, (deltas.get(of) ?? 0n) + delta);
  add(null, stake.bondedMicroFog - before);
  const from = latest?.delegate ?? null;
  if (from !== null) add(from, -before);
  if (stake.delegate !== null) add(stake.delegate, stake.bondedMicroFog);
  const powers = [...deltas]
    .filter(([, deltaMicroFog]) => deltaMicroFog !== 0n)
    .map(([of, deltaMicroFog]) => nextCheckpoint(latestPower(of), { of, sequence: change.sequence, deltaMicroFog }));
  return { stake, powers };
}

/** Whose last power a change needs: null stands for the supply. */
export function touchedBy(latest: StakeCheckpoint | null, change: StakeChange): (string | null)[] {
  return [...new Set([null, latest?.delegate ?? null, stakeAfter(latest, change).delegate])];
}

function stakeAfter(latest: StakeCheckpoint | null, change: StakeChange): StakeCheckpoint {
  const { owner, sequence } = change;
  assertPrincipal(owner, 'the owner of the stake');
  const delegate = change.delegate === undefined ? (latest?.delegate ?? null) : change.delegate;
  if (delegate !== null) assertPrincipal(delegate, 'who is delegated to');
  const bondedMicroFog = change.bondedMicroFog ?? latest?.bondedMicroFog ?? 0n;
  assertAmount(bondedMicroFog, { what: `the stake of ${owner}` });
  if (latest !== null && sequence < latest.sequence) {
    throw governanceFault(
      'malformed',
      `stake of ${owner} changes at ${sequence}, after a change at ${latest.sequence}`,
    );
  }
  return { owner, sequence, bondedMicroFog, delegate };
}

/** All stake and power of one network, in memory: for simulations, tests, and networks of one machine. */
export class PowerBook {
  readonly #stakes = new Map<string, StakeCheckpoint[]>();
  readonly #powers = new Map<string | null, PowerCheckpoint[]>();

  apply(change: StakeChange): void {
    const stakes = this.#stakes.get(change.owner) ?? [];
    const moved = moveStake(stakes.at(-1) ?? null, change, (of) => this.#powers.get(of)?.at(-1) ?? null);
    const isSameTick = stakes.at(-1)?.sequence === change.sequence;
    this.#stakes.set(change.owner, [...(isSameTick ? stakes.slice(0, -1) : stakes), moved.stake]);
    for (const power of moved.powers) {
      this.#powers.set(power.of, withCheckpoint(this.#powers.get(power.of) ?? [], power));
    }
  }

  /** What an owner has bonded now, and whose power it is. */
  stakeOf(owner: string): StakeCheckpoint | null {
    return this.#stakes.get(owner)?.at(-1) ?? null;
  }

  /** The present power; what it was before is told by `pastPowerOf`. */
  powerOf(voter: string): bigint {
    return this.#powers.get(voter)?.at(-1)?.powerMicroFog ?? 0n;
  }

  /** Throws `invalid-request` (fault `future-lookup`) for a tick that is not over. */
  pastPowerOf(voter: string, sequence: number, currentSequence: number): bigint {
    return pastPower(this.#powers.get(voter) ?? [], sequence, currentSequence);
  }

  pastSupply(sequence: number, currentSequence: number): bigint {
    return pastPower(this.#powers.get(null) ?? [], sequence, currentSequence);
  }

  /** Whose power an owner's stake was at a tick that is over. */
  pastDelegateOf(owner: string, sequence: number, currentSequence: number): string | null {
    assertPast(sequence, currentSequence);
    return entryAt(this.#stakes.get(owner) ?? [], sequence)?.delegate ?? null;
  }

  /** Everybody who ever had power, sorted. */
  voters(): string[] {
    return [...this.#powers.keys()].filter((of) => of !== null).sort();
  }

  checkpointsOf(of: string | null): readonly PowerCheckpoint[] {
    return this.#powers.get(of) ?? [];
  }

  /** Forgets what was before a tick that nobody asks about any more. */
  forgetBefore(sequence: number): void {
    for (const [of, trace] of this.#powers) this.#powers.set(of, keptCheckpoints(trace, sequence));
    for (const [owner, trace] of this.#stakes) this.#stakes.set(owner, keptCheckpoints(trace, sequence));
  }
}
