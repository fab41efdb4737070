/** The log of one attempt: kept until its outcome is acknowledged, so that any part can be sent again. */
import { isLongRunning, type JobSpec, LIMITS, serviceLogRoom } from '@fog/contract';
import { AGENT_LIMITS } from './limits.ts';

export type LogStream = 'stdout' | 'stderr';

export interface LogChunk {
  stream: LogStream;
  /** Bytes of both streams before this chunk. */
  offset: number;
  data: Buffer;
}

export interface AttemptLogOptions {
  isTakenOver?: boolean;
  runMilliseconds?: (() => number) | null;
}

interface Segment {
  stream: LogStream;
  offset: number;
  /** Filled up to `length`; the rest is room for what follows. */
  room: Buffer;
  length: number;
}

const NOTICE = Buffer.from(`\n[fog: the log was cut here, at ${AGENT_LIMITS.logBytes} bytes]\n`);
const PAUSE_NOTICE = Buffer.from('\n[fog: too much output: what follows is left out until there is room again]\n');
/** Room that a log which was cut must have to go on. */
const ENOUGH_BYTES = AGENT_LIMITS.logBytes / 16;
const UNMASKED_NOTICE = Buffer.from(
  '[fog: the agent was started anew; what the program writes from here on is not shown]\n',
);
const FIRST_ROOM_BYTES = 256;
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Bytes are taken as they come, in the order of both streams together. A character that the program wrote in two
 * pieces is held back until it is whole, so that no chunk ends inside one; bytes that are no UTF-8 pass unchanged.
 *
 * The log of a program that is kept running goes on with time: what has been sent is forgotten, but for the newest, and
 * what is too much is left out until there is room again.
 *
 * The log of an attempt that was taken over from an agent that died goes on where the coordinator has it, which is known
 * once there is a session: what that agent had not sent yet is lost.
 */
export class AttemptLog {
  readonly #segments: Segment[] = [];
  /** Bytes of a character that is not whole yet. */
  #held: Record<LogStream, Buffer> = { stdout: NOTHING, stderr: NOTHING };
  #totalBytes = 0;
  /** Bytes at its beginning that are not here any more. */
  #forgottenBytes = 0;
  #sentBytes = 0;
  /** Index of the segment where the next chunk starts. */
  #cursor = 0;
  #isCut = false;
  #isEnded = false;
  /** Bytes that the coordinator had before the first of these; null while that is not known. */
  #earlierBytes: number | null;

  /** How long the program has been kept running; null for one that ends. */
  readonly #runMilliseconds: (() => number) | null;

  constructor({ isTakenOver = false, runMilliseconds = null }: AttemptLogOptions = {}) {
    this.#earlierBytes = isTakenOver ? null : 0;
    this.#runMilliseconds = runMilliseconds;
  }

  get totalBytes(): number {
    return (this.#earlierBytes ?? 0) + this.#totalBytes;
  }

  get hasUnsent(): boolean {
    return this.#earlierBytes !== null && this.#sentBytes < this.#totalBytes;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  append(stream: LogStream, data: Uint8Array): void {
    if (this.#isEnded || (this.#isCut && !this.#goesOn())) return;
    const held = this.#held[stream];
    const bytes =
      held.length === 0 ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.concat([held, data]);
    const whole = characterBoundary(bytes, bytes.length);
    this.#held[stream] = whole === bytes.length ? NOTHING : Buffer.from(bytes.subarray(whole));
    this.#store(stream, bytes.subarray(0, whole));
  }

  /** Nothing follows: what was held back is part of the log as it is. */
  end(): void {
    if (this.#isEnded) return;
    for (const stream of ['stdout', 'stderr'] as const) {
      if (!this.#isCut) this.#store(stream, this.#held[stream]);
    }
    this.#isEnded = true;
  }

  /** Of an attempt that was taken over: the values of its secrets are gone, and so cannot be masked in what follows. */
  endUnmasked(): void {
    this.append('stderr', UNMASKED_NOTICE);
    this.end();
  }

  /** The next unsent bytes as one chunk, or null. It counts as sent from then on. */
  next(): LogChunk | null {
    const first = this.#segments[this.#cursor];
    if (first === undefined || !this.hasUnsent) return null;
    const offset = this.#sentBytes;
    const parts: Buffer[] = [];
    let bytes = 0;
    let index = this.#cursor;
    for (; index < this.#segments.length; index += 1) {
      const segment = this.#segments[index] as Segment;
      if (segment.stream !== first.stream || bytes >= LIMITS.logChunkBytes) break;
      const part = segment.room.subarray(offset + bytes - segment.offset, segment.length);
      parts.push(part);
      bytes += part.length;
    }
    const joined = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    // Segments end anywhere, so a chunk that is full may have to give back the beginning of a character.
    const end = joined.length < LIMITS.logChunkBytes ? joined.length : characterBoundary(joined, LIMITS.logChunkBytes);
    this.#moveTo(offset + end);
    return { stream: first.stream, offset: (this.#earlierBytes ?? 0) + offset, data: joined.subarray(0, end) };
  }

  /** Goes on from this offset: what the coordinator has. */
  rewind(offset: number): void {
    this.#earlierBytes ??= offset;
    this.#cursor = 0;
    this.#moveTo(Math.max(this.#forgottenBytes, Math.min(offset - this.#earlierBytes, this.#totalBytes)));
  }

  #moveTo(offset: number): void {
    this.#sentBytes = offset;
    for (;;) {
      const segment = this.#segments[this.#cursor];
      // The last segment may still grow, so the cursor stays on it.
      if (segment === undefined || this.#cursor === this.#segments.length - 1) return;
      if (segment.offset + segment.length > offset) return;
      this.#cursor += 1;
    }
  }

  #store(stream: LogStream, bytes: Buffer): void {
    const notice = this.#runMilliseconds === null ? NOTICE : PAUSE_NOTICE;
    const left = Math.max(0, this.#room() - notice.length);
    if (bytes.length > left) {
      this.#isCut = true;
      this.#write(stream, bytes.subarray(0, characterBoundary(bytes, left)));
      this.#write('stderr', notice);
    } else if (bytes.length > 0) {
      this.#write(stream, bytes);
    }
  }

  /** Bytes that may follow. */
  #room(): number {
    if (this.#runMilliseconds === null) return AGENT_LIMITS.logBytes - this.#totalBytes;
    this.#forgetSent();
    const kept = this.#totalBytes - this.#forgottenBytes;
    return Math.min(serviceLogRoom(this.#runMilliseconds()) - this.#totalBytes, 2 * AGENT_LIMITS.logBytes - kept);
  }

  /** Keeps the newest that were sent: the coordinator may not have got them. */
  #forgetSent(): void {
    while (this.#cursor > 0) {
      const { length } = this.#segments[0] as Segment;
      if (this.#sentBytes - this.#forgottenBytes - length < AGENT_LIMITS.logBytes) return;
      this.#segments.shift();
      this.#forgottenBytes += length;
      this.#cursor -= 1;
    }
  }

  #goesOn(): boolean {
    if (this.#runMilliseconds === null || this.#room() < ENOUGH_BYTES) return false;
    this.#isCut = false;
    this.#held = { stdout: NOTHING, stderr: NOTHING };
    return true;
  }

  /** Copies the bytes: the caller may use its buffer again. Small writes share a segment. */
  #write(stream: LogStream, bytes: Buffer): void {
    const last = this.#segments.at(-1);
    let from = 0;
    if (last !== undefined && last.stream === stream) {
      from = bytes.copy(last.room, last.length);
      last.length += from;
      this.#totalBytes += from;
    }
    const rest = bytes.length - from;
    if (rest === 0) return;
    const wanted = Math.min(LIMITS.logChunkBytes, Math.max(FIRST_ROOM_BYTES, this.#totalBytes));
    const room = Buffer.allocUnsafeSlow(Math.max(rest, wanted));
    bytes.copy(room, 0, from);
    this.#segments.push({ stream, offset: this.#totalBytes, room, length: rest });
    this.#totalBytes += rest;
    this.#moveTo(this.#sentBytes);
  }
}

/** The log of an attempt that begins now. */
export function newAttemptLog(spec: JobSpec, now: () => number, { isTakenOver = false } = {}): AttemptLog {
  const since = now();
  return new AttemptLog({ isTakenOver, runMilliseconds: isLongRunning(spec) ? () => now() - since : null });
}

/** The largest cut at or before `end` that splits no UTF-8 character; `end` itself where the bytes are no UTF-8. */
export function characterBoundary(bytes: Uint8Array, end: number): number {
  for (let back = 1; back <= 3 && back <= end; back += 1) {
    const byte = bytes[end - back] as number;
    if ((byte & 0xc0) === 0x80) continue; // a continuation: its character began earlier
    const length = byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return byte < 0xf8 && length > back ? end - back : end;
  }
  return end;
}
