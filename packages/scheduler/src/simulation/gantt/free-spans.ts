/** What is free of a row of equal units, as spans. Of several, the lowest is given out first. */
export interface Span {
  from: number;
  /** Behind the last unit. */
  to: number;
}

export class FreeSpans {
  #free: Span[];

  constructor(units: number) {
    this.#free = units > 0 ? [{ from: 0, to: units }] : [];
  }

  /** One span if one is wide enough, else several; fewer units when there are fewer. */
  take(units: number): Span[] {
    const whole = this.#free.findIndex(({ from, to }) => to - from >= units);
    const taken: Span[] = [];
    let missing = units;
    for (let at = Math.max(0, whole); missing > 0 && at < this.#free.length; ) {
      const { from, to } = this.#free[at] as Span;
      const width = Math.min(missing, to - from);
      taken.push({ from, to: from + width });
      missing -= width;
      if (from + width === to) this.#free.splice(at, 1);
      else this.#free[at] = { from: from + width, to };
    }
    return taken;
  }

  give(spans: readonly Span[]): void {
    const sorted = [...this.#free, ...spans].sort((one, other) => one.from - other.from);
    const joined: Span[] = [];
    for (const span of sorted) {
      const last = joined.at(-1);
      if (last !== undefined && last.to === span.from) joined[joined.length - 1] = { from: last.from, to: span.to };
      else joined.push(span);
    }
    this.#free = joined;
  }
}
