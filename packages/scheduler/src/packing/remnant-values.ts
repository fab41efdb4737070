/**
 * What is to be had of a GPU that is partly in use.
 *
 * Of 530 thousandths that are free, tasks of 470 leave 60 and tasks of 320 leave 210; which of them come, and how often,
 * the workload's profile says. The value of a remnant is what the best mixture fills of it, when each kind of task is
 * worth what it fills less the price of using it up. The prices are those at which, over all GPUs, no kind is used more
 * often than it comes: the dual of the linear program that fills GPUs by patterns (Gilmore and Gomory, "A linear
 * programming approach to the cutting-stock problem", 1961), found by subgradient steps.
 */
import { WHOLE_GPU_MILLI } from './shapes.ts';
import type { WorkloadProfile } from './workload-profile.ts';

/** Sizes are looked at in steps of so many thousandths: remnants rounded down, tasks up. */
const STEP_MILLI = 10;
const STEPS = WHOLE_GPU_MILLI / STEP_MILLI;
/** Prices settle to about one thousandth; the mean of the second half is taken. */
const ITERATIONS = 3000;
/** Thousandths that a price moves at first, when use and supply differ by one task a GPU. */
const FIRST_STEP_MILLI = 200;

interface Kind {
  gpuMilli: number;
  steps: number;
  /** Tasks that come for each GPU, when as much comes as the cluster can hold. */
  supply: number;
}

/**
 * Thousandths of a GPU that tasks are expected to fill, by the free thousandths (0 to 1000). Never falls, and is at most
 * what is free. Without demand for GPUs in the profile, all that is free.
 */
export function remnantValues(profile: WorkloadProfile): Float64Array {
  const kinds = kindsOf(profile);
  const values = Float64Array.from({ length: WHOLE_GPU_MILLI + 1 }, (_, free) => free);
  if (kinds.length === 0) return values;
  const byStep = valuesAt(kinds, settledPrices(kinds)).values;
  return values.map((free) => byStep[Math.floor(free / STEP_MILLI)] as number);
}

function kindsOf(profile: WorkloadProfile): Kind[] {
  const shares = new Map<number, number>();
  let gpuMilliPerTask = 0;
  for (const { shape, share } of profile) {
    if (shape.gpuCount === 0) continue;
    shares.set(shape.gpuMilli, (shares.get(shape.gpuMilli) ?? 0) + share * shape.gpuCount);
    gpuMilliPerTask += share * shape.gpuCount * shape.gpuMilli;
  }
  return [...shares].map(([gpuMilli, share]) => ({
    gpuMilli,
    steps: Math.ceil(gpuMilli / STEP_MILLI),
    supply: (share * WHOLE_GPU_MILLI) / gpuMilliPerTask,
  }));
}

function settledPrices(kinds: readonly Kind[]): Float64Array {
  const prices = new Float64Array(kinds.length);
  const sums = new Float64Array(kinds.length);
  for (let iteration = 1; iteration <= ITERATIONS; iteration += 1) {
    const used = bestPattern(kinds, valuesAt(kinds, prices).choices);
    const step = FIRST_STEP_MILLI / Math.sqrt(iteration);
    for (const [index, { supply }] of kinds.entries()) {
      const excess = (used[index] as number) - supply;
      prices[index] = Math.max(0, (prices[index] as number) + step * excess);
      if (iteration > ITERATIONS / 2) sums[index] = (sums[index] as number) + (prices[index] as number);
    }
  }
  return sums.map((sum) => sum / (ITERATIONS - Math.floor(ITERATIONS / 2)));
}

/** For each size in steps, the value of the best pattern and the kind it begins with; -1 leaves one step empty. */
function valuesAt(kinds: readonly Kind[], prices: Float64Array): { values: Float64Array; choices: Int32Array } {
  const values = new Float64Array(STEPS + 1);
  const choices = new Int32Array(STEPS + 1).fill(-1);
  for (let size = 1; size <= STEPS; size += 1) {
    let best = values[size - 1] as number;
    for (let index = 0; index < kinds.length; index += 1) {
      const { steps, gpuMilli } = kinds[index] as Kind;
      if (steps > size) continue;
      const value = gpuMilli - (prices[index] as number) + (values[size - steps] as number);
      if (value <= best) continue;
      best = value;
      choices[size] = index;
    }
    values[size] = best;
  }
  return { values, choices };
}

/** How often each kind is in the best pattern of a whole GPU. */
function bestPattern(kinds: readonly Kind[], choices: Int32Array): Float64Array {
  const used = new Float64Array(kinds.length);
  let size = STEPS;
  while (size > 0) {
    const choice = choices[size] as number;
    if (choice === -1) {
      size -= 1;
      continue;
    }
    used[choice] = (used[choice] as number) + 1;
    size -= (kinds[choice] as Kind).steps;
  }
  return used;
}
