/** Fronts as plain data. */
import { type Front, nondominatedRanks } from '../../nsga2/index.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import type { TradeOff, TradeOffs } from '../trade-offs.ts';
import { type Batch, fitsInto, NOWHERE, suitsNode } from './batch.ts';
import { pairTableOf } from './pair-table.ts';
import { Scores } from './scores.ts';

/** A front of the optimiser. */
export function scoredFront(batch: Batch, { count, genes, objectives, violations }: Front): TradeOffs {
  const width = batch.objectives.length;
  const jobs = batch.tasks.length;
  return frontOf(
    batch,
    Array.from({ length: count }, (_, index) => ({
      values: [...objectives.subarray(index * width, (index + 1) * width)],
      violation: violations[index] as number,
      nodes: Array.from(genes.subarray(index * jobs, (index + 1) * jobs), (node) =>
        node < batch.nodes.length ? node : NOWHERE,
      ),
    })),
  );
}

/** Of some placements those that no other one is better than, with their objectives. */
export function frontOfPlacements(batch: Batch, scores: Scores, placements: readonly Int32Array[]): TradeOffs {
  const width = batch.objectives.length;
  const points = placements.map((placement): TradeOff => {
    const values = new Float64Array(width);
    const genes = placement.map((node) => (node === NOWHERE ? batch.nodes.length : node));
    const violation = scores.evaluate(genes, 0, values, 0, new Float64Array(scores.stateNumbers), 0);
    return { values: [...values], violation, nodes: [...placement] };
  });
  const least = points.reduce((lowest, { violation }) => Math.min(lowest, violation), Infinity);
  const best = points.filter(({ violation }) => violation === least);
  const flat = Float64Array.from(best.flatMap(({ values }) => values));
  const ranks = nondominatedRanks(flat, best.length, width);
  return frontOf(
    batch,
    best.filter((_, index) => ranks[index] === 0),
  );
}

/** A task alone: all of its nodes are compared. */
export function singleTaskFront(batch: Batch): TradeOffs {
  if (batch.tasks.length === 0) return frontOf(batch, []);
  const scores = new Scores(batch, pairTableOf(batch));
  const placements = batch.nodes.flatMap((_, node) =>
    suitsNode(batch, 0, node) && fitsInto(batch, 0, batch.free, node) ? [Int32Array.of(node)] : [],
  );
  const state = new Float64Array(scores.stateNumbers);
  const broken = placements.map((placement) => {
    scores.evaluate(placement, 0, new Float64Array(PLACEMENT_LIMITS.objectives), 0, state, 0);
    return scores.brokenMilliseconds(state, 0);
  });
  scores.allow(broken.reduce((least, milliseconds) => Math.min(least, milliseconds), Infinity));
  return frontOfPlacements(batch, scores, placements);
}

function frontOf(batch: Batch, points: TradeOff[]): TradeOffs {
  const distinct = new Map(points.map((point) => [point.values.join(), point]));
  return {
    objectives: [...batch.objectives],
    tasks: batch.tasks.map(({ id, version }) => ({ id, version })),
    nodes: batch.nodes.map(({ id, version }) => ({ id, version })),
    points: [...distinct.values()].sort((left, right) => (left.values[0] as number) - (right.values[0] as number)),
  };
}
