/**
 * The process that guests run in. It has no permission but to read, no environment, and one attempt at a time.
 *
 * It never returns to an event loop: it waits for a request with a blocking read, runs it, and answers with blocking
 * writes. So a guest that logs without end is slowed down by its reader, nothing is buffered here, and a warm start
 * costs no turn of a loop.
 */
import { readSync, writeSync } from 'node:fs';
import { encodeFrame, FrameReader } from '../child-frames.ts';
import { runChildAttempt } from './child-attempt.ts';
import { ModuleCache } from './module-cache.ts';
import { type ChildRequest, FROM_CHILD, TO_CHILD } from './protocol.ts';

const STANDARD_INPUT = 0;
const STANDARD_OUTPUT = 1;
const READ_BYTES = 64 * 1024;

// Errors of the guest travel as messages; collecting their stacks would only cost time.
Error.stackTraceLimit = 0;

/** A descriptor may be in non-blocking mode, set by whoever shares it: then wait and try again. */
function blocking(call: () => number): number {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(pauseCell, 0, 0, 1);
    }
  }
}
const pauseCell = new Int32Array(new SharedArrayBuffer(4));

function send(kind: number, body: Uint8Array): void {
  const frame = encodeFrame(kind, body);
  for (let offset = 0; offset < frame.length; ) {
    offset += blocking(() => writeSync(STANDARD_OUTPUT, frame, offset));
  }
}

const EMPTY = new Uint8Array(0);

function serve(): void {
  const frames = new FrameReader();
  const cache = new ModuleCache();
  const chunk = Buffer.allocUnsafeSlow(READ_BYTES);
  let request: Uint8Array[] = [];
  let standardInput: Uint8Array[] = [];
  send(FROM_CHILD.ready, EMPTY);
  for (;;) {
    const count = blocking(() => readSync(STANDARD_INPUT, chunk));
    // The runtime is gone.
    if (count === 0) return;
    for (const { kind, body } of frames.push(chunk.subarray(0, count))) {
      if (kind === TO_CHILD.request) request.push(body.slice());
      else if (kind === TO_CHILD.standardInput) standardInput.push(body.slice());
      else if (kind === TO_CHILD.go) {
        const parsed: ChildRequest = JSON.parse(Buffer.concat(request).toString('utf8'));
        runChildAttempt({ request: parsed, standardInput, cache, send });
        request = [];
        standardInput = [];
      }
    }
  }
}

serve();
