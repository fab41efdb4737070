/**
 * Variation of real variables between bounds: simulated binary crossover and polynomial mutation.
 *
 * Sources: Deb and Agrawal, "Simulated binary crossover for continuous search space", 1995; Deb, "Multi-Objective
 * Optimization using Evolutionary Algorithms", 2001, for the forms that respect bounds.
 */
import type { RandomNumbers } from '../random-numbers.ts';
import { log2, power } from './portable-math.ts';

const TWO_TO_32 = 2 ** 32;
/** Parents that differ by less in a variable keep it. */
const SMALLEST_DIFFERENCE = 1e-14;
/** A child further from its bound than that, in differences of its parents, is not held back by it in any digit. */
const FREE_OF_BOUND = 54;

export interface RealBounds {
  lower: Float64Array;
  upper: Float64Array;
}

/** Between 0 and 1, neither of them. */
function open(random: RandomNumbers): number {
  return (random.uint32() + 0.5) / TWO_TO_32;
}

/**
 * Makes two children of the variables at `first` and `second` in `genes`, and writes them to `firstChild` and
 * `secondChild`. Each variable is crossed with a probability of one half, and then changes sides with one half. A large
 * `index` keeps children near their parents. Returns how many variables were crossed.
 */
export function simulatedBinaryCrossover(
  genes: Float64Array,
  { lower, upper }: RealBounds,
  [first, second, firstChild, secondChild]: readonly [number, number, number, number],
  index: number,
  random: RandomNumbers,
): number {
  const count = lower.length;
  genes.copyWithin(firstChild, first, first + count);
  genes.copyWithin(secondChild, second, second + count);
  const exponent = index + 1;
  let changes = 0;
  for (let word = 0; word < count; word += 32) {
    const here = Math.min(32, count - word);
    let crossed = random.uint32() & (here === 32 ? -1 : (1 << here) - 1);
    const sides = random.uint32();
    while (crossed !== 0) {
      const bit = 31 - Math.clz32(crossed & -crossed);
      crossed &= crossed - 1;
      const gene = word + bit;
      const left = genes[first + gene] as number;
      const right = genes[second + gene] as number;
      const least = left < right ? left : right;
      const most = left < right ? right : left;
      const difference = most - least;
      if (difference <= SMALLEST_DIFFERENCE) continue;
      changes += 1;
      const low = lower[gene] as number;
      const high = upper[gene] as number;
      const chance = open(random);
      const belowShare = shareWithin(1 + (2 * (least - low)) / difference, exponent);
      const aboveShare = shareWithin(1 + (2 * (high - most)) / difference, exponent);
      const below = spread(chance, belowShare, exponent);
      const above = belowShare === aboveShare ? below : spread(chance, aboveShare, exponent);
      const lesser = within(0.5 * (least + most - below * difference), low, high);
      const greater = within(0.5 * (least + most + above * difference), low, high);
      const turns = (sides >>> bit) & 1;
      genes[firstChild + gene] = turns === 0 ? lesser : greater;
      genes[secondChild + gene] = turns === 0 ? greater : lesser;
    }
  }
  return changes;
}

/** How much of the distribution of children lies on this side of the bound; 2 where the bound is out of reach. */
function shareWithin(reach: number, exponent: number): number {
  if (reach >= 8 && exponent * 3 >= FREE_OF_BOUND) return 2;
  return 2 - power(reach, -exponent);
}

/** How far apart the children are, as a multiple of their parents' distance. */
function spread(chance: number, share: number, exponent: number): number {
  const scaled = chance * share;
  return power(scaled <= 1 ? scaled : 1 / (2 - scaled), 1 / exponent);
}

/**
 * Changes each variable of the individual at `at` with the given probability, and `least` of them in any case. A large
 * `index` keeps the change small.
 */
export function polynomialMutation(
  genes: Float64Array,
  bounds: RealBounds,
  at: number,
  probability: number,
  index: number,
  random: RandomNumbers,
  least: 0 | 1 = 0,
): void {
  const count = bounds.lower.length;
  let gene = gap(probability, random);
  if (gene >= count && least === 1) gene = random.below(count);
  for (; gene < count; gene += 1 + gap(probability, random)) mutate(genes, bounds, at, gene, index + 1, random);
}

function mutate(
  genes: Float64Array,
  { lower, upper }: RealBounds,
  at: number,
  gene: number,
  exponent: number,
  random: RandomNumbers,
): void {
  const low = lower[gene] as number;
  const high = upper[gene] as number;
  const range = high - low;
  if (range <= 0) return;
  const value = genes[at + gene] as number;
  const chance = open(random);
  let change: number;
  if (chance < 0.5) {
    const far = power(1 - (value - low) / range, exponent);
    change = power(2 * chance + (1 - 2 * chance) * far, 1 / exponent) - 1;
  } else {
    const far = power(1 - (high - value) / range, exponent);
    change = 1 - power(2 * (1 - chance) + 2 * (chance - 0.5) * far, 1 / exponent);
  }
  genes[at + gene] = within(value + change * range, low, high);
}

/** How many are left out until the next one, when each is taken with the given probability. */
export function gap(probability: number, random: RandomNumbers): number {
  if (probability >= 1) return 0;
  if (probability <= 0) return Number.POSITIVE_INFINITY;
  return Math.floor(log2(open(random)) / log2(1 - probability));
}

function within(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}
