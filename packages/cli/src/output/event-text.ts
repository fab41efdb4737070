/** Events and log records for people. */
import type { JobEventData, JobEventRecord, LogRecord, NodeEventRecord } from '@fog/contract';
import { ARBITRATION_OUTCOMES, counted, formatBytes, formatDuration, YIELD_REASONS } from '@fog/contract';
import type { Colours } from '../terminal.ts';
import { safeText } from './table.ts';

export function eventLine(record: JobEventRecord | NodeEventRecord, colours: Colours): string {
  const time = new Date(record.atMilliseconds).toISOString().slice(11, 23);
  const { data } = record;
  const what = 'partition' in data ? `task ${data.partition}` : '';
  const attempt = 'fence' in data ? ` attempt ${data.fence}` : '';
  const detail =
    'partition' in data || data.type.startsWith('job.') ? jobDetail(data as JobEventData) : nodeDetail(data);
  const parts = [colours.dim(time), data.type.padEnd(18), `${what}${attempt}`, safeText(detail)];
  return parts.filter((part) => part !== '').join('  ');
}

function jobDetail(data: JobEventData): string {
  switch (data.type) {
    case 'job.submitted':
      return `${data.name}, ${counted(data.tasks, 'task')}, by ${data.by}`;
    case 'job.cancelled':
    case 'job.suspended':
    case 'job.resumed':
    case 'task.suspended':
    case 'task.resumed':
      return `by ${data.by}`;
    case 'job.failed':
      return data.dependency === undefined ? `${data.failed} failed` : `job ${data.dependency} did not complete`;
    case 'job.expired':
    case 'task.expired':
      return data.reason;
    case 'task.leased':
      return `on ${data.nodeName}`;
    case 'task.progress':
      return `${Math.round(data.fraction * 100)} % ${data.message}`.trim();
    case 'task.succeeded': {
      const bytes = data.outputs.reduce((sum, output) => sum + output.bytes, 0);
      return `${formatDuration(data.wallMilliseconds)} in ${data.engine}, ${formatBytes(bytes)} of outputs`;
    }
    case 'task.verified':
      return `by ${data.by}, ${counted(data.results, 'result')}`;
    case 'task.arbitrated': {
      const { outcome, wrong, by } = data;
      const which = wrong.length === 0 ? '' : `, of ${counted(wrong.length, 'attempt')} (${wrong.join(', ')})`;
      const whose = by === null ? '' : by === 'trusted' ? ', by a trusted node' : ', by arbiters';
      return `${ARBITRATION_OUTCOMES[outcome]}${which}${whose}`;
    }
    case 'attempt.judged':
      return data.verdict;
    case 'task.corrected': {
      const bytes = data.outputs.reduce((sum, output) => sum + output.bytes, 0);
      return `an accepted result was wrong; ${formatBytes(bytes)} of other outputs take its place`;
    }
    case 'task.declined':
      return data.message;
    case 'attempt.health':
      return [data.status, data.message].filter((part) => part !== '').join(': ');
    case 'task.checkpointed':
      return `${formatBytes(data.checkpoint.bytes)} in ${counted(data.checkpoint.files, 'file')}`;
    case 'task.yielded':
      return YIELD_REASONS[data.reason];
    case 'attempt.failed':
    case 'task.failed':
      return `${data.reason}: ${data.message}`;
    case 'task.requeued':
      return `not before ${new Date(data.retryAtMilliseconds).toISOString().slice(11, 23)}`;
    default:
      return '';
  }
}

function nodeDetail(data: object): string {
  const { by, why, name } = data as { by?: string; why?: string; name?: string };
  return [name, why, by === undefined ? undefined : `by ${by}`].filter((part) => part !== undefined).join(', ');
}

/**
 * Cuts log chunks into whole lines, one memory for each attempt and stream, so that lines of tasks that run at the
 * same time do not run into each other.
 */
export class LogLines {
  readonly #rests = new Map<string, { text: string; record: LogRecord }>();

  /** Whole lines that this record completes. */
  push(record: LogRecord): { record: LogRecord; line: string }[] {
    const key = `${record.partition}/${record.fence}/${record.stream}`;
    const lines = `${this.#rests.get(key)?.text ?? ''}${record.text}`.split('\n');
    const text = lines.pop() ?? '';
    if (text === '') this.#rests.delete(key);
    else this.#rests.set(key, { text, record });
    return lines.map((line) => ({ record, line }));
  }

  /** What did not end with a line break. */
  rest(): { record: LogRecord; line: string }[] {
    const rests = [...this.#rests.values()].map(({ text, record }) => ({ record, line: text }));
    this.#rests.clear();
    return rests;
  }
}
