/**
 * The probers of an authority: mix clients without anything to say, of which only the loops are looked at.
 *
 *     client   connecting --> sending its three Poisson streams --time is over--> closed, and another one begins
 *
 * Each has a gateway that was drawn and lives for a while that is drawn, too, with a new key each time: to a gateway it
 * is one of many clients that come and go. All its packets are of one depth, as a client's are of one level: in turn
 * every layer, so that every mix is reached, and each level that enters further on, so that no gateway gains by
 * treating one level worse. What the loops tell is in probes.ts.
 */
import { randomFillSync } from 'node:crypto';
import { geometryOf } from '@fog/sphinx';
import type { Transport } from '@fog/transport';
import { MixClient } from '../client/mix-client.ts';
import { mixesOf, type PathDepth, PRIVACY_LEVELS } from '../client/path-selection.ts';
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
    const depth = rarestDepth(
      this.#depths,
      [...this.#probers.values()].map((prober) => prober.depth),
    );
    this.#depths = [...this.#depths.filter((other) => other !== depth), depth];
    const client = new MixClient({
      genesis,
      transport,
      level: 'private',
      coverDepth: depth,
      loops: {
        sent: (token, relays) => ledger.sent(name, token, relays, performance.now()),
        returned: (token) => void ledger.returned(token, performance.now()),
        refused: (gateway) => ledger.refused(gateway),
        cut: (gateway) => {
          if (gateway === null) ledger.forget(name);
          else ledger.cut(name, gateway, performance.now());
        },
      },
    });
    const lifeMilliseconds = drawIntervalMilliseconds(1000 / genesis.epochMilliseconds, this.#random);
    this.#probers.set(name, { client, depth, timer: setTimeout(() => this.#renew(name), lifeMilliseconds) });
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

/** The first of the depths that fewest probers have: all are measured alike, and a single prober takes turns. */
export function rarestDepth(depths: readonly PathDepth[], inUse: readonly PathDepth[]): PathDepth {
  const users = (depth: PathDepth) => inUse.filter((other) => other === depth).length;
  return depths.toSorted((a, b) => users(a) - users(b))[0] ?? 'whole';
}

/** Every layer, then the levels of clients that leave the first layers out. */
export function probeDepths(network: Pick<Genesis, 'layers'>): PathDepth[] {
  return ['whole', ...PRIVACY_LEVELS.filter((level) => mixesOf(network, level) < network.layers)];
}
