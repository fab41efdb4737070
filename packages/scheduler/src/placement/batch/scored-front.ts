/** Placements that nothing is better than, as plain data. */
import { nondominatedRanks } from '../../nsga2/index.ts';
import type { TradeOff, TradeOffs } from '../trade-offs.ts';
import type { Archived } from './archive.ts';
import { type Batch, fitsInto, NOWHERE, suitsNode } from './batch.ts';
import { pairTableOf } from './pair-table.ts';
import { Scores } from './scores.ts';

/** Of all these, those with the least violation that no other one is better than, each with values of its own. */
export function frontOf(batch: Batch, placements: readonly Archived[]): TradeOffs {
  const least = placements.reduce((lowest, { violation }) => Math.min(lowest, violation), Infinity);
  const best = placements.filter(({ violation }) => violation === least);
  const flat = Float64Array.from(best.flatMap(({ values }) => [...values]));
  const ranks = nondominatedRanks(flat, best.length, batch.objectives.length);
  const points = new Map<string, TradeOff>();
  best.forEach(({ values, violation, genes }, index) => {
    if (ranks[index] !== 0) return;
    const nodes = Array.from(genes, (node) => (node < batch.nodes.length ? node : NOWHERE));
    points.set(values.join(), { values: [...values], violation, nodes });
  });
  return {
    objectives: [...batch.objectives],
    tasks: batch.tasks.map(({ id, version }) => ({ id, version })),
    nodes: batch.nodes.map(({ id, version }) => ({ id, version })),
    points: [...points.values()].sort((left, right) => (left.values[0] as number) - (right.values[0] as number)),
  };
}

/** A task alone: all of its nodes are compared. */
export function singleTaskFront(batch: Batch): TradeOffs {
  if (batch.tasks.length === 0) return frontOf(batch, []);
  const scores = new Scores(batch, pairTableOf(batch));
  const state = new Float64Array(scores.stateNumbers);
  const placements = batch.nodes.flatMap((_, node): Archived[] => {
    if (!suitsNode(batch, 0, node) || !fitsInto(batch, 0, batch.free, node)) return [];
    const values = new Float64Array(batch.objectives.length);
    const genes = Int32Array.of(node);
    return [{ values, violation: scores.evaluate(genes, 0, values, 0, state, 0), genes }];
  });
  const least = placements.reduce((lowest, { violation }) => Math.min(lowest, violation), Infinity);
  return frontOf(
    batch,
    placements.map((placement) => ({ ...placement, violation: placement.violation - least })),
  );
}
