import { randomBytes } from 'node:crypto';
import { type Geometry, OUTCOME_BYTES, SPHINX_LIMITS } from '@fog/sphinx';
import { KeyedUnwrappers } from './keyed-unwrappers.ts';
import { NODE_LIMITS } from './limits.ts';
import type { UnwrapKey } from './unwrap-ring.ts';
import type { UnwrapThreadsOptions } from './unwrap-threads.ts';

const TRIES = 3;
const TRIED_PACKETS = 8;

/** Unwraps packets on the thread that it is called on: those of one round of the event loop together, at its end. */
export class UnwrapHere implements Disposable {
  readonly #options: UnwrapThreadsOptions;
  readonly #unwrappers: KeyedUnwrappers;
  readonly #capacity: number;
  readonly #packets: Uint8Array;
  readonly #outcomes: Uint8Array;
  readonly #tokens: Int32Array;
  readonly #received: Float64Array;
  #count = 0;
  #round: NodeJS.Immediate | null = null;

  constructor(options: UnwrapThreadsOptions) {
    this.#options = options;
    const { geometry, backend, packetsHere } = options;
    this.#unwrappers = new KeyedUnwrappers(geometry, backend === undefined ? {} : { prefer: backend });
    this.#capacity = packetsHere ?? packetsWithin(NODE_LIMITS.unwrapHereMilliseconds, this.#unwrappers, geometry);
    this.#packets = new Uint8Array(this.#capacity * geometry.packetBytes);
    this.#outcomes = new Uint8Array(this.#capacity * OUTCOME_BYTES);
    this.#tokens = new Int32Array(this.#capacity);
    this.#received = new Float64Array(this.#capacity);
  }

  get backlog(): number {
    return this.#count;
  }

  setKeys(keys: readonly UnwrapKey[]): void {
    if (this.#capacity > 0) this.#unwrappers.setKeys(keys);
  }

  /** All of them or none. */
  take(packets: Uint8Array, count: number, stride: number, token: number): boolean {
    if (this.#count + count > this.#capacity) return false;
    const { packetBytes } = this.#options.geometry;
    const now = performance.now();
    for (let index = 0; index < count; index += 1) {
      const at = index * stride;
      this.#packets.set(packets.subarray(at, at + packetBytes), this.#count * packetBytes);
      this.#tokens[this.#count] = token;
      this.#received[this.#count] = now;
      this.#count += 1;
    }
    this.#round ??= setImmediate(() => this.#unwrap());
    return true;
  }

  [Symbol.dispose](): void {
    if (this.#round !== null) clearImmediate(this.#round);
    this.#unwrappers[Symbol.dispose]();
    this.#packets.fill(0);
  }

  #unwrap(): void {
    const { geometry, unwrapped, rowEnded, failed } = this.#options;
    const { packetBytes } = geometry;
    const count = this.#count;
    this.#count = 0;
    this.#round = null;
    try {
      this.#unwrappers.unwrap(this.#packets, this.#outcomes, count);
      for (let index = 0; index < count; index += 1) {
        const packet = this.#packets.subarray(index * packetBytes, (index + 1) * packetBytes);
        const outcome = this.#outcomes.subarray(index * OUTCOME_BYTES, (index + 1) * OUTCOME_BYTES);
        unwrapped(packet, outcome, this.#tokens[index] as number, this.#received[index] as number);
      }
      rowEnded();
    } catch (error) {
      failed(error as Error);
    }
  }
}

/** How many packets are unwrapped in that time, a batch at most: by a trial with packets of another key. */
function packetsWithin(milliseconds: number, unwrappers: KeyedUnwrappers, { packetBytes }: Geometry): number {
  const keys = [{ epoch: 0, privateKey: randomBytes(32), tagKey: randomBytes(32) }];
  const packets = randomBytes(TRIED_PACKETS * packetBytes);
  const outcomes = new Uint8Array(TRIED_PACKETS * OUTCOME_BYTES);
  unwrappers.setKeys(keys);
  let least = Number.POSITIVE_INFINITY;
  for (let count = 0; count < TRIES; count += 1) {
    const begin = performance.now();
    unwrappers.unwrap(packets, outcomes, TRIED_PACKETS);
    least = Math.min(least, performance.now() - begin);
  }
  unwrappers.setKeys([]);
  return Math.min(SPHINX_LIMITS.batchPackets, Math.floor((milliseconds * TRIED_PACKETS) / least));
}
