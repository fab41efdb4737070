/**
 * Frames as in child-frames.ts, for a child that waits with blocking reads and answers with blocking writes: a script
 * that logs without end is slowed down by its reader.
 *
 * Plain JavaScript, as everything that a child loads here: stripping types costs a process 70 ms at its start, twice
 * what the start itself costs.
 */
import { readSync, writeSync } from 'node:fs';

const STANDARD_INPUT = 0;
const STANDARD_OUTPUT = 1;
const HEADER_BYTES = 5;
/** As CHILD_LIMITS.contentFrameBytes. */
const CONTENT_FRAME_BYTES = 64 * 1024;
const READ_BYTES = 64 * 1024;

const pauseCell = new Int32Array(new SharedArrayBuffer(4));

/** A descriptor may be in non-blocking mode, set by whoever shares it: then wait and try again. */
function blocking(call) {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (error?.code !== 'EAGAIN') throw error;
      Atomics.wait(pauseCell, 0, 0, 1);
    }
  }
}

export function sendFrame(kind, body) {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length + 1, 0);
  frame[4] = kind;
  frame.set(body, HEADER_BYTES);
  for (let offset = 0; offset < frame.length; ) {
    offset += blocking(() => writeSync(STANDARD_OUTPUT, frame, offset));
  }
}

/** A body of any length, in several frames of one kind. */
export function sendContent(kind, body) {
  for (let offset = 0; offset < body.length; offset += CONTENT_FRAME_BYTES) {
    sendFrame(kind, body.subarray(offset, offset + CONTENT_FRAME_BYTES));
  }
}

export function sendJson(kind, value) {
  sendFrame(kind, Buffer.from(JSON.stringify(value)));
}

/** Returns a function that waits for the next frame; null when the other side is gone. */
export function createFrameSource() {
  let rest = Buffer.alloc(0);
  return () => {
    for (;;) {
      if (rest.length >= HEADER_BYTES) {
        const end = 4 + rest.readUInt32LE(0);
        if (rest.length >= end) {
          const frame = { kind: rest[4], body: rest.subarray(HEADER_BYTES, end) };
          rest = rest.subarray(end);
          return frame;
        }
      }
      const chunk = Buffer.allocUnsafe(READ_BYTES);
      const count = blocking(() => readSync(STANDARD_INPUT, chunk));
      if (count === 0) return null;
      rest = rest.length === 0 ? chunk.subarray(0, count) : Buffer.concat([rest, chunk.subarray(0, count)]);
    }
  };
}
