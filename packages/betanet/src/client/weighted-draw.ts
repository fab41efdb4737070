/** Draws among relays so that many cheap ones together are drawn no more often than one that has staked as much. */
import type { UniformNumbers } from './random-source.ts';

const WORD = 2 ** 32;

/** One of the entries, each with the chance of its share of the weights. Undefined when none has any weight. */
export function drawByWeight<Entry extends { weight: bigint }>(
  entries: readonly Entry[],
  numbers: UniformNumbers,
): Entry | undefined {
  const total = entries.reduce((sum, { weight }) => sum + weight, 0n);
  if (total <= 0n) return undefined;
  let left = below(total, numbers);
  return entries.find(({ weight }) => {
    left -= weight;
    return left < 0n;
  });
}

/** As good as uniform: 64 bits more are drawn than the bound has. */
function below(bound: bigint, numbers: UniformNumbers): bigint {
  const words = Math.ceil((bound.toString(2).length + 64) / 32);
  let drawn = 0n;
  for (let word = 0; word < words; word += 1) drawn = drawn * BigInt(WORD) + BigInt(numbers.below(WORD));
  return drawn % bound;
}
