/**
 * Frames between this process and a child, over two pipes.
 *
 *     length (u32, little endian, of what follows) | kind (u8) | body
 *
 * A child that runs a job is not trusted: the reader bounds every frame, and a body is JSON or plain bytes, never a
 * serialised object graph. A child may write with blocking calls, so that a guest is slowed down by its reader
 * instead of filling the memory of either side.
 */
import { CHILD_LIMITS } from './limits.ts';

const HEADER_BYTES = 5;

export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** One frame ready to be written. Throws FrameError when the body is above the limit. */
export function encodeFrame(kind: number, body: Uint8Array): Uint8Array {
  if (body.length > CHILD_LIMITS.frameBytes) throw new FrameError(`a frame of ${body.length} bytes`);
  const frame = new Uint8Array(HEADER_BYTES + body.length);
  new DataView(frame.buffer).setUint32(0, body.length + 1, true);
  frame[4] = kind;
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** Splits a byte stream into frames. Bodies are views into the pushed chunks: copy what is kept. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array(0);

  /** Adds a chunk and yields the frames that are now complete. Throws FrameError on a length above the limit. */
  *push(chunk: Uint8Array): Generator<{ kind: number; body: Uint8Array }> {
    let data = chunk;
    if (this.#rest.length > 0) {
      data = new Uint8Array(this.#rest.length + chunk.length);
      data.set(this.#rest);
      data.set(chunk, this.#rest.length);
    }
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    let offset = 0;
    while (data.length - offset >= HEADER_BYTES) {
      const length = view.getUint32(offset, true);
      if (length < 1 || length > CHILD_LIMITS.frameBytes + 1) throw new FrameError(`a frame of ${length} bytes`);
      const end = offset + 4 + length;
      if (end > data.length) break;
      yield { kind: view.getUint8(offset + 4), body: data.subarray(offset + HEADER_BYTES, end) };
      offset = end;
    }
    this.#rest = data.slice(offset);
  }
}
