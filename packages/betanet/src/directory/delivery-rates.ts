/**
 * Who of a path has lost a loop cannot be seen; over many paths it can be reckoned. A loop comes back when each relay on
 * its path lets it pass, and each does so at a rate of its own, independently: the rates under which what happened is
 * likeliest are the estimate. So a loss is laid on those whose other loops get lost as well, and not on their
 * neighbours, whose other loops come back.
 *
 *     rates --(of each lost loop, the share of each relay on its path)--> losses by relay --> new rates, and again
 *
 * Each relay is given one loop more that came back: where nothing tells two relays apart that share all of their loops,
 * they share the losses, and one of which hardly anything is known stands well.
 *
 * Source of the iteration: Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm",
 * 1977; here for components in series of which only the whole is seen to fail. Pure; additions, multiplications and
 * divisions in a fixed order, so the same loops give the same rates on every machine.
 */
import { DIRECTORY_LIMITS } from './limits.ts';

export interface LoopEvidence {
  /** Weight of the loops through each relay that came back. */
  returned: ReadonlyMap<string, number>;
  /** `relays`: each of the path once. */
  lost: readonly { relays: readonly string[]; weight: number }[];
}

const BENEFIT_OF_DOUBT = 1;
const FIRST_LOSS_RATE = 0.5;
const CLOSE_ENOUGH = 1e-6;
/** A lost loop on a path of which all rates have come to one; it divides. */
const LEAST_LOSS = 1e-12;

/** Share of packets that each relay lets pass, above 0 and at most 1. */
export function deliveryRates({ returned, lost }: LoopEvidence): Map<string, number> {
  const through = new Map(returned);
  for (const { relays, weight } of lost) for (const id of relays) through.set(id, (through.get(id) ?? 0) + weight);
  const ids = [...through.keys()].sort();
  const indices = new Map(ids.map((id, index) => [id, index]));
  const paths = pathsOf(lost, indices);
  const totals = Float64Array.from(ids, (id) => (through.get(id) ?? 0) + BENEFIT_OF_DOUBT);
  const losses = new Float64Array(ids.length).fill(FIRST_LOSS_RATE);
  for (let pass = 0; pass < DIRECTORY_LIMITS.ratePasses; pass += 1) {
    if (improve(losses, paths, totals) < CLOSE_ENOUGH) break;
  }
  return new Map(ids.map((id, index) => [id, 1 - (losses[index] as number)]));
}

/** Replaces the loss rates by better ones; answers by how much they have changed at most. */
function improve(losses: Float64Array, paths: readonly WeighedPath[], totals: Float64Array): number {
  const shares = new Float64Array(losses.length);
  for (const { relays, weight } of paths) {
    let passes = 1;
    for (const index of relays) passes *= 1 - (losses[index] as number);
    const share = weight / Math.max(1 - passes, LEAST_LOSS);
    for (const index of relays) shares[index] = (shares[index] as number) + share;
  }
  let most = 0;
  for (let index = 0; index < losses.length; index += 1) {
    const before = losses[index] as number;
    const after = (before * (shares[index] as number)) / (totals[index] as number);
    most = Math.max(most, Math.abs(after - before));
    losses[index] = after;
  }
  return most;
}

interface WeighedPath {
  relays: number[];
  weight: number;
}

/** In small networks many loops take the same path: they are added up. */
function pathsOf(lost: LoopEvidence['lost'], indices: ReadonlyMap<string, number>): WeighedPath[] {
  const paths = new Map<string, WeighedPath>();
  for (const { relays, weight } of lost) {
    const path = relays.map((id) => indices.get(id) as number).sort((a, b) => a - b);
    const key = path.join();
    const same = paths.get(key);
    if (same === undefined) paths.set(key, { relays: path, weight });
    else same.weight += weight;
  }
  return [...paths.values()];
}
