/**
 * Buffers of the size of the largest frame, used by all links by turns: a link needs one only while it has records to
 * send in this round of the event loop, or half a frame. So thousands of quiet links cost next to nothing.
 */
import { LINK_LIMITS, NOISE_LIMITS } from '../limits.ts';

export const LENGTH_BYTES = 2;
const BUFFER_BYTES = LENGTH_BYTES + NOISE_LIMITS.messageBytes;

const spare: Buffer[] = [];

/** Its content is whatever was in it before. */
export function takeBuffer(): Buffer {
  // Not of Node's own pool of small buffers, which would be kept alive by it.
  return spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
}

export function giveBack(buffer: Buffer): void {
  if (spare.length < LINK_LIMITS.spareBuffers) spare.push(buffer);
}

/**
 * Frees the memory of a buffer that is over, if the buffer is all of it. Without this a fast link makes the collector
 * mark the whole heap some twenty times a second, for the sake of a few messages of 64 KiB.
 */
export function freeBuffer(buffer: Uint8Array): void {
  const memory = buffer.buffer;
  if (memory instanceof ArrayBuffer && memory.byteLength === buffer.byteLength) memory.transfer(0);
}
