/** Lease frames. The specification of a job is serialised once and copied as text into every frame. */
import type { AttemptName, PlacementReason } from '@fog/contract';
import type { CachedJob } from './job-cache.ts';
import type { AgentSession } from './sessions.ts';

export interface Lease {
  name: AttemptName;
  session: AgentSession;
  /** Connected nodes among which this one was chosen. */
  suitable: number;
  /** Why this one. */
  reason: PlacementReason;
  /** Micro-FOG for a slice, in the tier of the job; null where nobody pays. */
  price: number | null;
  /** What it binds of the stake of the node's owner, in micro-FOG; null where that is nothing. */
  bond: number | null;
  job: CachedJob;
  /** Manifest of the checkpoint from which the attempt goes on. */
  checkpoint: string | null;
  /** The node commits to its result. */
  isVerified: boolean;
}

/** Leases by session and job, in the order they were made. */
export function groupLeases(leases: readonly Lease[]): Map<AgentSession, Map<CachedJob, Lease[]>> {
  const bySession = new Map<AgentSession, Map<CachedJob, Lease[]>>();
  for (const lease of leases) {
    let byJob = bySession.get(lease.session);
    if (byJob === undefined) {
      byJob = new Map();
      bySession.set(lease.session, byJob);
    }
    const group = byJob.get(lease.job);
    if (group === undefined) byJob.set(lease.job, [lease]);
    else group.push(lease);
  }
  return bySession;
}

/** The groups of a `lease` frame as JSON: one, or two where a trusted node gets a replica beside other tasks of a job. */
export function leaseGroupTexts(job: CachedJob, leases: readonly Lease[], secrets: Record<string, string>): string[] {
  if (job.verification === null) return [leaseGroupText(job, leases, secrets, '')];
  const { true: replicas = [], false: others = [] } = Object.groupBy(leases, ({ isVerified }) => String(isVerified));
  return [
    ...(others.length > 0 ? [leaseGroupText(job, others, secrets, '')] : []),
    ...(replicas.length > 0 ? [leaseGroupText(job, replicas, secrets, '"verified":true,')] : []),
  ];
}

function leaseGroupText(
  job: CachedJob,
  leases: readonly Lease[],
  secrets: Record<string, string>,
  verified: string,
): string {
  const seed = job.terms.seed === null ? '' : `"seed":"${job.terms.seed}",`;
  // The tasks of a deployment become more, so what is remembered of their number may be too few.
  const partitions = leases.reduce((most, { name }) => Math.max(most, name.partition + 1), job.terms.partitions);
  const names = leases.map(({ name, checkpoint }) => {
    const from = checkpoint === null ? '' : `,"checkpoint":"${checkpoint}"`;
    return `{"partition":${name.partition},"fence":${name.fence}${from}}`;
  });
  return (
    `{"job":"${job.id}","submitter":${JSON.stringify(job.submitter)},"submittedAtMilliseconds":${job.submittedAt},` +
    `"partitions":${partitions},${seed}"spec":${job.specText},${verified}"secrets":${JSON.stringify(secrets)},"leases":[${names.join(',')}]}`
  );
}

export function leaseFrame(groups: readonly string[]): string {
  return `{"type":"lease","groups":[${groups.join(',')}]}`;
}
