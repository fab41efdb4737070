/**
 * The loops of a node: packets that go through the network and come back to it. They are cover for everybody else's
 * packets, and when they stay out somebody is holding packets back: the first sign of an (n-1) attack.
 *
 *     mix in layer i   layers i+1 ... L, a gateway, layers 1 ... i-1, itself
 *     gateway          a mix of each layer, itself
 *     service          a mix of each layer, itself
 */
import { timingSafeEqual } from 'node:crypto';
import { createPacket, type Geometry, PAYLOAD_TAG_BYTES, type Primitives } from '@fog/sphinx';
import { keyedPath } from '../client/epoch-keys.ts';
import type { NetworkNode, NetworkView } from '../client/network-view.ts';
import type { Genesis } from '../directory/genesis.ts';
import { drawDelayMilliseconds } from '../mixing/exponential.ts';
import { DEFAULT_LOOP_ALARM, type LoopCounts, type LoopState } from '../mixing/loop-alarm.ts';
import { NodeCover } from '../mixing/node-cover.ts';
import type { RandomNumbers } from '../mixing/random-numbers.ts';
import { NODE_LIMITS } from './limits.ts';

export interface OwnLoopsOptions {
  /** Hex. */
  id: string;
  genesis: Genesis;
  geometry: Geometry;
  primitives: Primitives;
  random: RandomNumbers;
  /** 32 random bytes: by them the node knows what is its own. */
  recipient: Uint8Array;
  /** Of the present epoch; null while there is no consensus of it. */
  view(): NetworkView | null;
  /** Monotonic, as timers are. */
  now(): number;
  /** Milliseconds since 1970. */
  wallClock(): number;
  send(packet: Uint8Array, firstNode: string, delayMilliseconds: number): void;
  stateChanged(state: LoopState, counts: LoopCounts): void;
}

export class OwnLoops implements Disposable {
  readonly #options: OwnLoopsOptions;
  readonly #cover: NodeCover;
  #isServing = false;
  #timer: NodeJS.Timeout | null = null;
  #state: LoopState = 'ok';

  constructor(options: OwnLoopsOptions) {
    this.#options = options;
    const { traffic } = options.genesis;
    this.#cover = new NodeCover(
      {
        ...DEFAULT_LOOP_ALARM,
        loopsPerSecond: 1000 / traffic.nodeLoopIntervalMilliseconds,
        returnMilliseconds:
          options.genesis.geometry.hops * traffic.delayCapMilliseconds + NODE_LIMITS.loopSlackMilliseconds,
      },
      options.now(),
      options.random,
    );
    this.#timer = setTimeout(() => this.#tick(), NODE_LIMITS.loopStartMilliseconds);
  }

  get state(): LoopState {
    return this.#cover.alarm.state;
  }

  get counts(): LoopCounts {
    return this.#cover.alarm.counts();
  }

  /** Whether what was delivered here is a loop of this node. */
  takes(recipient: Uint8Array, delivery: Uint8Array): boolean {
    if (!timingSafeEqual(recipient, this.#options.recipient)) return false;
    const at = this.#options.geometry.headerBytes + PAYLOAD_TAG_BYTES;
    const number = new DataView(delivery.buffer, delivery.byteOffset + at).getUint32(0);
    this.#cover.alarm.returned(number, this.#options.now());
    this.#tellState();
    return true;
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /**
   * Nothing is sent before the node has been part of a consensus for a while: its neighbours have to hear of it first,
   * and what they refuse would look like an attack.
   */
  #tick(): void {
    const { now, random } = this.#options;
    const view = this.#options.view();
    // Nor where a stage is empty: a loop that could not be sent would be missed.
    const hasPath = view !== null && this.#path(view) !== null;
    const wasServing = this.#isServing;
    this.#isServing = hasPath;
    if (view === null || !hasPath || !wasServing) {
      this.#timer = setTimeout(() => this.#tick(), NODE_LIMITS.loopStartMilliseconds);
      return;
    }
    for (const number of this.#cover.next(now(), random)) this.#send(number, view);
    this.#tellState();
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, this.#cover.nextAtMilliseconds - now()));
  }

  #send(number: number, view: NetworkView): void {
    const { geometry, primitives, recipient, wallClock, send } = this.#options;
    const nodes = this.#path(view);
    if (nodes === null) return;
    const delays = nodes.map((_, index) => (index === nodes.length - 1 ? 0 : this.#delay()));
    // It waits here first as long as a packet from elsewhere would, or it would stand out among these.
    const delayMilliseconds = this.#delay();
    // By the rule of clients: a neighbour whose clock is behind has no use for the key of an epoch that has just begun.
    const path = keyedPath(nodes, delays, wallClock() + delayMilliseconds, view, 'packet').hops;
    const payload = new Uint8Array(geometry.payloadBytes);
    new DataView(payload.buffer).setUint32(0, number);
    const packet = createPacket({ geometry, path, recipient, payload, primitives });
    send(packet, nodes[0]?.id.toHex() ?? '', delayMilliseconds);
  }

  /** One node of each stage, drawn anew for each loop; null while a stage is empty. */
  #path({ nodes, layers }: NetworkView): NetworkNode[] | null {
    const ownId = Buffer.from(this.#options.id, 'hex');
    const own = nodes.find(({ id }) => ownId.equals(id));
    if (own === undefined) return null;
    const layerNumbers = Array.from({ length: layers }, (_, index) => index + 1);
    const inLayer = (layer: number) => nodes.filter((node) => node.role === 'mix' && node.layer === layer);
    const gateways = nodes.filter(({ role }) => role === 'gateway');
    const ownLayer = own.layer ?? 0;
    const stages =
      own.role === 'mix'
        ? [
            ...layerNumbers.filter((layer) => layer > ownLayer).map(inLayer),
            gateways,
            ...layerNumbers.filter((layer) => layer < ownLayer).map(inLayer),
          ]
        : layerNumbers.map(inLayer);
    if (stages.some((stage) => stage.length === 0)) return null;
    const drawn = stages.map((stage) => stage[this.#options.random.below(stage.length)] as NetworkNode);
    return [...drawn, own];
  }

  #delay(): number {
    const { genesis, random } = this.#options;
    const { meanDelayMilliseconds: meanMilliseconds, delayCapMilliseconds: capMilliseconds } = genesis.traffic;
    return drawDelayMilliseconds({ meanMilliseconds, capMilliseconds }, random);
  }

  #tellState(): void {
    if (this.state === this.#state) return;
    this.#state = this.state;
    this.#options.stateChanged(this.state, this.counts);
  }
}
