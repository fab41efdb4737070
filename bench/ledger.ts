/**
 * What the ledger does in how much time. Each part measures itself, in a file of `ledger/`, and adds fields.
 *
 * In memory: transfers a second, in batches of 8,190 among 10,000 accounts that have limits, each checked in full: in one
 * phase, and in two (a pending transfer and its post); and what snapshot, restore and digest take with all of them held.
 *
 * Rewards: an epoch with a million delegators, and a withdrawal, as staking decides them, without the ledger.
 *
 * In the coordinator's database: tasks that are paid a second, on SQLite and PostgreSQL; and what paying costs of the
 * throughput of dispatch.
 *
 * In short: `--transfers 1000000 --delegators 10000 --settlements 20000
 * --tasks 10000`.
 */
import type { Benchmark } from './benchmark.ts';
import { measureDispatchShare } from './ledger/dispatch-share.ts';
import { measureMemory } from './ledger/memory.ts';
import { measureRewards } from './ledger/rewards.ts';
import { measureSettlement } from './ledger/settlement.ts';

export const ledger: Benchmark = {
  name: 'ledger',
  summary:
    'the ledger in memory: transfers a second in one phase and two, snapshot, restore, digest; epochs of rewards; tasks paid in a database',
  options: {
    transfers: { default: 10_000_000, description: 'transfers that the ledger holds in the end' },
    accounts: { default: 10_000, description: 'accounts among which they are' },
    delegators: { default: 1_000_000, description: 'delegators that an epoch of rewards pays; 0 leaves it out' },
    settlements: { default: 100_000, description: 'tasks that are paid in each database; 0 leaves it out' },
    tasks: { default: 50_000, description: 'tasks that are dispatched with and without being paid; 0 leaves it out' },
  },
  async run(context) {
    const delegators = context.option('delegators');
    const notMeasured: Record<string, string> = {};
    const settled = context.option('settlements') === 0 ? null : await measureSettlement(context, notMeasured);
    const tasks = context.option('tasks');
    const share = tasks === 0 ? {} : await measureDispatchShare(context, tasks, notMeasured);
    const memory = measureMemory(context);
    return {
      settlementsPerSecond: settled && { sqlite: settled.sqlite?.perSecond, postgres: settled.postgres?.perSecond },
      settlementMicroseconds: settled && {
        sqlite: settled.sqlite?.microsecondsEach,
        postgres: settled.postgres?.microsecondsEach,
      },
      ...share,
      notMeasured,
      transfersPerSecond: { memory: memory.transfersPerSecond, memoryTwoPhase: memory.twoPhasePerSecond },
      memory: memory.figures,
      ...(delegators === 0 ? {} : measureRewards(context, delegators)),
    };
  },
};
