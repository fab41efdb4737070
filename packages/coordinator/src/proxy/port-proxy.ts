/**
 * From a request to a published port to the program that answers it.
 *
 *     request -> token and scope -> job, port -> a ready replica -> tunnel to its node, here or at another coordinator
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { FogError, oneLine, type PortAddress, type PortSpec, parsePortAddress, portPath } from '@fog/contract';
import { relay, TunnelStream } from '@fog/contract/node';
import type { WebSocket } from 'ws';
import { type Authenticate, requireScope } from '../access/bearer.ts';
import { PROXY_LIMITS } from '../limits.ts';
import type { Caller } from '../service.ts';
import {
  endToEnd,
  type ForwardedRequest,
  fromProgram,
  PASSED_ON_HEADER,
  towardsCoordinator,
  towardsProgram,
} from './headers.ts';
import { forwardRequest, forwardUpgrade, type Upstream, whileAllowed } from './http-forward.ts';
import { inTurn, isReady, type Replica, whyNotReady } from './replicas.ts';
import { publishedPorts, type Service, type Services } from './services.ts';
import type { Tunnels } from './tunnels.ts';

export interface PortProxyDependencies {
  authenticate: Authenticate;
  services: Pick<Services, 'find' | 'forget'>;
  tunnels: Pick<Tunnels, 'open'>;
  /** Whether the link of this node is held here. */
  isHere(node: string): boolean;
  coordinatorId: string;
}

/** Where a request goes: to a program, or to the coordinator that can reach it. */
type Route =
  | { kind: 'here'; connection: TunnelStream; port: PortSpec }
  | { kind: 'elsewhere'; url: string; replica: Replica };

interface Admitted {
  caller: Caller;
  address: PortAddress;
  service: Service;
  /** Of each job that publishes it. */
  ports: ReadonlyMap<string, PortSpec>;
}

export class PortProxy {
  readonly #dependencies: PortProxyDependencies;
  /** Connections of each service so far, for taking turns. */
  readonly #turns = new Map<string, number>();

  constructor(dependencies: PortProxyDependencies) {
    this.#dependencies = dependencies;
  }

  /** `letGo` is called once nothing more is thrown: from then on the answer is written here. */
  async request(incoming: IncomingMessage, outgoing: ServerResponse, letGo: () => void): Promise<void> {
    const admitted = await this.#admit(incoming);
    if (admitted.address.kind !== 'http') throw noSuchPort(incoming);
    const route = await this.#route(admitted, incoming);
    letGo();
    if (route.kind === 'here') {
      outgoing.once('close', () => route.connection.destroy());
      // The client has gone while the connection was made.
      if (outgoing.destroyed) route.connection.destroy();
    }
    if (outgoing.destroyed) return;
    const stopChecks = whileAllowed(
      () => this.#recheck(incoming),
      () => outgoing.destroy(),
    );
    await forwardRequest(incoming, outgoing, this.#upstream(route, admitted, incoming));
    stopChecks();
  }

  /** `accept` makes a WebSocket of the request. Throws before anything is written. */
  async upgrade(
    incoming: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    accept: (serve: (client: WebSocket) => void) => void,
  ): Promise<void> {
    const admitted = await this.#admit(incoming);
    if (incoming.headers.upgrade?.toLowerCase() !== 'websocket') {
      throw new FogError('invalid-request', 'only WebSockets are passed on');
    }
    const route = await this.#route(admitted, incoming);
    if (socket.destroyed) {
      if (route.kind === 'here') route.connection.destroy();
      return;
    }
    const stopChecks = whileAllowed(
      () => this.#recheck(incoming),
      () => socket.destroy(),
    );
    socket.once('close', stopChecks);
    if (route.kind === 'elsewhere' || admitted.address.kind === 'http') {
      await forwardUpgrade(incoming, socket, head, this.#upstream(route, admitted, incoming));
      return;
    }
    const { connection } = route;
    let isAccepted = false;
    socket.once('close', () => {
      if (!isAccepted) connection.destroy();
    });
    accept((webSocket) => {
      isAccepted = true;
      const client = new TunnelStream(webSocket, { idleMilliseconds: PROXY_LIMITS.idleMilliseconds });
      client.open();
      void relay(client, connection);
    });
  }

  /** Who asks for what. Throws `unauthenticated`, `forbidden`, `not-found`, `conflict`. */
  async #admit(incoming: IncomingMessage): Promise<Admitted> {
    const caller = await this.#recheck(incoming);
    const address = parsePortAddress(incoming.url ?? '');
    if (address === null) throw noSuchPort(incoming);
    const service = await this.#dependencies.services.find(caller, address.owner);
    const published = [...publishedPorts(service, address.name)];
    const ports = new Map(published.filter(([, { protocol }]) => address.kind !== 'http' || protocol === 'http'));
    if (ports.size === 0) {
      throw new FogError('conflict', `port "${address.name}" of ${service.title} does not speak HTTP`, {
        hint: `fog forward ${address.owner.id} ${address.name}, or publish it with protocol: http`,
      });
    }
    return { caller, address, service, ports };
  }

  async #recheck(incoming: IncomingMessage): Promise<Caller> {
    const caller = await this.#dependencies.authenticate(incoming.headers.authorization);
    requireScope(caller, ['submit']);
    return caller;
  }

  /** Tries ready replicas in turn. Throws `unavailable` with the reason when none can be reached, and `not-found`. */
  async #route({ caller, address, service, ports }: Admitted, incoming: IncomingMessage): Promise<Route> {
    const { services, tunnels, isHere, coordinatorId } = this.#dependencies;
    const { replicas: asked, tasks } = askedOf(service, address);
    const ready = asked.filter((replica) => ports.has(replica.job) && isReady(replica, hasCheck(service, replica)));
    if (ready.length === 0) {
      const { replica } = address;
      const what =
        replica === null ? `no replica of ${service.title} is` : `replica ${replica} of ${service.title} is not`;
      throw notReady(`${what} ready: ${whyNotReady(asked, tasks)}`, address);
    }
    let last: unknown;
    for (const replica of inTurn(ready, this.#nextTurn(service.title)).slice(0, PROXY_LIMITS.connectTries)) {
      const { job, node, partition, fence, coordinator } = replica;
      const port = ports.get(job) as PortSpec;
      if (!isHere(node)) {
        if (coordinator === null || coordinator.id === coordinatorId) continue; // it has gone by now
        if (incoming.headers[PASSED_ON_HEADER] !== undefined) continue;
        return { kind: 'elsewhere', url: coordinator.url, replica };
      }
      try {
        const target = { node, attempt: { job, partition, fence }, port: port.port };
        return { kind: 'here', connection: await tunnels.open(target, caller.principal), port };
      } catch (error) {
        if (error instanceof FogError && error.code === 'too-many-requests') throw error;
        last = error;
      }
    }
    services.forget(address.owner, caller);
    const why = last === undefined ? 'the links of their nodes are down' : FogError.from(last).message;
    throw notReady(`no replica of ${service.title} can be reached on port "${address.name}": ${why}`, address);
  }

  #nextTurn(service: string): number {
    const turn = this.#turns.get(service) ?? 0;
    const oldest = this.#turns.keys().next();
    if (!this.#turns.delete(service) && this.#turns.size >= PROXY_LIMITS.cachedJobs && !oldest.done) {
      this.#turns.delete(oldest.value);
    }
    this.#turns.set(service, turn + 1);
    return turn;
  }

  #upstream(route: Route, { address }: Admitted, incoming: IncomingMessage): Upstream {
    if (route.kind === 'elsewhere') return this.#peer(route, address, incoming);
    const request: ForwardedRequest = {
      port: route.port.port,
      clientAddress: incoming.socket.remoteAddress ?? 'unknown',
      scheme: (incoming.socket as TLSSocket).encrypted ? 'https' : 'http',
      host: incoming.headers.host ?? '',
      prefix: portPath(address.owner, address.name, 'http'),
    };
    return {
      isSecure: false,
      connection: { createConnection: () => route.connection },
      path: address.target,
      headers: towardsProgram(incoming.headersDistinct, request),
      answerHeaders: (headers) => fromProgram(headers, request, address.target),
      fault: ({ message }) => new FogError('unavailable', `the replica broke off before it answered: ${message}`),
    };
  }

  /** The other coordinator checks the token again, and does the rest. */
  #peer({ url, replica }: Route & { kind: 'elsewhere' }, address: PortAddress, incoming: IncomingMessage): Upstream {
    const { protocol, hostname, port, host } = new URL(url);
    const root = portPath({ kind: 'job', id: replica.job }, address.name, address.kind);
    const path = address.kind === 'http' ? `${root}${address.target}` : root;
    return {
      isSecure: protocol === 'https:',
      connection: { hostname: hostname.replace(/^\[|\]$/g, ''), ...(port === '' ? {} : { port: Number(port) }) },
      path: `${path}${path.includes('?') ? '&' : '?'}replica=${replica.partition}`,
      headers: towardsCoordinator(incoming.headersDistinct, host, this.#dependencies.coordinatorId),
      answerHeaders: endToEnd,
      fault: ({ message }) =>
        new FogError('unavailable', `the node of the replica is linked to the coordinator at ${url}: ${message}`, {
          hint: 'ask that coordinator',
        }),
    };
  }
}

/** Those that may answer, ready or not. Throws `not-found` for a replica that there is not. */
function askedOf(service: Service, { replica: chosen }: PortAddress): Pick<Service, 'replicas' | 'tasks'> {
  if (chosen === null) return service;
  const isChosen = ({ job, partition }: { job: string; partition: number }) =>
    partition === chosen && job === service.jobs[0]?.id;
  const tasks = service.tasks.filter(isChosen);
  if (tasks.length > 0) return { replicas: service.replicas.filter(isChosen), tasks };
  const numbers = service.tasks.filter(({ job }) => job === service.jobs[0]?.id).map(({ partition }) => partition);
  throw new FogError('not-found', `${service.title} has no replica ${chosen}`, {
    hint: numbers.length === 0 ? 'it has none at the moment' : `it has ${oneLine(numbers.join(', '))}`,
  });
}

function hasCheck({ jobs }: Service, replica: Replica): boolean {
  return jobs.find(({ id }) => id === replica.job)?.spec.spec.task.health !== undefined;
}

function notReady(message: string, { owner }: PortAddress): FogError {
  const command = owner.kind === 'job' ? 'fog job get' : 'fog rollout status';
  return new FogError('unavailable', message, { hint: `${command} ${owner.id} tells more` });
}

function noSuchPort({ method, url }: IncomingMessage): FogError {
  return new FogError('not-found', `there is no published port at ${method} ${url?.split('?', 1)[0]}`, {
    hint: 'the paths are /v1/jobs/JOB/ports/NAME/http/... and .../tunnel, or /v1/deployments/NAME/ports/...',
  });
}
