/**
 * The probers of an authority: mix clients without anything to say, of which only the loops are looked at.
 *
 *     client   connecting --> sending its three Poisson streams --time is over--> closed, and another one begins
 *
 * Each has a gateway and lives for a while that is drawn, too, with a new key each time: to a gateway it
 * is one of many clients that come and go. It does not leave one that it cannot reach, so that the loops that are missing
 * say so. All its packets are of one depth, as a client's are of one level: in turn
 * every layer, so that every mix is reached, and each level that enters further on, so that no gateway gains by
 * treating one level worse. What the loops tell is in probes.ts.
 */
import { randomFillSync } from 'node:crypto';
import { geometryOf } from '@fog/sphinx';
import type { Transport } from '@fog/transport';
import { MixClient } from '../client/mix-client.ts';
import { mixesOf, type PathDepth, PRIVACY_LEVELS } from '../client/path-selection.ts';
import { shuffled } from '../client/random-source.ts';
import type { Genesis } from '../directory/genesis.ts';
import type { ProbedLoop } from '../directory/probe-record.ts';
import { drawIntervalMilliseconds } from '../mixing/exponential.ts';
import { RandomNumbers } from '../mixing/random-numbers.ts';
import { DIRECTORY_SERVICE_LIMITS } from './limits.ts';
import { ProbeLedger } from './probes.ts';

export interface ProbeClientsOptions {
  genesis: Genesis;
  transport: Transport;
  /** How many there are at a time. */
  clients: number;
  /** Called now and then, when there is something to tell. */
  measured(loops: readonly ProbedLoop[]): void;
}

interface Prober {
  client: MixClient;
  depth: PathDepth;
  /** Hex; null until it has chosen one. */
  gateway: string | null;
  timer: NodeJS.Timeout;
}

export class ProbeClients implements AsyncDisposable {
  readonly #options: ProbeClientsOptions;
  readonly #ledger: ProbeLedger;
  readonly #random = new RandomNumbers(randomFillSync);
  readonly #probers = new Map<string, Prober>();
  readonly #timer: NodeJS.Timeout;
  /** The one that was begun longest ago first. */
  #depths: readonly PathDepth[];
  #started = 0;

  constructor(options: ProbeClientsOptions) {
    const { genesis, clients } = options;
    const { leastPollMilliseconds, mostPollMilliseconds, probeSlackMilliseconds } = DIRECTORY_SERVICE_LIMITS;
    this.#options = options;
    this.#depths = probeDepths(genesis);
    const delays = geometryOf(genesis.geometry).hops * genesis.traffic.delayCapMilliseconds;
    this.#ledger = new ProbeLedger(delays + probeSlackMilliseconds);
    for (let index = 0; index < clients; index += 1) this.#start();
    const pause = Math.min(Math.max(genesis.epochMilliseconds / 40, leastPollMilliseconds), mostPollMilliseconds);
    this.#timer = setInterval(() => this.#tell(), pause);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    const probers = [...this.#probers.values()];
    this.#probers.clear();
    for (const { timer } of probers) clearTimeout(timer);
    await Promise.all(probers.map(({ client }) => client[Symbol.asyncDispose]()));
  }

  #start(): void {
    const { genesis, transport } = this.#options;
    this.#started += 1;
    const name = `prober-${this.#started}`;
    const ledger = this.#ledger;
    const inUse = [...this.#probers.values()].map((prober) => prober.depth);
    const depth = rarest(this.#depths, inUse) ?? 'whole';
    this.#depths = [...this.#depths.filter((other) => other !== depth), depth];
    const client = new MixClient({
      genesis,
      transport,
      level: 'private',
      coverDepth: depth,
      chooseGateway: (gateways) => this.#gatewayOf(name, gateways),
      loops: {
        sent: (token, relays) => ledger.sent(name, token, relays, performance.now()),
        returned: (token) => void ledger.returned(token, performance.now()),
        refused: (gateway, loops) => ledger.refused(gateway, loops),
        cut: (gateway) => {
          if (gateway === null) ledger.forget(name);
          else ledger.cut(name, gateway, performance.now());
        },
      },
    });
    const lifeMilliseconds = drawIntervalMilliseconds(1000 / genesis.epochMilliseconds, this.#random);
    this.#probers.set(name, {
      client,
      depth,
      gateway: null,
      timer: setTimeout(() => this.#renew(name), lifeMilliseconds),
    });
  }

  /** Its own while that is there, reachable or not; otherwise where fewest probe at this depth, or fewest at all. */
  #gatewayOf(name: string, gateways: readonly string[]): string {
    const prober = this.#probers.get(name);
    if (prober?.gateway != null && gateways.includes(prober.gateway)) return prober.gateway;
    const others = [...this.#probers.values()].filter((other) => other !== prober);
    const used = (by: readonly Prober[]) => by.flatMap(({ gateway }) => gateway ?? []);
    const alike = others.filter(({ depth }) => depth === prober?.depth);
    const gateway = rarest(shuffled(gateways, this.#random), used(alike), used(others)) as string;
    if (prober !== undefined) prober.gateway = gateway;
    return gateway;
  }

  #renew(name: string): void {
    const prober = this.#probers.get(name);
    if (prober === undefined) return;
    this.#probers.delete(name);
    this.#ledger.forget(name);
    void prober.client[Symbol.asyncDispose]();
    this.#start();
  }

  #tell(): void {
    const loops = this.#ledger.take(performance.now());
    if (loops.length > 0) this.#options.measured(loops);
  }
}

/**
 * Of the candidates the first that stands least often in a list of those in use; where several do, the next list says.
 * So all are measured alike.
 */
export function rarest<Value>(
  candidates: readonly Value[],
  ...lists: readonly (readonly Value[])[]
): Value | undefined {
  return lists.reduce((left, inUse) => {
    const uses = left.map((value) => inUse.filter((other) => other === value).length);
    return left.filter((_, index) => uses[index] === Math.min(...uses));
  }, candidates)[0];
}

/** Every layer, then the levels of clients that leave the first layers out. */
export function probeDepths(network: Pick<Genesis, 'layers'>): PathDepth[] {
  return ['whole', ...PRIVACY_LEVELS.filter((level) => mixesOf(network, level) < network.layers)];
}
