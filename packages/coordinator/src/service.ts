/** What the routes need of the coordinator: the seam between HTTP and the store with its dispatcher. */
import type {
  AttemptSample,
  Explanation,
  Front,
  Job,
  JobEventRecord,
  JobState,
  JobSummary,
  LogRecord,
  Node,
  NodeEventRecord,
  Owner,
  Plan,
  Status,
  TaskState,
  TaskWithAttempts,
} from '@fog/contract';

/** Who calls, as the token tells. */
export interface Caller {
  scope: 'admin' | 'submit' | 'node' | 'read';
  principal: string;
}

export interface Page<Item> {
  items: Item[];
  next: string | null;
}
export interface PageRequest {
  cursor?: string | undefined;
  limit: number;
}
export interface StreamRequest {
  after: number;
  limit: number;
}
/** Of all tasks of a job, or of one. */
export interface TaskStreamRequest extends StreamRequest {
  partition?: number | undefined;
}
export interface StreamPage<Record> {
  items: Record[];
  /** No record will follow the last of `items`. */
  ended: boolean;
}

/**
 * Every method throws `FogError`. A caller of scope `submit` sees only jobs of its principal; to it those of others
 * do not exist (`not-found`).
 */
export interface CoordinatorService {
  submitJob(caller: Caller, request: { spec: unknown; idempotencyKey?: string | undefined }): Promise<Job>;
  rerunJob(caller: Caller, jobId: string): Promise<Job>;
  cancelJob(caller: Caller, jobId: string): Promise<Job>;
  /** One task of it, or all. Throws `conflict` for what has ended. */
  suspendJob(caller: Caller, jobId: string, partition: number | undefined): Promise<Job>;
  resumeJob(caller: Caller, jobId: string, partition: number | undefined): Promise<Job>;
  getJob(caller: Caller, jobId: string): Promise<Job>;
  listJobs(caller: Caller, request: PageRequest & { state?: JobState | undefined }): Promise<Page<JobSummary>>;
  listTasks(
    caller: Caller,
    jobId: string,
    request: PageRequest & { state?: TaskState | undefined },
  ): Promise<Page<TaskWithAttempts>>;
  getTask(caller: Caller, jobId: string, partition: number): Promise<TaskWithAttempts>;
  explainTask(caller: Caller, task: { job: string; partition: number }): Promise<Explanation>;
  taskSamples(
    caller: Caller,
    task: { job: string; partition: number },
    request: PageRequest & { fence?: number | undefined },
  ): Promise<Page<AttemptSample>>;
  jobEvents(caller: Caller, jobId: string, request: TaskStreamRequest): Promise<StreamPage<JobEventRecord>>;
  jobLogs(caller: Caller, jobId: string, request: TaskStreamRequest): Promise<StreamPage<LogRecord>>;
  plan(caller: Caller, request: { spec: unknown }): Promise<Plan>;
  planFront(caller: Caller, request: { spec: unknown; milliseconds?: number | undefined }): Promise<Front>;
  /** Those about the caller's own tasks alone, unless the caller may see all. */
  getFront(caller: Caller, index: number): Promise<Front>;
  /** `running` names the attempts of jobs that the caller may see. */
  listNodes(caller: Caller, request: PageRequest): Promise<Page<Node>>;
  getNode(caller: Caller, nodeId: string): Promise<Node>;
  listOwners(request: PageRequest): Promise<Page<Owner>>;
  nodeEvents(caller: Caller, nodeId: string, request: StreamRequest): Promise<StreamPage<NodeEventRecord>>;
  cordonNode(caller: Caller, nodeId: string, cordoned: boolean): Promise<Node>;
  trustNode(caller: Caller, nodeId: string, trusted: boolean): Promise<Node>;
  drainNode(caller: Caller, nodeId: string, deadlineMilliseconds: number): Promise<Node>;
  removeNode(caller: Caller, nodeId: string): Promise<void>;
  status(): Promise<Status>;
  /**
   * Calls `wake` after something was appended to the stream of this job or node. Returns the end of the
   * subscription. Wakes may come too often, never too rarely.
   */
  subscribe(stream: string, wake: () => void): () => void;
}
