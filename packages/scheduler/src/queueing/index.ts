/**
 * @fog/scheduler/queueing: what starts next. Pure: state and time come in, decisions go out; a simulator and a live
 * coordinator carry them out alike.
 *
 * `decideQueue` is one queue of rigid jobs under one policy. `decideSharedQueue` is that of a cluster with tenants, tiers,
 * quotas, dependencies and spot work. For graphs of tasks there are `heftSchedule`, `peftSchedule`, `optimiseSchedule`.
 */
export { SERVICE_TIERS, type ServiceTier } from '@fog/contract';
export { type Aging, agedAreaScore, agedFirst, drainSeconds, hasAged } from './aging.ts';
export {
  BACKFILL_RULES,
  type BackfillRule,
  decideStarts,
  type Reservation,
  reserve,
  type StartDecision,
  type StartGate,
  type StartQuestion,
} from './backfilling.ts';
export { type DependentWork, dependencyOrder, isReady } from './dependencies.ts';
export { fairOrder } from './dominant-share.ts';
export { dominantShare, type Fairness, FairShares } from './fair-shares.ts';
export type { GraphSchedule, ScheduledTask } from './graph/graph-schedule.ts';
export { heftSchedule, peftSchedule } from './graph/list-scheduling.ts';
export { type OptimisedSchedule, optimiseSchedule } from './graph/optimise-schedule.ts';
export { optimisticCosts, upwardRanks } from './graph/ranks.ts';
export { type PreparedGraph, prepareGraph, type TaskEdge, type TaskGraph } from './graph/task-graph.ts';
export { inOrder, JOB_ORDERS, JOB_SCORES, type JobOrder, type JobScore, unicepScore, wfp3Score } from './job-order.ts';
export { QUEUEING_LIMITS } from './limits.ts';
export { type EndingWork, type NodeReservation, reserveOnNode, startsBeside } from './node-reservation.ts';
export {
  chooseSpotVictims,
  lostProcessorSeconds,
  type Preemption,
  type PreemptionNode,
  type SpotWork,
} from './preemption.ts';
export { compareQueueClasses, type QueueClass } from './queue-classes.ts';
export type {
  QueuedWork,
  ResourceAmounts,
  RunningWork,
} from './queued-work.ts';
export {
  excessOfStart,
  excessOfSubmit,
  type Quota,
  type QuotaExcess,
  startsWithin,
  type TenantUse,
} from './quotas.ts';
export { assertRigidJob, type RigidJob, type RunningJob } from './rigid-job.ts';
export {
  AGING_POLICY,
  decideQueue,
  EASY_FCFS_POLICY,
  LEAST_SLOWDOWN_POLICY,
  NO_MEMORY,
  type QueueDecision,
  type QueueMemory,
  type QueuePolicy,
  type QueueState,
} from './rigid-queue.ts';
export {
  CREDIT_SCHEDULE,
  type CreditSchedule,
  creditPermille,
  SERVICE_LEVELS,
  type ServiceLevel,
  type Settlement,
  settleServiceLevel,
  settleWaitCounts,
  slackSeconds,
  tierRank,
  WAIT_BOUNDS_MILLISECONDS,
  type WaitCount,
  waitBound,
} from './service-levels.ts';
export {
  decideSharedQueue,
  type SharedQueueDecision,
  type SharedQueuePolicy,
  type SharedQueueState,
} from './shared-queue.ts';
