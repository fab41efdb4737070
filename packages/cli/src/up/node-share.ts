/** How much of this machine each node of `fog up` offers. */

export interface MachineSize {
  cores: number;
  memoryBytes: number;
}

/**
 * Slots are split evenly, at least one each. A node gets at most a quarter of the memory, and all of them together at
 * most three quarters: the coordinator and the user work here as well.
 */
export function nodeShare(machine: MachineSize, nodes: number): { slots: number; memoryBytes: number } {
  return {
    slots: Math.max(1, Math.floor(machine.cores / Math.max(1, nodes))),
    memoryBytes: Math.floor(machine.memoryBytes * Math.min(1 / 4, 3 / 4 / Math.max(1, nodes))),
  };
}
