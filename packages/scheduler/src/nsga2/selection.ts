/**
 * Who survives: the best fronts as a whole, and of the first that does not fit those with the most room around them.
 *
 * Constraint domination: whoever breaks no constraint is better than whoever breaks one; of two that do, the one with less
 * violation is better. Fronts of those who do come behind all others, one for each amount of violation.
 */
import type { RandomNumbers } from '../random-numbers.ts';
import { CrowdingMeasure, type CrowdingVariant } from './crowding.ts';
import { NondominatedSorter } from './nondominated-sort.ts';
import { Thinning } from './thinning.ts';

/**
 * How a front that does not fit is cut. `at-once`: the crowding distances of the whole front decide, as NSGA-II was
 * published. `one-by-one`: the most crowded leaves, the distances of its neighbours are mended, and so on, which leaves the
 * rest more evenly spread.
 */
export const TRUNCATIONS = ['one-by-one', 'at-once'] as const;
export type Truncation = (typeof TRUNCATIONS)[number];

export class Selection {
  readonly #crowding: CrowdingVariant;
  readonly #truncation: Truncation;
  readonly #sorter = new NondominatedSorter();
  readonly #measure = new CrowdingMeasure(this.#sorter.sorter);
  readonly #thinning = new Thinning(this.#sorter.sorter);
  readonly #order: Int32Array;
  readonly #members: Int32Array;
  readonly #starts: Int32Array;
  readonly #keys: Float64Array;
  /** Front of each individual, after `select`. */
  readonly ranks: Int32Array;
  /** Crowding distance of each individual whose front was looked at. */
  readonly distances: Float64Array;
  /** The chosen ones, best front first. */
  readonly chosen: Int32Array;

  constructor(capacity: number, crowding: CrowdingVariant, truncation: Truncation) {
    this.#crowding = crowding;
    this.#truncation = truncation;
    this.#order = new Int32Array(capacity);
    this.#members = new Int32Array(capacity);
    this.#starts = new Int32Array(capacity + 1);
    this.#keys = new Float64Array(capacity);
    this.ranks = new Int32Array(capacity);
    this.distances = new Float64Array(capacity);
    this.chosen = new Int32Array(capacity);
  }

  /** Chooses `keep` of `count` individuals. Ties are broken by `random`. */
  select(
    points: Float64Array,
    violations: Float64Array,
    count: number,
    dimensions: number,
    keep: number,
    random: RandomNumbers,
  ): void {
    const fronts = this.#rank(points, violations, count, dimensions);
    this.#groupByFront(count, fronts);
    const members = this.#members;
    let chosen = 0;
    for (let front = 0; front < fronts && chosen < keep; front += 1) {
      const from = this.#starts[front] as number;
      const to = this.#starts[front + 1] as number;
      if ((violations[members[from] as number] as number) > 0) {
        this.#sorter.sorter.lexicographically(members, from, to, points, dimensions);
      }
      this.#measure.measure(points, dimensions, members, from, to, this.#crowding, this.distances);
      if (to - from > keep - chosen) this.#cut(points, dimensions, from, to, keep - chosen, random);
      for (let at = from; at < to && chosen < keep; at += 1) this.chosen[chosen++] = members[at] as number;
    }
  }

  /** Fronts by constraint domination; `#order` has each front's members in lexicographic order, if they are feasible. */
  #rank(points: Float64Array, violations: Float64Array, count: number, dimensions: number): number {
    const order = this.#order;
    let feasible = 0;
    let last = count;
    for (let index = 0; index < count; index += 1) {
      if ((violations[index] as number) === 0) order[feasible++] = index;
      else order[--last] = index;
    }
    let fronts = this.#sorter.rankSome(points, feasible, dimensions, this.ranks, order);
    this.#sorter.sorter.byColumn(order, feasible, count, violations, 1, 0);
    for (let at = feasible; at < count; at += 1) {
      const index = order[at] as number;
      if (at === feasible || violations[index] !== violations[order[at - 1] as number]) fronts += 1;
      this.ranks[index] = fronts - 1;
    }
    return fronts;
  }

  #groupByFront(count: number, fronts: number): void {
    const starts = this.#starts.fill(0, 0, fronts + 1);
    for (let index = 0; index < count; index += 1) {
      const front = this.ranks[index] as number;
      starts[front + 1] = (starts[front + 1] as number) + 1;
    }
    for (let front = 0; front < fronts; front += 1)
      starts[front + 1] = (starts[front + 1] as number) + (starts[front] as number);
    for (let at = 0; at < count; at += 1) {
      const index = this.#order[at] as number;
      const front = this.ranks[index] as number;
      this.#members[starts[front] as number] = index;
      starts[front] = (starts[front] as number) + 1;
    }
    for (let front = fronts; front > 0; front -= 1) starts[front] = starts[front - 1] as number;
    starts[0] = 0;
  }

  /** Brings the `keep` best of a front to its beginning. */
  #cut(points: Float64Array, dimensions: number, from: number, to: number, keep: number, random: RandomNumbers): void {
    const members = this.#members;
    const front = members.subarray(from, to);
    random.shuffle(front);
    if (this.#truncation === 'one-by-one') {
      this.#thinning.thin(points, dimensions, front, keep, this.distances);
      return;
    }
    for (let at = from; at < to; at += 1) {
      const index = members[at] as number;
      this.#keys[index] = -(this.distances[index] as number);
    }
    this.#sorter.sorter.byColumn(members, from, to, this.#keys, 1, 0);
  }
}
