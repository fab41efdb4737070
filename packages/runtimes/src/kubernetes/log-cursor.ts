/**
 * The place in a container's log, as a pure state machine. The API can only be asked for everything since a whole
 * second, so lines that were told before are recognised by their time stamps (nanoseconds) and left out.
 *
 *     stamp -> body -> (newline) -> stamp       one connection after the other; a line may be cut anywhere
 *
 * Two lines with one stamp are told apart by their order. Where a clock was set back, a resumed log may lack lines.
 */
import { FogError } from '@fog/contract';

export interface LogPosition {
  /** Of the newest line begun; null before the first. */
  stamp: string | null;
  /** Lines with this stamp that are told to their ends. */
  lines: number;
  /** Bytes told of the line after them. */
  lineBytes: number;
  /** Bytes told in all. */
  bytes: number;
}

export const LOG_START: LogPosition = { stamp: null, lines: 0, lineBytes: 0, bytes: 0 };

/** RFC 3339 with nanoseconds is at most 35 long. */
const MOST_STAMP_BYTES = 40;
const NEWLINE = 10;
const SPACE = 32;

export class LogCursor {
  readonly #tell: (bytes: Uint8Array) => void;
  #position: LogPosition;
  #nanoseconds: bigint | null;
  /** Before the place where the last connection ended. */
  #isBehind = false;
  #linesPassed = 0;
  #bytesToSkip = 0;
  #stamp = '';
  #inBody = false;

  constructor(position: LogPosition, tell: (bytes: Uint8Array) => void) {
    this.#position = { ...position };
    this.#nanoseconds = position.stamp === null ? null : nanoseconds(position.stamp);
    this.#tell = tell;
  }

  get position(): LogPosition {
    return { ...this.#position };
  }

  /** What to ask for: the second of the newest line, or null for everything. */
  get since(): string | null {
    if (this.#nanoseconds === null) return null;
    return new Date(Number(this.#nanoseconds / 1_000_000_000n) * 1000).toISOString().replace('.000Z', 'Z');
  }

  /** A new connection begins. */
  reopen(): void {
    this.#isBehind = this.#position.stamp !== null;
    this.#linesPassed = 0;
    this.#stamp = '';
    this.#inBody = false;
  }

  /** Throws `protocol-violation` for a line without a time stamp. */
  feed(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.byteLength > 0) rest = this.#inBody ? this.#body(rest) : this.#head(rest);
  }

  #head(bytes: Uint8Array): Uint8Array {
    const end = bytes.indexOf(SPACE);
    const newline = bytes.indexOf(NEWLINE);
    // An empty line may lack the space.
    const isEmptyLine = newline >= 0 && (end < 0 || newline < end);
    const stop = isEmptyLine ? newline : end;
    this.#stamp += Buffer.from(stop < 0 ? bytes : bytes.subarray(0, stop)).toString('latin1');
    if (this.#stamp.length > MOST_STAMP_BYTES) throw strangeLine();
    if (stop < 0) return new Uint8Array(0);
    this.#begin(this.#stamp);
    this.#stamp = '';
    this.#inBody = true;
    return bytes.subarray(isEmptyLine ? stop : stop + 1);
  }

  #begin(stamp: string): void {
    const at = nanoseconds(stamp);
    const last = this.#nanoseconds;
    this.#bytesToSkip = 0;
    if (this.#isBehind && last !== null && at <= last) {
      if (at < last || this.#linesPassed < this.#position.lines) this.#bytesToSkip = Number.POSITIVE_INFINITY;
      else {
        this.#bytesToSkip = this.#position.lineBytes;
        this.#isBehind = false;
      }
      if (at === last) this.#linesPassed += 1;
      return;
    }
    this.#isBehind = false;
    if (at === last) return;
    this.#nanoseconds = at;
    this.#position = { ...this.#position, stamp, lines: 0, lineBytes: 0 };
  }

  #body(bytes: Uint8Array): Uint8Array {
    const newline = bytes.indexOf(NEWLINE);
    const length = newline < 0 ? bytes.byteLength : newline + 1;
    const skipped = Math.min(length, this.#bytesToSkip);
    const isOld = this.#bytesToSkip === Number.POSITIVE_INFINITY;
    this.#bytesToSkip -= isOld ? 0 : skipped;
    if (skipped < length) {
      this.#position.lineBytes += length - skipped;
      this.#position.bytes += length - skipped;
      this.#tell(bytes.subarray(skipped, length));
    }
    if (newline >= 0) {
      this.#inBody = false;
      if (!isOld) {
        this.#position.lines += 1;
        this.#position.lineBytes = 0;
      }
    }
    return bytes.subarray(length);
  }
}

function nanoseconds(stamp: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(stamp);
  const milliseconds = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(milliseconds)) throw strangeLine();
  return BigInt(milliseconds) * 1_000_000n + BigInt((match?.[2] ?? '').padEnd(9, '0'));
}

function strangeLine(): FogError {
  return new FogError('protocol-violation', 'the log of the cluster has a line without its time stamp');
}
