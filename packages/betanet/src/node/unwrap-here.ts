import { randomBytes } from 'node:crypto';
import { type Geometry, OUTCOME_BYTES } from '@fog/sphinx';
import { KeyedUnwrappers } from './keyed-unwrappers.ts';
import { NODE_LIMITS } from './limits.ts';
import type { UnwrapKey } from './unwrap-ring.ts';
import type { SubmittedPackets, UnwrapThreadsOptions } from './unwrap-threads.ts';

const TRIES = 3;
const ROW = NODE_LIMITS.batchPackets;

/**
 * Unwraps packets on the thread that it is called on. A row that fills the lanes of the processor is unwrapped as soon
 * as it is there, so that the first packets of a burst do not wait for the last; what is left over, at the end of the
 * round of the event loop.
 */
export class UnwrapHere implements Disposable {
  readonly #options: UnwrapThreadsOptions;
  readonly #unwrappers: KeyedUnwrappers;
  readonly #packetsPerRound: number;
  readonly #packets: Buffer;
  readonly #outcomes: Uint8Array;
  readonly #tokens = new Int32Array(ROW);
  readonly #received = new Float64Array(ROW);
  #count = 0;
  #takenInRound = 0;
  #round: NodeJS.Immediate | null = null;

  constructor(options: UnwrapThreadsOptions) {
    this.#options = options;
    const { geometry, backend, packetsHere } = options;
    this.#unwrappers = new KeyedUnwrappers(geometry, backend === undefined ? {} : { prefer: backend });
    this.#packetsPerRound =
      packetsHere ?? packetsWithin(NODE_LIMITS.unwrapHereMilliseconds, this.#unwrappers, geometry);
    this.#packets = Buffer.alloc(ROW * geometry.packetBytes);
    this.#outcomes = new Uint8Array(ROW * OUTCOME_BYTES);
  }

  get backlog(): number {
    return this.#count;
  }

  setKeys(keys: readonly UnwrapKey[]): void {
    if (this.#packetsPerRound > 0) this.#unwrappers.setKeys(keys);
  }

  /** Takes as many as this round may still have, from the first on, and answers how many. */
  take({ packets, count, stride, token, receivedMilliseconds }: SubmittedPackets): number {
    const { packetBytes } = this.#options.geometry;
    const taken = Math.min(count, this.#packetsPerRound - this.#takenInRound);
    if (taken <= 0) return 0;
    this.#takenInRound += taken;
    this.#round ??= setImmediate(() => this.#endRound());
    for (let index = 0; index < taken; index += 1) {
      const at = index * stride;
      packets.copy(this.#packets, this.#count * packetBytes, at, at + packetBytes);
      this.#tokens[this.#count] = token;
      this.#received[this.#count] = receivedMilliseconds;
      this.#count += 1;
      if (this.#count === ROW) this.#unwrap();
    }
    return taken;
  }

  [Symbol.dispose](): void {
    if (this.#round !== null) clearImmediate(this.#round);
    this.#unwrappers[Symbol.dispose]();
    this.#packets.fill(0);
  }

  #endRound(): void {
    this.#round = null;
    this.#takenInRound = 0;
    if (this.#count > 0) this.#unwrap();
  }

  #unwrap(): void {
    const { geometry, unwrapped, rowEnded, failed } = this.#options;
    const { packetBytes } = geometry;
    const count = this.#count;
    this.#count = 0;
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

/** How many packets are unwrapped in that time: by a trial with packets of another key. */
function packetsWithin(milliseconds: number, unwrappers: KeyedUnwrappers, { packetBytes }: Geometry): number {
  const keys = [{ epoch: 0, privateKey: randomBytes(32), tagKey: randomBytes(32) }];
  const packets = randomBytes(ROW * packetBytes);
  const outcomes = new Uint8Array(ROW * OUTCOME_BYTES);
  unwrappers.setKeys(keys);
  let least = Number.POSITIVE_INFINITY;
  for (let count = 0; count < TRIES; count += 1) {
    const begin = performance.now();
    unwrappers.unwrap(packets, outcomes, ROW);
    least = Math.min(least, performance.now() - begin);
  }
  unwrappers.setKeys([]);
  return Math.floor((milliseconds * ROW) / least);
}
