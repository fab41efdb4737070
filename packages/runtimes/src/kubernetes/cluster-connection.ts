/**
 * HTTPS to one API server: who we are, time limits, bounded answers, tries again.
 *
 *     call: send -> whole answer
 *             \-> 429, 5xx, broken connection, silence -> pause (doubling, random) -> send, up to requestTries times
 *             \-> 401 -> token read anew -> send once more
 *     open: the same up to the head of the answer; its body belongs to the caller
 */
import type { IncomingMessage } from 'node:http';
import { Agent, request as sendRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { FogError, type FogErrorOptions } from '@fog/contract';
import { KUBERNETES_LIMITS } from '../limits.ts';
import { type ClusterAccess, readToken } from './cluster-access.ts';
import { integer, oneLine, record, text } from './fields.ts';
import type { KubernetesTiming } from './timing.ts';

type Query = Readonly<Record<string, string>>;

export interface CallOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  query?: Query;
  /** Sent as JSON. */
  body?: unknown;
  contentType?: string;
  signal?: AbortSignal;
  /** 1: no second try. */
  tries?: number;
  answerBytes?: number;
  timeoutMilliseconds?: number;
}

export class ClusterConnection {
  readonly #access: ClusterAccess;
  readonly #timing: KubernetesTiming;
  readonly #agent: Agent;
  readonly #random: () => number;
  #token: { value: string; readAtMilliseconds: number } | null = null;

  constructor(access: ClusterAccess, timing: KubernetesTiming, random: () => number = Math.random) {
    this.#access = access;
    this.#timing = timing;
    this.#random = random;
    this.#agent = new Agent({
      keepAlive: true,
      ...(access.authority === null ? {} : { ca: access.authority }),
      ...(access.serverName === null ? {} : { servername: access.serverName }),
      ...(access.clientCertificate === null
        ? {}
        : { cert: access.clientCertificate.certificate, key: access.clientCertificate.key }),
    });
  }

  get namespace(): string {
    return this.#access.namespace;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** The whole body of a good answer. Throws a FogError; `details.status` is the HTTP status, where there was one. */
  async call(path: string, options: CallOptions = {}): Promise<Buffer> {
    return this.#retrying(options, async (signal) => {
      const timeout = options.timeoutMilliseconds ?? this.#timing.requestMilliseconds;
      const limit = AbortSignal.timeout(timeout);
      const both = AbortSignal.any([signal, limit]);
      try {
        const answer = await this.#send(path, options, both);
        return await readBody(answer, options.answerBytes ?? KUBERNETES_LIMITS.answerBytes);
      } catch (error) {
        if (limit.aborted && !signal.aborted) throw timedOut(path, timeout);
        throw error;
      }
    });
  }

  /** An answer whose body goes on for as long as the server likes. `signal` ends it. */
  async open(path: string, options: CallOptions): Promise<IncomingMessage> {
    return this.#retrying(options, async (signal) => {
      const timeout = this.#timing.requestMilliseconds;
      const head = new AbortController();
      const timer = setTimeout(() => head.abort(), timeout);
      try {
        return await this.#send(path, options, AbortSignal.any([signal, head.signal]));
      } catch (error) {
        if (head.signal.aborted && !signal.aborted) throw timedOut(path, timeout);
        throw error;
      } finally {
        clearTimeout(timer);
      }
    });
  }

  async #retrying<Answer>(
    { signal = new AbortController().signal, tries = KUBERNETES_LIMITS.requestTries }: CallOptions,
    attempt: (signal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    let isTokenRenewed = false;
    for (let done = 1; ; done += 1) {
      try {
        return await attempt(signal);
      } catch (error) {
        if (signal.aborted)
          throw new FogError('cancelled', 'the request to the cluster was given up', { cause: error });
        const fault = toFogError(error);
        if (fault.code === 'unauthenticated' && !isTokenRenewed && this.#access.token !== null) {
          // The token expired before its file was read again.
          isTokenRenewed = true;
          this.#token = null;
          continue;
        }
        if (!fault.retryable || done >= tries) throw fault;
        await this.#pause(done, fault, signal);
      }
    }
  }

  async #pause(done: number, fault: FogError, signal: AbortSignal): Promise<void> {
    const { retryFirstMilliseconds: first, retryMostMilliseconds: most } = this.#timing;
    const asked = integer(fault.details.retryAfterSeconds) ?? 0;
    const own = Math.min(most, first * 2 ** (done - 1)) * (0.5 + this.#random() / 2);
    // A server that asks for more patience than we have is asked again anyway.
    const milliseconds = Math.max(own, Math.min(asked * 1000, most));
    await delay(milliseconds, undefined, { signal }).catch(() => {
      throw new FogError('cancelled', 'the request to the cluster was given up');
    });
  }

  async #send(path: string, options: CallOptions, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(this.#access.server);
    url.pathname = url.pathname.replace(/\/$/, '') + path;
    for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, value);
    const body = options.body === undefined ? null : Buffer.from(JSON.stringify(options.body));
    const headers: Record<string, string> = { accept: 'application/json, */*', 'user-agent': 'fog-compute' };
    const token = await this.#currentToken();
    if (token !== null) headers.authorization = `Bearer ${token}`;
    if (body !== null) {
      headers['content-type'] = options.contentType ?? 'application/json';
      headers['content-length'] = String(body.byteLength);
    }
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = sendRequest(url, { agent: this.#agent, method: options.method ?? 'GET', headers, signal }, resolve);
    request.on('error', reject);
    request.end(body);
    const answer = await promise;
    // A connection that breaks later tells whoever reads; nobody reading must not end the process.
    answer.on('error', () => undefined);
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw await refusedCall(answer, `${options.method ?? 'GET'} ${path}`);
  }

  async #currentToken(): Promise<string | null> {
    const { token } = this.#access;
    if (token === null) return null;
    const now = performance.now();
    if (this.#token === null || now - this.#token.readAtMilliseconds >= this.#timing.tokenMilliseconds) {
      this.#token = { value: await readToken(token), readAtMilliseconds: now };
    }
    return this.#token.value;
  }
}

async function readBody(answer: IncomingMessage, mostBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > mostBytes) {
      answer.destroy();
      throw new FogError('body-too-large', `the cluster answered with more than ${mostBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const CODES: Readonly<Record<number, FogError['code']>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  410: 'conflict',
  413: 'body-too-large',
  429: 'too-many-requests',
};

/** What a bad answer says: Kubernetes sends a Status object, a proxy in between may send anything. */
async function refusedCall(answer: IncomingMessage, call: string): Promise<FogError> {
  const status = answer.statusCode ?? 0;
  const body = await readBody(answer, 64 * 1024).catch(() => Buffer.alloc(0));
  const document = record(parseJson(body));
  const said = text(document.message) || body.subarray(0, 200).toString('utf8') || 'without a reason';
  const asked = integer(record(document.details).retryAfterSeconds) ?? Number(answer.headers['retry-after']);
  const options: FogErrorOptions = {
    details: {
      status,
      reason: text(document.reason),
      said: oneLine(said),
      ...(Number.isSafeInteger(asked) ? { retryAfterSeconds: asked } : {}),
    },
    ...(status === 401 ? { hint: 'Renew the token or the client certificate.' } : {}),
    ...(status === 403 ? { hint: 'Apply the Role of docs/kubernetes.md, or ask who runs the cluster.' } : {}),
  };
  const code = CODES[status] ?? (status >= 500 ? 'unavailable' : 'invalid-request');
  return new FogError(code, `the cluster answered ${call} with ${status}: ${oneLine(said)}`, options);
}

export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    return null;
  }
}

function timedOut(path: string, milliseconds: number): FogError {
  return new FogError('timed-out', `the cluster did not answer ${path} within ${milliseconds} ms`);
}

function toFogError(error: unknown): FogError {
  if (error instanceof FogError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (/CERT|SIGNATURE|ERR_TLS|EPROTO/.test(code)) {
    return new FogError('invalid-configuration', `the certificate of the cluster is not accepted (${code})`, {
      hint: 'Compare server, certificate-authority and tls-server-name with what the cluster has.',
      cause: error,
    });
  }
  return new FogError('unavailable', `the cluster cannot be reached: ${oneLine(message)}`, {
    hint: 'Look whether the address of the API server is right and reachable from this machine.',
    cause: error,
  });
}
