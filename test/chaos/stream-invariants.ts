/** What must hold of the event streams and logs of jobs. Pure. */
import type { JobEventData } from '../../packages/contract/src/index.ts';
import type { EventRow, Evidence, LogRow } from './evidence.ts';
import { planTask } from './task-plan.ts';

type Report = (invariant: string, detail: string, job?: string) => void;

const ENDS: Readonly<Record<string, string>> = {
  'job.completed': 'completed',
  'job.failed': 'failed',
  'job.cancelled': 'cancelled',
  'job.expired': 'expired',
};

export function checkStreams(evidence: Evidence, report: Report): void {
  const events = Map.groupBy(evidence.events, (event) => event.stream);
  const logs = Map.groupBy(evidence.logs, (log) => log.job_id);
  for (const job of evidence.jobs) {
    const ofJob = events.get(job.id) ?? [];
    checkNumbers([...ofJob, ...(logs.get(job.id) ?? [])], job, report);
    checkJobEvents(ofJob, job, report);
    const succeeded = Map.groupBy(ofJob.filter(is('task.succeeded')), ({ data }) =>
      'partition' in data ? data.partition : -1,
    );
    for (const task of evidence.tasks.filter((row) => row.job_id === job.id && row.state === 'succeeded')) {
      const told = succeeded.get(task.partition)?.length ?? 0;
      if (told !== 1) report('a success is told once', `task ${task.partition}: ${told} times`, job.id);
    }
  }
  checkLogTexts(evidence, logs, report);
}

/** Events and logs of a job share one sequence without gaps. */
function checkNumbers(
  records: readonly { sequence: number }[],
  job: { id: string; next_sequence: number },
  report: Report,
): void {
  const numbers = records.map(({ sequence }) => sequence).sort((left, right) => left - right);
  const wrong = numbers.findIndex((number, index) => number !== index + 1);
  if (wrong !== -1) report('streams have no gaps', `record ${wrong + 1} carries number ${numbers[wrong]}`, job.id);
  if (job.next_sequence !== numbers.length + 1) {
    report('streams have no gaps', `${numbers.length} records, the next is number ${job.next_sequence}`, job.id);
  }
}

function checkJobEvents(
  events: readonly EventRow[],
  job: { id: string; state: string; next_sequence: number },
  report: Report,
): void {
  const submitted = events.filter(is('job.submitted'));
  if (submitted.length !== 1 || submitted[0]?.sequence !== 1) {
    report('a job is submitted once', `${submitted.length} events tell so`, job.id);
  }
  const ends = events.filter(({ data }) => data.type in ENDS);
  if (ends.length !== 1 || ENDS[ends[0]?.data.type ?? ''] !== job.state) {
    const told = ends.map(({ data }) => data.type).join(', ') || 'nothing';
    report('a job ends once', `it is ${job.state}; the events tell ${told}`, job.id);
  }
  const last = ends.at(-1);
  if (last !== undefined && last.sequence !== job.next_sequence - 1) {
    report(
      'nothing follows the end',
      `${job.next_sequence - 1 - last.sequence} records follow ${last.data.type}`,
      job.id,
    );
  }
}

/** What is stored of an attempt's output is its beginning: nothing twice, nothing left out. */
function checkLogTexts(
  { attempts, schedule, jobs }: Evidence,
  logs: ReadonlyMap<string, LogRow[]>,
  report: Report,
): void {
  const keys = new Map(jobs.map((job) => [job.id, job.idempotency_key]));
  for (const { job_id: job, partition, fence, log_bytes: bytes } of attempts) {
    const planned = schedule.jobs.find(({ key }) => key === keys.get(job));
    if (planned === undefined) continue;
    const pieces = (logs.get(job) ?? []).filter((log) => log.partition === partition && log.fence === fence);
    // Lines of the agent's own: that an engine which is away cannot freeze a program, among others.
    const text = pieces
      .map((log) => log.text)
      .join('')
      .replaceAll(/^\[fog: [^\n]*\]\n/gm, '');
    if (!planTask(planned.program, partition, fence).log.startsWith(text)) {
      report('logs are what was written', `task ${partition}, fence ${fence}: ${JSON.stringify(text)}`, job);
    }
    if (text.length !== bytes)
      report('logs are counted', `task ${partition}, fence ${fence}: ${text.length} of ${bytes}`, job);
  }
}

function is(type: JobEventData['type']): (event: EventRow) => boolean {
  return (event) => event.data.type === type;
}
