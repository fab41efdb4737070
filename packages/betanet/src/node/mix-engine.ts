/**
 * The way of a packet through a node:
 *
 *     received -> unwrapped -> replay tag claimed -> held for its delay -> forwarded, or delivered here
 *         |           |                |                    |
 *         '-----------'----------------'--------------------'--> dropped, with a cause that is counted
 *
 * Tags are on the disk before their packets leave: a row of unwrapped packets is claimed, its tags are written at once,
 * and only then does the queue give anything away. Deliveries take the same way as packets that are forwarded.
 *
 *     working --tags cannot be written, a thread is gone, a packet cannot be handed on--> failed: gives nothing away
 */
import { type BackendName, type Geometry, isAuthentic, OUTCOME_BYTES, OUTCOME_STATUS } from '@fog/sphinx';
import type { DropCause, DropCounters } from '../mixing/drop-counters.ts';
import { type DuePacket, MixQueue } from '../mixing/mix-queue.ts';
import type { RandomNumbers } from '../mixing/random-numbers.ts';
import { Congestion } from './congestion.ts';
import type { EpochKey, EpochKeyStore } from './epoch-key-store.ts';
import { NODE_LIMITS } from './limits.ts';
import type { PacketTrace } from './packet-trace.ts';
import { TimeHistogram } from './time-histogram.ts';
import { OUTCOME_EPOCH_AT } from './unwrap-ring.ts';
import { UnwrapThreads } from './unwrap-threads.ts';

const TAG_AT = 8;
const ID_AT = 16;
const ID_BYTES = 32;
/** In place of a next hop: the packet has arrived. */
const HERE = NODE_LIMITS.nextHops;

/** Packets that lie `stride` bytes apart. */
export interface ReceivedPackets {
  packets: Buffer;
  count: number;
  stride: number;
  /** A number of the caller's. */
  sender: number;
  /** When their bytes came into the process, by `performance.now()`: their processing time begins then. */
  receivedMilliseconds: number;
}

export interface MixEngineOptions {
  geometry: Geometry;
  threads: number;
  backend?: BackendName | undefined;
  keys: EpochKeyStore;
  /** Packets that are held at a time. */
  queueCapacity: number;
  delayCapMilliseconds: number;
  random: RandomNumbers;
  drops: DropCounters;
  now(): number;
  /** Whether packets under the key of that epoch are still taken. */
  accepts(epoch: number): boolean;
  /** A number for the node with that id (hex), or -1 when packets must not go there. */
  nextHop(idText: string): number;
  forward(nextHop: number, packet: Uint8Array): void;
  /**
   * A packet that ends here, in the layout of mailboxes.ts. The view is valid during the call alone.
   */
  deliver(delivery: Uint8Array): void;
  /** A packet of that sender was unwrapped for nothing: no key fitted, or it was here before. */
  worthless?(sender: number): void;
  /**
   * So many packets wait to be unwrapped that links of that sender, or of everybody, should not be read until `release`.
   * What comes nevertheless is taken as long as there is room.
   */
  hold?(sender: number | 'all'): void;
  release?(): void;
  /** Nothing can be unwrapped any more, or tags not be written, or a packet not be handed on: the node has to stop. */
  failed(error: Error): void;
  /** Of a test network: keeps when single packets came and left. */
  trace?: PacketTrace | undefined;
}

const CAUSES: ReadonlyMap<number, DropCause> = new Map<number, DropCause>([
  [OUTCOME_STATUS.malformed, 'malformed'],
  [OUTCOME_STATUS.badMac, 'bad-mac'],
  [OUTCOME_STATUS.zeroSecret, 'zero-secret'],
  [OUTCOME_STATUS.badPayload, 'bad-payload'],
]);

export class MixEngine implements AsyncDisposable {
  readonly #options: MixEngineOptions;
  readonly #threads: UnwrapThreads;
  readonly #queue: MixQueue;
  readonly #congestion: Congestion;
  /**
   * From the moment that the process has a packet's bytes to the queue: the work of the node. The time that a packet is
   * held is not in it.
   */
  readonly processing = new TimeHistogram();
  /** How long packets were held, and of that, how much longer than they asked. */
  readonly delay = new TimeHistogram();
  readonly lateness = new TimeHistogram();
  #timer: NodeJS.Timeout | null = null;
  #received = 0;
  #hasFailed = false;
  readonly #forwardDue = (due: DuePacket): void => this.#leaves(due);

  constructor(options: MixEngineOptions) {
    this.#options = options;
    const { geometry, threads, backend, queueCapacity, delayCapMilliseconds, random, drops, now } = options;
    this.#threads = new UnwrapThreads({
      geometry,
      threads,
      ...(backend === undefined ? {} : { backend }),
      unwrapped: (packet, outcome, sender, receivedMilliseconds) =>
        this.#unwrapped(packet, outcome, sender, receivedMilliseconds),
      rowEnded: () => this.#rowEnded(),
      failed: (error) => this.#fail(error),
    });
    this.#congestion = new Congestion({
      crowdedAbove: NODE_LIMITS.congestedAbove * threads,
      fullAbove: NODE_LIMITS.allHeldAbove * threads,
      hold: (sender) => options.hold?.(sender),
      release: () => options.release?.(),
    });
    this.#queue = new MixQueue({
      capacity: queueCapacity,
      packetBytes: geometry.packetBytes,
      delayCapMilliseconds,
      startMilliseconds: now(),
      random,
      drops,
    });
  }

  /** Keys to be tried from now on, the likeliest first. Those that are not among them are wiped. */
  setKeys(keys: readonly EpochKey[]): void {
    this.#threads.setKeys(keys.map(({ epoch, privateKey, tagKey }) => ({ epoch, privateKey, tagKey })));
  }

  /** What finds no room is dropped and counted. Some packets may have gone all their way when this returns. */
  receive({ packets, count, stride, sender, receivedMilliseconds }: ReceivedPackets): void {
    this.#received += count;
    this.#options.trace?.arrived(packets, count, stride);
    this.#congestion.added(sender, count);
    const taken = this.#threads.submit({ packets, count, stride, token: sender, receivedMilliseconds });
    if (taken === count) return;
    this.#options.drops.add('queue-full', count - taken);
    for (let dropped = taken; dropped < count; dropped += 1) this.#congestion.removed(sender);
  }

  /** A packet that begins its way here: made by this node, or by a service of it. */
  enqueue(packet: Uint8Array, idText: string, delayMilliseconds: number): void {
    const nextHop = this.#options.nextHop(idText);
    if (nextHop === -1) this.#options.drops.add('unknown-next-hop');
    else this.#hold(packet, nextHop, delayMilliseconds);
  }

  /** Lets go what is due. Called after each row of packets and every millisecond while packets are held. */
  advance(): void {
    if (this.#hasFailed) return;
    try {
      this.#options.keys.flush();
      this.#queue.advance(this.#options.now(), this.#forwardDue);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    if (this.#queue.held > 0) this.#timer ??= setTimeout(() => this.#tick(), NODE_LIMITS.tickMilliseconds);
  }

  counters() {
    return {
      received: this.#received,
      held: this.#queue.held,
      unwrapping: this.#threads.backlog,
      ...this.#queue.counters(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#options.drops.add('shutdown', this.#queue.held);
    await this.#threads[Symbol.asyncDispose]();
  }

  #tick(): void {
    this.#timer = null;
    this.advance();
  }

  #rowEnded(): void {
    this.#congestion.settle();
    this.advance();
  }

  #fail(error: Error): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.failed(error);
  }

  #unwrapped(packet: Uint8Array, outcome: Uint8Array, sender: number, receivedMilliseconds: number): void {
    this.#congestion.removed(sender);
    if (this.#hasFailed) return;
    const { drops, geometry, now } = this.#options;
    const status = outcome[0] as number;
    const hasTag = isAuthentic(outcome);
    if (hasTag && !this.#isFresh(outcome, sender)) return;
    const cause = CAUSES.get(status);
    if (cause !== undefined) {
      if (!hasTag) this.#options.worthless?.(sender);
      drops.add(cause);
      return;
    }
    const delay = readDelay(outcome);
    if (status === OUTCOME_STATUS.forward) {
      const nextHop = this.#options.nextHop(idTextAt(outcome));
      if (nextHop === -1) drops.add('unknown-next-hop');
      else this.#hold(packet, nextHop, delay);
    } else {
      this.#options.trace?.ends(packet, outcome);
      packet.fill(0, 0, geometry.headerBytes);
      packet.set(outcome, 0);
      this.#hold(packet, HERE, delay);
    }
    this.processing.record(now() - receivedMilliseconds);
  }

  /** Whether the key is still good and the tag new. */
  #isFresh(outcome: Uint8Array, sender: number): boolean {
    const { keys, accepts, drops } = this.#options;
    const key = keys.find(outcome[OUTCOME_EPOCH_AT] as number);
    if (key === null || !accepts(key.epoch)) {
      drops.add('expired-key');
      return false;
    }
    const answer = keys.claim(key.epoch, outcome, TAG_AT);
    if (answer === 'new') return true;
    if (answer === 'replay') this.#options.worthless?.(sender);
    drops.add(answer === 'replay' ? 'replay' : 'replay-full');
    return false;
  }

  #hold(packet: Uint8Array, nextHop: number, delayMilliseconds: number): void {
    this.#queue.enqueue(packet, nextHop, delayMilliseconds, this.#options.now());
    this.#timer ??= setTimeout(() => this.#tick(), NODE_LIMITS.tickMilliseconds);
  }

  #leaves({ bytes, offset, nextHop, askedMilliseconds, heldMilliseconds }: DuePacket): void {
    const packet = bytes.subarray(offset, offset + this.#options.geometry.packetBytes);
    this.delay.record(heldMilliseconds);
    this.lateness.record(heldMilliseconds - askedMilliseconds);
    const { trace, deliver, forward } = this.#options;
    if (nextHop === HERE) {
      trace?.delivered(packet);
      deliver(packet);
    } else {
      trace?.forwarded(packet);
      forward(nextHop, packet);
    }
  }
}

function readDelay(outcome: Uint8Array): number {
  return new DataView(outcome.buffer, outcome.byteOffset, OUTCOME_BYTES).getUint32(4, true);
}

function idTextAt(outcome: Uint8Array): string {
  return Buffer.from(outcome.buffer, outcome.byteOffset + ID_AT, ID_BYTES).toString('hex');
}
