/** What a number of losses tells of the rate of loss: exact binomial tails, and the bounds of Clopper and Pearson. */

/** P(X >= hits) of `trials` trials that each hit with that probability. */
export function binomialUpperTail(trials: number, hits: number, probability: number): number {
  if (hits <= 0) return 1;
  if (hits > trials || probability <= 0) return 0;
  if (probability >= 1) return 1;
  const odds = Math.log(probability) - Math.log1p(-probability);
  // The logarithm of the probability of exactly `count` hits, from none up to all.
  let logarithm = trials * Math.log1p(-probability);
  let tail = 0;
  for (let count = 0; count <= trials; count += 1) {
    if (count >= hits) tail += Math.exp(logarithm);
    logarithm += Math.log((trials - count) / (count + 1)) + odds;
  }
  return Math.min(1, tail);
}

/** P(X <= hits). */
export function binomialLowerTail(trials: number, hits: number, probability: number): number {
  return binomialUpperTail(trials, trials - hits, 1 - probability);
}

/** The rate of hits is above this, unless something as unlikely as `error` happened. Clopper and Pearson (1934). */
export function binomialLowerBound(trials: number, hits: number, error: number): number {
  if (hits <= 0) return 0;
  return crossing((probability) => binomialUpperTail(trials, hits, probability) > error);
}

/** The rate of hits is below this, unless something as unlikely as `error` happened. */
export function binomialUpperBound(trials: number, hits: number, error: number): number {
  if (hits >= trials) return 1;
  return crossing((probability) => binomialLowerTail(trials, hits, probability) <= error);
}

/** The probability at which the answer turns to true, by halving. */
function crossing(isAbove: (probability: number) => boolean): number {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2;
    if (isAbove(middle)) high = middle;
    else low = middle;
  }
  return (low + high) / 2;
}
