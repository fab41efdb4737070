import {
  chooseBackend,
  type Geometry,
  OUTCOME_BYTES,
  OUTCOME_STATUS,
  SPHINX_LIMITS,
  type SphinxBackend,
  type Unwrapper,
} from '@fog/sphinx';
import { OUTCOME_EPOCH_AT, type UnwrapKey } from './unwrap-ring.ts';

export type BackendChoice = Parameters<typeof chooseBackend>[0];

/** Unwraps packets under the first of several keys that fits: one thread's share of the work. */
export class KeyedUnwrappers implements Disposable {
  readonly backend: SphinxBackend;
  readonly #geometry: Geometry;
  readonly #retried: Uint8Array;
  readonly #retriedOutcomes = new Uint8Array(SPHINX_LIMITS.batchPackets * OUTCOME_BYTES);
  #unwrappers: { epoch: number; unwrapper: Unwrapper }[] = [];

  constructor(geometry: Geometry, backend: BackendChoice) {
    this.#geometry = geometry;
    this.backend = chooseBackend(backend).backend;
    this.#retried = new Uint8Array(SPHINX_LIMITS.batchPackets * geometry.packetBytes);
  }

  /** In the order in which to try them. They are copied. */
  setKeys(keys: readonly UnwrapKey[]): void {
    this[Symbol.dispose]();
    this.#unwrappers = keys.map(({ epoch, privateKey, tagKey }) => {
      return { epoch, unwrapper: this.backend.createUnwrapper({ geometry: this.#geometry, privateKey, tagKey }) };
    });
  }

  /** As `Unwrapper.unwrapBatch`, with the epoch of the key in each record. Without a key no MAC is right. */
  unwrap(packets: Uint8Array, outcomes: Uint8Array, count: number): void {
    const [first, ...others] = this.#unwrappers;
    if (first === undefined) {
      outcomes.fill(0);
      for (let index = 0; index < count; index += 1) outcomes[index * OUTCOME_BYTES] = OUTCOME_STATUS.badMac;
      return;
    }
    first.unwrapper.unwrapBatch(packets, outcomes, count);
    for (let index = 0; index < count; index += 1)
      outcomes[index * OUTCOME_BYTES + OUTCOME_EPOCH_AT] = first.epoch & 0xff;
    for (const other of others) this.#retry(other, packets, outcomes, count);
  }

  /** Wipes the keys. */
  [Symbol.dispose](): void {
    for (const { unwrapper } of this.#unwrappers) unwrapper[Symbol.dispose]();
    this.#unwrappers = [];
  }

  /** A packet whose MAC was wrong is as it came: it may be for the key of the epoch before, or after. */
  #retry(
    { epoch, unwrapper }: { epoch: number; unwrapper: Unwrapper },
    packets: Uint8Array,
    outcomes: Uint8Array,
    count: number,
  ): void {
    const { packetBytes } = this.#geometry;
    const indices: number[] = [];
    for (let index = 0; index < count; index += 1) {
      if (outcomes[index * OUTCOME_BYTES] === OUTCOME_STATUS.badMac) indices.push(index);
    }
    if (indices.length === 0) return;
    for (const [place, index] of indices.entries()) {
      const from = index * packetBytes;
      this.#retried.set(packets.subarray(from, from + packetBytes), place * packetBytes);
    }
    unwrapper.unwrapBatch(this.#retried, this.#retriedOutcomes, indices.length);
    for (const [place, index] of indices.entries()) {
      if (this.#retriedOutcomes[place * OUTCOME_BYTES] === OUTCOME_STATUS.badMac) continue;
      const from = place * packetBytes;
      packets.set(this.#retried.subarray(from, from + packetBytes), index * packetBytes);
      const record = this.#retriedOutcomes.subarray(place * OUTCOME_BYTES, (place + 1) * OUTCOME_BYTES);
      outcomes.set(record, index * OUTCOME_BYTES);
      outcomes[index * OUTCOME_BYTES + OUTCOME_EPOCH_AT] = epoch & 0xff;
    }
  }
}
