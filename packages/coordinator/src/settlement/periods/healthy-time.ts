/**
 * For how long replicas were healthy, from looks at them. Pure.
 *
 *     not healthy --a look finds it healthy--> healthy since --another look does not, or it has ended--> counted
 *
 * Only what is known counts: the time between two looks when both found the same run healthy, and that up to an end that
 * was told. When the looks lie too far apart, nobody was there, and the time between counts for nobody.
 */
import { SETTLEMENT_LIMITS } from '../../limits.ts';

export interface KnownLease {
  partition: number;
  fence: number;
  payee: string;
  /** Micro-FOG for a slice. */
  price: number;
  /** Of its program: a run with another number is another run. */
  restarts: number;
  /** Null while it is not healthy. */
  healthySince: number | null;
  /** In this period, before `healthySince`. */
  healthyMilliseconds: number;
}

/** A lease as a look finds it. */
export interface SeenLease extends Pick<KnownLease, 'partition' | 'fence' | 'payee' | 'price' | 'restarts'> {
  isHealthy: boolean;
  /** When it became so, where that is known: without a health check a program is healthy from its start. */
  healthyFrom: number | null;
  /** Null of one that goes on. */
  endedAt: number | null;
}

export interface LookTimes {
  /** Of the look before. */
  lookedAt: number;
  now: number;
  /** The end of the period, when it is over; null while it goes on. */
  until: number | null;
}

export interface CountedLeases {
  /** Of the period that is over, with what was counted in it; none while it goes on. */
  over: KnownLease[];
  /** To be remembered. */
  next: KnownLease[];
}

/** Whether what was known at the look before says something of the time since. */
export function isUnbroken({ lookedAt, now }: Pick<LookTimes, 'lookedAt' | 'now'>): boolean {
  return Math.abs(now - lookedAt) <= SETTLEMENT_LIMITS.replicaLooksApartMilliseconds;
}

export function countHealthy(
  known: readonly KnownLease[],
  seen: readonly SeenLease[],
  times: LookTimes,
): CountedLeases {
  const byName = new Map(seen.map((lease) => [leaseKey(lease), lease]));
  const knownNames = new Set(known.map(leaseKey));
  const fresh = seen.filter((lease) => lease.isHealthy && !knownNames.has(leaseKey(lease)));
  const begun = fresh.map(({ partition, fence, payee, price, restarts }): KnownLease => {
    return { partition, fence, payee, price, restarts, healthySince: null, healthyMilliseconds: 0 };
  });
  const over: KnownLease[] = [];
  const next: KnownLease[] = [];
  for (const lease of [...known, ...begun]) {
    const found = byName.get(leaseKey(lease));
    const counted = countLease(lease, found, times);
    if (times.until !== null && counted.before > 0) {
      over.push({ ...lease, healthySince: null, healthyMilliseconds: counted.before });
    }
    // One that has ended is remembered until its period is paid.
    if (counted.healthySince === null && counted.after === 0) continue;
    const restarts = found?.restarts ?? lease.restarts;
    next.push({ ...lease, restarts, healthySince: counted.healthySince, healthyMilliseconds: counted.after });
  }
  return { over, next };
}

interface CountedLease {
  /** Milliseconds before the end of the period, and after it; all of them are after it while it goes on. */
  before: number;
  after: number;
  healthySince: number | null;
}

function countLease(lease: KnownLease, found: SeenLease | undefined, times: LookTimes): CountedLease {
  const { now, until } = times;
  const isHealthy = found?.isHealthy === true;
  const goesOn = isHealthy && isUnbroken(times) && found.restarts === lease.restarts;
  let [before, after] = until === null ? [0, lease.healthyMilliseconds] : [lease.healthyMilliseconds, 0];
  const count = (from: number, to: number) => {
    const end = until ?? Number.NEGATIVE_INFINITY;
    before += Math.max(0, Math.min(to, end) - from);
    after += Math.max(0, to - Math.max(from, end));
  };
  const { healthySince: since } = lease;
  if (since !== null && goesOn) {
    if (until === null || since >= until) return { before, after, healthySince: since };
    count(since, until);
    return { before, after, healthySince: until };
  }
  if (since !== null) count(since, endOf(found, times));
  if (!isHealthy) return { before, after, healthySince: null };
  const from = beginOf(found, times);
  if (until === null || from >= until) return { before, after, healthySince: from };
  count(from, until);
  return { before, after, healthySince: Math.min(until, now) };
}

/** When it stopped to be healthy, as far as is known: at its end, or else right after the look before. */
function endOf(found: SeenLease | undefined, { lookedAt, now, until: _, ...times }: LookTimes): number {
  const endedAt = found?.endedAt ?? null;
  if (endedAt === null || !isUnbroken({ lookedAt, now, ...times })) return lookedAt;
  return Math.min(Math.max(endedAt, lookedAt), now);
}

function beginOf({ healthyFrom }: SeenLease, times: LookTimes): number {
  const { lookedAt, now } = times;
  return healthyFrom !== null && isUnbroken(times) && healthyFrom >= lookedAt ? Math.min(healthyFrom, now) : now;
}

export function leaseKey({ partition, fence }: Pick<KnownLease, 'partition' | 'fence'>): string {
  return `${partition} ${fence}`;
}
