/**
 * Delivers the output of a container once, across breaks of the connection and deaths of the agent.
 *
 * While all goes well the output comes from an attachment, byte for byte and at the speed at which it is taken. How
 * much was delivered is kept in a file, written after each chunk. Who comes later reads the engine's log from its
 * beginning and leaves out as many bytes. What holds:
 *
 * - Nothing is missing and nothing comes twice as long as the engine's log still begins with the container's first
 *   byte. After that (KEPT_LOG), it continues at the time of the last delivery: lines may be missing or come twice.
 * - A chunk that was in delivery when the agent was killed comes again.
 * - The engine's log ends every output with a line feed, also one that had none.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { KEPT_LOG } from './container-spec.ts';
import { LogDemultiplexer, type LogStream, LogStreamError } from './log-demux.ts';

/** Two counters and a time. */
const POSITION_BYTES = 24;
/** Enough for the words of an init that cannot start the program. */
const HEAD_BYTES = 4096;

export class ContainerOutput {
  readonly #emit: (stream: LogStream, data: Uint8Array) => void;
  readonly #descriptor: number;
  readonly #record = Buffer.alloc(POSITION_BYTES);
  readonly #delivered: Record<LogStream, number> = { stdout: 0, stderr: 0 };
  #deliveredAtMilliseconds = 0;
  #head: Buffer[] | null;
  #headBytes = 0;
  #closed = false;

  /** Continues from `positionPath` if it is there. */
  constructor(positionPath: string, emit: (stream: LogStream, data: Uint8Array) => void) {
    this.#emit = emit;
    const position = readPosition(positionPath);
    this.#head = position === null ? [] : null;
    if (position !== null) {
      this.#delivered.stdout = position.stdout;
      this.#delivered.stderr = position.stderr;
      this.#deliveredAtMilliseconds = position.atMilliseconds;
    }
    this.#descriptor = openSync(positionPath, position === null ? 'w' : 'r+', 0o600);
  }

  get standardOutputBytes(): number {
    return this.#delivered.stdout;
  }

  /** Null where the beginning went to another agent. */
  get standardErrorHead(): string | null {
    return this.#head === null ? null : Buffer.concat(this.#head).toString('utf8');
  }

  /** Where in the engine's log to go on: its beginning (null), or a time. */
  resumeSeconds(): number | null {
    const { stdout, stderr } = this.#delivered;
    return stdout + stderr <= KEPT_LOG.fileMebibytes << 20 ? null : this.#deliveredAtMilliseconds / 1000;
  }

  /** An attachment made before the start. Resolves when the output is closed; rejects when the connection breaks. */
  live(stream: Readable): Promise<void> {
    return this.#consume(stream, { stdout: 0, stderr: 0 });
  }

  /** The engine's log from `resumeSeconds()` on. */
  resumed(stream: Readable): Promise<void> {
    return this.#consume(stream, this.resumeSeconds() === null ? { ...this.#delivered } : { stdout: 0, stderr: 0 });
  }

  async #consume(stream: Readable, known: Record<LogStream, number>): Promise<void> {
    const parser = new LogDemultiplexer((name, data) => {
      const skipped = Math.min(known[name], data.length);
      known[name] -= skipped;
      if (skipped < data.length) this.#deliver(name, data.subarray(skipped));
    });
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      if (this.#closed) return;
      parser.push(chunk);
      this.#savePosition();
    }
    if (!parser.atBoundary) throw new LogStreamError('the output of the container broke off');
  }

  #deliver(stream: LogStream, data: Uint8Array): void {
    if (stream === 'stderr' && this.#head !== null && this.#headBytes < HEAD_BYTES) {
      const part = Buffer.from(data.subarray(0, HEAD_BYTES - this.#headBytes));
      this.#headBytes += part.length;
      this.#head.push(part);
    }
    this.#delivered[stream] += data.length;
    this.#emit(stream, data);
  }

  /** A few microseconds: the page cache outlives an agent that is killed. */
  #savePosition(): void {
    if (this.#closed) return;
    this.#deliveredAtMilliseconds = Date.now();
    this.#record.writeDoubleBE(this.#delivered.stdout, 0);
    this.#record.writeDoubleBE(this.#delivered.stderr, 8);
    this.#record.writeDoubleBE(this.#deliveredAtMilliseconds, 16);
    writeSync(this.#descriptor, this.#record, 0, POSITION_BYTES, 0);
  }

  /** Nothing is delivered any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#descriptor);
  }
}

function readPosition(path: string): { stdout: number; stderr: number; atMilliseconds: number } | null {
  try {
    const record = readFileSync(path);
    // Cut short: nothing was delivered yet.
    if (record.length < POSITION_BYTES) return { stdout: 0, stderr: 0, atMilliseconds: 0 };
    return { stdout: record.readDoubleBE(0), stderr: record.readDoubleBE(8), atMilliseconds: record.readDoubleBE(16) };
  } catch {
    return null;
  }
}
