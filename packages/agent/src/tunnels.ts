/** Connections to published ports of this node's attempts, on behalf of the coordinator; see the contract's tunnels.ts. */
import type { Duplex } from 'node:stream';
import {
  AGENT_TUNNEL_PATH,
  type AttemptName,
  attemptKey,
  type CoordinatorFrame,
  FogError,
  LIMITS,
} from '@fog/contract';
import { type PinnedConnection, relay, TunnelStream } from '@fog/contract/node';
import { type ClientOptions, WebSocket } from 'ws';
import { AGENT_LIMITS } from './limits.ts';

export interface TunnelsDependencies {
  /** Of the coordinator, `http:` or `https:`. */
  url: string;
  tls(): PinnedConnection['tls'];
  /** Rejects with `not-found` for what no job publishes, `unavailable` while nobody listens. */
  connect(attempt: AttemptName, port: number): Promise<Duplex>;
}

type TunnelFrame = Extract<CoordinatorFrame, { type: 'tunnel' }>;

export class Tunnels {
  /** Of the present session. */
  sessionToken = '';
  readonly #dependencies: TunnelsDependencies;
  readonly #sockets = new Set<WebSocket>();
  readonly #ofAttempt = new Map<string, number>();
  #isClosed = false;

  constructor(dependencies: TunnelsDependencies) {
    this.#dependencies = dependencies;
  }

  /** Dials the coordinator, and joins it to the port or tells it why not. */
  open(frame: TunnelFrame): void {
    if (this.#isClosed) return;
    const key = attemptKey(frame.attempt);
    const ofAttempt = (this.#ofAttempt.get(key) ?? 0) + 1;
    const isTooMany = this.#sockets.size >= LIMITS.tunnelsPerNode || ofAttempt > LIMITS.tunnelsPerAttempt;
    this.#ofAttempt.set(key, ofAttempt);
    void this.#serve(frame, isTooMany).finally(() => {
      const left = (this.#ofAttempt.get(key) ?? 1) - 1;
      if (left === 0) this.#ofAttempt.delete(key);
      else this.#ofAttempt.set(key, left);
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.terminate();
  }

  /** Resolves when the tunnel is over. Never rejects. */
  async #serve({ id, attempt, port }: TunnelFrame, isTooMany: boolean): Promise<void> {
    const { connect } = this.#dependencies;
    const connecting = isTooMany ? Promise.reject(tooMany()) : connect(attempt, port);
    connecting.then((connection) => connection.on('error', () => {})).catch(() => {});
    const socket = this.#dial(id);
    const tunnel = new TunnelStream(socket, { idleMilliseconds: AGENT_LIMITS.tunnelIdleMilliseconds });
    tunnel.on('error', () => {}); // the other end learns of it
    const isDialled = new Promise<boolean>((resolve) => {
      socket.once('open', () => resolve(true));
      socket.once('close', () => resolve(false));
    });
    try {
      const connection = await connecting;
      if (!(await isDialled) || tunnel.destroyed) {
        connection.destroy();
        return;
      }
      tunnel.open();
      await relay(connection, tunnel);
    } catch (error) {
      if (await isDialled) tunnel.destroy(FogError.from(error));
    }
  }

  #dial(id: string): WebSocket {
    const { url, tls } = this.#dependencies;
    const address = url.replace(/^http/, 'ws').replace(/\/+$/, '') + AGENT_TUNNEL_PATH.replace(':id', id);
    const socket = new WebSocket(address, {
      headers: { authorization: `Bearer ${this.sessionToken}` },
      maxPayload: LIMITS.tunnelFrameBytes,
      perMessageDeflate: false,
      handshakeTimeout: AGENT_LIMITS.handshakeMilliseconds,
      ...(tls() as ClientOptions | undefined),
    });
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

function tooMany(): FogError {
  const { tunnelsPerNode, tunnelsPerAttempt } = LIMITS;
  return new FogError(
    'too-many-requests',
    `a node opens ${tunnelsPerNode} tunnels at a time, and ${tunnelsPerAttempt} to one attempt`,
  );
}
