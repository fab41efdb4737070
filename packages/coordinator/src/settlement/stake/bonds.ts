/**
 * Who may hold a lease: what a task binds of its node's owner, and whether the owner has it. A lease binds from the turn
 * that makes it until its attempt ends.
 *
 *     turn: begin -> ask(for a job) -> admits? -> count | load(owners) -> ... -> commit -> keep
 *
 * An owner that the turn has not looked up is let pass until it is, before the lease is made. Coordinators that lease to
 * one owner in the same moment see each other's leases in their next turns.
 */
import { formatFog } from '@fog/economy/amounts';
import { freeForBonds, mayTakeLease, type OwnerBonds } from '@fog/economy/staking';
import type { Hurdle } from '../../dispatch/requirements.ts';
import { readOwnerBonds } from '../../store/bond-rows.ts';
import type { Reader } from '../../store/database.ts';
import { OPERATOR } from '../genesis.ts';
import type { JobBond } from '../job-terms.ts';
import { STAKE_HOME_LIMITS } from './limits.ts';

/** Whose node it is. */
export interface BondedNode {
  owner: string;
  trusted: boolean;
}

/** What a task of the job binds there. The operator answers for trusted nodes and for its own, a buyer for its own. */
export function bondOn(bond: JobBond | null, { owner, trusted }: BondedNode): bigint {
  if (bond === null || trusted || owner === bond.submitter || owner === OPERATOR) return 0n;
  return bond.amount;
}

/** What stands of a bond in the row of an attempt; null where it binds nothing. No stake reaches 2^53 micro-FOG. */
export function storedBond(amount: bigint): number | null {
  if (amount === 0n) return null;
  return amount < Number.MAX_SAFE_INTEGER ? Number(amount) : Number.MAX_SAFE_INTEGER;
}

/** What is remembered from turn to turn: whose bonds were too small of late. */
export class Bonds {
  /** By class. */
  readonly #short = new Map<string, { owners: Set<string>; at: number }>();

  begin(): TurnBonds {
    return new TurnBonds();
  }

  /** Owners to look up at once, since they would have to be looked up later. */
  watched(): string[] {
    const owners = new Set([...this.#short.values()].flatMap((short) => [...short.owners]));
    return [...owners].slice(0, STAKE_HOME_LIMITS.watchedOwners);
  }

  /** Whether it was too small for a task of the class of late. */
  isShort(classId: string, { owner, trusted }: BondedNode): boolean {
    return !trusted && this.#short.get(classId)?.owners.has(owner) === true;
  }

  /** The turn is committed. */
  keep({ short }: TurnBonds, now: number): void {
    for (const [classId, owners] of short) {
      this.#short.delete(classId);
      this.#short.set(classId, { owners, at: now });
    }
    for (const [classId, { at }] of this.#short) {
      const isOld = now - at > STAKE_HOME_LIMITS.shortMilliseconds;
      if (!isOld && this.#short.size <= STAKE_HOME_LIMITS.shortClasses) break;
      this.#short.delete(classId);
    }
  }
}

const NOTHING = { leases: 0, bound: 0n };

/** Bonds in one turn: what owners have by the database, less what the turn has given. */
export class TurnBonds {
  readonly #known = new Map<string, OwnerBonds>();
  readonly #given = new Map<string, { leases: number; bound: bigint }>();
  /** By class, owners that were not admitted. */
  readonly short = new Map<string, Set<string>>();
  #classId = '';
  #bond: JobBond | null = null;

  /** What is asked from now on is asked for a task of this job; null: it binds nothing, as far as is known. */
  ask(classId: string, bond: JobBond | null): void {
    this.#classId = classId;
    this.#bond = bond;
  }

  /** What a task of the job that is asked for binds there. */
  amountOn(node: BondedNode): bigint {
    return bondOn(this.#bond, node);
  }

  /** Whether its owner may have one more lease; yes where that is not known. */
  admits(node: BondedNode): boolean {
    const amount = this.amountOn(node);
    const owner = this.#known.get(node.owner);
    if (amount === 0n || owner === undefined) return true;
    const { leases, bound } = this.#given.get(node.owner) ?? NOTHING;
    const by = { ...owner, leases: owner.leases + leases, bound: owner.bound + bound };
    if (mayTakeLease(amount, by, this.#bond?.unbondedLeases ?? 0)) return true;
    this.short.getOrInsertComputed(this.#classId, () => new Set()).add(node.owner);
    return false;
  }

  /** Whether its bond was too small for a task of the class in this turn. */
  isShort(classId: string, { owner, trusted }: BondedNode): boolean {
    return !trusted && this.short.get(classId)?.has(owner) === true;
  }

  /** Counts a lease there, or one less. */
  count(node: BondedNode, sign: 1 | -1): void {
    const amount = this.amountOn(node);
    if (amount === 0n) return;
    const { leases, bound } = this.#given.get(node.owner) ?? NOTHING;
    this.#given.set(node.owner, { leases: leases + sign, bound: sign === 1 ? bound + amount : bound - amount });
  }

  /** Looks those up that are not known yet. */
  async load(reader: Reader, owners: Iterable<string>): Promise<void> {
    const unknown = [...new Set(owners)].filter((owner) => !this.#known.has(owner));
    if (unknown.length === 0) return;
    for (const [owner, bonds] of await readOwnerBonds(reader, unknown)) this.#known.set(owner, bonds);
  }
}

/** What the bonds of nodes' owners keep the tasks of a job off at this moment. */
export async function readBondHurdles(
  reader: Reader,
  bond: JobBond | null,
  nodes: readonly BondedNode[],
): Promise<(node: BondedNode) => Hurdle | null> {
  const owners = new Set(nodes.filter((node) => bondOn(bond, node) > 0n).map(({ owner }) => owner));
  if (bond === null || owners.size === 0) return () => null;
  const known = await readOwnerBonds(reader, [...owners]);
  return (node) => {
    const [amount, owner] = [bondOn(bond, node), known.get(node.owner)];
    if (amount === 0n || owner === undefined || mayTakeLease(amount, owner, bond.unbondedLeases)) return null;
    const free = formatFog(freeForBonds(owner.validator, owner.bound));
    return {
      constraint: `bond too small: ${node.owner} has ${free} FOG free, it needs ${formatFog(amount)} FOG`,
      hint: 'its owner bonds more with fog stake bond; replicated tasks need no bond',
    };
  };
}
