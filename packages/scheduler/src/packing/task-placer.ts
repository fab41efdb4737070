/** Places tasks one after the other, each on the node with the highest score. */
import type { RandomNumbers } from '../random-numbers.ts';
import type { Cluster, Placement } from './cluster.ts';
import { PACKING_LIMITS } from './limits.ts';
import { type PackingContext, type PackingPolicyName, packingPolicy } from './policies.ts';
import type { PackingPolicy } from './policy.ts';
import { assertTaskShape, isSharedGpu, shapeKey, type TaskShape } from './shapes.ts';

const DOES_NOT_FIT = Number.NEGATIVE_INFINITY;

/**
 * Keeps the scores of a shape on all nodes in a row of a table, and looks anew only at nodes that have changed since.
 * Shapes take the rows in turns when there are more shapes than rows.
 */
export class TaskPlacer {
  readonly #cluster: Cluster;
  readonly #policy: PackingPolicy;
  readonly #random: RandomNumbers;
  readonly #rows = new Map<string, number>();
  readonly #keys: string[] = [];
  readonly #mostRows: number;
  readonly #scores: Float64Array[] = [];
  readonly #versions: Uint32Array[] = [];
  #nextRow = 0;

  constructor(policy: PackingPolicyName, context: PackingContext) {
    this.#cluster = context.cluster;
    this.#random = context.random;
    this.#policy = packingPolicy(policy, context);
    const nodes = Math.max(1, context.cluster.nodes.length);
    this.#mostRows = Math.max(1, Math.floor(PACKING_LIMITS.keptScores / nodes));
  }

  /**
   * Where the policy puts the task, or null when it fits nowhere; `cluster.obstacles` tells why. Nothing is taken: the
   * caller does that with `cluster.take`, which refuses if the node has changed. Throws `invalid-request` for a shape
   * that cannot be.
   */
  choose(shape: TaskShape): Placement | null {
    assertTaskShape(shape);
    const scores = this.#scoresOf(shape);
    const node = this.#policy.ties === 'first' ? firstBest(scores) : this.#anyBest(scores);
    if (node === -1) return null;
    if (isSharedGpu(shape)) return { node, gpus: [this.#policy.sharedGpu(node, shape)] };
    return { node, gpus: this.#cluster.wholeGpus(node, shape.gpuCount) };
  }

  /** Chooses and takes. */
  place(shape: TaskShape): Placement | null {
    const placement = this.choose(shape);
    if (placement !== null) this.#cluster.take(placement, shape);
    return placement;
  }

  #scoresOf(shape: TaskShape): Float64Array {
    const row = this.#rowOf(shape);
    const scores = this.#scores[row] as Float64Array;
    const known = this.#versions[row] as Uint32Array;
    const { versions } = this.#cluster;
    for (let node = 0; node < versions.length; node += 1) {
      const version = versions[node] as number;
      if (known[node] === version) continue;
      known[node] = version;
      scores[node] = this.#cluster.fits(node, shape) ? this.#policy.score(node, shape) : DOES_NOT_FIT;
    }
    return scores;
  }

  #rowOf(shape: TaskShape): number {
    const key = shapeKey(shape);
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const row = this.#nextRow;
    this.#nextRow = (row + 1) % this.#mostRows;
    if (row === this.#scores.length) {
      this.#scores.push(new Float64Array(this.#cluster.nodes.length));
      this.#versions.push(new Uint32Array(this.#cluster.nodes.length));
    } else {
      this.#rows.delete(this.#keys[row] as string);
      (this.#versions[row] as Uint32Array).fill(0);
    }
    this.#keys[row] = key;
    this.#rows.set(key, row);
    return row;
  }

  #anyBest(scores: Float64Array): number {
    const first = firstBest(scores);
    if (first === -1) return -1;
    const best = scores[first] as number;
    let same = 0;
    for (const score of scores) if (score === best) same += 1;
    let skipped = this.#random.below(same);
    for (let node = first; ; node += 1) {
      if (scores[node] !== best) continue;
      if (skipped === 0) return node;
      skipped -= 1;
    }
  }
}

/** -1 when none fits. */
function firstBest(scores: Float64Array): number {
  let best = DOES_NOT_FIT;
  let first = -1;
  for (let node = 0; node < scores.length; node += 1) {
    if ((scores[node] as number) <= best) continue;
    best = scores[node] as number;
    first = node;
  }
  return first;
}
