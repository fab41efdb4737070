/** The calls of the Kubernetes API that this runtime makes, and no others. Paths: the API reference of Kubernetes 1.26. */
import type { IncomingMessage } from 'node:http';
import { FogError } from '@fog/contract';
import { KUBERNETES_LIMITS } from '../limits.ts';
import { type CallOptions, type ClusterConnection, parseJson } from './cluster-connection.ts';
import { type Fields, record, records, text, time } from './fields.ts';

/** Kinds in a namespace, and the group of the API each is in. */
const GROUPS = {
  jobs: '/apis/batch/v1',
  pods: '/api/v1',
  secrets: '/api/v1',
  events: '/api/v1',
  resourcequotas: '/api/v1',
  networkpolicies: '/apis/networking.k8s.io/v1',
} as const;
export type Kind = keyof typeof GROUPS;

export interface Permission {
  verb: string;
  /** '' is the core group. */
  group: string;
  resource: string;
  subresource?: string;
}

export interface LogQuery {
  follow: boolean;
  /** Lines begin with a time stamp and a space. */
  timestamps: boolean;
  /** RFC 3339; the kubelet looks at whole seconds. */
  since?: string | null;
  /** Only where the cluster tells them apart. */
  stream?: 'Stdout' | 'Stderr' | null;
}

export class ClusterClient {
  readonly #connection: ClusterConnection;
  readonly namespace: string;

  constructor(connection: ClusterConnection, namespace = connection.namespace) {
    this.#connection = connection;
    this.namespace = namespace;
  }

  close(): void {
    this.#connection.close();
  }

  async version(signal?: AbortSignal): Promise<{ gitVersion: string; minor: number }> {
    const version = await this.#json('/version', signal === undefined ? {} : { signal });
    // Providers write 29+.
    const minor = Number.parseInt(text(version.minor), 10);
    if (text(version.major) !== '1' || Number.isNaN(minor)) {
      throw new FogError('protocol-violation', 'what answers there is no Kubernetes API server', {
        hint: 'Look at the server in the kubeconfig.',
      });
    }
    return { gitVersion: text(version.gitVersion), minor };
  }

  /** Whether we may do this in our namespace. Every account may ask. */
  async mayI({ verb, group, resource, subresource }: Permission): Promise<boolean> {
    const resourceAttributes = { namespace: this.namespace, verb, group, resource, subresource };
    const answer = await this.#json('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
      method: 'POST',
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes },
      },
    });
    return record(answer.status).allowed === true;
  }

  create(kind: Kind, body: unknown, options: { isDryRun?: boolean; signal?: AbortSignal } = {}): Promise<Fields> {
    const query = options.isDryRun === true ? { dryRun: 'All' } : {};
    return this.#json(this.#path(kind), {
      method: 'POST',
      body,
      query,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  /** Null when there is none. */
  async get(kind: Kind, name: string, signal?: AbortSignal): Promise<Fields | null> {
    const options = signal === undefined ? {} : { signal };
    return this.#json(this.#path(kind, name), options).catch(absent);
  }

  /** All pages. Throws `conflict` with status 410 when the list got too old between two pages. */
  async list(
    kind: Kind,
    query: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<{ items: Fields[]; resourceVersion: string }> {
    const items: Fields[] = [];
    for (let page = ''; ; ) {
      const answer = await this.#json(this.#path(kind), {
        query: { ...query, limit: String(KUBERNETES_LIMITS.listPage), ...(page === '' ? {} : { continue: page }) },
        ...(signal === undefined ? {} : { signal }),
      });
      const { resourceVersion, continue: next } = record(answer.metadata);
      if (!Array.isArray(answer.items) || text(resourceVersion) === '') {
        throw new FogError('protocol-violation', `the list of ${kind} is no list`, { retryable: true });
      }
      items.push(...records(answer.items));
      page = text(next);
      if (page === '') return { items, resourceVersion: text(resourceVersion) };
    }
  }

  /** Changes some fields (JSON merge patch). */
  patch(kind: Kind, name: string, body: unknown, signal?: AbortSignal): Promise<Fields> {
    return this.#json(this.#path(kind, name), {
      method: 'PATCH',
      body,
      contentType: 'application/merge-patch+json',
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Removes it and what belongs to it. One that is not there is as good; false then. */
  async remove(kind: Kind, name: string): Promise<boolean> {
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background', gracePeriodSeconds: 0 };
    const answer = await this.#json(this.#path(kind, name), { method: 'DELETE', body }).catch(absent);
    return answer !== null;
  }

  /** One JSON object a line. */
  watch(kind: Kind, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
    return this.#connection.open(this.#path(kind), { query: { ...query, watch: 'true' }, signal, tries: 1 });
  }

  openLog(pod: string, query: LogQuery, signal: AbortSignal): Promise<IncomingMessage> {
    return this.#connection.open(`${this.#path('pods', pod)}/log`, { query: logParameters(query), signal, tries: 1 });
  }

  /** Throws `body-too-large` for more than `mostBytes`. */
  readLog(pod: string, query: LogQuery, mostBytes: number, signal?: AbortSignal): Promise<Buffer> {
    return this.#connection.call(`${this.#path('pods', pod)}/log`, {
      query: logParameters(query),
      answerBytes: mostBytes,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** What the cluster last complained of about an object, or null: nothing, or not for us to see. */
  async lastWarning(name: string): Promise<string | null> {
    const query = { fieldSelector: `involvedObject.name=${name},type=Warning`, limit: '50' };
    const { items } = await this.#json(this.#path('events'), { query, tries: 1 }).catch(() => ({ items: [] }));
    const when = (event: Fields): number => time(event.lastTimestamp) ?? time(event.eventTime) ?? 0;
    // The kubelet repeats that it waits; the cause stands in the others.
    const causes = records(items).filter((event) => text(event.reason) !== 'BackOff');
    const [newest] = causes.sort((a, b) => when(b) - when(a));
    return text(newest?.message) || null;
  }

  /** Usage of a pod now, or null where the cluster does not measure. */
  async podMetrics(pod: string, timeoutMilliseconds: number): Promise<Fields | null> {
    const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${this.namespace}/pods/${pod}`;
    return this.#json(path, { tries: 1, timeoutMilliseconds }).catch(() => null);
  }

  /** Whether the cluster measures usage. */
  async hasMetrics(): Promise<boolean> {
    return this.#json('/apis/metrics.k8s.io/v1beta1', { tries: 1 }).then(
      () => true,
      () => false,
    );
  }

  /** Nodes of the whole cluster; null where we may not see them. */
  async nodes(): Promise<Fields[] | null> {
    const query = { limit: String(KUBERNETES_LIMITS.listPage) };
    return this.#json('/api/v1/nodes', { query, tries: 1 }).then(
      ({ items }) => records(items),
      () => null,
    );
  }

  #path(kind: Kind, name?: string): string {
    const path = `${GROUPS[kind]}/namespaces/${encodeURIComponent(this.namespace)}/${kind}`;
    return name === undefined ? path : `${path}/${encodeURIComponent(name)}`;
  }

  async #json(path: string, options: CallOptions): Promise<Fields> {
    const answer = parseJson(await this.#connection.call(path, options));
    if (typeof answer === 'object' && answer !== null && !Array.isArray(answer)) return answer as Fields;
    throw new FogError('protocol-violation', `the cluster's answer to ${path} is no JSON object`, {
      hint: 'Look whether a proxy stands in between.',
    });
  }
}

function logParameters({ follow, timestamps, since, stream }: LogQuery): Record<string, string> {
  return {
    container: 'task',
    ...(follow ? { follow: 'true' } : {}),
    ...(timestamps ? { timestamps: 'true' } : {}),
    ...(typeof since === 'string' ? { sinceTime: since } : {}),
    ...(typeof stream === 'string' ? { stream } : {}),
  };
}

function absent(error: unknown): null {
  if (error instanceof FogError && error.code === 'not-found') return null;
  throw error;
}
