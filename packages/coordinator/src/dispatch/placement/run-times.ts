/**
 * How long tasks take, and how fast nodes are, from what has ended. In memory: what is forgotten is learnt again.
 *
 * A task is expected to take what the last ones of its job took, else the last ones of its submitter that asked for the
 * same resources. A node is as fast as others' tasks of the same kind ran there in comparison.
 */
import { PLACEMENT_LIMITS } from '../../limits.ts';

export interface ExpectedRun {
  /** On a node of speed 1, and its standard deviation. */
  milliseconds: number;
  deviationMilliseconds: number;
}

interface Series {
  count: number;
  mean: number;
  /** Mean square of the distances from the mean. */
  variance: number;
}

/** The newest of few counts as much as those before; later each newest one counts for an eighth. */
const NEWEST_SHARE = 1 / 8;
/** A comparison needs so many runs of a kind. */
const COMPARABLE_RUNS = 5;
const FASTEST = 10;

export class RunTimes {
  /** By kind of task; the one used longest ago comes first. */
  readonly #kinds = new Map<string, Series>();
  /** Logarithms of speeds. */
  readonly #speeds = new Map<string, Series>();

  /** A task has ended. `kinds`: what it counts for, e.g. its job and its class. */
  observe(node: string, kinds: readonly string[], wallMilliseconds: number): void {
    const own = this.speedOf(node);
    for (const kind of kinds) {
      const known = this.#kinds.get(kind);
      if (known !== undefined && known.count >= COMPARABLE_RUNS && wallMilliseconds > 0 && known.mean > 0) {
        keep(this.#speeds, node, Math.log(known.mean / wallMilliseconds));
      }
      keep(this.#kinds, kind, wallMilliseconds * own);
    }
  }

  /** By the first of the kinds of which anything is known. */
  expectedOf(kinds: readonly string[]): ExpectedRun {
    for (const kind of kinds) {
      const known = this.#kinds.get(kind);
      if (known !== undefined) return { milliseconds: known.mean, deviationMilliseconds: Math.sqrt(known.variance) };
    }
    return {
      milliseconds: PLACEMENT_LIMITS.unknownRunMilliseconds,
      deviationMilliseconds: PLACEMENT_LIMITS.unknownRunMilliseconds,
    };
  }

  /** What most runs stay below; null where nothing is known. */
  longestOf(kinds: readonly string[]): number | null {
    for (const kind of kinds) {
      const known = this.#kinds.get(kind);
      if (known !== undefined && known.count >= COMPARABLE_RUNS) return known.mean + 2 * Math.sqrt(known.variance);
    }
    return null;
  }

  isKnown(kinds: readonly string[]): boolean {
    return kinds.some((kind) => this.#kinds.has(kind));
  }

  /** As a multiple of what is usual; 1 where nothing is known. */
  speedOf(node: string): number {
    const known = this.#speeds.get(node);
    if (known === undefined) return 1;
    return Math.min(FASTEST, Math.max(1 / FASTEST, Math.exp(known.mean)));
  }
}

function keep(all: Map<string, Series>, key: string, value: number): void {
  const known = all.get(key) ?? { count: 0, mean: 0, variance: 0 };
  const share = Math.max(NEWEST_SHARE, 1 / (known.count + 1));
  const distance = value - known.mean;
  const mean = known.mean + share * distance;
  const variance = (1 - share) * (known.variance + share * distance * distance);
  all.delete(key);
  const oldest = all.keys().next();
  if (all.size >= PLACEMENT_LIMITS.runTimes && !oldest.done) all.delete(oldest.value);
  all.set(key, { count: known.count + 1, mean, variance });
}
