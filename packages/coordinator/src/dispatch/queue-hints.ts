/**
 * Which placement classes may have tasks waiting, and how far ahead in the order their first task stands.
 *
 * Only a hint: the queue is in the database. A class that is hinted at but empty costs one fruitless claim; a class
 * that is not hinted at is found by the next look into the database.
 */
import { timeOfId } from '@fog/contract';
import { tierRank } from '@fog/scheduler/queueing';
import { runKindOf } from './job-cache.ts';
import type { WaitingClass } from './placement/planner.ts';
import { hasBegun, type PlacementClass } from './requirements.ts';

export interface QueueHead {
  rank: number;
  job: string;
}

export interface HungryClass {
  placement: PlacementClass;
  head: QueueHead;
  /** Grows with every hint, so that an older finding does not overrule a newer hint. */
  version: number;
}

export class QueueHints {
  readonly #hungry = new Map<string, HungryClass>();

  get size(): number {
    return this.#hungry.size;
  }

  /** Tasks of this class may wait from `head` on. */
  add(placement: PlacementClass, head: QueueHead): void {
    const known = this.#hungry.get(placement.id);
    if (known === undefined) {
      this.#hungry.set(placement.id, { placement, head, version: 0 });
      return;
    }
    known.version += 1;
    if (compareHeads(head, known.head) < 0) known.head = head;
  }

  /** What a claim has found out: where the class stands now, or that nothing waits. */
  update(classId: string, head: QueueHead | null, version: number): void {
    const known = this.#hungry.get(classId);
    if (known === undefined || known.version !== version) return;
    if (head === null) this.#hungry.delete(classId);
    else known.head = head;
  }

  /** Those that have waited the longest of their priority and tier first; claims are fair besides. */
  inOrder(): HungryClass[] {
    return this.all().sort(compareHungry);
  }

  /** Copies, in no order. */
  all(): HungryClass[] {
    return [...this.#hungry.values()].map((hungry) => ({ ...hungry }));
  }
}

/** Tasks that have begun go before others of their rank: nodes keep results for them until they are decided. */
function compareHungry(left: HungryClass, right: HungryClass): number {
  const [one, other] = [left.placement.requirements, right.placement.requirements];
  return (
    left.head.rank - right.head.rank ||
    Number(hasBegun(other)) - Number(hasBegun(one)) ||
    tierRank(one.tier ?? 'bronze') - tierRank(other.tier ?? 'bronze') ||
    compareHeads(left.head, right.head)
  );
}

/** In the order of arrival. */
export function compareHeads(left: QueueHead, right: QueueHead): number {
  if (left.rank !== right.rank) return left.rank - right.rank;
  return left.job < right.job ? -1 : left.job > right.job ? 1 : 0;
}

/** What placement is told of the first task of the class. */
export function waitingClass({ placement, head }: Pick<HungryClass, 'placement' | 'head'>, now: number): WaitingClass {
  const submittedAt = head.job === '' ? now : timeOfId(head.job);
  return { placement, submittedAt, kinds: [head.job, runKindOf(placement.requirements)] };
}
