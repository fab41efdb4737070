/** A whole network in this process, over real sockets: authorities, mixes, gateway, service node. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AuthorityServer,
  type AuthorityServerOptions,
  createGenesis,
  ed25519PublicKey,
  type Genesis,
  type LotterySettings,
  MixClient,
  MixNode,
  type MixNodeOptions,
  type NodeRole,
  type PrivacyLevel,
  ServiceHost,
  type ServiceNode,
  STARTING_SCHEDULE,
} from '@fog/betanet';
import { tcpTransport } from '@fog/transport';

export interface SmallMixNetwork extends AsyncDisposable {
  genesis: Genesis;
  authorities: AuthorityServer[];
  readonly nodes: MixNode[];
  /** What was said, for tests that fail. */
  said: string[];
  /** Secret keys of the authorities, in their order. */
  authorityKeys: Uint8Array[];
  client(level: PrivacyLevel, gateway?: string): MixClient;
  /** `mix-0`, `gateway-0`, `service-0` and so on. */
  node(name: string): MixNode;
  folderOf(name: string): string;
  stopNode(name: string): Promise<void>;
  /** With the same folder, at the same address. */
  restartNode(name: string): Promise<MixNode>;
  /** One more, which the network does not know yet. */
  startNode(role: NodeRole, name: string, given?: Partial<MixNodeOptions>): Promise<MixNode>;
  stopAuthority(index: number): Promise<void>;
}

export interface SmallMixNetworkOptions {
  layers?: number;
  authorities?: number;
  epochMilliseconds?: number;
  bootstrapMilliseconds?: number;
  graceMilliseconds?: number;
  mixesPerLayer?: number;
  gateways?: number;
  traffic?: Partial<Genesis['traffic']>;
  schedule?: Genesis['schedule'];
  lottery?: LotterySettings;
  /** What is special about a node. */
  nodeOptions?(name: string): Partial<MixNodeOptions>;
  authorityOptions?: Partial<AuthorityServerOptions>;
  /** Where an authority listens instead of where the genesis says. */
  hiddenPorts?: ReadonlyMap<number, number>;
  /** Instead of sending a reply from the service node. */
  sendReply?(node: MixNode, block: Uint8Array, payload: Uint8Array): void;
}

const FAST_TRAFFIC = {
  meanDelayMilliseconds: 5,
  delayCapMilliseconds: 100,
  clientPayloadIntervalMilliseconds: 30,
  clientLoopIntervalMilliseconds: 100,
  clientDropIntervalMilliseconds: 100,
  nodeLoopIntervalMilliseconds: 200,
};

const SERVICE_SLOTS_PER_SECOND = 50;

export async function startMixNetwork(options: SmallMixNetworkOptions = {}): Promise<SmallMixNetwork> {
  const { layers = 3, authorities: count = 3, mixesPerLayer = 1, gateways = 1 } = options;
  const folder = await mkdtemp(join(tmpdir(), 'fog-mix-network-'));
  const said: string[] = [];
  const log = (who: string) => logTo(said, who);
  const keys = Array.from({ length: count }, () => randomBytes(32));
  const ports = await freePorts(count);
  const genesis = genesisOf(options, keys, ports);
  const startAuthority = (index: number) =>
    AuthorityServer.start({
      genesis,
      authority: `authority-${index}`,
      secretKey: keys[index] as Uint8Array,
      folder: join(folder, `authority-${index}`),
      listen: { host: '127.0.0.1', port: options.hiddenPorts?.get(index) ?? ports[index] ?? 0 },
      transport: tcpTransport,
      probeClients: 0,
      log: log(`authority-${index}`),
      ...options.authorityOptions,
    });
  const authorities = await Promise.all(keys.map((_, index) => startAuthority(index)));
  const hosts: ServiceHost[] = [];
  const running = new Map<string, RunningNode>();
  const startNode: SmallMixNetwork['startNode'] = (role, name, given = options.nodeOptions?.(name) ?? {}) =>
    startNodeOf({ genesis, folder, said, hosts, running, sendReply: options.sendReply }, { role, name, given });
  const known = (name: string) => {
    const found = running.get(name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  };
  const start = (role: NodeRole, amount: number) =>
    Array.from({ length: amount }, (_, index) => startNode(role, `${role}-${index}`));
  await Promise.all([...start('mix', layers * mixesPerLayer), ...start('gateway', gateways), ...start('service', 1)]);
  const clients: MixClient[] = [];
  return {
    genesis,
    authorities,
    authorityKeys: keys,
    get nodes() {
      return [...running.values()].map(({ node }) => node);
    },
    said,
    client(level, gateway) {
      const through = gateway === undefined ? {} : { gateway };
      const client = new MixClient({ genesis, transport: tcpTransport, level, log: log('client'), ...through });
      clients.push(client);
      return client;
    },
    node: (name) => known(name).node,
    folderOf: (name) => join(folder, name),
    stopNode: (name) => known(name).node[Symbol.asyncDispose](),
    async restartNode(name) {
      const { role, node, given } = known(name);
      const { address } = node;
      await node[Symbol.asyncDispose]();
      return startNode(role, name, { ...given, listen: address });
    },
    startNode,
    async stopAuthority(index) {
      await authorities[index]?.[Symbol.asyncDispose]();
    },
    async [Symbol.asyncDispose]() {
      for (const host of hosts) host[Symbol.dispose]();
      const nodes = [...running.values()].map(({ node }) => node);
      for (const part of [...clients, ...nodes, ...authorities]) await part[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface RunningNode {
  role: NodeRole;
  node: MixNode;
  given: Partial<MixNodeOptions>;
}

interface NodeSurroundings {
  genesis: Genesis;
  folder: string;
  said: string[];
  hosts: ServiceHost[];
  running: Map<string, RunningNode>;
  sendReply: SmallMixNetworkOptions['sendReply'];
}

async function startNodeOf(
  { genesis, folder, said, hosts, running, sendReply }: NodeSurroundings,
  { role, name, given }: { role: NodeRole; name: string; given: Partial<MixNodeOptions> },
): Promise<MixNode> {
  let node: MixNode | null = null;
  const host = new ServiceHost({
    genesis,
    slotsPerSecond: SERVICE_SLOTS_PER_SECOND,
    node: () => (node === null || sendReply === undefined ? node : withSendReply(node, sendReply)),
    failed: (service, error) => said.push(`${service}: ${String(error)}`),
    stopped: (error) => said.push(`${name} failed: ${error.message}`),
  });
  if (role === 'service') host.register('echo', (bytes) => bytes);
  hosts.push(host);
  node = await MixNode.start({
    genesis,
    role,
    operator: name,
    folder: join(folder, name),
    transport: tcpTransport,
    listen: '127.0.0.1:0',
    log: logTo(said, name),
    deliver: (recipient, delivery) => host.deliver(recipient, delivery),
    failed: (error) => said.push(`${name} failed: ${error.message}`),
    ...given,
  });
  running.set(name, { role, node, given });
  return node;
}

/** The same node, which is asked to send a reply and leaves it to the test. */
function withSendReply(node: MixNode, sendReply: NonNullable<SmallMixNetworkOptions['sendReply']>): ServiceNode {
  const { id, view } = node;
  return { id, view, sendReply: (block, payload) => sendReply(node, block, payload) };
}

const logTo = (said: string[], who: string) => (level: string, message: string, details: object) => {
  said.push(`${who}: ${level}: ${message} ${JSON.stringify(details)}`);
};

function genesisOf(options: SmallMixNetworkOptions, keys: readonly Uint8Array[], ports: readonly number[]): Genesis {
  const { layers = 3, epochMilliseconds = 60_000, bootstrapMilliseconds = 12_000 } = options;
  const { graceMilliseconds = Math.min(2000, epochMilliseconds) } = options;
  return createGenesis({
    name: 'small',
    test: true,
    genesisMilliseconds: Date.now() + bootstrapMilliseconds + 500,
    epochMilliseconds,
    bootstrapMilliseconds,
    graceMilliseconds,
    authorities: keys.map((key, index) => ({
      id: `authority-${index}`,
      publicKey: ed25519PublicKey(key),
      url: `http://127.0.0.1:${ports[index]}`,
    })),
    layers,
    traffic: { ...FAST_TRAFFIC, ...options.traffic },
    schedule: options.schedule ?? STARTING_SCHEDULE,
    ...(options.lottery === undefined ? {} : { lottery: options.lottery }),
  });
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
