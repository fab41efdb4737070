/** Counts handshakes and links of one listener. Pure but for its counts: it decides, others act. */
export interface GateLimits {
  handshakes: number;
  handshakesPerPrefix: number;
  links: number;
}

export class HandshakeGate {
  readonly #limits: GateLimits;
  readonly #perPrefix = new Map<string, number>();
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
  enter(prefix: string): boolean {
    const ofPrefix = this.#perPrefix.get(prefix) ?? 0;
    const isFull = this.#handshakes >= this.#limits.handshakes || ofPrefix >= this.#limits.handshakesPerPrefix;
    if (isFull || this.#handshakes + this.#links >= this.#limits.links) return false;
    this.#handshakes += 1;
    this.#perPrefix.set(prefix, ofPrefix + 1);
    return true;
  }

  leave(prefix: string): void {
    this.#handshakes -= 1;
    const left = (this.#perPrefix.get(prefix) ?? 1) - 1;
    if (left === 0) this.#perPrefix.delete(prefix);
    else this.#perPrefix.set(prefix, left);
  }

  linkOpened(): void {
    this.#links += 1;
  }

  linkClosed(): void {
    this.#links -= 1;
  }
}
