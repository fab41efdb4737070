/**
 * The kubernetes runtime: a cluster joins the fog as one big node, and each attempt is one Job of one pod there.
 *
 * The agent reaches a cluster through its API alone, so a pod gets what the API can carry: small input files and the
 * environment as Secrets, and what the program prints as its one output. Jobs outlive the agent; `adopt` takes them
 * over, `reap` deletes those that nobody wants.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FogError } from '@fog/contract';
import type {
  AttemptHost,
  AttemptRequest,
  KubernetesProgram,
  RunningAttempt,
  RuntimeProbe,
  RuntimeSettings,
  TaskRuntime,
} from '../runtime.ts';
import { AttemptLogs } from './attempt-logs.ts';
import { Cluster } from './cluster.ts';
import type { AccessSource } from './cluster-access.ts';
import { type NetworkState, probeCluster } from './cluster-probe.ts';
import { nameOf, record } from './fields.ts';
import { jobName, nodeSelector } from './job-manifest.ts';
import { KubernetesAttempt } from './kubernetes-attempt.ts';
import { filesFault, programFault } from './request-fault.ts';
import { type KubernetesTiming, timingWith } from './timing.ts';

export interface KubernetesOptions {
  access: AccessSource;
  /** Default: that of the access. */
  namespace?: string;
  /** A sandboxed runtime class of the cluster, such as gvisor or kata. */
  runtimeClassName?: string;
  /** A Secret in the namespace with credentials of registries, for all jobs alike. */
  imagePullSecret?: string;
  /** The operator has seen to it that pods of ours reach nothing; no NetworkPolicy is made or looked for then. */
  isNetworkDenied?: boolean;
  timing?: Partial<KubernetesTiming>;
}

const CLOSED_MESSAGE = 'The node stopped running programs.';
const POSITION_SUFFIX = '.log-position.json';

class KubernetesRuntime implements TaskRuntime {
  readonly name = 'kubernetes';
  readonly #settings: RuntimeSettings;
  readonly #options: KubernetesOptions;
  readonly #timing: KubernetesTiming;
  readonly #attempts = new Map<string, KubernetesAttempt>();
  readonly #removals = new Set<Promise<unknown>>();
  #cluster: Promise<Cluster> | null = null;
  #network: NetworkState = 'unknown';
  readonly #opening = new AbortController();
  #closed = false;

  constructor(settings: RuntimeSettings, options: KubernetesOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#timing = timingWith(options.timing ?? {});
    if (options.isNetworkDenied === true) this.#network = 'denied-by-operator';
  }

  async probe(): Promise<RuntimeProbe> {
    try {
      const { probe, network } = await probeCluster(await this.#open(), {
        isNetworkDeniedByOperator: this.#options.isNetworkDenied === true,
        runtimeClassName: this.#options.runtimeClassName ?? null,
      });
      this.#network = network;
      return probe;
    } catch (error) {
      const { message, hint } = FogError.from(error);
      return { available: false, reason: message, ...(hint === undefined ? {} : { hint }) };
    }
  }

  refusal({ program, trusted }: Pick<AttemptRequest, 'program' | 'trusted' | 'limits'>): string | null {
    return programFault(program, this.#network !== 'unknown', trusted);
  }

  start(request: AttemptRequest, host: AttemptHost): RunningAttempt {
    const attempt = this.#attempt(request, host);
    const refusal = this.refusal(request) ?? filesFault(request);
    if (this.#closed) attempt.kill('drained', CLOSED_MESSAGE);
    else if (refusal !== null) attempt.kill('rejected', refusal);
    else if (this.#attempts.has(attempt.name)) {
      attempt.kill('sandbox', `An attempt ${request.attemptId} is running already.`);
    } else {
      this.#keep(attempt);
      attempt.run(this.#open());
    }
    return attempt;
  }

  async adopt(request: AttemptRequest, host: AttemptHost): Promise<RunningAttempt | null> {
    const name = jobName(this.#settings.nodeId, request.attemptId);
    if (this.#closed || this.#attempts.has(name) || programFault(request.program, true, true) !== null) return null;
    const cluster = await this.#open().catch(() => null);
    const job = (await cluster?.client.get('jobs', name).catch(() => null)) ?? null;
    if (cluster === null || job === null || record(job.metadata).deletionTimestamp !== undefined) return null;
    // Its agent died before everything was there. A new start replaces it.
    if (record(job.spec).suspend === true) return null;
    const attempt = this.#attempt(request, host);
    this.#keep(attempt);
    await attempt.adopt(cluster, job);
    return attempt;
  }

  async reap(): Promise<void> {
    const { client } = await this.#open();
    const { items } = await client.list('jobs', { labelSelector: nodeSelector(this.#settings.nodeId) });
    const orphans = items.map(nameOf).filter((name) => name !== '' && !this.#attempts.has(name));
    await Promise.all(orphans.map((name) => client.remove('jobs', name)));
    const { scratchDirectory } = this.#settings;
    const left = (await readdir(scratchDirectory).catch(() => [])).filter((file) => file.includes(POSITION_SUFFIX));
    const stale = left.filter((file) => !this.#attempts.has(file.slice(0, file.indexOf('.'))));
    await Promise.all(stale.map((file) => rm(join(scratchDirectory, file), { force: true })));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const attempt of this.#attempts.values()) attempt.kill('drained', CLOSED_MESSAGE);
    await Promise.all([...this.#attempts.values()].map(({ outcome }) => outcome));
    const patience = new AbortController();
    const { requestMilliseconds } = this.#timing;
    const timeout = delay(requestMilliseconds, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([Promise.all(this.#removals), timeout]);
    patience.abort();
    this.#opening.abort();
    const cluster = await this.#cluster?.catch(() => null);
    await cluster?.close();
  }

  #attempt(request: AttemptRequest, host: AttemptHost): KubernetesAttempt {
    const { nodeId, scratchDirectory } = this.#settings;
    const { runtimeClassName = null, imagePullSecret = null } = this.#options;
    const positionPath = join(scratchDirectory, `${jobName(nodeId, request.attemptId)}${POSITION_SUFFIX}`);
    return new KubernetesAttempt({
      request,
      program: request.program as KubernetesProgram,
      host,
      settings: {
        nodeId,
        runtimeClassName,
        imagePullSecret,
        pendingMilliseconds: this.#timing.pendingMilliseconds,
      },
      timing: this.#timing,
      logs: new AttemptLogs({ request, host, timing: this.#timing, positionPath }),
      onRemoval: (removal) => {
        this.#removals.add(removal);
        void removal.then(() => this.#removals.delete(removal));
      },
    });
  }

  #keep(attempt: KubernetesAttempt): void {
    this.#attempts.set(attempt.name, attempt);
    void attempt.outcome.then(() => this.#attempts.delete(attempt.name));
  }

  /** One that failed is tried again with the next call. */
  #open(): Promise<Cluster> {
    const settings = {
      access: this.#options.access,
      namespace: this.#options.namespace ?? null,
      nodeId: this.#settings.nodeId,
      timing: this.#timing,
    };
    this.#cluster ??= Cluster.open(settings, this.#opening.signal).catch((error: unknown) => {
      this.#cluster = null;
      throw error;
    });
    return this.#cluster;
  }
}

/** The cluster is first asked with the first call of `probe`, `start`, `adopt` or `reap`. */
export function createKubernetesRuntime(settings: RuntimeSettings, options: KubernetesOptions): TaskRuntime {
  return new KubernetesRuntime(settings, options);
}
