/**
 * Who has the most of something, for numbers that mostly change by one. What a step costs does not depend on how many
 * there are.
 */
export class Ranking<Item> {
  /** number -> who has so many; nobody is listed with zero. */
  readonly #levels = new Map<number, Set<Item>>();
  #most = 0;

  /** One of those with the most, the one that has had so many for longest; undefined when all have none. */
  get first(): Item | undefined {
    return this.#levels.get(this.#most)?.values().next().value;
  }

  /** `item` had `before`, and has `after` from now on. */
  move(item: Item, before: number, after: number): void {
    const left = this.#levels.get(before);
    left?.delete(item);
    if (left?.size === 0) this.#levels.delete(before);
    if (after > 0) this.#enter(item, after);
    while (this.#most > 0 && !this.#levels.has(this.#most)) this.#most -= 1;
  }

  #enter(item: Item, level: number): void {
    const there = this.#levels.get(level) ?? new Set();
    this.#levels.set(level, there.add(item));
    this.#most = Math.max(this.#most, level);
  }
}
