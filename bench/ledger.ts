/**
 * What the ledger does in how much time. Each part measures itself, in a file of `ledger/`, and adds fields.
 *
 * In memory: transfers a second, in batches of 8,190 among 10,000 accounts that have limits, each checked in full: in one
 * phase, and in two (a pending transfer and its post); and what snapshot, restore and digest take with all of them held.
 *
 * Over its log on a disk: durable transfers a second with group commit, how long a commit takes at four loads, a snapshot
 * made beside it, and the time in which all of it comes back from snapshot and log, and from the log alone.
 *
 * Rewards: an epoch with a million delegators, and a withdrawal, as staking decides them, without the ledger. Auctions: one
 * of 10,000 bids and 10,000 asks.
 *
 * In the coordinator's database: tasks that are paid a second, on SQLite and PostgreSQL; and what paying costs of the
 * throughput of dispatch.
 *
 * On a simulated disk that crashes: operations without a broken invariant. At the end, which aims were met.
 *
 * In short: `--operations 100000 --transfers 1000000 --durable 1000000 --delegators 10000 --settlements 20000 --tasks 10000`.
 */
import type { Benchmark } from './benchmark.ts';
import { aimsOf } from './ledger/aims.ts';
import { measureAuction } from './ledger/auction.ts';
import { measureDispatchShare } from './ledger/dispatch-share.ts';
import { measureDurable } from './ledger/durable.ts';
import { measureMemory } from './ledger/memory.ts';
import { measureRewards } from './ledger/rewards.ts';
import { measureSettlement } from './ledger/settlement.ts';
import { measureSimulation } from './ledger/simulation.ts';

export const ledger: Benchmark = {
  name: 'ledger',
  summary:
    'the ledger in memory, over its log, and in the database of a coordinator: transfers, commits, recovery, tasks paid; epochs of rewards, auctions, simulated crashes; some eight minutes',
  options: {
    transfers: {
      default: 10_000_000,
      description: 'transfers that the ledger in memory holds in the end; 0 leaves it out',
    },
    accounts: { default: 10_000, description: 'accounts among which they are' },
    durable: { default: 10_000_000, description: 'transfers of the log that is recovered; 0 leaves the log out' },
    seconds: { default: 5, description: 'seconds of each load that commits are timed under' },
    delegators: { default: 1_000_000, description: 'delegators that an epoch of rewards pays; 0 leaves it out' },
    orders: { default: 10_000, description: 'bids, and asks, of an auction; 0 leaves it out' },
    settlements: { default: 100_000, description: 'tasks that are paid in each database; 0 leaves it out' },
    tasks: { default: 50_000, description: 'tasks that are dispatched with and without being paid; 0 leaves it out' },
    operations: { default: 10_000_000, description: 'operations on a simulated disk that crashes; 0 leaves them out' },
  },
  async run(context) {
    // In fresh memory: what comes second would meet the other's leftovers.
    const transfers = context.option('durable');
    const options = { transfers, seconds: context.option('seconds') };
    const { perSecond, ...log } = transfers === 0 ? { perSecond: null } : await measureDurable(context, options);
    const delegators = context.option('delegators');
    const orders = context.option('orders');
    const notMeasured: Record<string, string> = {};
    const settled = context.option('settlements') === 0 ? null : await measureSettlement(context, notMeasured);
    const tasks = context.option('tasks');
    const share = tasks === 0 ? {} : await measureDispatchShare(context, tasks, notMeasured);
    const memory = context.option('transfers') === 0 ? null : measureMemory(context);
    const operations = context.option('operations');
    const figures = {
      settlementsPerSecond: settled && { sqlite: settled.sqlite?.perSecond, postgres: settled.postgres?.perSecond },
      settlementMicroseconds: settled && {
        sqlite: settled.sqlite?.microsecondsEach,
        postgres: settled.postgres?.microsecondsEach,
      },
      ...share,
      notMeasured,
      transfersPerSecond: {
        memory: memory?.transfersPerSecond ?? null,
        memoryTwoPhase: memory?.twoPhasePerSecond ?? null,
        durable: perSecond,
      },
      ...log,
      memory: memory?.figures ?? null,
      ...(delegators === 0 ? {} : measureRewards(context, delegators)),
      ...(orders === 0 ? {} : measureAuction(context, orders)),
      ...(operations === 0 ? {} : { simulation: await measureSimulation(context, operations) }),
    };
    return { ...figures, aims: aimsOf(figures) };
  },
};
