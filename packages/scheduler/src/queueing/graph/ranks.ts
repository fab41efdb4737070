/**
 * In which order the tasks of a graph are placed.
 *
 * - HEFT (Topcuoglu, Hariri, Wu, "Performance-effective and low-complexity task scheduling for heterogeneous computing",
 *   2002): the upward rank, the mean length of the longest way from a task to the end.
 * - PEFT (Arabnejad, Barbosa, "List scheduling algorithm for heterogeneous systems by an optimistic cost table", 2014):
 *   the table says how long the longest way after a task takes at best, when the task runs on a given processor.
 */
import type { PreparedGraph } from './task-graph.ts';

/** Mean run time, and of the successors the longest of transfer time and rank. */
export function upwardRanks({ tasks, processors, runTimes, successors, topological }: PreparedGraph): Float64Array {
  const ranks = new Float64Array(tasks);
  for (const task of topological.toReversed()) {
    let mean = 0;
    for (let at = task * processors; at < (task + 1) * processors; at += 1)
      mean += (runTimes[at] as number) / processors;
    let longest = 0;
    // On one processor nothing is ever moved.
    for (const { to, transferTime } of successors[task] ?? []) {
      longest = Math.max(longest, (processors === 1 ? 0 : transferTime) + (ranks[to] as number));
    }
    ranks[task] = mean + longest;
  }
  return ranks;
}

/** `table[task * processors + processor]`; 0 for tasks that nothing needs. */
export function optimisticCosts({ tasks, processors, runTimes, successors, topological }: PreparedGraph): Float64Array {
  const table = new Float64Array(tasks * processors);
  for (const task of topological.toReversed()) {
    for (let processor = 0; processor < processors; processor += 1) {
      let longest = 0;
      for (const { to, transferTime } of successors[task] ?? []) {
        let best = Number.POSITIVE_INFINITY;
        for (let other = 0; other < processors; other += 1) {
          const at = to * processors + other;
          const transfer = other === processor ? 0 : transferTime;
          best = Math.min(best, (table[at] as number) + (runTimes[at] as number) + transfer);
        }
        longest = Math.max(longest, best);
      }
      table[task * processors + processor] = longest;
    }
  }
  return table;
}
