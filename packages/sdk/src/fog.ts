/** The fog from a program: submit jobs, map functions over items, store blobs. */
import {
  type Deployment,
  type FogClient,
  FogError,
  isLongRunning,
  type Job,
  type JobSpec,
  type JobSpecInput,
} from '@fog/contract';
import { abortable } from './abort-signals.ts';
import { Blobs } from './blobs.ts';
import { type ConnectOptions, connectClient } from './connection.ts';
import { DeploymentHandle } from './deployment-handle.ts';
import { JobHandle } from './job-handle.ts';
import { type FogMap, type MapFunction, type MapInput, type MapOptions, type Settled, startMap } from './map/map.ts';
import { retried } from './retry.ts';
import { checkSpec, uploadSpecFiles } from './spec-files.ts';
import { submitSpec } from './submit.ts';
import { submitOrder, withIds, workflowSteps } from './workflow.ts';

/** A job as a program writes it: files may stand where the contract has digests. */
export type RunSpec = JobSpecInput | Record<string, unknown>;

export interface RunOptions {
  /** Contents by the name that the spec uses; a string is its text. Other names are paths. */
  files?: Record<string, string | Uint8Array> | undefined;
  /** What relative paths start from. Default: the working directory. */
  baseDirectory?: string | undefined;
  /** The same key answers with the first job. Default: a random one, so that a lost answer is safe to repeat. */
  idempotencyKey?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface DeployOptions extends Omit<RunOptions, 'idempotencyKey'> {
  /** Whose deployment it is; only an admin may name another principal. */
  principal?: string | undefined;
}

export class Fog {
  /** Every route of the coordinator, typed. */
  readonly client: FogClient;
  readonly blobs: Blobs;

  constructor(client: FogClient) {
    this.client = client;
    this.blobs = new Blobs(client);
  }

  /**
   * Finds the coordinator: the options, else FOG_URL and FOG_TOKEN, else the one that `fog up` runs on this machine.
   * Throws `unavailable` when nothing runs and `unauthenticated` when there is no token for it.
   */
  static async connect(options: ConnectOptions = {}): Promise<Fog> {
    return new Fog(await connectClient(options));
  }

  /**
   * Uploads the files of a specification and submits it; the answer means that the job is on disk.
   * Throws `invalid-spec` or `unsupported` with every fault before anything is sent.
   */
  async run(spec: RunSpec, options: RunOptions = {}): Promise<JobHandle> {
    const job = await this.submit(spec, options);
    return this.job(job.id);
  }

  /** As `run`, with the job as the coordinator answered it. */
  async submit(spec: RunSpec, options: RunOptions = {}): Promise<Job> {
    const { files, signal, baseDirectory = process.cwd() } = options;
    const parsed = await checkSpec(spec, { baseDirectory, files, signal });
    if (isLongRunning(parsed)) {
      throw new FogError('invalid-request', `a ${parsed.spec.type} is deployed, it cannot be submitted as a job`, {
        hint: 'fog deploy FILE',
      });
    }
    const document = await uploadSpecFiles(this.client, spec, { baseDirectory, files, signal });
    return submitSpec(this.client, document, options.idempotencyKey, signal);
  }

  /**
   * Submits several jobs that wait for each other: `spec.dependsOn` names the `metadata.name` of others among them, or
   * ids of jobs that were submitted before. Answers the jobs in the order of `specs`. What one needs first on the longest
   * way to the end is submitted first, see workflow.ts.
   *
   * Throws `invalid-spec` or `unsupported`, for cycles as well, before anything is sent. When a submit fails, those
   * before it are cancelled, unless there is a key to repeat the call with.
   */
  async submitWorkflow(specs: readonly RunSpec[], options: RunOptions = {}): Promise<Job[]> {
    const { files, signal, baseDirectory = process.cwd(), idempotencyKey } = options;
    const steps = workflowSteps(specs);
    const names = new Set(steps.flatMap(({ name }) => name ?? []));
    const parsed: JobSpec[] = [];
    for (const spec of specs)
      parsed.push(await checkSpec(withIds(spec, null, names), { baseDirectory, files, signal }));
    const ids = new Map<string, string>();
    const jobs: Job[] = [];
    try {
      for (const { index, name } of submitOrder(steps, parsed)) {
        const key = idempotencyKey === undefined ? undefined : `${idempotencyKey}/${name ?? index}`;
        const spec = withIds(specs[index], ids, names) as RunSpec;
        const job = await this.submit(spec, { ...options, idempotencyKey: key });
        jobs[index] = job;
        if (name !== null) ids.set(name, job.id);
      }
    } catch (error) {
      if (idempotencyKey === undefined) {
        await Promise.allSettled(Object.values(jobs).map(({ id }) => this.job(id).cancel()));
      }
      throw error;
    }
    return jobs;
  }

  /**
   * Uploads the files of a service or daemon and deploys it under its `metadata.name`; the answer means that the
   * revision is on disk. Throws `invalid-spec` or `unsupported` with every fault before anything is sent, and
   * `invalid-request` for a job that has an end.
   */
  async deploy(spec: RunSpec, options: DeployOptions = {}): Promise<Deployment> {
    const { files, signal, principal, baseDirectory = process.cwd() } = options;
    const parsed = await checkSpec(spec, { baseDirectory, files, signal, isDeployed: true });
    if (!isLongRunning(parsed)) {
      throw new FogError('invalid-request', `a job of type: ${parsed.spec.type} has an end, it cannot be deployed`, {
        hint: 'submit it: fog run FILE',
      });
    }
    const document = await uploadSpecFiles(this.client, spec, { baseDirectory, files, signal });
    const { name } = parsed.metadata;
    const query = principal === undefined ? {} : { principal };
    const parts = { params: { name }, query, body: { spec: document } };
    return retried(() => this.client.call('deploy', parts, abortable(signal)), signal);
  }

  /** A handle on a deployment by its name; `principal` where it is not one's own. */
  deployment(name: string, principal?: string): DeploymentHandle {
    return new DeploymentHandle(this.client, name, principal);
  }

  /** A handle on a job by its id. */
  job(id: string): JobHandle {
    return new JobHandle(this.client, id);
  }

  /**
   * Runs `fn(item, ctx)` for every item somewhere in the fog. The answer is a promise of all results in the order
   * of the items and, at the same time, an async iterable of them as they come.
   *
   * `fn` travels as its source text: it may use its parameters, its own variables and the globals of the javascript
   * runtime; anything else throws `function-not-self-contained` before a job is submitted. Items and results are
   * JSON or Uint8Array (`not-serialisable` otherwise). A failed item rejects with `task-failed` and its index in
   * `details.index`, unless `onError` is `collect`. See `map/run-map.ts` for how items become jobs.
   */
  map<Item, Result, Context = undefined>(
    items: MapInput<Item>,
    fn: MapFunction<Item, Result, Context>,
    options: MapOptions<Context> & { onError: 'collect' },
  ): FogMap<Settled<Awaited<Result>>>;
  map<Item, Result, Context = undefined>(
    items: MapInput<Item>,
    fn: MapFunction<Item, Result, Context>,
    options?: MapOptions<Context> & { onError?: 'reject' },
  ): FogMap<Awaited<Result>>;
  map<Item, Result, Context>(
    items: MapInput<Item>,
    fn: MapFunction<Item, Result, Context>,
    options: MapOptions<Context> = {},
  ): FogMap<unknown> {
    return startMap(this.client, items, fn as MapFunction<unknown, unknown, unknown>, options);
  }
}
