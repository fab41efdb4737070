/** The typed client: one method for all routes, plus blobs and event streams. Works in Node and in browsers. */
import type { z } from 'zod';
import { connectionFault, FogError } from './errors.ts';
import { ROUTES, type RouteDefinition, type RouteName, UPLOAD_OFFSET_HEADER } from './routes.ts';

type Routes = typeof ROUTES;
type Part<Route, Key extends string> = Route extends { [K in Key]: infer Schema extends z.ZodType }
  ? { [K in Key]: z.input<Schema> }
  : unknown;
/** Arguments of a route: `params`, `query` and `body`, as far as it has them. */
export type RouteArguments<Name extends RouteName> = Part<Routes[Name], 'params'> &
  (Routes[Name] extends { query: infer Query extends z.ZodType } ? { query?: z.input<Query> } : unknown) &
  Part<Routes[Name], 'body'>;
export type RouteResponse<Name extends RouteName> = Routes[Name]['response'] extends z.ZodType
  ? z.output<Routes[Name]['response']>
  : undefined;
type StreamName = { [Name in RouteName]: Routes[Name] extends { stream: z.ZodType } ? Name : never }[RouteName];
export type StreamRecord<Name extends StreamName> = Routes[Name] extends { stream: infer Schema extends z.ZodType }
  ? z.output<Schema>
  : never;

/** The part of `fetch` that is used; Node programs pass one of their own, see node/http-fetch.ts. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>;
export interface FetchInit {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array | ReadableStream<Uint8Array>;
  signal?: AbortSignal;
  duplex?: 'half';
}

/** The part of `Response` that is used. */
export interface FetchResponse {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: ReadableStream<Uint8Array> | null;
  text(): Promise<string>;
  json(): Promise<unknown>;
}

export interface ClientOptions {
  /** e.g. `http://127.0.0.1:7070`. */
  url: string;
  token: string;
  fetch?: Fetch;
}

const GATEWAY_STATUSES: readonly number[] = [502, 503, 504];

export class FogClient {
  readonly url: string;
  readonly #token: string;
  readonly #fetch: Fetch;

  constructor(options: ClientOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.#token = options.token;
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init as RequestInit));
  }

  /** Calls a route. Throws the `FogError` that the coordinator answered, or `unavailable` when it cannot be reached. */
  async call<Name extends RouteName>(
    name: Name,
    ...[parts, options]: object extends RouteArguments<Name>
      ? [parts?: RouteArguments<Name>, options?: { signal?: AbortSignal }]
      : [parts: RouteArguments<Name>, options?: { signal?: AbortSignal }]
  ): Promise<RouteResponse<Name>> {
    const route: RouteDefinition = ROUTES[name];
    const body = (parts as { body?: unknown } | undefined)?.body;
    const response = await this.#request(route.method, routePath(route, parts ?? {}), {
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(options?.signal === undefined ? {} : { signal: options.signal }),
    });
    if (route.response === null) return undefined as RouteResponse<Name>;
    return route.response.parse(await response.json()) as RouteResponse<Name>;
  }

  /**
   * Follows an event stream until the coordinator ends it, resuming after the last record across broken
   * connections. Throws when the coordinator stays unreachable for `patienceMilliseconds`.
   */
  async *follow<Name extends StreamName>(
    name: Name,
    parts: RouteArguments<Name>,
    options: { signal?: AbortSignal; patienceMilliseconds?: number } = {},
  ): AsyncGenerator<StreamRecord<Name>> {
    const route: RouteDefinition = ROUTES[name];
    const patience = options.patienceMilliseconds ?? 30_000;
    let after = (parts as { query?: { after?: number } }).query?.after ?? 0;
    let brokenSince: number | null = null;
    while (!options.signal?.aborted) {
      try {
        const path = routePath(route, { ...parts, query: { ...(parts as { query?: object }).query, after } });
        const response = await this.#request('GET', path, {
          headers: { accept: 'text/event-stream' },
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        });
        for await (const message of serverSentEvents(response)) {
          brokenSince = null;
          if (message.event === 'end') return;
          const record = readRecord(route, message.data) as StreamRecord<Name>;
          after = Number(message.id);
          yield record;
        }
      } catch (error) {
        if (options.signal?.aborted) break;
        const fault = FogError.from(error);
        if (fault.code !== 'unavailable' && fault.code !== 'internal') throw fault;
        if (error instanceof FogError && fault.code === 'internal') throw fault;
        brokenSince ??= Date.now();
        if (Date.now() - brokenSince > patience) throw fault;
      }
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    throw new FogError('cancelled', 'the stream was aborted', { cause: options.signal?.reason });
  }

  /** Bytes of the blob that are stored: all (`complete`), or those of a broken upload. */
  async blobOffset(digest: string, signal?: AbortSignal): Promise<{ complete: boolean; offset: number }> {
    try {
      const response = await this.#request('HEAD', blobPath(digest), signal === undefined ? {} : { signal });
      return { complete: true, offset: Number(response.headers.get('content-length') ?? 0) };
    } catch (error) {
      const fault = FogError.from(error);
      if (fault.code !== 'blob-not-found') throw fault;
      return { complete: false, offset: Number(fault.details.offset ?? 0) };
    }
  }

  /** Uploads bytes from `offset` on; the coordinator verifies the digest of the whole. */
  async putBlob(
    digest: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options: { offset?: number; signal?: AbortSignal } = {},
  ): Promise<void> {
    const response = await this.#request('PUT', `${blobPath(digest)}?offset=${options.offset ?? 0}`, {
      headers: { 'content-type': 'application/octet-stream' },
      body,
      ...(body instanceof Uint8Array ? {} : { duplex: 'half' as const }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    // A connection serves the next request once its answer has been read.
    await response.text();
  }

  /** Streams a blob from `offset` on. The caller verifies the digest. */
  async getBlob(
    digest: string,
    options: { offset?: number; signal?: AbortSignal } = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#request('GET', blobPath(digest), {
      headers: options.offset ? { range: `bytes=${options.offset}-` } : {},
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (response.body === null) throw new FogError('internal', 'the coordinator sent no body');
    return response.body;
  }

  async #request(method: string, path: string, init: Partial<FetchInit>): Promise<FetchResponse> {
    const headers = { ...init.headers, authorization: `Bearer ${this.#token}` };
    let response: FetchResponse;
    try {
      response = await this.#fetch(this.url + path, { ...init, method, headers });
    } catch (cause) {
      if (init.signal?.aborted) throw new FogError('cancelled', 'the request was aborted', { cause });
      throw connectionFault(this.url, cause);
    }
    if (response.ok) return response;
    if (method === 'HEAD') {
      const offset = Number(response.headers.get(UPLOAD_OFFSET_HEADER) ?? 0);
      if (response.status === 404) throw new FogError('blob-not-found', 'no such blob', { details: { offset } });
    }
    const text = await response.text();
    // Between us and the coordinator stands a proxy, and nobody behind it.
    if (GATEWAY_STATUSES.includes(response.status) && !text.includes('urn:fog:error:')) {
      throw new FogError('unavailable', `the coordinator at ${this.url} cannot be reached: status ${response.status}`);
    }
    throw FogError.fromProblem(parseJson(text), `${method} ${path} answered ${response.status} ${text.slice(0, 200)}`);
  }
}

/** Fills in `:params` and appends the query. */
export function routePath(route: Pick<RouteDefinition, 'path'>, parts: { params?: object; query?: object }): string {
  const params = (parts.params ?? {}) as Record<string, unknown>;
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(params[name])));
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parts.query ?? {})) {
    if (value !== undefined) query.set(key, String(value));
  }
  return query.size === 0 ? path : `${path}?${query}`;
}

function blobPath(digest: string): string {
  return `/v1/blobs/${encodeURIComponent(digest)}`;
}

/** Parses `text/event-stream` (WHATWG HTML, section 9.2). */
async function* serverSentEvents(response: FetchResponse): AsyncGenerator<{ id: string; event: string; data: string }> {
  if (response.body === null) return;
  const decoder = new TextDecoder();
  let buffer = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    buffer += decoder.decode(chunk, { stream: true });
    for (let end = buffer.indexOf('\n\n'); end !== -1; end = buffer.indexOf('\n\n')) {
      const message = { id: '', event: 'message', data: '' };
      for (const line of buffer.slice(0, end).split('\n')) {
        const colon = line.indexOf(':');
        if (colon <= 0) continue; // a comment keeps the connection open
        const field = line.slice(0, colon);
        const value = line.slice(colon + 1).replace(/^ /, '');
        if (field === 'data') message.data += message.data === '' ? value : `\n${value}`;
        else if (field === 'id' || field === 'event') message[field] = value;
      }
      buffer = buffer.slice(end + 2);
      if (message.data !== '' || message.event === 'end') yield message;
    }
  }
}

/** Asking again would bring the same record, so a record that cannot be read ends the stream. */
function readRecord(route: RouteDefinition, data: string): unknown {
  try {
    return route.stream?.parse(JSON.parse(data));
  } catch (cause) {
    throw new FogError('internal', 'the coordinator sent a record that this version cannot read', { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
