/** A coordinator without a store, for tests of the HTTP side: it remembers what it was asked. */
import {
  type AttemptSample,
  type Explanation,
  FogError,
  type Job,
  type JobEventRecord,
  type JobSpec,
  type LogRecord,
  type Node,
  type NodeEventRecord,
  type Owner,
  parseJobSpec,
  type Status,
  TASK_STATES,
  type TaskCounts,
  type TaskWithAttempts,
} from '@fog/contract';
import type { Caller, CoordinatorService, Page, PageRequest, StreamPage, StreamRequest } from '../../src/service.ts';

export const JOB_ID = 'j0123456789abcdefgh';
export const NODE_ID = `n${'0'.repeat(32)}`;
export const DIGEST = `sha256:${'a'.repeat(64)}`;

export const SPEC = {
  kind: 'Job',
  metadata: { name: 'demo' },
  spec: { count: 10, task: { runtime: 'wasm', wasm: { module: DIGEST }, args: ['a', 'b'] } },
};

const noTasks = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as TaskCounts;
const parsedSpec: JobSpec = parseJobSpec(SPEC);

export const JOB: Job = {
  id: JOB_ID,
  name: 'demo',
  state: 'queued',
  submitter: 'alice',
  submittedAt: 1,
  startedAt: null,
  endedAt: null,
  suspended: false,
  tasks: { ...noTasks, queued: 10 },
  reason: null,
  spec: parsedSpec,
};

const STATUS: Status = {
  version: '0.1.0',
  url: 'http://127.0.0.1:7070',
  database: 'sqlite',
  startedAt: 1,
  nodes: { connected: 1, unknown: 0, lost: 0 },
  tasks: { queued: 10, leased: 0 },
  disk: { databaseBytes: 1, databaseLimitBytes: 1, blobBytes: 0, blobLimitBytes: 1, blobs: 0 },
};

export class FakeService implements CoordinatorService {
  readonly calls: { method: string; caller: Caller | null; rest: unknown[] }[] = [];
  readonly records: JobEventRecord[] = [];
  ended = false;
  reads = 0;
  /** Thrown by the next call. */
  failure: unknown = null;
  readonly #wakes = new Map<string, Set<() => void>>();

  #called(method: string, caller: Caller | null, ...rest: unknown[]): void {
    this.calls.push({ method, caller, rest });
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
  }

  append(count: number, padding = ''): void {
    for (let index = 0; index < count; index += 1) {
      const sequence = this.records.length + 1;
      this.records.push({
        sequence,
        atMilliseconds: sequence,
        data: { type: 'job.submitted', name: `demo${padding}`, tasks: 1, by: 'alice' },
      });
    }
    this.wake(JOB_ID);
  }

  end(): void {
    this.ended = true;
    this.wake(JOB_ID);
  }

  wake(stream: string): void {
    for (const wake of this.#wakes.get(stream) ?? []) wake();
  }

  subscribers(stream: string): number {
    return this.#wakes.get(stream)?.size ?? 0;
  }

  subscribe(stream: string, wake: () => void): () => void {
    const wakes = this.#wakes.get(stream) ?? new Set();
    this.#wakes.set(stream, wakes.add(wake));
    return () => wakes.delete(wake);
  }

  async submitJob(caller: Caller, request: { spec: unknown; idempotencyKey?: string | undefined }): Promise<Job> {
    this.#called('submitJob', caller, request);
    return { ...JOB, submitter: caller.principal };
  }
  async rerunJob(caller: Caller, jobId: string): Promise<Job> {
    this.#called('rerunJob', caller, jobId);
    return JOB;
  }
  async cancelJob(caller: Caller, jobId: string): Promise<Job> {
    this.#called('cancelJob', caller, jobId);
    return JOB;
  }
  async suspendJob(caller: Caller, jobId: string, partition: number | undefined): Promise<Job> {
    this.#called('suspendJob', caller, jobId, partition);
    return { ...JOB, suspended: true };
  }
  async resumeJob(caller: Caller, jobId: string, partition: number | undefined): Promise<Job> {
    this.#called('resumeJob', caller, jobId, partition);
    return JOB;
  }
  async getJob(caller: Caller, jobId: string): Promise<Job> {
    this.#called('getJob', caller, jobId);
    if (jobId !== JOB_ID) throw new FogError('not-found', `there is no job ${jobId}`);
    return JOB;
  }
  async listJobs(caller: Caller, request: PageRequest): Promise<Page<never>> {
    this.#called('listJobs', caller, request);
    return { items: [], next: null };
  }
  async listTasks(caller: Caller, jobId: string, request: PageRequest): Promise<Page<TaskWithAttempts>> {
    this.#called('listTasks', caller, jobId, request);
    return { items: [], next: null };
  }
  async getTask(caller: Caller, jobId: string, partition: number): Promise<TaskWithAttempts> {
    this.#called('getTask', caller, jobId, partition);
    throw new FogError('not-found', 'there is no such task');
  }
  async explainTask(caller: Caller, task: { job: string; partition: number }): Promise<Explanation> {
    this.#called('explainTask', caller, task);
    throw new FogError('not-found', 'there is no such task');
  }
  async taskSamples(caller: Caller, task: { job: string; partition: number }): Promise<Page<AttemptSample>> {
    this.#called('taskSamples', caller, task);
    return { items: [], next: null };
  }
  async jobEvents(caller: Caller, jobId: string, request: StreamRequest): Promise<StreamPage<JobEventRecord>> {
    this.#called('jobEvents', caller, jobId, request);
    if (jobId !== JOB_ID) throw new FogError('not-found', `there is no job ${jobId}`);
    this.reads += 1;
    const items = this.records.slice(request.after, request.after + request.limit);
    return { items, ended: this.ended && request.after + items.length === this.records.length };
  }
  async jobLogs(caller: Caller, jobId: string, request: StreamRequest): Promise<StreamPage<LogRecord>> {
    this.#called('jobLogs', caller, jobId, request);
    return { items: [], ended: true };
  }
  async planFront(caller: Caller, request: { spec: unknown }): Promise<never> {
    this.#called('planFront', caller, request);
    throw new FogError('unsupported', 'no front');
  }

  async getFront(caller: Caller, index: number): Promise<never> {
    this.#called('getFront', caller, index);
    throw new FogError('not-found', 'no front');
  }

  async plan(caller: Caller, request: { spec: unknown }): Promise<never> {
    this.#called('plan', caller, request);
    throw new FogError('unsupported', 'no plan');
  }
  async listNodes(caller: Caller, request: PageRequest): Promise<Page<Node>> {
    this.#called('listNodes', caller, request);
    return { items: [], next: null };
  }
  async listOwners(): Promise<Page<Owner>> {
    return { items: [], next: null };
  }

  async getNode(caller: Caller, nodeId: string): Promise<Node> {
    this.#called('getNode', caller, nodeId);
    throw new FogError('not-found', 'there is no such node');
  }
  async nodeEvents(caller: Caller, nodeId: string, request: StreamRequest): Promise<StreamPage<NodeEventRecord>> {
    this.#called('nodeEvents', caller, nodeId, request);
    return { items: [], ended: false };
  }
  async cordonNode(caller: Caller, nodeId: string, cordoned: boolean): Promise<Node> {
    this.#called('cordonNode', caller, nodeId, cordoned);
    return {} as Node;
  }
  async drainNode(caller: Caller, nodeId: string, deadlineMilliseconds: number): Promise<Node> {
    this.#called('drainNode', caller, nodeId, deadlineMilliseconds);
    return {} as Node;
  }
  async trustNode(caller: Caller, nodeId: string, trusted: boolean): Promise<Node> {
    this.#called('trustNode', caller, nodeId, trusted);
    throw new FogError('not-found', 'there is no such node');
  }
  async removeNode(caller: Caller, nodeId: string): Promise<void> {
    this.#called('removeNode', caller, nodeId);
  }
  async status(): Promise<Status> {
    this.#called('status', null);
    return STATUS;
  }
}
