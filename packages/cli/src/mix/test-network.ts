/**
 * A whole mix network in this process, over real sockets of this machine: three authorities, a mix in each layer, a
 * gateway and a service node.
 *
 *     authorities and nodes start -> descriptors -> votes, lottery, consensus -> epoch 0 begins -> links -> ready
 *
 * The first round is over in seconds. A machine that is too busy for that gets a longer one with the next try.
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  AuthorityServer,
  createGenesis,
  ed25519PublicKey,
  type Genesis,
  MixNode,
  type MixNodeOptions,
  type NodeRole,
  PacketTrace,
  type ServiceHost,
  STARTING_SCHEDULE,
  type TracedTimes,
} from '@fog/betanet';
import { FogError } from '@fog/contract';
import { geometryOf } from '@fog/sphinx';
import { tcpTransport } from '@fog/transport';
import { CLI_LIMITS } from '../limits.ts';
import { serveEcho } from './echo-service.ts';

const AUTHORITIES = 3;
/** Of each authority: enough to measure a few relays, and little beside what `fog mix ping` sends. */
const PROBE_CLIENTS = 1;
const HOST = '127.0.0.1';
const EPOCH_MILLISECONDS = 20 * 60_000;

/** Delays as on a real network; clients send more often than they would there, so that nobody waits long for a slot. */
const TEST_TRAFFIC = {
  meanDelayMilliseconds: 50,
  delayCapMilliseconds: 1000,
  clientPayloadIntervalMilliseconds: 100,
  clientLoopIntervalMilliseconds: 500,
  clientDropIntervalMilliseconds: 500,
  nodeLoopIntervalMilliseconds: 1000,
};

export interface TestNetworkPlan {
  folder: string;
  layers: number;
  /** Of the geometry: the longest path of a packet. */
  hops: number;
  /** How long the first round takes. */
  bootstrapMilliseconds: number;
  log: MixNodeOptions['log'];
  /** A node cannot go on. */
  failed(error: FogError): void;
}

/** Throws `invalid-request` when there are more layers than the packets have hops for. */
export function assertLayers({ layers, hops }: Pick<TestNetworkPlan, 'layers' | 'hops'>): void {
  geometryOf({ hops, userPayloadBytes: 1 });
  if (layers + 2 <= hops) return;
  const needed = `${layers} layers with gateway and service node are ${layers + 2} hops`;
  throw new FogError('invalid-request', `${needed}, and the packets of this network have room for ${hops}`, {
    details: { layers, hops },
    hint: `give packets more room with --hops ${layers + 2}; all of them become larger`,
  });
}

export class TestNetwork implements AsyncDisposable {
  readonly genesis: Genesis;
  readonly authorities: AuthorityServer[] = [];
  readonly nodes: MixNode[] = [];
  readonly #traces = new Map<string, PacketTrace>();
  readonly #hosts: ServiceHost[] = [];
  readonly #plan: TestNetworkPlan;

  private constructor(plan: TestNetworkPlan, genesis: Genesis) {
    this.#plan = plan;
    this.genesis = genesis;
  }

  /** Starts everything; `ready` tells when packets get through. Throws `data-directory` and `port-taken`. */
  static async start(plan: TestNetworkPlan): Promise<TestNetwork> {
    const keys = Array.from({ length: AUTHORITIES }, () => randomBytes(32));
    const ports = await freePorts(AUTHORITIES);
    const { layers, hops, bootstrapMilliseconds } = plan;
    const genesis = createGenesis({
      name: 'test',
      test: true,
      genesisMilliseconds: Date.now() + bootstrapMilliseconds,
      epochMilliseconds: EPOCH_MILLISECONDS,
      bootstrapMilliseconds,
      authorities: keys.map((key, index) => ({
        id: `authority-${index}`,
        publicKey: ed25519PublicKey(key),
        url: `http://${HOST}:${ports[index]}`,
      })),
      geometry: { hops, userPayloadBytes: 2000 },
      layers,
      traffic: TEST_TRAFFIC,
      schedule: STARTING_SCHEDULE,
    });
    const network = new TestNetwork(plan, genesis);
    try {
      await Promise.all(keys.map((key, index) => network.#startAuthority(index, key, ports[index] ?? 0)));
      const mixes = Array.from({ length: layers }, (_, index) => network.#startNode('mix', `mix-${index}`));
      await Promise.all([...mixes, network.#startNode('gateway', 'gateway'), network.#startNode('service', 'service')]);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** Resolves to whether packets get through; false when the first round failed. */
  async ready(signal: AbortSignal): Promise<boolean> {
    const { genesisMilliseconds } = this.genesis;
    while (!signal.aborted && Date.now() < genesisMilliseconds + CLI_LIMITS.mixLinksMilliseconds) {
      const hasBegun = Date.now() >= genesisMilliseconds;
      if (hasBegun && this.nodes.every((node) => isServing(node))) return true;
      await pause(CLI_LIMITS.mixLookMilliseconds);
    }
    return false;
  }

  /** When a packet came to a node and left it, by the hash of its group element. */
  find(node: string, hash: string): TracedTimes | null {
    return this.#traces.get(node)?.find(hash) ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) host[Symbol.dispose]();
    await Promise.all([...this.nodes, ...this.authorities].map((part) => part[Symbol.asyncDispose]()));
  }

  async #startAuthority(index: number, secretKey: Uint8Array, port: number): Promise<void> {
    const name = `authority-${index}`;
    const server = await AuthorityServer.start({
      genesis: this.genesis,
      authority: name,
      secretKey,
      folder: join(this.#plan.folder, 'authorities', name),
      listen: { host: HOST, port },
      transport: tcpTransport,
      probeClients: PROBE_CLIENTS,
      log: this.#log(name),
    });
    this.authorities.push(server);
  }

  async #startNode(role: NodeRole, name: string): Promise<void> {
    const { genesis } = this;
    const { failed } = this.#plan;
    const trace = new PacketTrace();
    const log = this.#log(name);
    let node: MixNode | null = null;
    const host = role === 'service' ? serveEcho({ genesis, node: () => node, log, failed }) : null;
    if (host !== null) this.#hosts.push(host);
    node = await MixNode.start({
      genesis,
      role,
      operator: name,
      folder: join(this.#plan.folder, 'nodes', name),
      transport: tcpTransport,
      listen: `${HOST}:0`,
      trace,
      log,
      failed,
      ...(host === null ? {} : { deliver: (recipient, delivery) => host.deliver(recipient, delivery) }),
    });
    this.nodes.push(node);
    this.#traces.set(node.id, trace);
  }

  #log(who: string): MixNodeOptions['log'] {
    return (level, message, details) => this.#plan.log(level, `${who}: ${message}`, details);
  }
}

function isServing(node: MixNode): boolean {
  const { isInConsensus, links } = node.status();
  return isInConsensus && links.wanted > 0 && links.out === links.wanted;
}

/** Ports that were free a moment ago: the genesis names them before anybody listens. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, HOST, () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
