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

export class HandshakeGate {
  readonly #limits: GateLimits;
  readonly #perName = new Map<string, number>();
  #handshakes = 0;
  #links = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  get handshakes(): number {
    return this.#handshakes;
  }

  get links(): number {
    return this.#links;
  }

  /** Whether a handshake may begin; if so it is counted until `leave`. A handshake takes a place among the links too. */
  enter({ name, isExpected }: Caller): boolean {
    const { handshakes, handshakesPerPrefix, handshakesKept, links, linksKept } = this.#limits;
    const ofName = this.#perName.get(name) ?? 0;
    const [mostHandshakes, mostLinks] = isExpected
      ? [handshakes, links]
      : [handshakes - handshakesKept, links - linksKept];
    const isFull = this.#handshakes >= mostHandshakes || ofName >= handshakesPerPrefix;
    if (isFull || this.#handshakes + this.#links >= mostLinks) return false;
    this.#handshakes += 1;
    this.#perName.set(name, ofName + 1);
    return true;
  }

  leave({ name }: Caller): void {
    this.#handshakes -= 1;
    const left = (this.#perName.get(name) ?? 1) - 1;
    if (left === 0) this.#perName.delete(name);
    else this.#perName.set(name, left);
  }

  linkOpened(): void {
    this.#links += 1;
  }

  linkClosed(): void {
    this.#links -= 1;
  }
}
