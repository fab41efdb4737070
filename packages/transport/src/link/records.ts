/**
 * What is said on a link, inside its encrypted messages. A message holds whole records, one after another to its end:
 *
 *     kind u8 | length u24, big-endian | body
 *
 *     1 packet    one packet of the mix network; on one link all have the same length
 *     2 control   JSON
 *     3 goodbye   code u8 | text; nothing comes after it
 *     4 ping      empty
 *     5 pong      empty
 *     6 welcome   empty; the first record of the responder, once it has admitted the initiator
 *
 * Pure: bytes in, bytes out.
 */
import type { FogError } from '@fog/contract';
import { LINK_LIMITS } from '../limits.ts';
import { decodeGoodbye, type Goodbye } from './goodbye.ts';
import { violation } from './link-faults.ts';

export const RECORD_KINDS = { packet: 1, control: 2, goodbye: 3, ping: 4, pong: 5, welcome: 6 } as const;
export type RecordKind = keyof typeof RECORD_KINDS;
export const RECORD_HEAD_BYTES = 4;

/** Neighbouring packets of one message, without a copy. */
export interface PacketRun {
  /** The first packet begins at `offset`, each further one `stride` after the one before. */
  offset: number;
  stride: number;
  count: number;
}

export interface RecordSink {
  onPackets(message: Buffer, run: PacketRun): void;
  /** What the JSON says. Nobody has checked its shape. */
  onControl(control: unknown): void;
  onGoodbye(goodbye: Goodbye): void;
  onPing(): void;
  onPong(): void;
  onWelcome(): void;
  /** False when what a call did has ended the link: what is left of the message is dropped. */
  isOpen(): boolean;
}

/** Writes the head of a record at `offset`; answers where its body begins. */
export function writeRecordHead(buffer: Buffer, offset: number, kind: RecordKind, bodyBytes: number): number {
  buffer.writeUInt8(RECORD_KINDS[kind], offset);
  buffer.writeUIntBE(bodyBytes, offset + 1, 3);
  return offset + RECORD_HEAD_BYTES;
}

/** One record as bytes of its own, for those that are rare. */
export function encodeRecord(kind: RecordKind, body: Uint8Array = new Uint8Array()): Buffer {
  const record = Buffer.alloc(RECORD_HEAD_BYTES + body.length);
  record.set(body, writeRecordHead(record, 0, kind, body.length));
  return record;
}

/**
 * Hands the records of a message over, in order. Nothing of a message with a fault is handed over, but for a control
 * that is no JSON, which is met when its turn comes. Answers the fault, or null.
 */
export function readRecords(message: Buffer, packetBytes: number, sink: RecordSink): FogError | null {
  const fault = faultOf(message, packetBytes);
  if (fault !== null) return fault;
  const stride = RECORD_HEAD_BYTES + packetBytes;
  for (let at = 0; at < message.length && sink.isOpen(); ) {
    const kind = message[at];
    const begin = at + RECORD_HEAD_BYTES;
    if (kind === RECORD_KINDS.packet) {
      let count = 1;
      while (message[at + count * stride] === RECORD_KINDS.packet) count += 1;
      sink.onPackets(message, { offset: begin, stride, count });
      at += count * stride;
      continue;
    }
    at = begin + message.readUIntBE(at + 1, 3);
    const other = handOver(kind, message.subarray(begin, at), sink);
    if (other !== null) return other;
  }
  return null;
}

/** Whether all records are whole, known, and of a size that they may have. */
function faultOf(message: Buffer, packetBytes: number): FogError | null {
  if (message.length === 0) return violation('bad-frame', 'a message on a link holds no record');
  for (let at = 0; at < message.length; ) {
    const begin = at + RECORD_HEAD_BYTES;
    if (begin > message.length) return violation('bad-frame', 'a record on a link breaks off in its head');
    const bodyBytes = message.readUIntBE(at + 1, 3);
    const fault = recordFault(message[at], bodyBytes, packetBytes);
    if (fault !== null) return fault;
    at = begin + bodyBytes;
    if (at > message.length) return violation('bad-frame', `a record of ${bodyBytes} bytes breaks off`);
  }
  return null;
}

function recordFault(kind: number | undefined, bodyBytes: number, packetBytes: number): FogError | null {
  switch (kind) {
    case RECORD_KINDS.packet:
      if (bodyBytes === packetBytes) return null;
      return violation('wrong-packet-size', `a packet has ${bodyBytes} bytes on a link of ${packetBytes}`);
    case RECORD_KINDS.control:
      if (bodyBytes <= LINK_LIMITS.controlBytes) return null;
      return violation('bad-record', `a control has ${bodyBytes} bytes, more than ${LINK_LIMITS.controlBytes}`);
    case RECORD_KINDS.goodbye:
      if (bodyBytes >= 1 && bodyBytes <= 1 + LINK_LIMITS.goodbyeBytes) return null;
      return violation('bad-record', `a goodbye has ${bodyBytes} bytes`);
    case RECORD_KINDS.ping:
    case RECORD_KINDS.pong:
    case RECORD_KINDS.welcome:
      return bodyBytes === 0 ? null : violation('bad-record', `a record of kind ${kind} has a body`);
    default:
      return violation('unknown-record', `there are no records of kind ${kind}`);
  }
}

function handOver(kind: number | undefined, body: Uint8Array, sink: RecordSink): FogError | null {
  if (kind === RECORD_KINDS.ping) sink.onPing();
  if (kind === RECORD_KINDS.pong) sink.onPong();
  if (kind === RECORD_KINDS.welcome) sink.onWelcome();
  if (kind === RECORD_KINDS.goodbye) {
    const goodbye = decodeGoodbye(body);
    if (goodbye === null) return violation('bad-record', 'a goodbye has no code');
    sink.onGoodbye(goodbye);
  }
  if (kind !== RECORD_KINDS.control) return null;
  let control: unknown;
  try {
    control = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return violation('bad-record', 'a control is no JSON');
  }
  sink.onControl(control);
  return null;
}
