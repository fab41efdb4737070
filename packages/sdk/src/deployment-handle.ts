/** A deployment: what it is doing, how it is changed, and how an update of it comes out. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Deployment, type FogClient, FogError, formatDuration } from '@fog/contract';
import { abortable, abortedBy } from './abort-signals.ts';
import type { WaitOptions } from './job-handle.ts';
import { SDK_LIMITS } from './limits.ts';
import { retried } from './retry.ts';

/** How a revision came out: up, or given up for a reason. */
export type RolloutOutcome =
  | { outcome: 'stable' }
  | { outcome: 'failed' | 'rolled-back' | 'superseded'; reason: string };
export type RolloutResult = RolloutOutcome & { deployment: Deployment };

export interface RolloutWaitOptions extends WaitOptions {
  /** Called with the deployment, without its replicas, whenever it was asked for. */
  onProgress?: ((deployment: Deployment) => void) | undefined;
}

export class DeploymentHandle {
  readonly name: string;
  readonly #client: FogClient;
  readonly #parts: { params: { name: string }; query: { principal?: string } };

  constructor(client: FogClient, name: string, principal?: string) {
    this.name = name;
    this.#client = client;
    this.#parts = { params: { name }, query: principal === undefined ? {} : { principal } };
  }

  /** The deployment as it is now. */
  get(signal?: AbortSignal): Promise<Deployment> {
    return this.#read('all', signal);
  }

  #read(replicas: 'all' | 'none', signal: AbortSignal | undefined): Promise<Deployment> {
    const parts = { ...this.#parts, query: { ...this.#parts.query, replicas } };
    return retried(() => this.#client.call('getDeployment', parts, abortable(signal)), signal);
  }

  /** Keeps this many replicas of a service running. */
  scale(replicas: number): Promise<Deployment> {
    return retried(() => this.#client.call('scaleDeployment', { ...this.#parts, body: { replicas } }));
  }

  /** Deploys an earlier revision again. Asked once: a second time would go on from where the first one led. */
  rollBack(revision?: number): Promise<Deployment> {
    const body = revision === undefined ? {} : { revision };
    return this.#client.call('rollBackDeployment', { ...this.#parts, body });
  }

  /** Stops all replicas; the deployment is gone when they have ended. */
  remove(): Promise<void> {
    return retried(() => this.#client.call('removeDeployment', this.#parts));
  }

  /**
   * Waits until the revision has come out, one way or the other. Throws `timed-out` after `timeoutMilliseconds` and
   * `cancelled` when `signal` aborts; the update goes on in both cases.
   */
  async wait(revision: number, options: RolloutWaitOptions = {}): Promise<RolloutResult> {
    const limit = abortedBy(options);
    try {
      for (;;) {
        const seen = await this.#read('none', limit);
        options.onProgress?.(seen);
        const outcome = rolloutOutcome(seen, revision);
        if (outcome !== null) return { ...outcome, deployment: await this.get(limit) };
        await pause(SDK_LIMITS.deploymentPollMilliseconds, undefined, { signal: limit });
      }
    } catch (cause) {
      if (!limit.aborted) throw cause;
      const isLate = !options.signal?.aborted;
      const why = isLate
        ? `has not come up within ${formatDuration(options.timeoutMilliseconds ?? 0)}`
        : 'is no longer waited for';
      throw new FogError(isLate ? 'timed-out' : 'cancelled', `revision ${revision} of ${this.name} ${why}`, {
        cause,
        hint: `the update goes on: fog rollout status ${this.name}`,
      });
    }
  }
}

/** How a revision came out, or null while it is under way. */
export function rolloutOutcome(deployment: Deployment, revision: number): RolloutOutcome | null {
  const { revisions, type, available, wanted } = deployment;
  const found = revisions.find((each) => each.revision === revision);
  const [newest] = revisions;
  switch (found?.state) {
    case 'rolling-out':
      return null;
    case 'stable':
      // Another count of the same specification is no new revision. A node that is away keeps its daemon waiting.
      return type === 'daemon' || available === wanted ? { outcome: 'stable' } : null;
    case 'failed':
    case 'rolled-back':
      return { outcome: found.state, reason: found.reason ?? found.state };
    default:
      return { outcome: 'superseded', reason: `revision ${newest?.revision ?? revision} was deployed after it` };
  }
}
