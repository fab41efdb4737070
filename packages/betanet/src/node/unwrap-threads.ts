import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type BackendName, type Geometry, OUTCOME_BYTES } from '@fog/sphinx';
import { NODE_LIMITS } from './limits.ts';
import { UnwrapHere } from './unwrap-here.ts';
import { loopBusyShare, UnwrapPlace } from './unwrap-place.ts';
import { CONTROL, createRing, distance, type UnwrapKey, type UnwrapKeys, type UnwrapRing } from './unwrap-ring.ts';
import type { UnwrapWorkerData } from './unwrap-worker.ts';

export interface UnwrapThreadsOptions {
  geometry: Geometry;
  threads: number;
  /** Default: the fastest of this machine. */
  backend?: BackendName;
  /** Packets at most that the I/O thread unwraps itself in a round. Default: as many as take `unwrapHereMilliseconds`. */
  packetsHere?: number;
  /** See `UnwrapPlace`. Default: that of this thread's event loop. */
  busyShare?(): number;
  /**
   * Called for each packet that is unwrapped, in the order of its thread, also within `submit`. Both views are valid
   * during the call alone;
   * `packet` is what the outcome (see outcome.ts of @fog/sphinx) says. `token` is what came with the packet.
   */
  unwrapped(packet: Uint8Array, outcome: Uint8Array, token: number, receivedMilliseconds: number): void;
  /** Called after the last of a row of packets. */
  rowEnded(): void;
  /** A thread died, or what was called for its packets threw. There is nothing left that could unwrap. */
  failed(error: Error): void;
}

/** Packets of one size that lie `stride` bytes apart. */
export interface SubmittedPackets {
  packets: Buffer;
  count: number;
  stride: number;
  /** A number of the caller's. */
  token: number;
  /** When their bytes came into the process, by `performance.now()`. */
  receivedMilliseconds: number;
}

/**
 * The threads that unwrap packets, from the side of the I/O thread.
 *
 *     packet   submitted --the I/O thread keeps up, first of its round, threads idle--> unwrapped here, row by row
 *                        '--otherwise--> in the ring of the thread with least to do --> unwrapped there
 *
 * To wake a thread, and to be woken by it, takes longer than to unwrap a few packets, above all where other programs want
 * the processors too. As soon as there is more to do than that, the threads do it, beside the I/O.
 */
export class UnwrapThreads implements AsyncDisposable {
  readonly #options: UnwrapThreadsOptions;
  readonly #threads: UnwrapThread[];
  readonly #here: UnwrapHere;
  readonly #place: UnwrapPlace;

  constructor(options: UnwrapThreadsOptions) {
    this.#options = options;
    this.#threads = Array.from({ length: options.threads }, () => new UnwrapThread(options));
    this.#here = new UnwrapHere(options);
    this.#place = new UnwrapPlace(options.busyShare ?? loopBusyShare());
  }

  /** The keys to try from now on, in this order. Packets that are under way may still be opened with others. */
  setKeys(keys: readonly UnwrapKey[]): void {
    this.#here.setKeys(keys);
    for (const thread of this.#threads) thread.order({ keys });
  }

  /** Takes packets from the first on, and answers how many found room: the rest is for the caller to drop. */
  submit(submitted: SubmittedPackets): number {
    const { count } = submitted;
    const areForThreads = this.#place.areForThreads(count, submitted.receivedMilliseconds);
    let taken = areForThreads || this.#threadBacklog > 0 ? 0 : this.#here.take(submitted);
    while (taken < count) {
      const accepted = this.#leastBusy().submit(submitted, taken);
      if (accepted === 0) break;
      taken += accepted;
    }
    return taken;
  }

  /** Packets that were submitted and not handed back. */
  get backlog(): number {
    return this.#here.backlog + this.#threadBacklog;
  }

  get #threadBacklog(): number {
    return this.#threads.reduce((sum, thread) => sum + thread.backlog, 0);
  }

  get packetBytes(): number {
    return this.#options.geometry.packetBytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#here[Symbol.dispose]();
    await Promise.all(this.#threads.map((thread) => thread.stop()));
  }

  #leastBusy(): UnwrapThread {
    return this.#threads.reduce((least, thread) => (thread.backlog < least.backlog ? thread : least));
  }
}

class UnwrapThread {
  readonly #options: UnwrapThreadsOptions;
  readonly #ring: UnwrapRing;
  readonly #worker: Worker;
  readonly #orders: MessagePort;
  /** What came with the packet in a slot. */
  readonly #tokens: Int32Array;
  readonly #received: Float64Array;
  #written = 0;
  #released = 0;
  #isStopped = false;

  constructor(options: UnwrapThreadsOptions) {
    this.#options = options;
    this.#ring = createRing(NODE_LIMITS.ringSlots, options.geometry.packetBytes);
    this.#tokens = new Int32Array(this.#ring.slots);
    this.#received = new Float64Array(this.#ring.slots);
    const { port1, port2 } = new MessageChannel();
    this.#orders = port1;
    port1.unref();
    const data: UnwrapWorkerData = {
      geometry: options.geometry,
      ring: this.#ring,
      backend: options.backend ?? null,
      orders: port2,
    };
    this.#worker = new Worker(new URL('./unwrap-worker.ts', import.meta.url), {
      workerData: data,
      transferList: [port2],
    });
    this.#worker.on('error', (error) => options.failed(error as Error));
    this.#worker.unref();
    this.#handBack().catch((error: unknown) => options.failed(error as Error));
  }

  get backlog(): number {
    return distance(this.#released, this.#written);
  }

  order(order: UnwrapKeys): void {
    this.#orders.postMessage(order);
    Atomics.add(this.#ring.control, CONTROL.orders, 1);
    Atomics.notify(this.#ring.control, CONTROL.written);
  }

  /** Takes packets from the `from`th on, as many as there is room for. */
  submit({ packets, count, stride, token, receivedMilliseconds }: SubmittedPackets, from: number): number {
    const { slots, packetBytes, control } = this.#ring;
    const accepted = Math.min(count - from, slots - this.backlog);
    for (let index = 0; index < accepted; index += 1) {
      const slot = (this.#written + index) & (slots - 1);
      const at = (from + index) * stride;
      packets.copy(this.#ring.packets, slot * packetBytes, at, at + packetBytes);
      this.#tokens[slot] = token;
      this.#received[slot] = receivedMilliseconds;
    }
    if (accepted === 0) return 0;
    this.#written = (this.#written + accepted) | 0;
    Atomics.store(control, CONTROL.written, this.#written);
    Atomics.notify(control, CONTROL.written);
    return accepted;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    Atomics.notify(this.#ring.control, CONTROL.done);
    await this.#worker.terminate();
    this.#orders.close();
    this.#ring.packets.fill(0);
  }

  async #handBack(): Promise<void> {
    const { control } = this.#ring;
    while (!this.#isStopped) {
      const waiting = Atomics.waitAsync(control, CONTROL.done, this.#released);
      if (waiting.async) await waiting.value;
      if (this.#isStopped) return;
      this.#handBackRow(Atomics.load(control, CONTROL.done));
    }
  }

  #handBackRow(done: number): void {
    const { slots, packetBytes, packets, outcomes } = this.#ring;
    const count = distance(this.#released, done);
    for (let index = 0; index < count; index += 1) {
      const slot = this.#released & (slots - 1);
      this.#options.unwrapped(
        packets.subarray(slot * packetBytes, (slot + 1) * packetBytes),
        outcomes.subarray(slot * OUTCOME_BYTES, (slot + 1) * OUTCOME_BYTES),
        this.#tokens[slot] as number,
        this.#received[slot] as number,
      );
      this.#released = (this.#released + 1) | 0;
    }
    if (count > 0) this.#options.rowEnded();
  }
}
