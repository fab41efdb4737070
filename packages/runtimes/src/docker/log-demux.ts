/**
 * The multiplexed stream of attach, logs and exec: frames of an 8-byte header (stream, three zeros, length as uint32
 * big-endian) and that many bytes. The parser hands bytes on as they come and keeps at most an unfinished header, so
 * that neither a long frame nor a lying length costs memory. What it is given must be taken before the next call:
 * who reads the stream waits for it, and the engine is not read from meanwhile.
 */

export type LogStream = 'stdout' | 'stderr';

/** The bytes are not what an engine sends; nothing after them can be understood. */
export class LogStreamError extends Error {
  override readonly name = 'LogStreamError';
}

const HEADER_BYTES = 8;

export class LogDemultiplexer {
  readonly #emit: (stream: LogStream, data: Uint8Array) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #stream: LogStream | 'engine' = 'stdout';
  #bytesLeft = 0;

  /** `emit` gets views of the pushed chunk, valid during the call only. */
  constructor(emit: (stream: LogStream, data: Uint8Array) => void) {
    this.#emit = emit;
  }

  /** Whether the stream may end here: not within a frame. */
  get atBoundary(): boolean {
    return this.#headerBytes === 0 && this.#bytesLeft === 0;
  }

  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#bytesLeft > 0) {
        const data = chunk.subarray(offset, offset + this.#bytesLeft);
        offset += data.length;
        this.#bytesLeft -= data.length;
        // Stream 3 is the engine's own word on why it cannot read on: no output of the job.
        if (this.#stream !== 'engine') this.#emit(this.#stream, data);
        continue;
      }
      const part = chunk.subarray(offset, offset + HEADER_BYTES - this.#headerBytes);
      this.#header.set(part, this.#headerBytes);
      this.#headerBytes += part.length;
      offset += part.length;
      if (this.#headerBytes === HEADER_BYTES) this.#readHeader();
    }
  }

  #readHeader(): void {
    const [kind, ...zeros] = this.#header.subarray(0, 4);
    if (kind === undefined || kind > 3 || zeros.some((zero) => zero !== 0)) {
      throw new LogStreamError('the output of the container is not multiplexed as agreed');
    }
    // 0 is the standard input, which Docker writes to the standard output.
    this.#stream = kind === 3 ? 'engine' : kind === 2 ? 'stderr' : 'stdout';
    this.#bytesLeft = this.#header.readUInt32BE(4);
    this.#headerBytes = 0;
  }
}
