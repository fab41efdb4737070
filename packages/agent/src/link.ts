import { setTimeout as sleep } from 'node:timers/promises';
import {
  AGENT_PATH,
  type AgentFrame,
  type CoordinatorFrame,
  connectionFault,
  type Fetch,
  FogError,
  LIMITS,
} from '@fog/contract';
import { type PinnedConnection, pinnedConnection } from '@fog/contract/node';
import { type ClientOptions, type RawData, WebSocket } from 'ws';
import { fullJitterMilliseconds } from './backoff.ts';
import { parseCoordinatorFrame } from './coordinator-frames.ts';
import { AGENT_LIMITS } from './limits.ts';

export type WelcomeFrame = Extract<CoordinatorFrame, { type: 'welcome' }>;
/** What may arrive after the welcome. */
export type SessionFrame = Extract<
  CoordinatorFrame,
  { type: 'lease' | 'ack' | 'stop' | 'suspend' | 'resume' | 'yield' | 'tunnel' | 'reveal' | 'drain' }
>;
type HelloFrame = Extract<AgentFrame, { type: 'hello' }>;

export interface LinkDependencies {
  /** Of the coordinator, `http:` or `https:`. */
  url: string;
  /** SHA-256 of its certificate; null uses the authorities of the system. */
  fingerprint: string | null;
  hello(nonce: string): HelloFrame;
  heartbeat(): AgentFrame;
  opened(welcome: WelcomeFrame, fetch: Fetch): void;
  received(frame: SessionFrame): void;
  /** The session that `opened` announced is over; another will follow. */
  lost(): void;
  /** No further connection is tried. */
  refused(error: FogError): void;
  random(): number;
  /** Monotonic, in milliseconds. */
  now(): number;
  log(level: 'info' | 'warn', message: string, data?: Record<string, unknown>): void;
}

/** Errors that another try does not change: somebody has to act first. */
const PERMANENT: ReadonlySet<string> = new Set(['unauthenticated', 'forbidden', 'protocol-version']);

/**
 * The connection to the coordinator, kept up for as long as the agent lives.
 *
 *     dialling -> challenged? -> greeting -> open
 *        ^   \________\____________\________/ | socket gone, silence, garbage, handshake too slow
 *        |                                    v
 *        +---- pause (full jitter, growing) -- waiting
 *
 *     refused   unauthenticated, forbidden or protocol-version: for good
 *     closed    by `close()`: for good
 *
 * "challenged?" is the wait for the challenge, "greeting" the wait for welcome after hello was sent.
 */
export class Link {
  readonly #dependencies: LinkDependencies;
  readonly #stop = new AbortController();
  #pinned: PinnedConnection | null = null;
  #socket: WebSocket | null = null;
  #state: 'dialling' | 'greeting' | 'open' | 'waiting' | 'refused' | 'closed' = 'waiting';
  #failures = 0;
  /** When something was last heard of the coordinator; counts for `disconnect.stopOnNodeAfter`. */
  #heardMilliseconds: number;

  constructor(dependencies: LinkDependencies) {
    this.#dependencies = dependencies;
    this.#heardMilliseconds = dependencies.now();
  }

  /** Starts connecting. Resolves when the first try has ended: open, refused, or failed and to be repeated. */
  start(): Promise<void> {
    return new Promise((firstTryEnded) => {
      void this.#keepConnected(firstTryEnded);
    });
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get heardMilliseconds(): number {
    return this.#heardMilliseconds;
  }

  /** Whom to trust behind https; undefined leaves it to the authorities of the system. */
  get tls(): PinnedConnection['tls'] {
    return this.#pinned?.tls;
  }

  /** Bytes given to the socket that the network has not taken. */
  get backlogBytes(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Sends when a session is open; otherwise the frame is dropped, for the next hello tells everything anew. */
  send(frame: AgentFrame): void {
    if (this.#state === 'open') this.#socket?.send(JSON.stringify(frame));
  }

  /** Ends this session and starts another. */
  reconnect(): void {
    this.#socket?.terminate();
  }

  /** Sends what is buffered, then ends for good. */
  async close(): Promise<void> {
    if (this.#state !== 'refused') this.#state = 'closed';
    const socket = this.#socket;
    this.#stop.abort();
    if (socket === null || socket.readyState === WebSocket.CLOSED) return;
    await new Promise<void>((resolve) => {
      const patience = setTimeout(() => socket.terminate(), 1_000);
      socket.once('close', () => {
        clearTimeout(patience);
        resolve();
      });
      if (socket.readyState === WebSocket.OPEN) socket.close(1000);
      else socket.terminate();
    });
  }

  async #keepConnected(firstTryEnded: () => void): Promise<void> {
    const { random, now, log } = this.#dependencies;
    for (;;) {
      const startedMilliseconds = now();
      const error = await this.#session(firstTryEnded);
      if (this.#stop.signal.aborted) return firstTryEnded();
      if (PERMANENT.has(error.code) && !(error.code === 'unauthenticated' && this.#isForeignNetwork(error))) {
        this.#state = 'refused';
        this.#dependencies.refused(error);
        return firstTryEnded();
      }
      const wasSteady = now() - startedMilliseconds > AGENT_LIMITS.steadySessionMilliseconds;
      this.#failures = wasSteady ? 1 : this.#failures + 1;
      const pause = fullJitterMilliseconds(
        this.#failures,
        AGENT_LIMITS.reconnectFirstMilliseconds,
        AGENT_LIMITS.reconnectMostMilliseconds,
        random,
      );
      log('warn', `no connection: ${error.message}`, { code: error.code, retryMilliseconds: pause });
      this.#state = 'waiting';
      firstTryEnded();
      await sleep(pause, undefined, { signal: this.#stop.signal }).catch(() => {});
      if (this.#stop.signal.aborted) return;
    }
  }

  /** A laptop in another network may meet a stranger under the old address; at home the coordinator is there again. */
  #isForeignNetwork(error: FogError): boolean {
    const isStranger = error.details.presented !== undefined || error.cause !== undefined;
    return this.#failures > 0 && isStranger;
  }

  /** One connection from dialling to its end. Never rejects; the error tells why it ended. */
  async #session(opened: () => void): Promise<FogError> {
    this.#state = 'dialling';
    try {
      this.#pinned ??= await pinnedConnection(this.#dependencies.url, this.#dependencies.fingerprint);
    } catch (error) {
      return FogError.from(error);
    }
    const pinned = this.#pinned;
    if (this.#stop.signal.aborted) return new FogError('cancelled', 'the agent was stopped');
    const socket = new WebSocket(linkUrl(this.#dependencies.url), {
      maxPayload: LIMITS.frameBytes,
      perMessageDeflate: false,
      handshakeTimeout: AGENT_LIMITS.handshakeMilliseconds,
      ...(pinned.tls as ClientOptions | undefined),
    });
    this.#socket = socket;
    return new Promise<FogError>((resolve) => {
      const timers = new SessionTimers();
      let fault: FogError | null = null;
      const fail = (error: FogError): void => {
        fault ??= error;
        socket.terminate();
      };
      timers.handshake = setTimeout(
        () => fail(new FogError('unavailable', 'the coordinator did not finish the handshake')),
        AGENT_LIMITS.handshakeMilliseconds,
      );
      socket.on('message', (data, isBinary) => {
        if (fault !== null || this.#socket !== socket) return;
        this.#heardMilliseconds = this.#dependencies.now();
        try {
          const frame = parseCoordinatorFrame(textOf(data, isBinary));
          this.#handle(frame, pinned.fetch, () => {
            clearTimeout(timers.handshake);
            this.#startHeartbeats(frame as WelcomeFrame, fail, timers);
            opened();
          });
        } catch (error) {
          fail(FogError.from(error));
        }
      });
      socket.on('unexpected-response', (_request, response) => {
        fail(refusedUpgrade(response.statusCode ?? 0));
        response.destroy();
      });
      socket.on('error', (cause) => fail(connectionFault(this.#dependencies.url, cause)));
      socket.on('close', (code) => {
        timers.end();
        const wasOpen = this.#state === 'open';
        if (this.#socket === socket) this.#socket = null;
        if (this.#state !== 'closed') this.#state = 'waiting';
        if (wasOpen) this.#dependencies.lost();
        resolve(fault ?? new FogError('unavailable', `the coordinator closed the connection (${code})`));
      });
    });
  }

  /** Throws what ends the session. */
  #handle(frame: CoordinatorFrame, fetch: Fetch, began: () => void): void {
    const { hello, opened, received } = this.#dependencies;
    switch (frame.type) {
      case 'challenge':
        if (this.#state !== 'dialling') throw unexpected(frame);
        this.#state = 'greeting';
        this.#socket?.send(JSON.stringify(hello(frame.nonce)));
        return;
      case 'refuse':
        throw FogError.fromProblem(frame.problem, frame.problem.detail);
      case 'welcome':
        if (this.#state !== 'greeting') throw unexpected(frame);
        this.#state = 'open';
        began();
        opened(frame, fetch);
        return;
      case 'beat':
        return;
      default:
        if (this.#state !== 'open') throw unexpected(frame);
        received(frame);
    }
  }

  /** Beats, and listens for the answers. */
  #startHeartbeats(welcome: WelcomeFrame, fail: (error: FogError) => void, timers: SessionTimers): void {
    const { random, now, heartbeat } = this.#dependencies;
    const period = welcome.heartbeatMilliseconds;
    const patience = period * AGENT_LIMITS.silentHeartbeats;
    const beat = (): void => {
      timers.heartbeat = setTimeout(
        () => {
          this.send(heartbeat());
          beat();
        },
        period * (1 - AGENT_LIMITS.heartbeatJitter * random()),
      );
    };
    const listen = (): void => {
      const rest = this.#heardMilliseconds + patience - now();
      if (rest <= 0) fail(new FogError('unavailable', `nothing was heard for ${Math.round(patience)} ms`));
      else timers.silence = setTimeout(listen, rest);
    };
    beat();
    listen();
  }
}

/** The timers of one connection, ended together. */
class SessionTimers {
  handshake: NodeJS.Timeout | undefined;
  heartbeat: NodeJS.Timeout | undefined;
  silence: NodeJS.Timeout | undefined;

  end(): void {
    clearTimeout(this.handshake);
    clearTimeout(this.heartbeat);
    clearTimeout(this.silence);
  }
}

function linkUrl(url: string): string {
  return url.replace(/^http/, 'ws').replace(/\/+$/, '') + AGENT_PATH;
}

function textOf(data: RawData, isBinary: boolean): string {
  if (isBinary) throw new FogError('protocol-violation', 'the coordinator sent a binary frame');
  return (data as Buffer).toString('utf8'); // `binaryType` is "nodebuffer", the default
}

function unexpected(frame: CoordinatorFrame): FogError {
  return new FogError('protocol-violation', `the coordinator sent "${frame.type}" out of turn`);
}

/** The server answered the WebSocket upgrade with a status of its own, before any frame. */
function refusedUpgrade(status: number): FogError {
  const code =
    status === 401
      ? 'unauthenticated'
      : status === 403
        ? 'forbidden'
        : status === 426
          ? 'protocol-version'
          : 'unavailable';
  return new FogError(code, `the server answered the agent link with status ${status}`);
}
