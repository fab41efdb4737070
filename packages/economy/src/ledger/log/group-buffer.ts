/** Records that will be written and synced together. */
import { LOG_LIMITS } from './limits.ts';
import type { LogPosition } from './log-reader.ts';
import { recordBytes, writeRecord } from './record.ts';

const FIRST_BYTES = 16 * LOG_LIMITS.blockBytes;

export class GroupBuffer {
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_BYTES);
  #bytes = 0;
  #first = 0n;

  /** Of its records; the write is this up to the end of a block. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Appends a record behind `after` and answers the position behind it. */
  append(after: LogPosition, timestamp: bigint, body: Uint8Array): LogPosition {
    const sequence = after.sequence + 1n;
    if (this.isEmpty) this.#first = sequence;
    const end = this.#bytes + recordBytes(body.length);
    this.#makeRoom(end);
    const header = { sequence, group: this.#first, timestamp, previousHash: after.hash };
    const hash = writeRecord(this.#buffer, this.#bytes, header, body);
    this.#bytes = end;
    return { sequence, hash, timestamp };
  }

  /** The records and zeros up to the end of the block: a view, good until the buffer is cleared. */
  blocks(): Uint8Array {
    const end = Math.ceil(this.#bytes / LOG_LIMITS.blockBytes) * LOG_LIMITS.blockBytes;
    this.#makeRoom(end);
    this.#buffer.fill(0, this.#bytes, end);
    return this.#buffer.subarray(0, end);
  }

  clear(): void {
    this.#bytes = 0;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(2 ** Math.ceil(Math.log2(bytes)));
    larger.set(this.#buffer.subarray(0, this.#bytes));
    this.#buffer = larger;
  }
}
