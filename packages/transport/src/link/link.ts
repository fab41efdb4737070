/**
 * An encrypted connection between two nodes that carries records (records.ts) over any stream. Made by `openLink` and
 * `acceptLink` (link-handshake.ts).
 *
 *     waiting --start--> open --close, or a fault found here--> ending --the other's end, or time--> closed
 *                          | --the other's goodbye or end---------^                                    ^
 *                          '----------------- the stream breaks --------------------------------------'
 *
 * In `ending` our goodbye is on its way, nothing is sent any more and what comes is dropped. `onClose` is called once,
 * when the stream is gone and the keys are wiped, with the first cause there was.
 *
 * Memory is bounded: one frame and one chunk on the way in (nothing is read while paused), `sendBufferBytes` and
 * `LINK_LIMITS.controlReserveBytes` on the way out.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FogError } from '@fog/contract';
import type { Clock, Timer } from '../clock.ts';
import { LINK_LIMITS } from '../limits.ts';
import type { CipherState } from '../noise/cipher-state.ts';
import type { TransportCiphers } from '../noise/handshake.ts';
import { freeBuffer } from './buffer-pool.ts';
import { FrameReader } from './frame-reader.ts';
import { encodeGoodbye, type Goodbye, type GoodbyeCode } from './goodbye.ts';
import { type LinkEnd, type LinkFault, violation } from './link-faults.ts';
import { LinkSender } from './link-sender.ts';
import { type PacketRun, type RecordSink, readRecords } from './records.ts';

/** `full`: drop the packet and count it, or wait for `onDrain`. */
export type SendResult = 'sent' | 'full' | 'closed';

export interface LinkHandlers {
  /**
   * Neighbouring packets of one message, at `offset` and each further `stride`, as they came. The memory is the link's:
   * it may be read, and overwritten, during the call only. Called once or more for a message.
   */
  onPackets(message: Buffer, run: PacketRun): void;
  /** What a control's JSON says; its shape is unchecked. Without this handler controls are dropped. */
  onControl?(control: unknown): void;
  /** After something was refused as `full`, half of the bound is free again. */
  onDrain?(): void;
  onClose(end: LinkEnd): void;
}

export interface LinkCounters {
  packetsSent: number;
  packetsReceived: number;
  /** Refused as `full`. */
  packetsRefused: number;
  messagesSent: number;
  messagesReceived: number;
  /** With all that links add; without the handshake. */
  bytesSent: number;
  bytesReceived: number;
}

export interface LinkParts<Context> {
  stream: Duplex;
  ciphers: TransportCiphers;
  version: number;
  remoteStaticKey: Uint8Array;
  handshakeHash: Uint8Array;
  context: Context;
  packetBytes: number;
  sendBufferBytes: number;
  clock: Clock;
}

const EMPTY = new Uint8Array();

export class Link<Context = undefined> {
  readonly version: number;
  /** X25519, 32 bytes: proven to be the other side's. */
  readonly remoteStaticKey: Uint8Array;
  /** 32 bytes, the same at both ends of this link and of no other. */
  readonly handshakeHash: Uint8Array;
  /** What `admit` said of the other side. */
  readonly context: Context;
  readonly packetBytes: number;
  readonly #stream: Duplex;
  readonly #clock: Clock;
  readonly #sender: LinkSender;
  readonly #receive: CipherState;
  readonly #frames = new FrameReader();
  readonly #sink: RecordSink;
  readonly #received = { packets: 0, messages: 0, bytes: 0 };
  #packetsSent = 0;
  #packetsRefused = 0;
  #handlers: LinkHandlers | null = null;
  #end: LinkEnd | null = null;
  #timer: Timer | null = null;
  #isPaused = false;
  #isReading = false;
  #messagesAtTick = 0;
  #quietTicks = 0;
  #receivedMilliseconds = 0;
  /** In the message that is being read. */
  #hasPonged = false;
  #hasToldEnd = false;

  constructor(parts: LinkParts<Context>) {
    this.version = parts.version;
    this.remoteStaticKey = parts.remoteStaticKey;
    this.handshakeHash = parts.handshakeHash;
    this.context = parts.context;
    this.packetBytes = parts.packetBytes;
    this.#stream = parts.stream;
    this.#clock = parts.clock;
    this.#receive = parts.ciphers.receive;
    const { stream, sendBufferBytes } = parts;
    const onDrain = () => this.#handlers?.onDrain?.();
    this.#sender = new LinkSender({ stream, cipher: parts.ciphers.send, sendBufferBytes, onDrain });
    this.#sink = this.#makeSink();
    this.#stream.once('close', () => this.#closed());
  }

  /** Begins to read. A link that was never started is paused, and is closed with its stream. */
  start(handlers: LinkHandlers): void {
    if (this.#handlers !== null) throw new FogError('internal', 'a link was started twice', { retryable: false });
    this.#handlers = handlers;
    if (this.#stream.closed) return queueMicrotask(() => this.#closed());
    this.#stream.on('data', (chunk: Buffer) => this.#chunk(chunk));
    this.#stream.once('end', () => this.#streamEnded());
    if (this.#stream.readableEnded) this.#streamEnded();
    else if (!this.#isPaused) this.#stream.resume();
    this.#timer = this.#clock.setTimer(LINK_LIMITS.pingMilliseconds, () => this.#tick());
  }

  get isOpen(): boolean {
    return this.#end === null;
  }

  /**
   * When the last bytes were read that made what is being handed over complete, by the link's clock. It is earlier by all
   * the time that the link was paused.
   */
  get receivedMilliseconds(): number {
    return this.#receivedMilliseconds;
  }

  /** Bytes that have not left the process. */
  get writableLength(): number {
    return this.#sender.writableLength;
  }

  get counters(): LinkCounters {
    const { messages, bytes } = this.#sender.counters;
    return {
      packetsSent: this.#packetsSent,
      packetsReceived: this.#received.packets,
      packetsRefused: this.#packetsRefused,
      messagesSent: messages,
      messagesReceived: this.#received.messages,
      bytesSent: bytes,
      bytesReceived: this.#received.bytes,
    };
  }

  /** Copies the packet, which has `packetBytes`; it leaves at the end of this round of the event loop. */
  sendPacket(packet: Uint8Array): SendResult {
    if (packet.length !== this.packetBytes) {
      const message = `a packet of ${packet.length} bytes was given to a link of ${this.packetBytes}`;
      throw new FogError('internal', message, { retryable: false });
    }
    if (!this.isOpen) return 'closed';
    if (this.#sender.add('packet', packet, false)) {
      this.#packetsSent += 1;
      return 'sent';
    }
    this.#packetsRefused += 1;
    return 'full';
  }

  /** Sends a value as JSON. Throws `body-too-large` beyond `LINK_LIMITS.controlBytes`. */
  sendControl(control: unknown): SendResult {
    const body = Buffer.from(JSON.stringify(control));
    if (body.length > LINK_LIMITS.controlBytes) {
      const message = `a control of ${body.length} bytes is longer than ${LINK_LIMITS.controlBytes}`;
      throw new FogError('body-too-large', message, { hint: 'send what is large as packets' });
    }
    if (!this.isOpen) return 'closed';
    return this.#sender.add('control', body, true) ? 'sent' : 'full';
  }

  /** The responder's first word; see `acceptLink`. */
  welcome(): void {
    this.#sender.add('welcome', EMPTY, true);
    this.#sender.flush();
  }

  /** Sends what has gathered at once. */
  flush(): void {
    if (this.isOpen) this.#sender.flush();
  }

  /**
   * Stops reading, but for the rest of the message that is being handed over. The other side notices when its bound is
   * full; after 80 s of a pause it may take us for dead.
   */
  pause(): void {
    this.#isPaused = true;
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#quietTicks = 0;
    // From the loop and not from here: whoever resumes within `onPackets` is not to be called again within it.
    setImmediate(() => {
      this.#readFrames();
      if (this.isOpen && !this.#isPaused && this.#handlers !== null) this.#stream.resume();
    });
  }

  /** Says goodbye and ends the link. What was sent before still arrives, if the other side reads it in time. */
  close(code: GoodbyeCode = 'done', reason = ''): void {
    this.#finish({ by: 'us', code, reason }, { code, reason });
  }

  /** Cuts the link without a word. */
  destroy(): void {
    this.#end ??= { by: 'us', code: 'done', reason: '' };
    this.#stream.destroy();
  }

  #makeSink(): RecordSink {
    return {
      isOpen: () => this.isOpen,
      onPackets: (message, run) => {
        this.#received.packets += run.count;
        this.#handlers?.onPackets(message, run);
      },
      onControl: (control) => this.#handlers?.onControl?.(control),
      onGoodbye: ({ code, reason }) => this.#finish({ by: 'peer', code, reason }, null),
      onPing: () => this.#answerPing(),
      onPong: () => {},
      onWelcome: () => this.#fail(violation('unknown-record', 'a welcome came when the link was open already')),
    };
  }

  #chunk(chunk: Buffer): void {
    if (!this.isOpen) return;
    this.#receivedMilliseconds = this.#clock.now();
    this.#received.bytes += chunk.length;
    this.#frames.push(chunk);
    this.#readFrames();
    // A socket gives each chunk once; that of another stream may still be somebody else's.
    if (this.#stream instanceof Socket && !this.#frames.holdsChunk) freeBuffer(chunk);
  }

  #readFrames(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.isOpen && !this.#isPaused) {
        const text = this.#nextMessage();
        if (text === null) return;
        this.#message(text);
        freeBuffer(text);
      }
    } finally {
      this.#isReading = false; // also if a handler throws, which is not the other side's fault
    }
  }

  #nextMessage(): Buffer | null {
    try {
      const frame = this.#frames.next();
      return frame === null ? null : this.#receive.decrypt(frame);
    } catch (error) {
      this.#fail(FogError.from(error));
      return null;
    }
  }

  #message(text: Buffer): void {
    this.#received.messages += 1;
    if (this.#receive.count % LINK_LIMITS.rekeyMessages === 0) this.#receive.rekey();
    this.#hasPonged = false;
    const fault = readRecords(text, this.packetBytes, this.#sink);
    if (fault !== null) this.#fail(fault);
  }

  /** Once a message, and not at all for a peer that does not read: pings cost us no more than they cost others. */
  #answerPing(): void {
    if (!this.#hasPonged) this.#sender.add('pong', EMPTY, false);
    this.#hasPonged = true;
  }

  /** Nothing came since the last tick: ask; nothing came for too long: give up. */
  #tick(): void {
    if (!this.isOpen) return;
    const isQuiet = this.#received.messages === this.#messagesAtTick && !this.#isPaused;
    this.#messagesAtTick = this.#received.messages;
    this.#quietTicks = isQuiet ? this.#quietTicks + 1 : 0;
    if (this.#quietTicks > LINK_LIMITS.unansweredPings) {
      const seconds = (LINK_LIMITS.pingMilliseconds * this.#quietTicks) / 1000;
      const error = new FogError(
        'timed-out',
        `nothing came over a link for ${seconds} s, not even an answer to pings`,
        {
          details: { cause: 'silent' },
          hint: 'connect again; see whether the other node runs and is not overloaded',
        },
      );
      return this.#finish({ by: 'fault', fault: 'silent', error }, { code: 'silent', reason: '' });
    }
    if (isQuiet) this.#sender.add('ping', EMPTY, false);
    this.#timer = this.#clock.setTimer(LINK_LIMITS.pingMilliseconds, () => this.#tick());
  }

  #fail(error: FogError): void {
    const fault = error.details.cause as LinkFault;
    this.#finish({ by: 'fault', fault, error }, { code: 'protocol-violation', reason: fault });
  }

  #streamEnded(): void {
    if (this.isOpen) this.#finish(cut(), null);
  }

  /** Enters `ending`, once. */
  #finish(end: LinkEnd, goodbye: Goodbye | null): void {
    if (this.#end !== null) return;
    if (goodbye !== null) this.#sender.add('goodbye', encodeGoodbye(goodbye), true);
    this.#sender.flush();
    this.#end = end;
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(LINK_LIMITS.closeMilliseconds, () => this.#stream.destroy());
    this.#stream.end();
    this.#stream.resume(); // what still comes is dropped, but its end has to be seen
  }

  #closed(): void {
    this.#timer?.cancel();
    this.#sender[Symbol.dispose]();
    this.#receive[Symbol.dispose]();
    this.#frames[Symbol.dispose]();
    this.#end ??= cut(this.#stream.errored);
    const handlers = this.#handlers;
    if (handlers === null || this.#hasToldEnd) return;
    this.#hasToldEnd = true;
    handlers.onClose(this.#end);
  }
}

function cut(cause: Error | null = null): LinkEnd {
  const error = new FogError('unavailable', 'the connection of a link was cut', {
    details: { cause: 'cut' },
    hint: 'connect again',
    ...(cause === null ? {} : { cause }),
  });
  return { by: 'fault', fault: 'cut', error };
}
