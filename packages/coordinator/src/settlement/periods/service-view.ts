/** What a look finds of one job of a deployment that is paid by periods, as the rules want it told. */
import { isTerminal, TASK_TRANSITIONS } from '@fog/contract';
import { type Escrow, type EscrowRecord, readRecord } from '@fog/economy/escrow';
import { readHealth } from '../../deployments/replica-condition.ts';
import type { CachedJob, JobCache } from '../../dispatch/job-cache.ts';
import { SETTLEMENT_LIMITS } from '../../limits.ts';
import { isReady } from '../../proxy/replicas.ts';
import type { Reader } from '../../store/database.ts';
import {
  type PaidJob,
  type PaidReplica,
  type PaidService,
  type ReplicaAttempt,
  readAttemptsOf,
  readKnownLeases,
  readPaidReplicas,
} from '../../store/period-rows.ts';
import { quoteOf } from '../job-terms.ts';
import type { WantedLease } from './cover-plan.ts';
import { type KnownLease, leaseKey, type SeenLease } from './healthy-time.ts';

/** Stands for the provider of a replica that has no node yet; no principal has this name. */
const NOBODY = '(nobody)';

export interface ServiceView {
  service: PaidService;
  escrow: Escrow;
  record: EscrowRecord;
  hasEnded: boolean;
  known: KnownLease[];
  seen: SeenLease[];
  replicas: PaidReplica[];
  /** What a period of this lease costs. */
  rateOf(lease: Pick<KnownLease, 'price'>): bigint;
}

/** Null of a job that nobody pays for. */
export async function viewService(
  reader: Reader,
  jobs: JobCache,
  { service, job, now }: { service: PaidService; job: PaidJob; now: number },
): Promise<ServiceView | null> {
  await jobs.load(reader, [job.id]);
  const cached = jobs.get(job.id);
  const escrow = cached.payment;
  if (escrow === null) return null;
  const replicas = await readPaidReplicas(reader, job.id);
  const known = await readKnownLeases(reader, job.id);
  const current = replicas.flatMap(({ attempt }) => attempt ?? []);
  const names = new Set(current.map(leaseKey));
  const others = await readAttemptsOf(
    reader,
    job.id,
    known.filter((lease) => !names.has(leaseKey(lease))),
  );
  return {
    service,
    escrow,
    record: readRecord(job.escrow),
    hasEnded: job.hasEnded,
    known,
    seen: [...current, ...others].flatMap((attempt) => seenLease(attempt, cached, now) ?? []),
    replicas: replicas.filter(({ taskState }) => !isTerminal(TASK_TRANSITIONS, taskState)),
    rateOf: ({ price }) => rateOf(price, cached, escrow),
  };
}

export function rateOf(price: number, { needs }: Pick<CachedJob, 'needs'>, { terms }: Escrow): bigint {
  return quoteOf(price, { needs, attemptMilliseconds: Number.POSITIVE_INFINITY }, terms).quote;
}

/** Attempts whose lease named no price, from before the fog asked for money, are not paid. */
function seenLease(attempt: ReplicaAttempt, { spec }: CachedJob, now: number): SeenLease | null {
  const { partition, fence, price, payee, startedAt, endedAt } = attempt;
  if (price === null || payee === null) return null;
  const health = readHealth(attempt.health);
  const hasCheck = (spec.spec.task as { health?: unknown }).health !== undefined;
  const isHeard = now - attempt.nodeSeenAt <= SETTLEMENT_LIMITS.nodeHeardMilliseconds;
  const isHealthy = isHeard && isReady({ ...attempt, health }, hasCheck);
  const restarts = health?.restarts ?? 0;
  const healthyFrom = hasCheck || restarts > 0 ? null : startedAt;
  return { partition, fence, price, payee, restarts, isHealthy, healthyFrom, endedAt };
}

/** All that runs or shall run: `missing` are so many replicas that do not exist yet. */
export function wantedLeases(view: ServiceView, { missing, isLeaving }: { missing: number; isLeaving: boolean }) {
  const { terms } = view.escrow;
  const leases: WantedLease[] = [];
  for (const { partition, leaving, fence, attempt } of view.replicas) {
    const goes = leaving || isLeaving;
    if (attempt !== null) {
      const { price, payee } = attempt;
      if (price === null || payee === null) continue;
      const rate = view.rateOf({ price });
      leases.push({ partition, fence: attempt.fence, provider: payee, rate, is: goes ? 'leaving' : 'live' });
    } else if (!goes) {
      leases.push({ partition, fence: fence + 1, provider: NOBODY, rate: terms.maximumPrice, is: 'waiting' });
    }
  }
  const next = 1 + view.replicas.reduce((last, { partition }) => Math.max(last, partition), -1);
  for (let index = 0; index < missing; index += 1) {
    leases.push({ partition: next + index, fence: 1, provider: NOBODY, rate: terms.maximumPrice, is: 'missing' });
  }
  return leases;
}
