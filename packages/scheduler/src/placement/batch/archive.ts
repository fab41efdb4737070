/**
 * The best placements that a search has seen. A population forgets: where nearly all of it is equally good, room in it is
 * given by spread, and good placements give way to remote ones. What is in here only gives way to what is better.
 *
 * Space is divided into boxes, and of each box that no better box rules out the archive keeps one placement. Boxes grow
 * when there are too many of them. Source: M. Laumanns, L. Thiele, K. Deb and E. Zitzler, "Combining convergence and
 * diversity in evolutionary multiobjective optimization", Evolutionary Computation 10 (3), 2002.
 */
import { constrainedDominates } from '../../nsga2/index.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';

export interface Archived {
  values: Float64Array;
  violation: number;
  genes: Int32Array;
}

interface Entry extends Archived {
  box: Float64Array;
}

/** Boxes to begin with, along each objective; how much they grow when there are too many. */
const FIRST_BOXES = 512;
const GROWTH = 1.05;

export class Archive {
  #origin: Float64Array;
  #range: Float64Array;
  #boxes = FIRST_BOXES;
  #entries: Entry[] = [];
  readonly #pending: Archived[] = [];
  #objectives: number;

  /** `samples`: placements whose objectives say from where to where the archive divides space. */
  constructor(samples: readonly Pick<Archived, 'values'>[]) {
    const [first] = samples;
    this.#objectives = first?.values.length ?? 0;
    const column = (objective: number) => samples.map(({ values }) => values[objective] as number);
    this.#origin = Float64Array.from({ length: this.#objectives }, (_, at) => Math.min(...column(at)));
    this.#range = Float64Array.from({ length: this.#objectives }, (_, at) => {
      const range = Math.max(...column(at)) - (this.#origin[at] as number);
      return range > 0 ? range : 1;
    });
  }

  get entries(): readonly Archived[] {
    return this.#entries;
  }

  /** Notes a placement; `commit` takes it in. The arrays are copied if they are needed. */
  offer(
    objectives: Float64Array,
    objectivesAt: number,
    violation: number,
    genes: Int32Array,
    genesAt: number,
    jobs: number,
  ): void {
    for (const entry of this.#entries) if (this.#isCovered(entry, objectives, objectivesAt, violation)) return;
    this.#pending.push({
      values: objectives.slice(objectivesAt, objectivesAt + this.#objectives),
      violation,
      genes: genes.slice(genesAt, genesAt + jobs),
    });
  }

  /** Takes in what was offered since the last call. */
  commit(): void {
    for (const offered of this.#pending) this.#insert({ ...offered, box: this.#boxOf(offered.values) });
    this.#pending.length = 0;
    this.#shrink(PLACEMENT_LIMITS.archivedPlacements);
  }

  /** At most so many of them, with larger boxes if need be. */
  thinned(most: number): readonly Archived[] {
    if (this.#entries.length <= most) return this.#entries;
    const copy = new Archive([]);
    copy.#copy(this);
    copy.#shrink(most);
    return copy.#entries;
  }

  #copy(other: Archive): void {
    this.#objectives = other.#objectives;
    this.#origin = other.#origin;
    this.#range = other.#range;
    this.#boxes = other.#boxes;
    this.#entries = other.#entries;
  }

  #shrink(most: number): void {
    while (this.#entries.length > most) {
      this.#boxes /= GROWTH;
      const entries = this.#entries;
      this.#entries = [];
      for (const entry of entries) this.#insert({ ...entry, box: this.#boxOf(entry.values) });
    }
  }

  /** Up to `count` of them, spread over the first objective. */
  sample(count: number): Archived[] {
    const sorted = this.#entries.toSorted((left, right) => (left.values[0] as number) - (right.values[0] as number));
    if (sorted.length <= count) return sorted;
    return Array.from({ length: count }, (_, at) => sorted[Math.floor((at * sorted.length) / count)] as Entry);
  }

  #isCovered(entry: Entry, objectives: Float64Array, at: number, violation: number): boolean {
    if (violation !== entry.violation) return entry.violation < violation;
    for (let objective = 0; objective < this.#objectives; objective += 1) {
      if ((objectives[at + objective] as number) < (entry.values[objective] as number)) return false;
    }
    return true;
  }

  #insert(entry: Entry): void {
    for (const other of this.#entries) if (!this.#isBetter(entry, other) && this.#rulesOut(other, entry)) return;
    this.#entries = this.#entries.filter((other) => !this.#rulesOut(entry, other));
    this.#entries.push(entry);
  }

  /** Whether the box of `entry` leaves none for `other`: a better box, or the same. */
  #rulesOut(entry: Entry, other: Entry): boolean {
    if (entry.violation !== other.violation) return entry.violation < other.violation;
    return entry.box.every((side, at) => side <= (other.box[at] as number));
  }

  /** Within one box: what dominates, else what is nearer to its best corner. */
  #isBetter(entry: Entry, other: Entry): boolean {
    if (entry.violation !== other.violation || !entry.box.every((side, at) => side === other.box[at])) return false;
    if (constrainedDominates(entry.values, 0, other.values, 0)) return true;
    if (constrainedDominates(other.values, 0, entry.values, 0)) return false;
    return this.#distance(entry) < this.#distance(other);
  }

  #distance({ values }: Entry): number {
    return values.reduce(
      (sum, value, at) => sum + (value - (this.#origin[at] as number)) / (this.#range[at] as number),
      0,
    );
  }

  #boxOf(values: Float64Array): Float64Array {
    return values.map((value, at) =>
      Math.floor(((value - (this.#origin[at] as number)) / (this.#range[at] as number)) * this.#boxes),
    );
  }
}
