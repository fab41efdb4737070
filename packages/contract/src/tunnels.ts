/**
 * How the published ports of services are reached. Each connection takes this way:
 *
 *     client --HTTP or WebSocket--> coordinator --frame `tunnel`--> agent
 *                                   coordinator <--WebSocket------- agent --> loopback of the sandbox
 *
 * A node needs no open port: the agent dials out once more for each connection. On such a WebSocket (and on that of a
 * client who asked for raw TCP) travel
 *
 *     binary messages   bytes of the connection, at most LIMITS.tunnelFrameBytes each
 *     text "open"       the connection stands; the first message of the side that made it
 *     text "end"        this side will send no more; the other direction goes on
 *     close 1000        after both sides have ended
 *     close 4000        the connection could not be made, or broke; the reason says why
 *
 * Anything else is a violation and ends it.
 */
import { z } from 'zod';
import { FogError } from './errors.ts';
import { jobIdSchema, nameSchema } from './identifiers.ts';
import { oneLine } from './wording.ts';

/** GET, upgraded to a WebSocket, with the token of the session; the id is good once, for some seconds, for one node. */
export const AGENT_TUNNEL_PATH = '/v1/agent/tunnels/:id';

/** 128 random bits. */
export const tunnelIdSchema = z.string().regex(/^[A-Za-z0-9_-]{22}$/, 'is not the id of a tunnel');

export const TUNNEL_OPEN = 'open';
export const TUNNEL_END = 'end';
export const TUNNEL_CLOSE = { ended: 1000, broken: 4000 } as const;

/** The id in the path of a tunnel, or null for another path. */
export function tunnelIdOf(path: string): string | null {
  const prefix = AGENT_TUNNEL_PATH.replace(':id', '');
  return path.startsWith(prefix) ? (tunnelIdSchema.safeParse(path.slice(prefix.length)).data ?? null) : null;
}

/** Who publishes a port: one job, or a deployment of the caller, whichever revision of it has replicas that are ready. */
export interface PortOwner {
  kind: 'job' | 'deployment';
  /** Id of the job, name of the deployment. */
  id: string;
}

/**
 * Published ports:
 *
 *     ANY  /v1/jobs/:job/ports/:name/http/*            an HTTP request to one ready replica; WebSockets pass
 *     GET  /v1/jobs/:job/ports/:name/tunnel            upgraded to a WebSocket: one TCP connection
 *          /v1/deployments/:deployment/ports/...       the same, over all updates of a deployment
 *
 * `?replica=PARTITION` chooses the replica, of a deployment among those of the newest revision; it is not passed on.
 */
export interface PortAddress {
  owner: PortOwner;
  name: string;
  kind: 'http' | 'tunnel';
  /** What the program sees: the path behind `http`, and the query without `replica`. Begins with `/`. */
  target: string;
  replica: number | null;
}

const PORT_PATH = /^\/v1\/(job|deployment)s\/([^/]+)\/ports\/([^/]+)\/(?:(http)(\/.*)?|(tunnel))$/;
const REPLICA_PATTERN = /^\d{1,7}$/;

/**
 * Reads the path and query of a request as they came; null for what is no published port. Throws `invalid-request` for
 * one with a `replica` that is no number, or with several.
 */
export function parsePortAddress(url: string): PortAddress | null {
  const [path = '', ...queries] = url.split('?');
  const match = PORT_PATH.exec(path);
  const kind = match?.[1] === 'job' ? 'job' : 'deployment';
  const id = (kind === 'job' ? jobIdSchema : nameSchema).safeParse(match?.[2]);
  const name = nameSchema.safeParse(match?.[3]);
  if (match === null || !id.success || !name.success) return null;
  const pairs = queries.length === 0 ? [] : queries.join('?').split('&');
  const chosen = pairs.filter((pair) => pair.startsWith('replica=')).map((pair) => pair.slice('replica='.length));
  const wrong = chosen.find((text) => !REPLICA_PATTERN.test(text));
  if (chosen.length > 1 || wrong !== undefined) {
    const what =
      wrong === undefined ? 'replica is given twice' : `"${oneLine(wrong, 40)}" is not the number of a replica`;
    throw new FogError('invalid-request', what, { hint: 'write ?replica=0, or leave it out' });
  }
  const query = pairs.filter((pair) => !pair.startsWith('replica=')).join('&');
  return {
    owner: { kind, id: id.data },
    name: name.data,
    kind: match[6] === 'tunnel' ? 'tunnel' : 'http',
    target: `${match[5] ?? '/'}${query === '' ? '' : `?${query}`}`,
    replica: chosen[0] === undefined ? null : Number(chosen[0]),
  };
}

/** Where the requests of one published port begin, without a slash at the end. */
export function portPath(owner: PortOwner, name: string, kind: PortAddress['kind']): string {
  return `/v1/${owner.kind}s/${owner.id}/ports/${name}/${kind}`;
}
