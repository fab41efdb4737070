/** The nodes of a simulated network, and the packets under way: real mix queues, no sockets, no cryptography. */
import { expectedPool, PoissonMixPool } from './anonymity.ts';
import { DropCounters } from './drop-counters.ts';
import { type DelayDistribution, drawDelayMilliseconds, truncatedMeanMilliseconds } from './exponential.ts';
import { MIXING_LIMITS } from './limits.ts';
import { type DuePacket, MixQueue } from './mix-queue.ts';
import type { RandomNumbers } from './random-numbers.ts';
import { DelayCounts } from './simulation-fits.ts';

export type SimulatedKind = 'payload' | 'loop' | 'drop' | 'node-loop';

export interface SimulatedPacket {
  kind: SimulatedKind;
  /** Of the client, or of the node of a loop. */
  sender: number;
  /** When what it carries was ready to be sent, and when it was. */
  readyAt: number;
  sentAt: number;
  /** The nodes that hold it, and how long each does. */
  path: number[];
  delays: number[];
  hop: number;
  /** What an observer knows of its sender; null for loops of nodes, which the observer is told. */
  knowledge: Float64Array | null;
  loop: number;
}

export interface SimulatedNode {
  layer: number;
  queue: MixQueue;
  drops: DropCounters;
  pool: PoissonMixPool;
  arrivals: number;
  heldSum: number;
}

export interface LayerReport {
  layer: number;
  packetsPerSecond: number;
  /** Packets that one node of the layer holds: the mean over time, and lambda / mu. */
  meanPool: number;
  expectedPool: number;
}

/** A packet in a simulated queue is the number of what stands in a table. */
const NUMBER_BYTES = 4;

export interface NetworkOptions {
  /** Nodes of each layer; layer 0 is the gateways. */
  layerSizes: readonly number[];
  labels: number;
  delay: DelayDistribution;
  doGatewaysDelay: boolean;
  random: RandomNumbers;
  /** A packet has left the last node of its path. */
  onDelivered: (packet: SimulatedPacket, now: number) => void;
  /** A packet was kept from a node by an attacker. */
  onBlocked: (packet: SimulatedPacket) => void;
}

export class SimulatedNetwork {
  readonly nodes: SimulatedNode[];
  /** The numbers of the nodes of each layer. */
  readonly layers: number[][];
  /** All delays that were drawn. */
  readonly drawnDelays: DelayCounts;
  readonly #options: NetworkOptions;
  readonly #packets: (SimulatedPacket | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  readonly #carried = new Uint8Array(NUMBER_BYTES);
  readonly #carriedView = new DataView(this.#carried.buffer);
  /** Everything that would reach this node is kept from it. */
  #blocked = -1;
  #now = 0;
  #ticksMeasured = 0;
  #isMeasured = false;
  #leaving = 0;
  readonly #onDue = (due: DuePacket): void => this.#forward(this.#leaving, due);

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.drawnDelays = new DelayCounts(options.delay);
    this.layers = [];
    let count = 0;
    for (const size of options.layerSizes) {
      this.layers.push(Array.from({ length: size }, (_, index) => count + index));
      count += size;
    }
    this.nodes = this.layers.flatMap((numbers, layer) => numbers.map(() => this.#makeNode(layer)));
  }

  #makeNode(layer: number): SimulatedNode {
    const { random, delay, labels } = this.#options;
    const drops = new DropCounters();
    const queue = new MixQueue({
      capacity: MIXING_LIMITS.simulatedPackets,
      packetBytes: NUMBER_BYTES,
      delayCapMilliseconds: delay.capMilliseconds,
      startMilliseconds: 0,
      random,
      drops,
    });
    return { layer, queue, drops, pool: new PoissonMixPool(labels), arrivals: 0, heldSum: 0 };
  }

  /** One node of each layer from `first` to `last`, by chance. */
  randomPath(first: number, last: number): number[] {
    return this.layers.slice(first, last + 1).map((numbers) => {
      return numbers[this.#options.random.below(numbers.length)] as number;
    });
  }

  /** Sends a packet along its path; the delays are drawn here, as a sender does. */
  send(packet: Omit<SimulatedPacket, 'delays' | 'hop'>, now: number): void {
    const { random, delay, doGatewaysDelay } = this.#options;
    const delays = packet.path.map((node) => {
      if (this.nodes[node]?.layer === 0 && !doGatewaysDelay) return 0;
      const drawn = drawDelayMilliseconds(delay, random);
      this.drawnDelays.add(drawn);
      return drawn;
    });
    this.#arrive({ ...packet, delays, hop: 0 }, now);
  }

  block(node: number): void {
    this.#blocked = node;
  }

  /** Lets everything leave that is due by `now`, and measures the pools if asked to. */
  advance(now: number, isMeasured: boolean): void {
    this.#now = now;
    this.#isMeasured = isMeasured;
    if (isMeasured) this.#ticksMeasured += 1;
    for (let node = 0; node < this.nodes.length; node += 1) {
      const { queue } = this.nodes[node] as SimulatedNode;
      this.#leaving = node;
      queue.advance(now, this.#onDue);
      if (isMeasured) (this.nodes[node] as SimulatedNode).heldSum += queue.held;
    }
  }

  #arrive(packet: SimulatedPacket, now: number): void {
    const number = packet.path[packet.hop];
    if (number === undefined) {
      this.#options.onDelivered(packet, now);
      return;
    }
    if (number === this.#blocked) {
      this.#options.onBlocked(packet);
      return;
    }
    const node = this.nodes[number] as SimulatedNode;
    const delay = packet.delays[packet.hop] as number;
    // A node that does not delay does not mix either: nobody loses sight of a packet there.
    if (delay === 0 && node.layer === 0 && !this.#options.doGatewaysDelay) {
      packet.hop += 1;
      this.#arrive(packet, now);
      return;
    }
    if (this.#isMeasured) node.arrivals += 1;
    if (packet.knowledge !== null) node.pool.arrive(packet.knowledge);
    const place = this.#freeNumbers.pop() ?? this.#packets.length;
    this.#packets[place] = packet;
    this.#carriedView.setUint32(0, place);
    if (node.queue.enqueue(this.#carried, 0, delay, now) !== 'held') {
      throw new RangeError(`a simulated node holds more than ${MIXING_LIMITS.simulatedPackets} packets`);
    }
  }

  #forward(number: number, { bytes, offset }: DuePacket): void {
    const place = new DataView(bytes.buffer, bytes.byteOffset + offset, NUMBER_BYTES).getUint32(0);
    const packet = this.#packets[place] as SimulatedPacket;
    this.#packets[place] = undefined;
    this.#freeNumbers.push(place);
    if (packet.knowledge !== null) (this.nodes[number] as SimulatedNode).pool.depart(packet.knowledge);
    packet.hop += 1;
    this.#arrive(packet, this.#now);
  }

  /** Measured since the first measured call of `advance`; a tick is a millisecond. */
  layerReports(): LayerReport[] {
    const { delay, doGatewaysDelay } = this.#options;
    const ticks = Math.max(1, this.#ticksMeasured);
    const first = doGatewaysDelay ? 0 : 1;
    return this.layers.slice(first).map((numbers, index) => {
      const nodes = numbers.map((number) => this.nodes[number] as SimulatedNode);
      const arrivals = nodes.reduce((sum, node) => sum + node.arrivals, 0);
      const held = nodes.reduce((sum, node) => sum + node.heldSum, 0);
      const packetsPerSecond = (arrivals * 1000) / ticks / nodes.length;
      return {
        layer: first + index,
        packetsPerSecond,
        meanPool: held / ticks / nodes.length,
        expectedPool: expectedPool(packetsPerSecond, truncatedMeanMilliseconds(delay)),
      };
    });
  }
}
