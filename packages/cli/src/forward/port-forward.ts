/** A port of this machine that leads to a published port of a service: each connection is a tunnel of its own. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { connectionFault, FogError, LIMITS } from '@fog/contract';
import { type PinnedConnection, relay, TunnelStream } from '@fog/contract/node';
import { type ClientOptions, WebSocket } from 'ws';
import { CLI_LIMITS } from '../limits.ts';

export interface PortForwardDependencies {
  /** Of the coordinator, without a path. */
  url: string;
  token: string;
  tls: PinnedConnection['tls'];
  /** Path and query of the tunnels. */
  path: string;
  /** A connection could not be made. */
  failed(error: FogError): void;
}

export class PortForward implements AsyncDisposable {
  readonly #dependencies: PortForwardDependencies;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(dependencies: PortForwardDependencies) {
    this.#dependencies = dependencies;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => void this.#serve(socket));
    this.#server.maxConnections = CLI_LIMITS.forwardedConnections;
  }

  /** Answers the address that it listens on. Throws `port-taken` or `invalid-request`. */
  async listen(host: string, port: number): Promise<{ host: string; port: number }> {
    try {
      this.#server.listen({ host, port });
      await once(this.#server, 'listening');
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'port-taken' : 'invalid-request';
      throw new FogError(code, `cannot listen on ${host}:${port}: ${(cause as Error).message}`, {
        cause,
        hint: 'choose another with --listen HOST:PORT, or port 0 for any',
      });
    }
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(socket: Socket): Promise<void> {
    const { failed } = this.#dependencies;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    try {
      await relay(socket, await this.#dial(socket));
    } catch (error) {
      socket.destroy();
      const fault = FogError.from(error);
      if (fault.code !== 'cancelled') failed(fault);
    }
  }

  /** Throws what the coordinator refused it with, or `unavailable`. */
  async #dial(client: Socket): Promise<TunnelStream> {
    const { url, path, token, tls } = this.#dependencies;
    const socket = new WebSocket(url.replace(/^http/, 'ws') + path, {
      headers: { authorization: `Bearer ${token}` },
      maxPayload: LIMITS.tunnelFrameBytes,
      perMessageDeflate: false,
      handshakeTimeout: CLI_LIMITS.forwardMilliseconds,
      ...(tls as ClientOptions | undefined),
    });
    const refused = Promise.withResolvers<never>();
    socket.once('unexpected-response', (_request, response) => {
      // To end the WebSocket is an error of its own, so only what was read of the answer may be told before.
      void readProblem(response)
        .catch((cause: unknown) => connectionFault(url, cause))
        .then(refused.reject)
        .finally(() => socket.terminate());
    });
    socket.once('error', (cause) => refused.reject(connectionFault(url, cause)));
    client.once('close', () => refused.reject(new FogError('cancelled', 'the client has gone')));
    const tunnel = new TunnelStream(socket, { idleMilliseconds: CLI_LIMITS.forwardIdleMilliseconds });
    tunnel.on('error', () => {}); // told by what it was waited for
    try {
      await Promise.race([tunnel.opened, refused.promise]);
      return tunnel;
    } catch (error) {
      tunnel.destroy();
      throw error;
    }
  }
}

async function readProblem(response: IncomingMessage): Promise<FogError> {
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) {
    body += chunk;
    if (body.length > CLI_LIMITS.problemBytes) break;
  }
  const fallback = `the coordinator answered with status ${response.statusCode}`;
  try {
    return FogError.fromProblem(JSON.parse(body), fallback);
  } catch {
    return new FogError('unavailable', fallback);
  }
}
