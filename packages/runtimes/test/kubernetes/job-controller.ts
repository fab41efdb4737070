/** Makes pods of Jobs, and ends Jobs with their pods: what the Job controller and the garbage collector do. */
import { randomBytes } from 'node:crypto';
import type { Kubelet } from './kubelet.ts';
import type { ObjectStore, StoredObject } from './object-store.ts';

export class JobController {
  readonly #store: ObjectStore;
  readonly #kubelet: Kubelet;
  readonly #deadlines = new Map<string, NodeJS.Timeout>();
  /** What admission says to the pods, if it takes none. */
  podRefusal: string | null = null;
  /** Deleted Jobs stay for this long, as with a finalizer. */
  deletionMilliseconds = 0;
  /** Told to kubelet errors, which are errors of the test. */
  readonly errors: unknown[] = [];

  constructor(store: ObjectStore, kubelet: Kubelet) {
    this.#store = store;
    this.#kubelet = kubelet;
    kubelet.onEnd = (pod) => this.#podEnded(pod);
  }

  jobChanged(name: string): void {
    const job = this.#store.get('jobs', name);
    if (job === undefined || job.spec.suspend === true || this.#podsOf(job).length > 0) return;
    if (this.podRefusal !== null) {
      this.#complain(name, this.podRefusal);
      return;
    }
    const deadline = setTimeout(() => void this.#deadlinePassed(name), job.spec.activeDeadlineSeconds * 1000);
    this.#deadlines.set(name, deadline.unref());
    const { metadata, spec } = job.spec.template;
    const pod = this.#store.create('pods', {
      metadata: {
        ...metadata,
        name: `${name}-${randomBytes(3).toString('hex')}`,
        ownerReferences: [{ kind: 'Job', name, uid: job.metadata.uid }],
      },
      spec,
      status: { phase: 'Pending' },
    });
    if (pod !== null) void Promise.resolve(this.#kubelet.start(pod)).catch((error: unknown) => this.errors.push(error));
  }

  /** Only `Background` collects the pods. */
  async deleteJob(job: StoredObject, propagation: string | undefined): Promise<void> {
    const { name, uid } = job.metadata;
    clearTimeout(this.#deadlines.get(name));
    if (this.deletionMilliseconds > 0) {
      this.#store.change('jobs', name, (copy) => {
        copy.metadata.deletionTimestamp = new Date().toISOString();
      });
      await new Promise((resolve) => setTimeout(resolve, this.deletionMilliseconds));
    }
    const pods = this.#podsOf(job);
    this.#store.delete('jobs', name);
    if (propagation !== 'Background') return;
    await Promise.all(pods.map((pod) => this.#kubelet.kill(pod.metadata.name)));
    for (const secret of this.#store.list('secrets')) {
      if (secret.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true) {
        this.#store.delete('secrets', secret.metadata.name);
      }
    }
  }

  async close(): Promise<void> {
    for (const deadline of this.#deadlines.values()) clearTimeout(deadline);
    await Promise.all(this.#store.list('pods').map((pod) => this.#kubelet.kill(pod.metadata.name)));
  }

  async #deadlinePassed(name: string): Promise<void> {
    const job = this.#store.get('jobs', name);
    if (job === undefined) return;
    this.failJob(name, 'DeadlineExceeded', 'Job was active longer than specified deadline');
    await Promise.all(this.#podsOf(job).map((pod) => this.#kubelet.kill(pod.metadata.name)));
  }

  failJob(name: string, reason: string, message: string): void {
    this.#store.change('jobs', name, (copy) => {
      copy.status = { failed: 1, conditions: [{ type: 'Failed', status: 'True', reason, message }] };
    });
  }

  #complain(about: string, message: string): void {
    this.#store.create('events', {
      metadata: { name: `${about}.${randomBytes(4).toString('hex')}` },
      type: 'Warning',
      reason: 'FailedCreate',
      involvedObject: { name: about },
      lastTimestamp: new Date().toISOString(),
      message,
    });
  }

  complain(about: string, message: string): void {
    this.#complain(about, message);
  }

  #podEnded(pod: StoredObject): void {
    const name = pod.metadata.ownerReferences?.[0]?.name ?? '';
    clearTimeout(this.#deadlines.get(name));
    const phase = this.#store.get('pods', pod.metadata.name)?.status.phase;
    if (phase === 'Failed') this.failJob(name, 'PodFailurePolicy', 'Container task failed');
    else {
      this.#store.change('jobs', name, (copy) => {
        copy.status = { succeeded: 1, conditions: [{ type: 'Complete', status: 'True' }] };
      });
    }
  }

  #podsOf(job: StoredObject): StoredObject[] {
    return this.#store
      .list('pods')
      .filter((pod) => pod.metadata.ownerReferences?.some((owner) => owner.uid === job.metadata.uid) === true);
  }
}
