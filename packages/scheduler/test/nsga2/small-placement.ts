/** Jobs on nodes with two objectives: the largest load and the price. For tests of the optimiser, not of placement. */
import type { AssignmentProblem } from '../../src/nsga2/index.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';

/** Loads are whole numbers, so that evaluation from a change gives the same bytes. */
export function smallPlacement(jobs: number, nodes: number, seed = 1): AssignmentProblem {
  const random = new RandomNumbers(seed);
  const sizes = Int32Array.from({ length: jobs }, () => 1 + random.below(9));
  const prices = Int32Array.from({ length: nodes }, () => 1 + random.below(20));
  const capacity = 9 * Math.ceil((2 * jobs) / nodes);
  const result = (objectives: Float64Array, at: number, loads: Float64Array): number => {
    let most = 0;
    let cost = 0;
    let excess = 0;
    for (let node = 0; node < nodes; node += 1) {
      const load = loads[node] as number;
      most = Math.max(most, load);
      cost += load * (prices[node] as number);
      excess += Math.max(0, load - capacity);
    }
    objectives[at] = most;
    objectives[at + 1] = cost;
    return excess;
  };
  return {
    encoding: 'assignment',
    objectives: 2,
    jobs,
    nodes,
    stateNumbers: nodes,
    seeds: [Int32Array.from({ length: jobs }, (_, job) => job % nodes)],
    evaluate(genes, genesAt, objectives, objectivesAt, state, stateAt) {
      const loads = state.subarray(stateAt, stateAt + nodes).fill(0);
      for (let job = 0; job < jobs; job += 1) {
        const node = genes[genesAt + job] as number;
        loads[node] = (loads[node] as number) + (sizes[job] as number);
      }
      return result(objectives, objectivesAt, loads);
    },
    evaluateChange({ genes, genesAt, parentGenesAt, jobs: moved, jobCount, objectives, objectivesAt, state, stateAt }) {
      const loads = state.subarray(stateAt, stateAt + nodes);
      for (const job of moved.subarray(0, jobCount)) {
        const from = genes[parentGenesAt + job] as number;
        const to = genes[genesAt + job] as number;
        loads[from] = (loads[from] as number) - (sizes[job] as number);
        loads[to] = (loads[to] as number) + (sizes[job] as number);
      }
      return result(objectives, objectivesAt, loads);
    },
  };
}
