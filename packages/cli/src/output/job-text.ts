/** Jobs, tasks and attempts for people. */
import {
  type Attempt,
  counted,
  FAILURE_REASONS,
  type FailureReason,
  formatBytes,
  formatDuration,
  type Job,
  type JobSummary,
  oneLine,
  type TaskCounts,
  type TaskWithAttempts,
  type VerificationPolicy,
} from '@fog/contract';
import type { Colours } from '../terminal.ts';
import { agoText, momentText, spanText } from './moments.ts';
import { renderFields, renderTable } from './table.ts';

/** `3 of 5 succeeded, 1 running, 1 queued`. */
export function countsText(counts: TaskCounts): string {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const others = Object.entries(counts).filter(([state, count]) => state !== 'succeeded' && count > 0);
  return [`${counts.succeeded} of ${total} succeeded`, ...others.map(([state, count]) => `${count} ${state}`)].join(
    ', ',
  );
}

const GOOD = new Set(['completed', 'succeeded', 'valid', 'confirmed', 'connected', 'stable', 'available']);
const BAD = new Set(['failed', 'expired', 'lost', 'invalid']);
const PASSING = new Set([
  ...['cancelled', 'superseded', 'declined', 'inconclusive', 'unknown', 'suspended', 'yielded'],
  ...['degraded', 'rolled-back'],
]);

export function stateText(state: string, colours: Colours): string {
  if (GOOD.has(state)) return colours.green(state);
  if (BAD.has(state)) return colours.red(state);
  if (PASSING.has(state)) return colours.yellow(state);
  return colours.cyan(state);
}

export function reasonText(reason: FailureReason | null, message: string | null = null): string {
  if (reason === null) return message ?? '';
  return `${reason}: ${message || FAILURE_REASONS[reason].meaning}`;
}

/** With the job at fault where it waited for one. */
export function jobReasonText({ reason, failedDependency }: Pick<Job, 'reason' | 'failedDependency'>): string {
  return `${reasonText(reason)}${failedDependency === undefined ? '' : `: ${failedDependency}`}`;
}

export function jobListText(jobs: readonly JobSummary[], nowMilliseconds: number, colours: Colours): string {
  if (jobs.length === 0) return 'No jobs. Submit one with "fog run FILE".';
  return renderTable(
    ['id', 'name', 'state', 'tasks', 'took', 'submitted', 'by'],
    jobs.map((job) => [
      job.id,
      job.name,
      stateText(job.state, colours),
      countsText(job.tasks),
      spanText(job.startedAt, job.endedAt ?? (job.startedAt === null ? null : nowMilliseconds)),
      agoText(job.submittedAt, nowMilliseconds),
      job.submitter,
    ]),
    colours,
  );
}

export function jobText(job: Job, nowMilliseconds: number, colours: Colours): string {
  const { task, type, priority, placement, verification, dependsOn, spot } = job.spec.spec;
  const { cpu, memory, disk } = task.resources;
  return renderFields(
    [
      ['job', job.id],
      ['name', job.name],
      ['state', stateText(job.state, colours) + (job.suspended ? `, ${colours.yellow('suspended')}` : '')],
      ['why', job.reason === null ? null : jobReasonText(job)],
      ['by', job.submitter],
      ['submitted', momentText(job.submittedAt, nowMilliseconds)],
      ['started', job.startedAt === null ? null : momentText(job.startedAt, nowMilliseconds)],
      ['ended', job.endedAt === null ? null : momentText(job.endedAt, nowMilliseconds)],
      ['took', job.startedAt === null ? null : spanText(job.startedAt, job.endedAt ?? nowMilliseconds)],
      ['tasks', countsText(job.tasks)],
      ['runs', `${type}, ${task.runtime}, priority ${priority}${spot === true ? ', spot' : ''}`],
      ['needs', `cpu ${cpu}, memory ${memory}, disk ${disk} a task`],
      ['after', dependsOn === undefined ? null : dependsOn.join(', ')],
      ['where', placement.constraints.length === 0 ? null : placement.constraints.join(', ')],
      ['verified', verification === undefined ? null : verificationText(verification)],
    ],
    colours,
  );
}

/** Why the result of a verified task was accepted, or what it waits for. */
function verifiedText({ verification }: TaskWithAttempts): string {
  if (verification === null) return '';
  const { phase, acceptedBy, replicas, requested } = verification;
  const count = counted(replicas, 'replica');
  if (phase === 'adjudicating') return `${count} could not agree: a trusted node decides`;
  if (phase === 'undecided') return `${count}, undecided`;
  if (phase === 'collecting' && acceptedBy === null) {
    return `${count}${requested > 0 ? `, ${requested} more wanted` : ', waits for their results'}`;
  }
  if (phase === 'collecting') return `${count}, verified again`;
  const why = { alone: 'by one proven node', quorum: 'by a quorum', trusted: 'by a trusted node' }[
    acceptedBy ?? 'alone'
  ];
  return `accepted ${why}, ${count}`;
}

function verificationText({ mode, quorum, maxReplicas }: VerificationPolicy): string {
  return mode === 'none' ? 'no' : `${mode}, quorum of ${quorum}, at most ${counted(maxReplicas, 'replica')}`;
}

/** One row an attempt; a task without one has a row of its own. */
export function taskListText(tasks: readonly TaskWithAttempts[], nowMilliseconds: number, colours: Colours): string {
  const rows = tasks.flatMap((task) => {
    const taskCells = [String(task.partition), stateText(task.state, colours)];
    const waiting =
      task.state === 'queued' ? waitingText(task, nowMilliseconds) : checkpointText(task, nowMilliseconds);
    const attempts = task.attempts.map((attempt, index) => [
      ...(index === 0 ? taskCells : ['', '']),
      ...attemptCells(attempt, nowMilliseconds, colours),
    ]);
    const decided = [oneLine(reasonText(task.reason, task.message)), verifiedText(task)]
      .filter((part) => part !== '')
      .join('; ');
    const last = task.attempts.at(-1);
    // The reason of the task is mostly that of its last attempt: said once.
    const isNew = (task.reason !== null && task.reason !== last?.reason) || task.verification !== null;
    const own = waiting ?? (isNew || last === undefined ? decided : null);
    if (own === null || (own === '' && attempts.length > 0)) return attempts;
    return [...attempts, [...(attempts.length === 0 ? taskCells : ['', '']), '', '', '', '', '', own]];
  });
  return renderTable(['task', 'state', 'attempt', 'node', 'attempt state', 'took', 'used', 'why'], rows, colours);
}

export function outputListText(tasks: readonly TaskWithAttempts[], colours: Colours): string {
  const rows = tasks.flatMap((task) =>
    task.outputs.map((output) => [
      String(task.partition),
      output.name,
      output.type,
      formatBytes(output.bytes),
      output.digest,
    ]),
  );
  return rows.length === 0 ? 'No outputs.' : renderTable(['task', 'output', 'type', 'size', 'digest'], rows, colours);
}

function attemptCells(attempt: Attempt, nowMilliseconds: number, colours: Colours): string[] {
  const from = attempt.startedAt ?? attempt.leasedAt;
  const progress =
    attempt.progress !== null && attempt.endedAt === null
      ? `${Math.round(attempt.progress.fraction * 100)} % ${attempt.progress.message}`.trim()
      : '';
  const exitCode = attempt.exitCode === null || attempt.exitCode === 0 ? '' : `exit code ${attempt.exitCode}`;
  const reason = reasonText(attempt.reason, attempt.message);
  return [
    String(attempt.fence),
    attempt.nodeName,
    stateText(attempt.state, colours),
    spanText(from, attempt.endedAt ?? nowMilliseconds),
    usedText(attempt),
    [progress, healthText(attempt), oneLine(reason), reason.includes(exitCode) ? '' : exitCode]
      .filter((part) => part !== '')
      .join('; '),
  ];
}

/** `healthy, restarted 2 times`; of an attempt that has ended only how often. */
function healthText({ health, endedAt }: Attempt): string {
  if (health === null) return '';
  const { status, message, restarts } = health;
  const isClear = message === '' || status === 'healthy';
  const present = endedAt !== null ? '' : isClear ? status : `${status}: ${oneLine(message)}`;
  const often = restarts === 0 ? '' : `restarted ${restarts === 1 ? 'once' : `${restarts} times`}`;
  return [present, often].filter((part) => part !== '').join(', ');
}

function usedText({ usage, engine }: Attempt): string {
  const parts = [
    engine,
    usage?.cpuMilliseconds == null ? null : `${formatDuration(usage.cpuMilliseconds)} cpu`,
    usage?.peakMemoryBytes == null ? null : formatBytes(usage.peakMemoryBytes),
    usage?.fuel === undefined ? null : `${usage.fuel} fuel`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

function checkpointText({ checkpoint }: TaskWithAttempts, nowMilliseconds: number): string | null {
  if (checkpoint === null) return null;
  return `checkpoint of ${formatBytes(checkpoint.bytes)}, ${agoText(checkpoint.at, nowMilliseconds)}`;
}

function waitingText(task: TaskWithAttempts, nowMilliseconds: number): string | null {
  const from = checkpointText(task, nowMilliseconds);
  return [reasonToWait(task, nowMilliseconds), from].filter((part) => part !== null).join(', goes on from its ');
}

function reasonToWait(task: TaskWithAttempts, nowMilliseconds: number): string {
  if (task.suspended) return 'suspended';
  if (task.notBefore !== null && task.notBefore > nowMilliseconds) {
    return `tries again ${agoText(task.notBefore, nowMilliseconds)}`;
  }
  return task.attempts.length === 0 ? 'waits for a node' : 'waits for another node';
}
