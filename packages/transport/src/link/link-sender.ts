/**
 * The sending half of a link: records gather in a buffer until the event loop has run its round, then leave as one
 * message of Noise. So at a high rate one encryption and one write carry some twenty packets, and at a low one a packet
 * waits for no other.
 *
 *     empty --record--> gathering --round over, or buffer full--> sealed and written --> empty
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FogError } from '@fog/contract';
import { LINK_LIMITS, NOISE_LIMITS } from '../limits.ts';
import type { CipherState } from '../noise/cipher-state.ts';
import { MAC_BYTES } from '../noise/primitives.ts';
import { freeBuffer, giveBack, LENGTH_BYTES, takeBuffer } from './buffer-pool.ts';
import { RECORD_HEAD_BYTES, type RecordKind, writeRecordHead } from './records.ts';

/** What a message can hold of records. */
export const MESSAGE_TEXT_BYTES = NOISE_LIMITS.messageBytes - MAC_BYTES;
/** What a message adds to its records. */
const MESSAGE_FRAME_BYTES = LENGTH_BYTES + MAC_BYTES;

export interface SenderCounters {
  messages: number;
  /** On the wire. */
  bytes: number;
}

export interface LinkSenderOptions {
  stream: Duplex;
  cipher: CipherState;
  sendBufferBytes: number;
  /** Called when half of the bound is free again after something was refused. */
  onDrain: () => void;
}

export class LinkSender implements Disposable {
  readonly counters: SenderCounters = { messages: 0, bytes: 0 };
  readonly #stream: Duplex;
  readonly #cipher: CipherState;
  readonly #sendBufferBytes: number;
  readonly #onDrain: () => void;
  readonly #onWritten = () => this.#written();
  /** What was written to a socket is nobody's any more; another stream may hand it on. */
  readonly #isSocket: boolean;
  #buffer: Buffer | null = null;
  #used = 0;
  #round: NodeJS.Immediate | null = null;
  #hasRefused = false;
  #isClosed = false;

  constructor({ stream, cipher, sendBufferBytes, onDrain }: LinkSenderOptions) {
    this.#stream = stream;
    this.#isSocket = stream instanceof Socket;
    this.#cipher = cipher;
    this.#sendBufferBytes = sendBufferBytes;
    this.#onDrain = onDrain;
  }

  /** Bytes that have not left the process, as they will be on the wire. */
  get writableLength(): number {
    return this.#stream.writableLength + (this.#used === 0 ? 0 : this.#used + MESSAGE_FRAME_BYTES);
  }

  /**
   * Copies a record into the buffer. False, and nothing is done, when more than the bound would wait; what is urgent may
   * exceed it by `LINK_LIMITS.controlReserveBytes`.
   */
  add(kind: RecordKind, body: Uint8Array, isUrgent: boolean): boolean {
    const bytes = RECORD_HEAD_BYTES + body.length;
    const bound = this.#sendBufferBytes + (isUrgent ? LINK_LIMITS.controlReserveBytes : 0);
    const isNewMessage = this.#used === 0 || this.#used + bytes > MESSAGE_TEXT_BYTES;
    if (this.writableLength + bytes + (isNewMessage ? MESSAGE_FRAME_BYTES : 0) > bound) {
      this.#hasRefused = true;
      return false;
    }
    if (this.#used + bytes > MESSAGE_TEXT_BYTES) this.flush();
    this.#buffer ??= takeBuffer();
    this.#buffer.set(body, writeRecordHead(this.#buffer, this.#used, kind, body.length));
    this.#used += bytes;
    this.#round ??= setImmediate(() => this.flush());
    return true;
  }

  /** Seals and writes what has gathered. */
  flush(): void {
    if (this.#round !== null) clearImmediate(this.#round);
    this.#round = null;
    const buffer = this.#buffer;
    if (buffer === null || this.#isClosed) return;
    const { ciphertext, tag } = this.#cipher.seal(buffer.subarray(0, this.#used));
    giveBack(buffer);
    this.#buffer = null;
    this.#used = 0;
    if (this.#cipher.count % LINK_LIMITS.rekeyMessages === 0) this.#cipher.rekey();
    const length = Buffer.allocUnsafe(LENGTH_BYTES);
    length.writeUInt16BE(ciphertext.length + tag.length);
    const stream = this.#stream;
    stream.cork();
    stream.write(length);
    stream.write(ciphertext);
    stream.write(tag, this.#isSocket ? () => this.#leftProcess(ciphertext) : this.#onWritten);
    stream.uncork();
    this.counters.messages += 1;
    this.counters.bytes += length.length + ciphertext.length + tag.length;
  }

  /** Drops what has gathered and wipes the key. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    if (this.#round !== null) clearImmediate(this.#round);
    if (this.#buffer !== null) giveBack(this.#buffer);
    this.#round = null;
    this.#buffer = null;
    this.#used = 0;
    this.#cipher[Symbol.dispose]();
  }

  #leftProcess(ciphertext: Buffer): void {
    freeBuffer(ciphertext);
    this.#written();
  }

  #written(): void {
    if (!this.#hasRefused || this.#isClosed || this.writableLength > this.#sendBufferBytes / 2) return;
    this.#hasRefused = false;
    this.#onDrain();
  }
}

/** Throws `invalid-configuration` when packets of this size do not go into messages. */
export function assertPacketBytes(packetBytes: number): void {
  const most = MESSAGE_TEXT_BYTES - RECORD_HEAD_BYTES;
  if (Number.isSafeInteger(packetBytes) && packetBytes >= 1 && packetBytes <= most) return;
  throw new FogError('invalid-configuration', `packets of ${packetBytes} bytes cannot be sent on a link`, {
    details: { packetBytes, most },
    hint: `choose a geometry whose packets have at most ${most} bytes`,
  });
}
