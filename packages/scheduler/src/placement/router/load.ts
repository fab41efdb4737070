/** How much of a node is taken. */
import { amountOf, type NodeOffer } from '../model.ts';

/** The share that is taken of its scarcest resource: 0 to 1; 1 for a node that has nothing. */
export function estimateLoad(node: NodeOffer, names: readonly string[]): number {
  let load = -1;
  for (const name of names) {
    const capacity = amountOf(node.capacity, name);
    if (capacity > 0) load = Math.max(load, 1 - amountOf(node.free, name) / capacity);
  }
  return load < 0 ? 1 : load;
}
