/**
 * Cuts a stream of chunks into frames: `length u16, big-endian | that many bytes`. Holds at most one frame beside the
 * chunk that it was given.
 *
 *     between frames --(a chunk that ends within a frame)--> within a frame --(its last byte)--> between frames
 */

import { MAC_BYTES } from '../noise/primitives.ts';
import { giveBack, LENGTH_BYTES, takeBuffer } from './buffer-pool.ts';
import { violation } from './link-faults.ts';
import { RECORD_HEAD_BYTES } from './records.ts';

/** A message with one empty record. */
const LEAST_FRAME_BYTES = RECORD_HEAD_BYTES + MAC_BYTES;
const EMPTY = Buffer.alloc(0);

export class FrameReader implements Disposable {
  #chunk: Buffer = EMPTY;
  #at = 0;
  /** The frame that a chunk broke off, from its length on. */
  #partial: Buffer | null = null;
  #partialBytes = 0;

  /** Whether the stream may end here. */
  get isBetweenFrames(): boolean {
    return this.#partialBytes === 0 && this.#at === this.#chunk.length;
  }

  /** Whether the chunk is still needed: `next` has not come to its end. */
  get holdsChunk(): boolean {
    return this.#chunk !== EMPTY;
  }

  /** Call `next` until it gives null before the next chunk is given. */
  push(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /**
   * The bytes of the next frame without its length, or null if it is not complete. They are valid until the next call.
   * Throws `protocol-violation` for a length that is too small for any message.
   */
  next(): Buffer | null {
    if (this.#partialBytes === 0) {
      this.#release();
      const frame = this.#whole();
      if (frame !== null) return frame;
    }
    if (!this.#gather(LENGTH_BYTES)) return null;
    const length = checkedLength((this.#partial ?? EMPTY).readUInt16BE());
    if (!this.#gather(LENGTH_BYTES + length)) return null;
    this.#partialBytes = 0;
    return (this.#partial ?? EMPTY).subarray(LENGTH_BYTES, LENGTH_BYTES + length);
  }

  /** Gives its buffer back. */
  [Symbol.dispose](): void {
    this.#partialBytes = 0;
    this.#chunk = EMPTY;
    this.#at = 0;
    this.#release();
  }

  /** A frame that lies in the chunk as a whole needs no copy. */
  #whole(): Buffer | null {
    if (this.#chunk.length - this.#at < LENGTH_BYTES) return null;
    const length = checkedLength(this.#chunk.readUInt16BE(this.#at));
    const begin = this.#at + LENGTH_BYTES;
    if (this.#chunk.length - begin < length) return null;
    this.#at = begin + length;
    return this.#chunk.subarray(begin, this.#at);
  }

  /** Fills the broken frame up to that many bytes, if the chunk has them. */
  #gather(bytes: number): boolean {
    const taken = Math.min(Math.max(bytes - this.#partialBytes, 0), this.#chunk.length - this.#at);
    if (taken > 0) {
      this.#partial ??= takeBuffer();
      this.#chunk.copy(this.#partial, this.#partialBytes, this.#at, this.#at + taken);
      this.#partialBytes += taken;
      this.#at += taken;
    }
    if (this.#at === this.#chunk.length) {
      this.#chunk = EMPTY; // not to keep 64 KiB alive for a quiet link
      this.#at = 0;
    }
    return this.#partialBytes >= bytes;
  }

  #release(): void {
    if (this.#partial !== null) giveBack(this.#partial);
    this.#partial = null;
  }
}

function checkedLength(length: number): number {
  if (length >= LEAST_FRAME_BYTES) return length;
  throw violation('bad-frame', `a message on a link has ${length} bytes, fewer than any can have`);
}
