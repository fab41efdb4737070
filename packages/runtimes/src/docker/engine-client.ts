/**
 * A thin client of the Engine API over its Unix socket: Docker's, or Podman's compatible one.
 *
 * Only the calls that the runtime needs. The version in the paths is negotiated from /_ping: ours where the engine
 * knows it, otherwise its own. Every call takes an AbortSignal; a call that fails throws EngineError with the engine's
 * own message, or EngineUnreachable when there is nobody, or the connection broke.
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { DOCKER_LIMITS } from '../limits.ts';

/** The engine answered with an error. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Nobody answers on the socket, or the connection broke in the middle of an answer. */
export class EngineUnreachable extends Error {
  override readonly name = 'EngineUnreachable';
}

/** The newest version whose answers this client was written against. */
const NEWEST_API_VERSION = '1.41';
/** For engines that name none. */
const OLDEST_API_VERSION = '1.40';

interface Call {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  query?: Record<string, string | readonly string[] | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Statuses beyond 2xx that are no error. */
  accept?: readonly number[];
}

export class EngineClient {
  readonly socketPath: string;
  readonly #agent: Agent;
  /** Kept apart from the short calls: these hold their connection for as long as a container runs. */
  readonly #longAgent: Agent;
  #apiVersion: Promise<string> | null = null;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
    this.#agent = new Agent({ keepAlive: true, maxSockets: DOCKER_LIMITS.engineConnections, scheduling: 'fifo' });
    this.#longAgent = new Agent({ keepAlive: false });
  }

  /** Ends idle connections. Calls that run are ended by their signals. */
  close(): void {
    this.#agent.destroy();
    this.#longAgent.destroy();
  }

  /** Asks for the version anew with the next call: another engine may have come up on the socket. */
  forgetVersion(): void {
    this.#apiVersion = null;
  }

  /** The version that the paths carry, such as `1.41`. */
  apiVersion(): Promise<string> {
    this.#apiVersion ??= this.#negotiate().catch((error: unknown) => {
      this.#apiVersion = null;
      throw error;
    });
    return this.#apiVersion;
  }

  async #negotiate(): Promise<string> {
    const signal = AbortSignal.timeout(DOCKER_LIMITS.engineAnswerMilliseconds);
    const response = await this.#send({ method: 'GET', path: '/_ping', signal }, this.#agent);
    await readText(response);
    if (response.statusCode !== 200) throw new EngineError(response.statusCode ?? 0, 'The engine is not ready.');
    const newest = String(response.headers['api-version'] ?? '');
    if (compareVersions(newest, NEWEST_API_VERSION) <= 0) return newest === '' ? OLDEST_API_VERSION : newest;
    // Newer than ours: it may have dropped ours (Docker 29 begins at 1.44), which only the whole answer tells.
    const version = await this.#send({ method: 'GET', path: '/version', signal }, this.#agent);
    const { MinAPIVersion = '' } = JSON.parse(await readText(version)) as { MinAPIVersion?: string };
    return compareVersions(MinAPIVersion, NEWEST_API_VERSION) > 0 ? MinAPIVersion : NEWEST_API_VERSION;
  }

  async json<Value>(call: Call): Promise<Value> {
    const text = await this.text(call);
    return (text === '' ? null : JSON.parse(text)) as Value;
  }

  async text(call: Call): Promise<string> {
    const { signal, ...rest } = call;
    const timeout = AbortSignal.timeout(DOCKER_LIMITS.engineAnswerMilliseconds);
    const limited = { ...rest, signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) };
    try {
      return await readText(await this.#answer(limited, this.#agent));
    } catch (error) {
      if (timeout.aborted) throw new EngineUnreachable('the engine does not answer', { cause: error });
      throw error;
    }
  }

  /** The answer as it arrives, for as long as it takes. The caller reads or destroys it. */
  stream(call: Call): Promise<IncomingMessage> {
    return this.#answer(call, this.#longAgent);
  }

  /**
   * A connection in both directions. Docker switches protocols only when asked to, Podman always. What the engine sent
   * with its answer is put back into the connection.
   */
  async hijack(call: Call): Promise<Duplex> {
    const headers = { ...call.headers, Connection: 'Upgrade', Upgrade: 'tcp' };
    const path = `/v${await this.apiVersion()}${call.path}`;
    const outgoing = this.#request({ ...call, path, headers }, this.#longAgent);
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    outgoing.on('error', (error) => reject(unreachable(error, call.signal)));
    outgoing.on('upgrade', (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    outgoing.on('response', (response) => {
      readText(response).then(
        (text) => reject(new EngineError(response.statusCode ?? 0, messageOf(text, response.statusMessage))),
        reject,
      );
    });
    const limit = setTimeout(() => outgoing.destroy(new Error('no answer')), DOCKER_LIMITS.engineAnswerMilliseconds);
    return promise.finally(() => clearTimeout(limit));
  }

  async #answer(call: Call, agent: Agent): Promise<IncomingMessage> {
    const path = `/v${await this.apiVersion()}${call.path}`;
    const response = await this.#send({ ...call, path }, agent);
    const status = response.statusCode ?? 0;
    if ((status >= 200 && status < 300) || call.accept?.includes(status)) return response;
    throw new EngineError(status, messageOf(await readText(response), response.statusMessage));
  }

  #send(call: Call, agent: Agent): Promise<IncomingMessage> {
    const outgoing = this.#request(call, agent);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    outgoing.on('response', resolve);
    outgoing.on('error', (error) => reject(unreachable(error, call.signal)));
    return promise;
  }

  #request(call: Call, agent: Agent): ReturnType<typeof request> {
    const body = call.body === undefined ? null : call.body instanceof Uint8Array ? call.body : encode(call.body);
    const type = call.body instanceof Uint8Array ? 'application/x-tar' : 'application/json';
    const outgoing = request({
      socketPath: this.socketPath,
      method: call.method,
      path: `${call.path}${queryText(call.query ?? {})}`,
      agent,
      headers: {
        Host: 'engine',
        ...(body === null ? {} : { 'Content-Type': type }),
        ...(call.method === 'POST' ? { 'Content-Length': String(body?.length ?? 0) } : {}),
        ...call.headers,
      },
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    });
    outgoing.end(body ?? undefined);
    return outgoing;
  }
}

/** Of `major.minor`; what is not a version is older than any. */
export function compareVersions(first: string, second: string): number {
  const numbers = (version: string): number[] => (/^\d+\.\d+$/.test(version) ? version.split('.').map(Number) : [0, 0]);
  const [major = 0, minor = 0] = numbers(first);
  const [otherMajor = 0, otherMinor = 0] = numbers(second);
  return major - otherMajor || minor - otherMinor;
}

/**
 * Sockets in the order in which they are tried: the one of DOCKER_HOST alone if it is set, otherwise Docker's and then
 * Podman's, of the machine and of the user. An address that is no Unix socket is not used.
 */
export function socketCandidates(environment: Readonly<Record<string, string | undefined>>): string[] {
  const { DOCKER_HOST: host, XDG_RUNTIME_DIR: runtimeDirectory } = environment;
  if (host !== undefined && host !== '') return host.startsWith('unix://') ? [host.slice('unix://'.length)] : [];
  const ofUser = runtimeDirectory === undefined ? [] : [`${runtimeDirectory}/docker.sock`];
  const podmanOfUser = runtimeDirectory === undefined ? [] : [`${runtimeDirectory}/podman/podman.sock`];
  return ['/var/run/docker.sock', ...ofUser, '/run/podman/podman.sock', ...podmanOfUser];
}

function queryText(query: NonNullable<Call['query']>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of typeof value === 'string' ? [value] : (value ?? [])) parameters.append(name, one);
  }
  return parameters.size === 0 ? '' : `?${parameters}`;
}

function encode(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Cut at a limit: what the engine answers to these calls is short, whatever a container did. */
async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > DOCKER_LIMITS.engineAnswerBytes) throw new EngineError(0, 'The engine answered with too much.');
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineUnreachable(`the connection to the engine broke`, { cause: error });
  }
  return Buffer.concat(chunks).toString('utf8');
}

function messageOf(text: string, statusMessage: string | undefined): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // Not JSON: the text is the message.
  }
  return text.trim() || statusMessage || 'no message';
}

function unreachable(error: Error, signal: AbortSignal | undefined): Error {
  if (signal?.aborted) return signal.reason instanceof Error ? signal.reason : error;
  return new EngineUnreachable(`the engine cannot be reached (${error.message})`, { cause: error });
}
