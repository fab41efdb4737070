/**
 * Requests to become a WebSocket, by their path:
 *
 *     AGENT_PATH          the link of an agent; it proves who it is by what it says on it
 *     AGENT_TUNNEL_PATH   the answer of an agent that was asked for a tunnel, with the token of its session
 *     published ports     with the token of a client
 *
 * Whatever is refused gets a problem document.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { AGENT_PATH, FogError, LIMITS, parsePortAddress, tunnelIdOf } from '@fog/contract';
import { type WebSocket, WebSocketServer } from 'ws';
import { PROXY_LIMITS } from '../limits.ts';
import { refuseUpgrade } from '../proxy/http-forward.ts';
import type { PortProxy } from '../proxy/port-proxy.ts';
import type { Tunnels } from '../proxy/tunnels.ts';
import { AGENT_SOCKET_OPTIONS } from './agent-link.ts';

export interface UpgradeDependencies {
  /** `address`: where the agent dialled from. */
  serveAgent(socket: WebSocket, address: string | undefined): void;
  /** The node whose session has this token. Throws `unauthenticated`. */
  authenticateNode(authorization: string | undefined): Promise<string>;
  tunnels: Pick<Tunnels, 'claim'>;
  ports: Pick<PortProxy, 'upgrade'>;
}

export interface OpenSockets {
  /** Links of agents. */
  agents: WebSocketServer;
  /** Cuts everything else, at once. */
  endTunnels(): void;
}

/** Takes over the `upgrade` event of a server. */
export function serveUpgrades(server: Server, dependencies: UpgradeDependencies): OpenSockets {
  const agents = new WebSocketServer({ noServer: true, clientTracking: true, ...AGENT_SOCKET_OPTIONS });
  const tunnels = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: LIMITS.tunnelFrameBytes,
    perMessageDeflate: false,
  });
  const open = new Set<Duplex>();
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = request.url?.split('?', 1)[0] ?? '';
    if (path === AGENT_PATH) {
      agents.handleUpgrade(request, socket, head, (agent) => {
        dependencies.serveAgent(agent, request.socket.remoteAddress);
      });
      return;
    }
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    // Until the WebSocket looks after it.
    socket.on('error', () => socket.destroy());
    watchSilentPeer(request);
    const accept = (serve: (webSocket: WebSocket) => void) => tunnels.handleUpgrade(request, socket, head, serve);
    serveTunnel(request, socket, head, { ...dependencies, accept }).catch((error: unknown) => {
      refuseUpgrade(socket, FogError.from(error));
    });
  });
  return {
    agents,
    endTunnels() {
      for (const socket of open) socket.destroy();
    },
  };
}

interface Accepting {
  accept(serve: (socket: WebSocket) => void): void;
}

async function serveTunnel(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { authenticateNode, tunnels, ports, accept }: UpgradeDependencies & Accepting,
): Promise<void> {
  const url = request.url ?? '';
  const id = tunnelIdOf(url);
  if (id !== null) {
    const take = tunnels.claim(id, await authenticateNode(request.headers.authorization));
    if (take === null) throw new FogError('not-found', 'nobody waits for this tunnel');
    accept(take);
    return;
  }
  if (parsePortAddress(url) === null) throw new FogError('not-found', 'there is no WebSocket at this path');
  await ports.upgrade(request, socket, head, accept);
}

/** Such a connection may be silent for long, and its other end vanish meanwhile. */
function watchSilentPeer({ socket }: IncomingMessage): void {
  socket.setTimeout(0);
  socket.setKeepAlive(true, PROXY_LIMITS.keepAliveMilliseconds);
}
