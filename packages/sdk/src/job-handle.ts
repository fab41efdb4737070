/** A submitted job: what happens to it, its end, its outputs. */
import {
  type AttemptSample,
  type Explanation,
  type FogClient,
  FogError,
  formatDuration,
  isTerminal,
  JOB_TRANSITIONS,
  type Job,
  type JobEventRecord,
  LIMITS,
  type LogRecord,
  type TaskOutput,
  type TaskWithAttempts,
} from '@fog/contract';
import { abortable, abortedBy } from './abort-signals.ts';
import { type DownloadedFile, downloadBytes, downloadOutput } from './download.ts';
import { retried } from './retry.ts';

export interface WaitOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds to wait; the job goes on when they have passed. */
  timeoutMilliseconds?: number | undefined;
}

export interface StreamOptions {
  after?: number;
  /** Only this task. */
  partition?: number;
  signal?: AbortSignal;
}

export interface JobResult {
  /** In its final state. */
  job: Job;
  /** Every task succeeded. */
  succeeded: boolean;
  /** The task with the lowest number that failed or expired; null when none did. */
  failedTask: TaskWithAttempts | null;
}

const PAGE = LIMITS.pageSize;

export class JobHandle {
  readonly id: string;
  readonly #client: FogClient;

  constructor(client: FogClient, id: string) {
    this.#client = client;
    this.id = id;
  }

  /** The job as it is now. */
  get(signal?: AbortSignal): Promise<Job> {
    return retried(() => this.#client.call('getJob', { params: { job: this.id } }, abortable(signal)), signal);
  }

  /** What happened after the record numbered `after`, then what happens, until the job has ended; or of one task only. */
  events(options: StreamOptions = {}): AsyncGenerator<JobEventRecord> {
    const parts = { params: { job: this.id }, query: streamQuery(options) };
    return this.#client.follow('jobEvents', parts, abortable(options.signal));
  }

  /** Output of the attempts after the record numbered `after`, until the job has ended. */
  logs(options: StreamOptions = {}): AsyncGenerator<LogRecord> {
    const parts = { params: { job: this.id }, query: streamQuery(options) };
    return this.#client.follow('jobLogs', parts, abortable(options.signal));
  }

  /**
   * Waits until the job has ended, whatever its end. Throws `timed-out` after `timeoutMilliseconds` and `cancelled`
   * when `signal` aborts; the job goes on in both cases.
   */
  async wait(options: WaitOptions = {}): Promise<JobResult> {
    const limit = abortedBy(options);
    try {
      let job = await this.get(limit);
      let after = 0;
      while (!isTerminal(JOB_TRANSITIONS, job.state)) {
        for await (const record of this.events({ after, signal: limit })) after = record.sequence;
        job = await this.get(limit);
      }
      return await this.result(job, limit);
    } catch (error) {
      if (limit.aborted && !options.signal?.aborted) {
        throw new FogError(
          'timed-out',
          `job ${this.id} has not ended within ${formatDuration(options.timeoutMilliseconds ?? 0)}`,
          {
            cause: error,
            details: { job: this.id },
            hint: 'the job goes on; wait again or cancel it',
          },
        );
      }
      throw error;
    }
  }

  /** How a job that has ended came out. */
  async result(job: Job, signal?: AbortSignal): Promise<JobResult> {
    const succeeded = job.state === 'completed';
    return { job, succeeded, failedTask: succeeded ? null : await this.#lowestFailedTask(signal) };
  }

  /** Cancels the job and all its tasks that have not ended. */
  cancel(): Promise<Job> {
    return retried(() => this.#client.call('cancelJob', { params: { job: this.id } }));
  }

  /** Places none of its tasks, and freezes those that run where that is possible; or one of them. */
  suspend(partition?: number): Promise<Job> {
    return this.#changeSuspension('suspendJob', partition);
  }

  /** Lets them go on. */
  resume(partition?: number): Promise<Job> {
    return this.#changeSuspension('resumeJob', partition);
  }

  #changeSuspension(route: 'suspendJob' | 'resumeJob', partition: number | undefined): Promise<Job> {
    const parts = { params: { job: this.id }, body: partition === undefined ? {} : { partition } };
    return retried(() => this.#client.call(route, parts));
  }

  /** All tasks by partition, with their attempts. */
  async *tasks(options: { state?: TaskWithAttempts['state']; signal?: AbortSignal } = {}) {
    let cursor: string | undefined;
    do {
      const query = {
        limit: PAGE,
        ...(cursor === undefined ? {} : { cursor }),
        ...(options.state === undefined ? {} : { state: options.state }),
      };
      const page = await retried(
        () => this.#client.call('listTasks', { params: { job: this.id }, query }, abortable(options.signal)),
        options.signal,
      );
      yield* page.items;
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
  }

  /** Why a task waits, and why it is where it is; without a partition the first that waits, else task 0. */
  async explain(partition?: number, signal?: AbortSignal): Promise<Explanation & { partition: number }> {
    const chosen = partition ?? (await this.#firstQueued(signal)) ?? 0;
    const params = { job: this.id, partition: chosen };
    const found = await retried(() => this.#client.call('explainTask', { params }, abortable(signal)), signal);
    return { partition: chosen, ...found };
  }

  async #firstQueued(signal: AbortSignal | undefined): Promise<number | undefined> {
    const parts = { params: { job: this.id }, query: { state: 'queued', limit: 1 } } as const;
    const { items } = await retried(() => this.#client.call('listTasks', parts, abortable(signal)), signal);
    return items[0]?.partition;
  }

  /** What the attempts of a task used over time, oldest first; `fence` picks one of them. */
  async *samples(partition = 0, options: { fence?: number; signal?: AbortSignal } = {}): AsyncGenerator<AttemptSample> {
    const params = { job: this.id, partition };
    let cursor: string | undefined;
    do {
      const query = {
        limit: PAGE,
        ...(cursor === undefined ? {} : { cursor }),
        ...(options.fence === undefined ? {} : { fence: options.fence }),
      };
      const page = await retried(
        () => this.#client.call('taskSamples', { params, query }, abortable(options.signal)),
        options.signal,
      );
      yield* page.items;
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
  }

  /** Outputs of one task that succeeded. Throws `conflict` when it has not. */
  async outputs(partition = 0, signal?: AbortSignal): Promise<JobOutput[]> {
    const params = { job: this.id, partition };
    const task = await retried(() => this.#client.call('getTask', { params }, abortable(signal)), signal);
    if (task.state !== 'succeeded') {
      throw new FogError('conflict', `task ${partition} of job ${this.id} is ${task.state}: it has no outputs`, {
        details: { state: task.state, reason: task.reason, message: task.message },
      });
    }
    return task.outputs.map((output) => new JobOutput(this.#client, output));
  }

  /** One output of a task that succeeded. Throws `not-found` when it has none of this name. */
  async output(partition = 0, name = 'result', signal?: AbortSignal): Promise<JobOutput> {
    const output = (await this.outputs(partition, signal)).find((candidate) => candidate.name === name);
    if (output === undefined)
      throw new FogError('not-found', `task ${partition} of job ${this.id} has no output "${name}"`);
    return output;
  }

  async #lowestFailedTask(signal?: AbortSignal): Promise<TaskWithAttempts | null> {
    const candidates: TaskWithAttempts[] = [];
    for (const state of ['failed', 'expired'] as const) {
      const query = { state, limit: 1 };
      const page = await retried(
        () => this.#client.call('listTasks', { params: { job: this.id }, query }, abortable(signal)),
        signal,
      );
      candidates.push(...page.items);
    }
    return candidates.sort((left, right) => left.partition - right.partition)[0] ?? null;
  }
}

/** One output of a task, a file or a folder. */
export class JobOutput implements TaskOutput {
  readonly name: string;
  readonly type: 'file' | 'folder';
  readonly digest: string;
  readonly bytes: number;
  readonly #client: FogClient;

  constructor(client: FogClient, output: TaskOutput) {
    this.#client = client;
    this.name = output.name;
    this.type = output.type;
    this.digest = output.digest;
    this.bytes = output.bytes;
  }

  /** The content of a file, verified. Throws `invalid-request` for a folder. */
  data(options: { signal?: AbortSignal; limitBytes?: number } = {}): Promise<Uint8Array> {
    if (this.type === 'folder') {
      throw new FogError('invalid-request', `the output ${this.name} is a folder`, { hint: 'use saveTo' });
    }
    return downloadBytes(this.#client, this.digest, options);
  }

  async text(options: { signal?: AbortSignal } = {}): Promise<string> {
    return new TextDecoder().decode(await this.data(options));
  }

  /** Throws `not-serialisable` when the content is not JSON. */
  async json(options: { signal?: AbortSignal } = {}): Promise<unknown> {
    const text = await this.text(options);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new FogError('not-serialisable', `the output ${this.name} is not JSON`, { cause });
    }
  }

  /** Writes it to `directory/NAME`, verified; files that are there already are kept. */
  saveTo(directory: string, options: { signal?: AbortSignal } = {}): Promise<DownloadedFile[]> {
    return downloadOutput(this.#client, this, directory, options);
  }
}

function streamQuery({ after = 0, partition }: StreamOptions): { after: number; partition?: number } {
  return { after, ...(partition === undefined ? {} : { partition }) };
}
