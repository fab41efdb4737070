/** Counts handshakes and links of one listener. Pure but for its counts: it decides, others act. */

/** Somebody who connects, as far as the address tells, before it is known who it is. */
export interface Caller {
  /** All of one name share limits. */
  name: string;
  /** Some places are kept for those from whom a link is expected, e.g. by the address that a consensus lists. */
  isExpected: boolean;
}

export interface GateLimits {
  handshakes: number;
  /** Of these for callers of one name. */
  handshakesPerPrefix: number;
  /** Of these for expected callers alone. */
  handshakesKept: number;
  links: number;
  /** Of these for expected callers alone. */
  linksKept: number;
}

interface Counts {
  all: number;
  /** Of these from callers that nobody expected. They alone count against what strangers may have. */
  strangers: number;
}

export class HandshakeGate {
  readonly #limits: GateLimits;
  readonly #perName = new Map<string, number>();
  readonly #handshakes: Counts = { all: 0, strangers: 0 };
  readonly #links: Counts = { all: 0, strangers: 0 };

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  get handshakes(): number {
    return this.#handshakes.all;
  }

  get links(): number {
    return this.#links.all;
  }

  /** Whether a handshake may begin; if so it is counted until `leave`. A handshake takes a place among the links too. */
  enter(caller: Caller): boolean {
    const { handshakes, handshakesPerPrefix, handshakesKept, links, linksKept } = this.#limits;
    const ofName = this.#perName.get(caller.name) ?? 0;
    const hasPlace = (of: keyof Counts, mostHandshakes: number, mostLinks: number) =>
      this.#handshakes[of] < mostHandshakes && this.#handshakes[of] + this.#links[of] < mostLinks;
    if (ofName >= handshakesPerPrefix || !hasPlace('all', handshakes, links)) return false;
    if (!caller.isExpected && !hasPlace('strangers', handshakes - handshakesKept, links - linksKept)) return false;
    count(this.#handshakes, caller, 1);
    this.#perName.set(caller.name, ofName + 1);
    return true;
  }

  leave(caller: Caller): void {
    count(this.#handshakes, caller, -1);
    const left = (this.#perName.get(caller.name) ?? 1) - 1;
    if (left === 0) this.#perName.delete(caller.name);
    else this.#perName.set(caller.name, left);
  }

  linkOpened(caller: Caller): void {
    count(this.#links, caller, 1);
  }

  linkClosed(caller: Caller): void {
    count(this.#links, caller, -1);
  }
}

function count(counts: Counts, { isExpected }: Caller, step: 1 | -1): void {
  counts.all += step;
  if (!isExpected) counts.strangers += step;
}
