/**
 * What an authority's probe loops say of relays. A probe is a loop of an ordinary client, so no relay can treat it
 * otherwise than the packets of others:
 *
 *     sent --comes back in time--> returned: counts for every relay on its path
 *         |--time is over--------> lost: counts against every relay on its path
 *         '--link was cut--------> forgotten: what the prober could not have received says nothing
 *
 * Who of a path has lost a loop cannot be known; over many loops through random paths a relay that fails stands out, since
 * the others share their losses with many. What follows from the counts (floor, median of the authorities) is the
 * directory's to decide. Pure.
 */
import { DIRECTORY_SERVICE_LIMITS } from './limits.ts';

/** Loops through a relay, for `AuthorityServer.measured`. */
export interface ProbeCount {
  /** Of the relay, hex. */
  id: string;
  sent: number;
  returned: number;
}

interface Probe {
  prober: string;
  /** Each relay once: a loop ends at the gateway that it began at. */
  relays: ReadonlySet<string>;
  overdueAt: number;
}

export class ProbeLedger {
  readonly #returnMilliseconds: number;
  /** By token, in the order in which they were sent, which is that in which they are overdue. */
  readonly #underWay = new Map<string, Probe>();
  readonly #counts = new Map<string, { sent: number; returned: number }>();

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
    this.#underWay.set(token, { prober, relays: new Set(relays), overdueAt: now + this.#returnMilliseconds });
  }

  /** Answers whether it is one that was waited for. A loop that comes too late is lost, also when nobody has counted it. */
  returned(token: string, now: number): boolean {
    const probe = this.#underWay.get(token);
    if (probe === undefined || now >= probe.overdueAt) return false;
    this.#underWay.delete(token);
    this.#count(probe, 1);
    return true;
  }

  /** The link of that prober was cut, or it was given up. */
  forget(prober: string): void {
    for (const [token, probe] of this.#underWay) if (probe.prober === prober) this.#underWay.delete(token);
  }

  /** What has been decided since the last call, by relay in the order of their ids. */
  take(now: number): ProbeCount[] {
    for (const [token, probe] of this.#underWay) {
      if (now < probe.overdueAt) break;
      this.#underWay.delete(token);
      this.#count(probe, 0);
    }
    const counts = [...this.#counts].map(([id, count]) => ({ id, ...count }));
    this.#counts.clear();
    return counts.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  #count({ relays }: Probe, returned: 0 | 1): void {
    for (const id of relays) {
      const before = this.#counts.get(id) ?? { sent: 0, returned: 0 };
      this.#counts.set(id, { sent: before.sent + 1, returned: before.returned + returned });
    }
  }
}
