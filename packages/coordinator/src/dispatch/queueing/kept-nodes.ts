/** Which nodes are kept for heads without room: one for each tier, remembered from turn to turn. */
import { attemptKey, type ServiceTier } from '@fog/contract';
import { DISPATCH_LIMITS } from '../../limits.ts';
import { queueHead } from '../../store/claim.ts';
import type { Writer } from '../../store/database.ts';
import { type CachedJob, runKindsOf } from '../job-cache.ts';
import type { Lease } from '../leases.ts';
import type { HungryClass } from '../queue-hints.ts';
import type { Reservations } from '../reservations.ts';
import type { Sessions } from '../sessions.ts';
import type { Turn } from '../turn.ts';
import { tierOf } from './claim-order.ts';
import { type KeptNode, keepPlace, type PlacedUntil } from './kept-places.ts';

/** The heads of one turn that found no room. */
export interface BlockedHeads {
  readonly kept: KeptNode[];
  /** Keeps a node for it, if it is the first of its tier and something really waits in it. */
  add(writer: Writer, hungry: HungryClass): Promise<void>;
}

/** What an attempt of the job is expected to take at most, by those that have ended, and by its own bound. */
export function longestRun({ placer }: Pick<Sessions, 'placer'>, job: CachedJob): number {
  return Math.min(job.attemptMilliseconds, placer.runTimes.longestOf(runKindsOf(job)) ?? job.attemptMilliseconds);
}

interface Remembered {
  node: KeptNode;
  /** When it was last kept. */
  keptAt: number;
}

export class KeptNodes {
  readonly #sessions: Sessions;
  readonly #remembered = new Map<string, Remembered>();
  #current: readonly KeptNode[] = [];

  constructor({ sessions }: { sessions: Sessions }) {
    this.#sessions = sessions;
  }

  of(classId: string): KeptNode | undefined {
    return this.#current.find((node) => node.classId === classId);
  }

  look(turn: {
    taken: Reservations;
    turn: Turn;
    leases: readonly Lease[];
    found: readonly PlacedUntil[];
    now: number;
  }): BlockedHeads {
    const tiers = new Set<ServiceTier>();
    let looks = 0;
    const kept: KeptNode[] = [];
    return {
      kept,
      add: async (writer, hungry) => {
        const { placement, head } = hungry;
        const tier = tierOf(placement.requirements);
        if (head.job === '' || tiers.has(tier) || looks === DISPATCH_LIMITS.keptNodeLooks) return;
        if (this.#sessions.placer.suitable(placement) === 0) return;
        looks += 1;
        const { reverify = false } = placement.requirements;
        if ((await queueHead(writer, placement.id, reverify)) === null) return;
        const before = this.#remembered.get(placement.id)?.node.nodeId ?? null;
        const attempts = {
          ended: new Set(turn.turn.freed().map(attemptKey)),
          begun: [
            ...turn.found,
            ...turn.leases.map(({ session, job }) => {
              return { session, needs: job.needs, endsBy: turn.now + longestRun(this.#sessions, job) };
            }),
          ],
        };
        const known = { sessions: this.#sessions, attempts, before, now: turn.now };
        const node = keepPlace(hungry, turn.taken, known);
        if (node === null) return;
        tiers.add(tier);
        kept.push(node);
      },
    };
  }

  /** The turn is committed. */
  keep(nodes: readonly KeptNode[], now: number): void {
    this.#current = nodes;
    for (const node of nodes) {
      this.#remembered.delete(node.classId);
      this.#remembered.set(node.classId, { node, keptAt: now });
    }
    for (const [classId, { keptAt }] of this.#remembered) {
      const isOld = now - keptAt > DISPATCH_LIMITS.keptNodeMilliseconds;
      if (this.#remembered.size <= DISPATCH_LIMITS.keptNodes && !isOld) break;
      this.#remembered.delete(classId);
    }
  }
}
