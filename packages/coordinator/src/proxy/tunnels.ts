/**
 * Connections to programs on nodes. A node is told over its link to dial back; what dials back with the right id, from
 * the right node, in time, becomes the connection.
 *
 *     asked --dialled--> waiting for "open" --> a stream
 *        \__ time over, refused, link gone __/ -> unavailable
 */
import { randomBytes } from 'node:crypto';
import { type AttemptName, attemptKey, FogError, LIMITS } from '@fog/contract';
import { type TunnelSocket, TunnelStream } from '@fog/contract/node';
import { PROXY_LIMITS } from '../limits.ts';
import { type Bound, OpenCounts } from './open-counts.ts';

export interface TunnelTarget {
  node: string;
  attempt: AttemptName;
  port: number;
}

export interface TunnelsDependencies {
  /** Sends a frame to a node whose link is held here; false when there is none. */
  send(node: string, frame: string): boolean;
}

interface Asked {
  node: string;
  take(socket: TunnelSocket): void;
}

const ALL = 'all';

export class Tunnels {
  readonly #dependencies: TunnelsDependencies;
  readonly #asked = new Map<string, Asked>();
  readonly #open = new OpenCounts();

  constructor(dependencies: TunnelsDependencies) {
    this.#dependencies = dependencies;
  }

  /** Open ones, and those that are being opened. */
  get count(): number {
    return this.#open.get(ALL);
  }

  /**
   * A connection to a port of an attempt. Throws `too-many-requests`, `timed-out` when the node does not dial in time,
   * and `unavailable` with the reason when it says that it cannot be.
   */
  async open(target: TunnelTarget, principal: string): Promise<TunnelStream> {
    const { node, attempt, port } = target;
    const release = this.#open.take(boundsOf(target, principal));
    const id = randomBytes(16).toString('base64url');
    const opened = Promise.withResolvers<TunnelStream>();
    let stream: TunnelStream | null = null;
    const take = (socket: TunnelSocket): void => {
      const dialled = new TunnelStream(socket, { idleMilliseconds: PROXY_LIMITS.idleMilliseconds });
      dialled.on('error', () => {}); // the other end learns of it
      stream = dialled;
      dialled.opened.then(() => opened.resolve(dialled), opened.reject);
    };
    const timer = setTimeout(
      () => opened.reject(new FogError('timed-out', 'the node did not answer in time')),
      PROXY_LIMITS.openMilliseconds,
    );
    this.#asked.set(id, { node, take });
    try {
      if (!this.#dependencies.send(node, JSON.stringify({ type: 'tunnel', id, attempt, port }))) {
        throw new FogError('unavailable', 'the link of the node is down');
      }
      const connection = await opened.promise;
      connection.once('close', release);
      return connection;
    } catch (error) {
      (stream as TunnelStream | null)?.destroy();
      release();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#asked.delete(id);
    }
  }

  /** What to do with the WebSocket that this node dialled with this id; null when nobody asked for it. Good once. */
  claim(id: string, node: string): ((socket: TunnelSocket) => void) | null {
    const asked = this.#asked.get(id);
    if (asked?.node !== node) return null;
    this.#asked.delete(id);
    return asked.take;
  }
}

function boundsOf({ node, attempt }: TunnelTarget, principal: string): Bound[] {
  const { tunnels, tunnelsPerPrincipal } = PROXY_LIMITS;
  return [
    { key: ALL, most: tunnels, what: 'connections to ports of this coordinator' },
    { key: `principal ${principal}`, most: tunnelsPerPrincipal, what: 'connections of this principal to ports' },
    { key: `node ${node}`, most: LIMITS.tunnelsPerNode, what: 'connections to ports of this node' },
    {
      key: `attempt ${attemptKey(attempt)}`,
      most: LIMITS.tunnelsPerAttempt,
      what: 'connections to ports of this replica',
    },
  ];
}
