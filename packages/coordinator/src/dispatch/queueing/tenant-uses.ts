/** What the attempts of each tenant, the submitter of their jobs, take up on the nodes that are connected here. */
import type { Capacity } from '@fog/contract';
import type { Needs } from '../requirements.ts';

const NOTHING: Readonly<Capacity> = { slots: 0, milliCpu: 0, memoryBytes: 0, diskBytes: 0 };

export class TenantUses {
  readonly #uses = new Map<string, Capacity>();

  of(tenant: string): Readonly<Capacity> {
    return this.#uses.get(tenant) ?? NOTHING;
  }

  /** `slots`: how many are taken, negative when they are given back; each with these needs. */
  add(tenant: string, needs: Needs, slots: number): void {
    this.#add(tenant, needs, { slots, times: slots });
  }

  /** Outputs that are kept without a slot. */
  addKept(tenant: string, needs: Needs, times: 1 | -1): void {
    this.#add(tenant, needs, { slots: 0, times });
  }

  #add(tenant: string, needs: Needs, { slots, times }: { slots: number; times: number }): void {
    const known = this.#uses.get(tenant);
    const use = known ?? { ...NOTHING };
    use.slots += slots;
    use.milliCpu += times * needs.milliCpu;
    use.memoryBytes += times * needs.memoryBytes;
    use.diskBytes += times * needs.diskBytes;
    if (use.slots === 0 && use.milliCpu === 0 && use.memoryBytes === 0 && use.diskBytes === 0) {
      this.#uses.delete(tenant);
    } else if (known === undefined) this.#uses.set(tenant, use);
  }
}

/** The same as it changes in a turn: nothing of it is true before the commit. */
export class TurnUses {
  readonly #committed: Pick<TenantUses, 'of'>;
  readonly #changes = new TenantUses();

  constructor(committed: Pick<TenantUses, 'of'>) {
    this.#committed = committed;
  }

  of(tenant: string): Capacity {
    const [before, change] = [this.#committed.of(tenant), this.#changes.of(tenant)];
    return {
      slots: before.slots + change.slots,
      milliCpu: before.milliCpu + change.milliCpu,
      memoryBytes: before.memoryBytes + change.memoryBytes,
      diskBytes: before.diskBytes + change.diskBytes,
    };
  }

  /** So many attempts with these needs begin, or have ended where it is negative. */
  take(tenant: string, needs: Needs, count: number): void {
    if (count !== 0) this.#changes.add(tenant, needs, count);
  }
}
