/**
 * What the ledger does in how much time. Each part measures itself, in a file of `ledger/`, and adds fields.
 *
 * In memory: transfers a second, in batches of 8,190 among 10,000 accounts that have limits, each checked in full: in one
 * phase, and in two (a pending transfer and its post); and what snapshot, restore and digest take with all of them held.
 *
 * In short: `--transfers 1000000`.
 */
import type { Benchmark } from './benchmark.ts';
import { measureMemory } from './ledger/memory.ts';

export const ledger: Benchmark = {
  name: 'ledger',
  summary: 'the ledger in memory: transfers a second in one phase and two, snapshot, restore, digest',
  options: {
    transfers: { default: 10_000_000, description: 'transfers that the ledger holds in the end' },
    accounts: { default: 10_000, description: 'accounts among which they are' },
  },
  async run(context) {
    const memory = measureMemory(context);
    return {
      transfersPerSecond: { memory: memory.transfersPerSecond, memoryTwoPhase: memory.twoPhasePerSecond },
      memory: memory.figures,
    };
  },
};
