/** The smallest machine that notices every difference: it keeps a hash over all requests and their times, and counts. */
import { createHash } from 'node:crypto';
import { FogError } from '@fog/contract';
import type { LoggedMachine } from '../../../src/ledger/log/index.ts';

/** First byte of a request that the machine does not read, and of one that it breaks on. */
export const REFUSED = 255;
export const BREAKING = 254;

export class CountingMachine implements LoggedMachine {
  #hash = new Uint8Array(32);
  #count = 0;
  /** Makes snapshots of so many bytes. */
  readonly #ballast: Uint8Array;

  constructor(ballastBytes = 100) {
    this.#ballast = new Uint8Array(ballastBytes).fill(7);
  }

  get count(): number {
    return this.#count;
  }

  apply(request: Uint8Array, timestamp: bigint): Uint8Array {
    if (request[0] === REFUSED) throw new FogError('invalid-request', 'the machine does not read this');
    if (request[0] === BREAKING) throw new TypeError('the machine broke');
    this.#hash = createHash('sha256').update(this.#hash).update(`${timestamp};`).update(request).digest();
    this.#count += 1;
    return Uint8Array.of(this.#count & 255, request[0] ?? 0);
  }

  *snapshot(): Iterable<Uint8Array> {
    yield this.#hash;
    yield Uint8Array.of(this.#count & 255, (this.#count >> 8) & 255, this.#count >> 16);
    yield this.#ballast;
  }

  restore(parts: Iterable<Uint8Array>): void {
    const bytes = Buffer.concat([...parts]);
    if (bytes.length !== 35 + this.#ballast.length) throw new FogError('invalid-request', 'this is no state');
    this.#hash = bytes.subarray(0, 32);
    this.#count = (bytes[32] ?? 0) | ((bytes[33] ?? 0) << 8) | ((bytes[34] ?? 0) << 16);
  }

  digest(): Uint8Array {
    return createHash('sha256').update(this.#hash).update(String(this.#count)).digest();
  }
}
