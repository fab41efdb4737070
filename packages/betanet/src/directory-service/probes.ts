/**
 * What becomes of an authority's probe loops. A probe is a loop of an ordinary client, so no relay can treat it
 * otherwise than the packets of others:
 *
 *     sent --comes back in time--> returned: tells of every relay on its path
 *         |--time is over--------> lost: by one of the relays on its path
 *         |--gateway cut the link> lost: by the gateway alone
 *         '--prober left---------> forgotten: what it could not have received says nothing
 *     not taken, since the gateway is not reached or does not read ------> lost: by the gateway alone
 *
 * Whose fault a loss is, and what follows from it, is the directory's to decide (delivery-rates.ts). Pure.
 */
import type { ProbedLoop } from '../directory/probe-record.ts';
import { DIRECTORY_SERVICE_LIMITS } from './limits.ts';

interface Probe {
  prober: string;
  /** Each relay once: a loop ends at the gateway that it began at. */
  relays: readonly string[];
  overdueAt: number;
}

export class ProbeLedger {
  readonly #returnMilliseconds: number;
  /** By token, in the order in which they were sent, which is that in which they are overdue. */
  readonly #underWay = new Map<string, Probe>();
  #ended: ProbedLoop[] = [];

  /** `returnMilliseconds`: after so long a loop is lost. */
  constructor(returnMilliseconds: number) {
    this.#returnMilliseconds = returnMilliseconds;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** A loop with that token left a prober, through those relays. `now` never goes back. */
  sent(prober: string, token: string, relays: readonly string[], now: number): void {
    // Beyond the limit the oldest is forgotten and not lost: it is the prober that is too slow.
    const oldest = this.#underWay.keys().next();
    if (this.#underWay.size >= DIRECTORY_SERVICE_LIMITS.probesUnderWay && !oldest.done) {
      this.#underWay.delete(oldest.value);
    }
    const overdueAt = now + this.#returnMilliseconds;
    this.#underWay.set(token, { prober, relays: [...new Set(relays)], overdueAt });
  }

  /** Answers whether it is one that was waited for. A loop that comes too late is lost, also when nobody has counted it. */
  returned(token: string, now: number): boolean {
    const probe = this.#underWay.get(token);
    if (probe === undefined || now >= probe.overdueAt) return false;
    this.#underWay.delete(token);
    this.#end(probe.relays, true);
    return true;
  }

  /** A gateway did not take so many loops. */
  refused(gateway: string, loops: number): void {
    for (let count = 0; count < Math.min(loops, DIRECTORY_SERVICE_LIMITS.probesUnderWay); count += 1) {
      this.#end([gateway], false);
    }
  }

  /** The gateway cut the link of that prober: a loss for that, and one for each loop that was under way. */
  cut(prober: string, gateway: string, now: number): void {
    this.#endOverdue(now);
    this.refused(gateway, 1);
    for (const [token, probe] of this.#underWay) {
      if (probe.prober !== prober) continue;
      this.#underWay.delete(token);
      this.refused(gateway, 1);
    }
  }

  /** The prober was given up, or closed its link itself. */
  forget(prober: string): void {
    for (const [token, probe] of this.#underWay) if (probe.prober === prober) this.#underWay.delete(token);
  }

  /** What has ended since the last call. */
  take(now: number): ProbedLoop[] {
    this.#endOverdue(now);
    const ended = this.#ended;
    this.#ended = [];
    return ended;
  }

  #endOverdue(now: number): void {
    for (const [token, { relays, overdueAt }] of this.#underWay) {
      if (now < overdueAt) break;
      this.#underWay.delete(token);
      this.#end(relays, false);
    }
  }

  /** More than are under way at a time do not end between two calls of `take`, unless nobody calls it. */
  #end(relays: readonly string[], isReturned: boolean): void {
    if (this.#ended.length < DIRECTORY_SERVICE_LIMITS.probesUnderWay) this.#ended.push({ relays, isReturned });
  }
}
