/** What operators watch of the dispatcher. */

import { SERVICE_TIERS, type ServiceTier, type Status } from '@fog/contract';
import { WAIT_BOUNDS_MILLISECONDS } from '@fog/scheduler/queueing';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { PlanMetrics } from './placement/planner.ts';

export interface DispatcherMetrics extends PlanMetrics {
  leases(count: number): void;
  turn(seconds: number, inputs: number): void;
  /** Attempts that gave up their places, by the reason that they told. */
  yields(reasons: readonly string[]): void;
  /** Verdicts on results, and verified tasks with the number of their results. */
  verification(verdicts: readonly string[], accepted: readonly { by: string; results: number }[]): void;
}

/** Observes how long tasks waited for their first node. The bounds are those that promises and credits ask about. */
export function createQueueWaits(registry: Registry): (tier: ServiceTier, seconds: number) => void {
  const waits = new Histogram({
    name: 'fog_queue_wait_seconds',
    help: 'Time of tasks from when they could be placed until their first node, by tier',
    labelNames: ['tier'] as const,
    buckets: WAIT_BOUNDS_MILLISECONDS.map((bound) => bound / 1000),
    registers: [registry],
  });
  const byTier = new Map(SERVICE_TIERS.map((tier) => [tier, waits.labels(tier)]));
  return (tier, seconds) => byTier.get(tier)?.observe(seconds);
}

/** Adds the dispatcher's metrics to the registry. `status` is asked once a scrape. */
export function createDispatcherMetrics(registry: Registry, status: () => Promise<Status>): DispatcherMetrics {
  const registers = [registry];
  const leases = new Counter({ name: 'fog_leases_total', help: 'Attempts handed to nodes', registers });
  const seconds = new Histogram({
    name: 'fog_turn_seconds',
    help: 'Time of one turn of the dispatcher, its commit included',
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1],
    registers,
  });
  const inputs = new Counter({ name: 'fog_turn_inputs_total', help: 'Reports, logs and orders decided on', registers });
  const tasks = new Gauge({
    name: 'fog_tasks',
    help: 'Tasks of unfinished jobs by state',
    labelNames: ['state'] as const,
    registers: [],
  });
  const nodes = new Gauge({ name: 'fog_nodes', help: 'Nodes by state', labelNames: ['state'] as const, registers });
  Object.assign(tasks, {
    collect: async () => {
      const current = await status();
      tasks.set({ state: 'queued' }, current.tasks.queued);
      tasks.set({ state: 'leased' }, current.tasks.leased);
      for (const [state, count] of Object.entries(current.nodes)) nodes.set({ state }, count);
    },
  });
  registry.registerMetric(tasks);
  const yields = new Counter({
    name: 'fog_yields_total',
    help: 'Attempts that gave up their places without having failed, by reason: preempted, moved, drained and others',
    labelNames: ['reason'] as const,
    registers,
  });
  const verdicts = new Counter({
    name: 'fog_verdicts_total',
    help: 'Results of verified tasks by what was found of them',
    labelNames: ['verdict'] as const,
    registers,
  });
  const results = new Histogram({
    name: 'fog_results_per_verified_task',
    help: 'Results that a verified task had when one was accepted, by what accepted it',
    labelNames: ['by'] as const,
    buckets: [1, 2, 3, 4, 5, 7, 10, 15],
    registers,
  });
  const planned = new Counter({
    name: 'fog_planned_places_total',
    help: 'Places of plans for batches, by whether they still held when they were carried out',
    labelNames: ['outcome'] as const,
    registers,
  });
  return {
    plan: (placed, stale) => {
      planned.inc({ outcome: 'placed' }, placed);
      planned.inc({ outcome: 'stale' }, stale);
    },
    leases: (count) => leases.inc(count),
    turn: (duration, count) => {
      seconds.observe(duration);
      inputs.inc(count);
    },
    yields: (reasons) => {
      for (const reason of reasons) yields.inc({ reason });
    },
    verification: (found, accepted) => {
      for (const verdict of found) verdicts.inc({ verdict });
      for (const { by, results: count } of accepted) results.observe({ by }, count);
    },
  };
}
