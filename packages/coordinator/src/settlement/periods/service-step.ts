/**
 * What one look at a paid service leads to: periods that are over are paid, and what follows is covered. Pure.
 *
 *     a period begins --looks: who is healthy, does the cover reach--> its time has passed, too many leases have ended in
 *     it, or the job has ended --all that were healthy are paid--> the next one begins, where it goes on
 */
import { type EscrowStep, type RunLease, settlePeriod } from '@fog/economy/escrow';
import { SETTLEMENT_LIMITS } from '../../limits.ts';
import { type CoverPlan, planCover, sumOf } from './cover-plan.ts';
import { countHealthy, isUnbroken, type KnownLease } from './healthy-time.ts';
import { type ServiceView, wantedLeases } from './service-view.ts';

/** What its deployment wants of it. */
export interface ServiceWish {
  /** Replicas that do not exist yet. */
  missing: number;
  /** All of it is being removed. */
  isLeaving: boolean;
  /** Replicas have stopped for want of cover. */
  wasShort: boolean;
}

export interface PaidPeriods extends EscrowStep {
  beganAt: number;
  known: KnownLease[];
  /** Leases that got something. */
  paid: RunLease[];
  /** A period begins with this look. */
  hasBegun: boolean;
  /** It is not only later than at the look before. */
  isChanged: boolean;
  /** Earned since the period began. */
  accrued: bigint;
}

/** `lookedAt`: until when is known who was healthy. */
export function payPeriods(view: ServiceView, { lookedAt, now }: { lookedAt: number; now: number }): PaidPeriods {
  const { escrow, service, seen } = view;
  let [record, known] = [view.record, view.known];
  // A moment that lies ahead was stored before the clock was set back.
  let beganAt = Math.min(service.beganAt, now);
  const transfers: PaidPeriods['transfers'] = [];
  const paid: RunLease[] = [];
  const ends = endsOf(view, { beganAt, lookedAt, now });
  for (const until of ends) {
    const { over, next } = countHealthy(known, seen, { lookedAt, now, until });
    const leases = over.map(({ partition, fence, payee, ...lease }): RunLease => {
      const healthyMilliseconds = Math.floor(lease.healthyMilliseconds);
      return { partition, fence, provider: payee, rate: view.rateOf(lease), healthyMilliseconds };
    });
    const step = settlePeriod(escrow, record, { period: record.periods + 1, leases });
    record = step.record;
    transfers.push(...step.transfers);
    paid.push(...leases);
    known = next;
    // What nobody saw is no period.
    beganAt = isUnbroken({ lookedAt, now }) ? until : now;
  }
  if (ends.length === 0) known = countHealthy(known, seen, { lookedAt, now, until: null }).next;
  const isChanged = ends.length > 0 || !areAlike(view.known, known) || beganAt !== service.beganAt;
  const hasBegun = ends.length > 0;
  return { record, transfers, beganAt, known, paid, hasBegun, isChanged, accrued: accruedOf(view, known, now) };
}

/** The periods that are over, by their ends: one by its time, and one that ends before its time. */
function endsOf(view: ServiceView, { beganAt, lookedAt, now }: { beganAt: number; lookedAt: number; now: number }) {
  const { hasEnded, known, seen } = view;
  const ends: number[] = [];
  const end = beganAt + lengthOf(view);
  if (end <= now) ends.push(isUnbroken({ lookedAt, now }) ? end : Math.max(lookedAt, beganAt));
  const ended = known.filter(({ healthySince }) => healthySince === null).length;
  const isLast = hasEnded && (known.length > 0 || seen.some(({ isHealthy }) => isHealthy));
  if (isLast || (ends.length === 0 && ended > SETTLEMENT_LIMITS.endedLeases)) ends.push(now);
  return ends;
}

/** `available`: what can be put in. */
export function planService(
  view: ServiceView,
  { record, accrued, beganAt, hasBegun }: Pick<PaidPeriods, 'record' | 'accrued' | 'beganAt' | 'hasBegun'>,
  { available, now, ...wish }: ServiceWish & { available: bigint; now: number },
): CoverPlan {
  const leases = wantedLeases(view, wish);
  const leftMilliseconds = Math.min(lengthOf(view), beganAt + lengthOf(view) - now);
  const { wasShort } = wish;
  return planCover(view.escrow, record, { accrued, leases, leftMilliseconds, hasBegun, wasShort, available });
}

/** Micro-FOG that all that runs costs for a whole period. */
export function costOfPeriod(view: ServiceView): bigint {
  const live = wantedLeases(view, { missing: 0, isLeaving: false }).filter(({ is }) => is !== 'waiting');
  return sumOf(view.escrow, live);
}

export function lengthOf({ escrow }: Pick<ServiceView, 'escrow'>): number {
  return escrow.terms.periodMilliseconds ?? SETTLEMENT_LIMITS.periodMilliseconds;
}

function accruedOf(view: ServiceView, known: readonly KnownLease[], now: number): bigint {
  const length = BigInt(lengthOf(view));
  return known.reduce((sum, lease) => {
    if (lease.payee === view.escrow.buyer) return sum;
    const running = lease.healthySince === null ? 0 : Math.max(0, now - lease.healthySince);
    const healthy = BigInt(Math.floor(lease.healthyMilliseconds + running));
    // Rounded down: the rest of the period is rounded up, and both together are no less than what will be paid.
    return sum + (view.rateOf(lease) * (healthy < length ? healthy : length)) / length;
  }, 0n);
}

function areAlike(left: readonly KnownLease[], right: readonly KnownLease[]): boolean {
  return (
    left.length === right.length &&
    left.every((lease, index) => {
      const other = right[index];
      return (
        other !== undefined &&
        lease.partition === other.partition &&
        lease.fence === other.fence &&
        lease.restarts === other.restarts &&
        lease.healthySince === other.healthySince &&
        lease.healthyMilliseconds === other.healthyMilliseconds
      );
    })
  );
}
