/**
 * The probers of an authority: ordinary mix clients without anything to say, of which only the loops are looked at.
 *
 *     client   connecting --> sending its three Poisson streams --time is over--> closed, and another one begins
 *
 * Each has a gateway that was drawn and lives for a while that is drawn, too, with a new key each time: to a gateway it
 * is one of many clients that come and go. What the loops tell is in probes.ts.
 */
import { randomFillSync } from 'node:crypto';
import { geometryOf } from '@fog/sphinx';
import type { Transport } from '@fog/transport';
import { MixClient } from '../client/mix-client.ts';
import { PRIVACY_HOPS, PRIVACY_LEVELS, type PrivacyLevel } from '../client/path-selection.ts';
import type { Genesis } from '../directory/genesis.ts';
import { drawIntervalMilliseconds } from '../mixing/exponential.ts';
import { RandomNumbers } from '../mixing/random-numbers.ts';
import { DIRECTORY_SERVICE_LIMITS } from './limits.ts';
import { type ProbeCount, ProbeLedger } from './probes.ts';

export interface ProbeClientsOptions {
  genesis: Genesis;
  transport: Transport;
  /** How many there are at a time. */
  clients: number;
  /** Called now and then, when there is something to tell. */
  measured(counts: readonly ProbeCount[]): void;
}

interface Prober {
  client: MixClient;
  timer: NodeJS.Timeout;
}

export class ProbeClients implements AsyncDisposable {
  readonly #options: ProbeClientsOptions;
  readonly #ledger: ProbeLedger;
  readonly #random = new RandomNumbers(randomFillSync);
  readonly #probers = new Map<string, Prober>();
  readonly #timer: NodeJS.Timeout;
  #started = 0;

  constructor(options: ProbeClientsOptions) {
    const { genesis, clients } = options;
    const { leastPollMilliseconds, mostPollMilliseconds, probeSlackMilliseconds } = DIRECTORY_SERVICE_LIMITS;
    this.#options = options;
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
    const client = new MixClient({
      genesis,
      transport,
      level: deepestLevel(genesis),
      loops: {
        sent: (token, relays) => ledger.sent(name, token, relays, performance.now()),
        returned: (token) => void ledger.returned(token, performance.now()),
        cut: () => ledger.forget(name),
      },
    });
    const lifeMilliseconds = drawIntervalMilliseconds(1000 / genesis.epochMilliseconds, this.#random);
    this.#probers.set(name, { client, timer: setTimeout(() => this.#renew(name), lifeMilliseconds) });
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
    const counts = this.#ledger.take(performance.now());
    if (counts.length > 0) this.#options.measured(counts);
  }
}

/** The level whose paths go through the most layers that the network has: shorter ones leave the first layers out. */
function deepestLevel({ layers }: Pick<Genesis, 'layers'>): PrivacyLevel {
  const possible = PRIVACY_LEVELS.filter((level) => PRIVACY_HOPS[level] - 2 <= layers);
  return possible.toSorted((a, b) => PRIVACY_HOPS[b] - PRIVACY_HOPS[a])[0] ?? 'private';
}
