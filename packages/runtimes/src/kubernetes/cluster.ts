/** One cluster in use: its client, what it can do, and the two watches that all attempts share. */
import { KUBERNETES_LIMITS } from '../limits.ts';
import { type AccessSource, readAccess } from './cluster-access.ts';
import { ClusterClient } from './cluster-client.ts';
import { ClusterConnection } from './cluster-connection.ts';
import { ClusterWatch } from './cluster-watch.ts';
import { type Fields, labelOf, nameOf } from './fields.ts';
import { ATTEMPT_LABEL, nodeSelector } from './job-manifest.ts';
import type { KubernetesTiming } from './timing.ts';

/** What an attempt hears of its objects. */
export interface Observer {
  jobChanged(job: Fields): void;
  jobGone(job: Fields): void;
  podChanged(pod: Fields): void;
  podGone(pod: Fields): void;
}

export interface ClusterSettings {
  access: AccessSource;
  /** Null: that of the access. */
  namespace: string | null;
  nodeId: string;
  timing: KubernetesTiming;
}

export class Cluster {
  readonly client: ClusterClient;
  readonly gitVersion: string;
  readonly minorVersion: number;
  /** Whether standard output and error can be asked for one by one (feature gate PodLogsQuerySplitStreams). */
  readonly hasSplitStreams: boolean;
  readonly #jobs: ClusterWatch;
  readonly #pods: ClusterWatch;
  /** By the label of the attempt. */
  readonly #observers = new Map<string, Observer>();

  private constructor(
    client: ClusterClient,
    version: { gitVersion: string; minor: number },
    hasSplitStreams: boolean,
    { nodeId, timing }: ClusterSettings,
  ) {
    this.client = client;
    this.gitVersion = version.gitVersion;
    this.minorVersion = version.minor;
    this.hasSplitStreams = hasSplitStreams;
    const selector = nodeSelector(nodeId);
    this.#jobs = new ClusterWatch(client, 'jobs', selector, timing, {
      changed: (job) => this.#observer(job)?.jobChanged(job),
      gone: (job) => this.#observer(job)?.jobGone(job),
    });
    this.#pods = new ClusterWatch(client, 'pods', selector, timing, {
      changed: (pod) => this.#observer(pod)?.podChanged(pod),
      gone: (pod) => this.#observer(pod)?.podGone(pod),
    });
  }

  /** Throws a FogError: the access has a fault, or the cluster does not answer. */
  static async open(settings: ClusterSettings, signal: AbortSignal): Promise<Cluster> {
    const access = await readAccess(settings.access);
    const connection = new ClusterConnection(access, settings.timing);
    const client = new ClusterClient(connection, settings.namespace ?? access.namespace);
    try {
      const version = await client.version(signal);
      return new Cluster(client, version, await splitsStreams(client, version.minor, signal), settings);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** From now on, and what is known already. */
  observe(attemptLabel: string, observer: Observer): void {
    this.#observers.set(attemptLabel, observer);
    this.#jobs.start();
    this.#pods.start();
    for (const pod of this.#pods.known) if (labelOf(pod, ATTEMPT_LABEL) === attemptLabel) observer.podChanged(pod);
    for (const job of this.#jobs.known) if (labelOf(job, ATTEMPT_LABEL) === attemptLabel) observer.jobChanged(job);
  }

  forget(attemptLabel: string, observer: Observer): void {
    if (this.#observers.get(attemptLabel) === observer) this.#observers.delete(attemptLabel);
  }

  async close(): Promise<void> {
    await Promise.all([this.#jobs.stop(), this.#pods.stop()]);
    this.client.close();
  }

  #observer(object: Fields): Observer | undefined {
    return nameOf(object) === '' ? undefined : this.#observers.get(labelOf(object, ATTEMPT_LABEL));
  }
}

/**
 * The server looks at the query before it looks for the pod: with the gate off it forbids `stream` (422), with it on
 * there is no such pod (404). Servers that do not know the parameter leave it out of account, so the version counts too.
 */
async function splitsStreams(client: ClusterClient, minor: number, signal: AbortSignal): Promise<boolean> {
  if (minor < KUBERNETES_LIMITS.streamsMinorVersion) return false;
  const query = { follow: false, timestamps: false, stream: 'Stdout' } as const;
  return client.readLog('fog-no-such-pod', query, 1024, signal).then(
    () => false,
    (error: { code?: string }) => error.code === 'not-found',
  );
}
