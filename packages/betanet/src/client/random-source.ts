/** Where random choices come from. Cryptographic in production, seeded in simulations. */

export interface UniformNumbers {
  /** A whole number from 0 to `bound - 1`, each as likely as the others. `bound` is from 1 to 2^32. */
  below(bound: number): number;
}

/** A new order of which each is as likely as the others (Fisher and Yates). */
export function shuffled<Entry>(entries: readonly Entry[], numbers: UniformNumbers): Entry[] {
  const order = [...entries];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = numbers.below(last + 1);
    [order[last], order[other]] = [order[other] as Entry, order[last] as Entry];
  }
  return order;
}
