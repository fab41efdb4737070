/**
 * A stand-in for the API server of a Kubernetes cluster, of our own.
 *
 * No cluster can run where these tests run, so nothing here proves how a real one behaves: it proves what the runtime
 * makes of the answers that the documentation of Kubernetes 1.26 to 1.34 promises. It has real HTTPS with an authority
 * made for the test, tokens, versions and watches with 410, dry runs, Jobs that become pods, owner references that
 * collect garbage, logs that are followed; programs run as child processes (kubelet.ts).
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { JobController } from './job-controller.ts';
import { Kubelet } from './kubelet.ts';
import { matches, ObjectStore, type StoredObject, type StoreEvent } from './object-store.ts';
import { serveLog } from './pod-log.ts';

export interface ApiRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  token: string;
  // biome-ignore lint/suspicious/noExplicitAny: documents are free.
  body: any;
}

/** Answers in place of the server: true when it has. */
export type Interception = (request: ApiRequest, response: ServerResponse) => boolean | Promise<boolean>;

export interface Certificates {
  authority: string;
  server: { cert: string; key: string };
  client: { cert: string; key: string };
}

const KINDS = ['jobs', 'pods', 'secrets', 'events', 'resourcequotas', 'networkpolicies'];
const TITLES: Readonly<Record<string, string>> = {
  jobs: 'JobList',
  pods: 'PodList',
  secrets: 'SecretList',
  events: 'EventList',
  resourcequotas: 'ResourceQuotaList',
  networkpolicies: 'NetworkPolicyList',
};

let certificates: Promise<Certificates> | null = null;
/** One authority for a test file: keys take their time. */
export function testCertificates(): Promise<Certificates> {
  certificates ??= makeCertificates();
  return certificates;
}

export class ApiServer {
  readonly store = new ObjectStore();
  readonly kubelet: Kubelet;
  readonly controller: JobController;
  readonly requests: ApiRequest[] = [];
  /** Tokens that are let in. */
  readonly tokens = new Set(['test-token']);
  /** `verb resource` that the account may not do. */
  readonly forbidden = new Set<string>();
  version = { major: '1', minor: '33', gitVersion: 'v1.33.4' };
  hasSplitStreams = true;
  hasMetrics = true;
  namespace = 'fog';
  nodes: Record<string, unknown>[] = [];
  intercept: Interception | null = null;
  readonly #server: Server;
  #port = 0;
  readonly #root: string;
  readonly certificates: Certificates;

  private constructor(made: Certificates, root: string) {
    this.certificates = made;
    this.#root = root;
    this.kubelet = new Kubelet(this.store, root);
    this.controller = new JobController(this.store, this.kubelet);
    const { server } = made;
    const options = {
      cert: server.cert,
      key: server.key,
      ca: made.authority,
      requestCert: true,
      rejectUnauthorized: false,
    };
    this.#server = createServer(options, (request, response) => void this.#handle(request, response));
  }

  static async start(): Promise<ApiServer> {
    const server = new ApiServer(await testCertificates(), await mkdtemp(join(tmpdir(), 'fog-cluster-')));
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    server.#port = (server.#server.address() as AddressInfo).port;
    return server;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** How often this was asked, by method and the end of the path. */
  count(method: string, end: string): number {
    return this.requests.filter((request) => request.method === method && request.path.endsWith(end)).length;
  }

  cutConnections(): void {
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    await this.controller.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#root, { recursive: true, force: true });
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    const url = new URL(incoming.url ?? '/', this.url);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const written = Buffer.concat(chunks).toString('utf8');
    const request: ApiRequest = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      token: (incoming.headers.authorization ?? '').replace('Bearer ', ''),
      body: written === '' ? null : JSON.parse(written),
    };
    this.requests.push(request);
    if (this.intercept !== null && (await this.intercept(request, response))) return;
    const hasCertificate = (incoming.socket as unknown as { authorized: boolean }).authorized;
    if (!this.tokens.has(request.token) && !hasCertificate)
      return refuse(response, 401, 'Unauthorized', 'Unauthorized');
    await this.#route(request, response);
  }

  async #route(request: ApiRequest, response: ServerResponse): Promise<void> {
    const { path, method } = request;
    if (path === '/version') return reply(response, 200, this.version);
    if (path.endsWith('/selfsubjectaccessreviews')) {
      const { verb, resource, subresource } = request.body.spec.resourceAttributes;
      const allowed = !this.forbidden.has(`${verb} ${[resource, subresource].filter(Boolean).join('/')}`);
      return reply(response, 201, { ...request.body, status: { allowed } });
    }
    if (path === '/api/v1/nodes') {
      if (this.forbidden.has('list nodes')) return refuse(response, 403, 'Forbidden', 'nodes is forbidden');
      return reply(response, 200, { kind: 'NodeList', metadata: { resourceVersion: '1' }, items: this.nodes });
    }
    if (path.startsWith('/apis/metrics.k8s.io/')) return this.#metrics(response);
    const [, namespace, kind = '', name, subresource] =
      /^\/(?:api\/v1|apis\/[a-z.0-9]+\/v1)\/namespaces\/([^/]+)\/([a-z]+)(?:\/([^/]+)(?:\/([a-z]+))?)?$/.exec(path) ??
      [];
    if (namespace !== this.namespace || !KINDS.includes(kind)) {
      return refuse(response, 404, 'NotFound', `there is no ${path}`);
    }
    const verb = verbOf(method, name, request.query);
    if (this.forbidden.has(`${verb} ${kind}`)) {
      return refuse(response, 403, 'Forbidden', `${kind} is forbidden: the account cannot ${verb} it`);
    }
    if (subresource === 'log') return serveLog(this, name ?? '', request.query, response);
    if (verb === 'create') return this.#create(kind, request, response);
    if (verb === 'watch') return this.#watch(kind, request.query, response);
    if (verb === 'list') return this.#list(kind, request.query, response);
    return this.#one(kind, name ?? '', verb, request, response);
  }

  #metrics(response: ServerResponse): void {
    if (!this.hasMetrics) return refuse(response, 404, 'NotFound', 'the server could not find the requested resource');
    const containers = [{ name: 'task', usage: { cpu: '250m', memory: '2Mi' } }];
    reply(response, 200, { kind: 'PodMetrics', containers });
  }

  #create(kind: string, { body, query }: ApiRequest, response: ServerResponse): void {
    if (query.get('dryRun') === 'All') return reply(response, 201, body);
    const object = this.store.create(kind, body);
    if (object === null)
      return refuse(response, 409, 'AlreadyExists', `${kind} "${body.metadata.name}" already exists`);
    reply(response, 201, object);
    if (kind === 'jobs') this.controller.jobChanged(object.metadata.name);
  }

  #list(kind: string, query: URLSearchParams, response: ServerResponse): void {
    const field = query.get('fieldSelector') ?? '';
    const about = /involvedObject\.name=([^,]+)/.exec(field)?.[1];
    const all = this.store
      .list(kind, selectorOf(query))
      .filter((object) => about === undefined || (object.involvedObject as { name: string }).name === about);
    const from = Number(query.get('continue') ?? 0);
    const to = from + Number(query.get('limit') ?? 500);
    const more = to < all.length ? { continue: String(to) } : {};
    const metadata = { resourceVersion: String(this.store.version), ...more };
    reply(response, 200, { kind: TITLES[kind], metadata, items: all.slice(from, to) });
  }

  #watch(kind: string, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    if (from < this.store.compactedVersion) {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    const selector = selectorOf(query);
    const send = (event: StoreEvent): void => {
      if (event.kind !== kind || event.version <= from || !matches(event.object, selector)) return;
      response.write(`${JSON.stringify({ type: event.type, object: event.object })}\n`);
    };
    for (const event of this.store.events) send(event);
    response.on('close', this.store.subscribe(send));
    setTimeout(() => response.end(), Number(query.get('timeoutSeconds') ?? 60) * 1000).unref();
    response.flushHeaders();
  }

  async #one(kind: string, name: string, verb: string, request: ApiRequest, response: ServerResponse): Promise<void> {
    const object = this.store.get(kind, name);
    if (object === undefined) return refuse(response, 404, 'NotFound', `${kind} "${name}" not found`);
    if (verb === 'get') return reply(response, 200, object);
    if (verb === 'delete') {
      reply(response, 200, { kind: 'Status', status: 'Success' });
      if (kind === 'jobs') return this.controller.deleteJob(object, request.body?.propagationPolicy);
      if (kind === 'pods') return this.kubelet.kill(name);
      this.store.delete(kind, name);
      return;
    }
    const changed = this.store.change(kind, name, (copy) => merge(copy, request.body));
    reply(response, 200, changed);
    if (kind === 'jobs') this.controller.jobChanged(name);
  }
}

function verbOf(method: string, name: string | undefined, query: URLSearchParams): string {
  if (method === 'POST') return 'create';
  if (method === 'DELETE') return 'delete';
  if (method === 'PATCH') return 'patch';
  if (name !== undefined) return 'get';
  return query.get('watch') === 'true' ? 'watch' : 'list';
}

function selectorOf(query: URLSearchParams): Record<string, string> {
  const written = query.get('labelSelector') ?? '';
  return Object.fromEntries(
    written
      .split(',')
      .filter(Boolean)
      .map((pair) => pair.split('=') as [string, string]),
  );
}

/** RFC 7386, as far as it is needed. */
function merge(target: Record<string, unknown>, patch: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(patch)) {
    if (typeof value === 'object' && value !== null) {
      target[key] ??= {};
      merge(target[key] as Record<string, unknown>, value as Record<string, unknown>);
    } else target[key] = value;
  }
}

export function reply(response: ServerResponse, code: number, document: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(document));
}

export function refuse(response: ServerResponse, code: number, reason: string, message: string): void {
  reply(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code });
}

export type { StoredObject };

async function makeCertificates(): Promise<Certificates> {
  const ec = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;
  const ca = await generate([{ name: 'commonName', value: 'fog test authority' }], {
    ...ec,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  const signer = { key: ca.private, cert: ca.cert };
  const server = await generate([{ name: 'commonName', value: 'kube-apiserver' }], {
    ...ec,
    ca: signer,
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  });
  const client = await generate([{ name: 'commonName', value: 'fog-node' }], {
    ...ec,
    ca: signer,
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'extKeyUsage', clientAuth: true },
    ],
  });
  return {
    authority: ca.cert,
    server: { cert: server.cert, key: server.private },
    client: { cert: client.cert, key: client.private },
  };
}
