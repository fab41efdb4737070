/** Tells what is wrong after a run. */
import type { Evidence } from './evidence.ts';
import type { Violation } from './invariants.ts';

const MOST_VIOLATIONS = 12;
const LAST_EVENTS = 25;

/** The violations, and the last events of the jobs they concern. */
export function describeFailure(violations: readonly Violation[], evidence: Evidence): string {
  const lines = violations.slice(0, MOST_VIOLATIONS).map(({ invariant, detail, job }) => {
    return `  violated: ${invariant}: ${job === null ? '' : `${job} (${keyOf(evidence, job)}): `}${detail}`;
  });
  if (violations.length > MOST_VIOLATIONS) lines.push(`  and ${violations.length - MOST_VIOLATIONS} more`);
  const jobs = new Set(violations.flatMap(({ job }) => (job === null ? [] : [job])));
  for (const job of [...jobs].slice(0, 2)) {
    lines.push(`  last events of ${job}:`);
    const events = evidence.events.filter((event) => event.stream === job).slice(-LAST_EVENTS);
    for (const { sequence, data } of events) lines.push(`    ${sequence} ${JSON.stringify(data)}`);
  }
  return lines.join('\n');
}

function keyOf({ jobs }: Evidence, id: string): string {
  return jobs.find((job) => job.id === id)?.idempotency_key ?? 'unknown';
}
