/**
 * A whole mix network in simulated time, on the code that nodes and clients run: mix queues, delays, client streams,
 * loops and their alarm. It answers how long packets take, how much an observer of all links learns, and how soon a
 * node notices an (n-1) attack, for given rates and delays. The same seed gives the same report.
 *
 * Of Loopix it has the layers, the streams, and the observer, who is told which packets are loops of nodes, and does
 * not know which packets of a client carry something. Links take no time and lose nothing; all nodes are honest.
 */
import { entropyBits, likelihoodDifference } from './anonymity.ts';
import type { Fit } from './chi-squared.ts';
import { ClientStreams } from './cover-streams.ts';
import type { DelayDistribution } from './exponential.ts';
import { DEFAULT_LOOP_ALARM } from './loop-alarm.ts';
import { LOOPIX_FIGURES } from './loopix-figures.ts';
import { NodeCover } from './node-cover.ts';
import { PoissonStream } from './poisson-stream.ts';
import { RandomNumbers } from './random-numbers.ts';
import { seededBytes } from './seeded-random.ts';
import type { StreamName, StreamRates } from './sending-plan.ts';
import { assertSimulation } from './simulation-bounds.ts';
import { GapCounts } from './simulation-fits.ts';
import { type LayerReport, SimulatedNetwork, type SimulatedPacket } from './simulation-network.ts';
import { type Distribution, describeValues } from './simulation-statistics.ts';
import { TimerWheel } from './timer-wheel.ts';

export interface SimulationOptions {
  seed: number;
  clients: number;
  gateways: number;
  layers: number;
  mixesPerLayer: number;
  /** Of each client, packets per second. */
  rates: StreamRates;
  /** What each client has to say: packets per second, a Poisson process. Below the rate of its payload stream. */
  messagesPerSecond: number;
  /** Of each hop. */
  delay: DelayDistribution;
  /** Whether gateways hold packets too, on the way in. */
  doGatewaysDelay: boolean;
  /** Of each mix. */
  loopsPerSecond: number;
  /** When a loop of a mix counts as lost. */
  loopReturnMilliseconds: number;
  /** Simulated time, and how much of it passes before anything is measured. */
  seconds: number;
  warmUpSeconds: number;
  /** When everything is kept from the first mix of layer 1; null for a network in peace. */
  attackAtSeconds: number | null;
}

export interface SimulationReport {
  options: SimulationOptions;
  /** Of messages: from the moment at which their packet was sent, and before that until a slot came. */
  latencyMilliseconds: Distribution;
  /** Of the same messages: the delays that their senders drew, summed over the path. */
  drawnMilliseconds: Distribution;
  waitMilliseconds: Distribution;
  /** Of the sender of each delivered message, and the most there could be: log2 of the number of clients. */
  entropyBits: Distribution;
  mostEntropyBits: number;
  /** |ln(p0 / p1)| of two senders, over delivered messages that either may have sent. */
  likelihoodDifference: Distribution;
  layers: LayerReport[];
  /** Delays asked for and achieved at all nodes: means in milliseconds. */
  delays: { askedMilliseconds: number; heldMilliseconds: number; packets: number };
  /** By clients, while it is measured; a payload slot without a message counts as a drop. */
  packetsSent: Record<'payload' | 'loop' | 'drop', number>;
  /** Measured messages that an attacker kept back. */
  messagesBlocked: number;
  /** Tests of fit: drawn delays against the truncated exponential, gaps of each stream against the exponential. */
  fits: { delays: Fit | null; gaps: Record<StreamName, Fit | null> };
  /** After the attack began; null when it did not, or the simulation ended first. */
  attack: { degradedAfterMilliseconds: number | null; alarmAfterMilliseconds: number | null } | null;
  /** Mixes whose state was not ok at some time although nobody attacked. */
  falseAlarms: number;
  /** What was published of Loopix, to compare with. */
  loopix: typeof LOOPIX_FIGURES;
}

interface SimulatedClient {
  streams: ClientStreams;
  messages: PoissonStream;
  /** When each waiting message was ready. */
  waiting: number[];
  gateway: number;
}

/** Throws `invalid-configuration` for an option out of bounds. */
export function simulate(options: SimulationOptions): SimulationReport {
  assertSimulation(options);
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #random: RandomNumbers;
  readonly #network: SimulatedNetwork;
  readonly #clients: SimulatedClient[];
  /** Clients by when they have something to do. */
  readonly #wheel: TimerWheel;
  /** Of each mix; null for gateways. */
  readonly #covers: (NodeCover | null)[];
  readonly #measuredFrom: number;
  readonly #measuredUntil: number;
  readonly #attackAt: number;
  #now = 0;
  /** Messages that are measured and have not arrived yet. */
  #underWay = 0;
  #blocked = 0;
  readonly #latencies: number[] = [];
  readonly #drawn: number[] = [];
  readonly #waits: number[] = [];
  readonly #entropies: number[] = [];
  readonly #differences: number[] = [];
  readonly #sent = { payload: 0, loop: 0, drop: 0 };
  readonly #gaps: GapCounts;
  #degradedAt: number | null = null;
  #alarmAt: number | null = null;
  readonly #falselyAlarmed = new Set<number>();
  readonly #onClient = (client: number): void => this.#sendOf(client);

  constructor(options: SimulationOptions) {
    this.#options = options;
    const random = new RandomNumbers(seededBytes(options.seed));
    this.#random = random;
    this.#measuredFrom = options.warmUpSeconds * 1000;
    this.#measuredUntil = options.seconds * 1000;
    this.#attackAt = options.attackAtSeconds === null ? Number.POSITIVE_INFINITY : options.attackAtSeconds * 1000;
    this.#network = new SimulatedNetwork({
      layerSizes: [options.gateways, ...new Array<number>(options.layers).fill(options.mixesPerLayer)],
      labels: options.clients,
      delay: options.delay,
      doGatewaysDelay: options.doGatewaysDelay,
      random,
      onDelivered: (packet, now) => this.#take(packet, now),
      onBlocked: (packet) => {
        if (!this.#isMeasured(packet)) return;
        this.#underWay -= 1;
        this.#blocked += 1;
      },
    });
    const budget = { bytesPerHour: null, packetBytes: 1 };
    this.#clients = Array.from({ length: options.clients }, (_, index) => ({
      streams: new ClientStreams(options.rates, budget, 0, random),
      messages: new PoissonStream(options.messagesPerSecond, 0, random),
      waiting: [],
      gateway: index % options.gateways,
    }));
    this.#gaps = new GapCounts(options.rates, options.clients, this.#measuredUntil);
    this.#wheel = new TimerWheel(options.clients, 0);
    const loops = { ...DEFAULT_LOOP_ALARM, returnMilliseconds: options.loopReturnMilliseconds };
    this.#covers = this.#network.nodes.map(({ layer }) => {
      return layer === 0 ? null : new NodeCover({ ...loops, loopsPerSecond: options.loopsPerSecond }, 0, random);
    });
  }

  run(): SimulationReport {
    for (let client = 0; client < this.#clients.length; client += 1) this.#plan(client);
    // At the end the slow messages are waited for, in undiminished traffic: without them latency would look better.
    for (this.#now = 1; this.#now <= this.#measuredUntil || this.#underWay > 0; this.#now += 1) {
      if (this.#now === this.#attackAt) this.#network.block(this.#target);
      this.#wheel.advance(this.#now, this.#onClient);
      this.#sendLoops();
      this.#network.advance(this.#now, this.#now > this.#measuredFrom && this.#now <= this.#measuredUntil);
    }
    return this.#report();
  }

  get #target(): number {
    return this.#network.layers[1]?.[0] ?? 0;
  }

  #plan(client: number): void {
    const { streams, messages } = this.#clients[client] as SimulatedClient;
    const at = Math.ceil(Math.min(streams.nextAtMilliseconds, messages.nextAtMilliseconds));
    if (Number.isFinite(at)) this.#wheel.scheduleAt(client, at);
  }

  #sendOf(client: number): void {
    const state = this.#clients[client] as SimulatedClient;
    for (let at = state.messages.takeSlot(this.#now, this.#random); at !== null; ) {
      state.waiting.push(at);
      at = state.messages.takeSlot(this.#now, this.#random);
    }
    for (const event of state.streams.next(this.#now, this.#random, state.waiting.length)) {
      this.#gaps.slot(client, event.stream, event.atMilliseconds);
      const kind = event.packet === 'queued' ? 'payload' : event.packet;
      const readyAt = (kind === 'payload' ? state.waiting.shift() : undefined) ?? event.atMilliseconds;
      const path = [state.gateway, ...this.#network.randomPath(1, this.#options.layers)];
      const knowledge = new Float64Array(this.#options.clients);
      knowledge[client] = 1;
      const packet = { kind, sender: client, readyAt, sentAt: this.#now, path, knowledge, loop: -1 } as const;
      if (this.#now > this.#measuredFrom && this.#now <= this.#measuredUntil) this.#sent[kind] += 1;
      if (this.#isMeasured(packet)) this.#underWay += 1;
      this.#network.send(packet, this.#now);
    }
    this.#plan(client);
  }

  /** A loop goes through the layers behind its mix, a gateway, and the layers before it. */
  #sendLoops(): void {
    const network = this.#network;
    for (let sender = 0; sender < this.#covers.length; sender += 1) {
      const cover = this.#covers[sender];
      if (!cover) continue;
      for (const loop of cover.next(this.#now, this.#random)) {
        const { layer } = network.nodes[sender] as { layer: number };
        const around = [...network.randomPath(layer + 1, this.#options.layers), ...network.randomPath(0, layer - 1)];
        const packet = { kind: 'node-loop', sender, readyAt: this.#now, sentAt: this.#now, loop } as const;
        network.send({ ...packet, path: [...around, sender], knowledge: null }, this.#now);
      }
      this.#watch(sender, cover);
    }
  }

  #watch(node: number, { alarm: { state } }: NodeCover): void {
    if (state === 'ok') return;
    if (node !== this.#target || this.#now < this.#attackAt) {
      // What is kept from the target is missed by the loops of others as well: only alarms before that are false.
      if (this.#now < this.#attackAt) this.#falselyAlarmed.add(node);
      return;
    }
    this.#degradedAt ??= this.#now;
    if (state === 'alarm') this.#alarmAt ??= this.#now;
  }

  #isMeasured({ kind, sentAt }: Pick<SimulatedPacket, 'kind' | 'sentAt'>): boolean {
    return kind === 'payload' && sentAt >= this.#measuredFrom && sentAt <= this.#measuredUntil;
  }

  #take(packet: SimulatedPacket, now: number): void {
    if (packet.kind === 'node-loop') {
      this.#covers[packet.sender]?.alarm.returned(packet.loop, now);
      return;
    }
    if (!this.#isMeasured(packet) || packet.knowledge === null) return;
    this.#underWay -= 1;
    this.#latencies.push(now - packet.sentAt);
    this.#drawn.push(packet.delays.reduce((sum, delay) => sum + delay, 0));
    this.#waits.push(packet.sentAt - packet.readyAt);
    this.#entropies.push(entropyBits(packet.knowledge));
    const difference = likelihoodDifference(packet.knowledge, 0, 1);
    if (!Number.isNaN(difference)) this.#differences.push(difference);
  }

  #report(): SimulationReport {
    const counters = this.#network.nodes.map(({ queue }) => queue.counters());
    const left = counters.reduce((sum, { left }) => sum + left, 0);
    const asked = counters.reduce((sum, { askedMilliseconds }) => sum + askedMilliseconds, 0);
    const held = counters.reduce((sum, { heldMilliseconds }) => sum + heldMilliseconds, 0);
    const after = (at: number | null) => (at === null ? null : at - this.#attackAt);
    return {
      options: this.#options,
      latencyMilliseconds: describeValues(this.#latencies),
      drawnMilliseconds: describeValues(this.#drawn),
      waitMilliseconds: describeValues(this.#waits),
      entropyBits: describeValues(this.#entropies),
      mostEntropyBits: Math.log2(this.#options.clients),
      likelihoodDifference: describeValues(this.#differences),
      layers: this.#network.layerReports(),
      delays: {
        askedMilliseconds: asked / Math.max(1, left),
        heldMilliseconds: held / Math.max(1, left),
        packets: left,
      },
      packetsSent: { ...this.#sent },
      messagesBlocked: this.#blocked,
      fits: { delays: this.#network.drawnDelays.fit(), gaps: this.#gaps.fits() },
      attack:
        this.#options.attackAtSeconds === null
          ? null
          : { degradedAfterMilliseconds: after(this.#degradedAt), alarmAfterMilliseconds: after(this.#alarmAt) },
      falseAlarms: this.#falselyAlarmed.size,
      loopix: LOOPIX_FIGURES,
    };
  }
}
