/** Counts the tasks of a running job from its events: what the progress line says. */
import { formatDuration, type Job, type JobEventRecord } from '@fog/contract';

type Phase = 'queued' | 'running' | 'done' | 'failed';

const PHASE_AFTER: Readonly<Partial<Record<JobEventRecord['data']['type'], Phase>>> = {
  'task.leased': 'running',
  'task.requeued': 'queued',
  'task.succeeded': 'done',
  'task.failed': 'failed',
  'task.cancelled': 'failed',
  'task.expired': 'failed',
  'attempt.lost': 'queued',
};

export class JobProgress {
  readonly #id: string;
  readonly #startedAt: number;
  #total: number;
  readonly #phases = new Map<number, Phase>();
  readonly #counts: Record<Exclude<Phase, 'queued'>, number> = { running: 0, done: 0, failed: 0 };
  #note = '';

  constructor(job: Job) {
    this.#id = job.id;
    this.#startedAt = job.submittedAt;
    this.#total = Object.values(job.tasks).reduce((sum, count) => sum + count, 0) || job.spec.spec.count;
  }

  take({ data }: JobEventRecord): void {
    if (data.type === 'job.submitted') this.#total = data.tasks;
    if (data.type === 'task.progress') this.#note = `${Math.round(data.fraction * 100)} % ${data.message}`.trim();
    if (data.type === 'attempt.failed') this.#note = `task ${data.partition} failed on a node: ${data.reason}`;
    const after = PHASE_AFTER[data.type];
    if (after === undefined || !('partition' in data)) return;
    const before = this.#phases.get(data.partition) ?? 'queued';
    if (before === 'done' || before === 'failed') return;
    if (before !== 'queued') this.#counts[before] -= 1;
    if (after !== 'queued') this.#counts[after] += 1;
    this.#phases.set(data.partition, after);
  }

  /** Tasks wait and none is on a node. */
  get waits(): boolean {
    const { running, done, failed } = this.#counts;
    return running === 0 && done + failed < this.#total;
  }

  /** `job j1 3/10 done, 2 running, 5 waiting  4.2s`. */
  text(nowMilliseconds: number): string {
    const { running, done, failed } = this.#counts;
    const waiting = Math.max(0, this.#total - running - done - failed);
    const parts = [`${done}/${this.#total} done`];
    if (failed > 0) parts.push(`${failed} failed`);
    if (running > 0) parts.push(`${running} running`);
    if (waiting > 0) parts.push(`${waiting} waiting`);
    const time = formatDuration(Math.max(0, nowMilliseconds - this.#startedAt));
    return `job ${this.#id}  ${parts.join(', ')}  ${time}${this.#note === '' ? '' : `  ${this.#note}`}`;
  }
}
