/** What a stranger can write into a link, in the parsers that read it: greetings, frames, records. */
import assert from 'node:assert/strict';
import { FogError } from '@fog/contract';
import { LINK_LIMITS } from '@fog/transport';
import { FrameReader } from '../../../packages/transport/src/link/frame-reader.ts';
import {
  ANSWER_KINDS,
  decodeAnswer,
  decodeHello,
  encodeAnswer,
  encodeHello,
  lengthFromHead,
} from '../../../packages/transport/src/link/hello.ts';
import { LINK_FAULTS } from '../../../packages/transport/src/link/link-faults.ts';
import {
  encodeRecord,
  RECORD_KINDS,
  type RecordKind,
  type RecordSink,
  readRecords,
} from '../../../packages/transport/src/link/records.ts';
import type { FuzzRandom } from '../fuzz-random.ts';
import { oneByOne } from '../fuzz-target.ts';

const PACKET_BYTES = 24;
const LEAST_FRAME_BYTES = 20;
const KINDS = Object.keys(RECORD_KINDS) as RecordKind[];

/** Invariants: a message is handed over or refused with a cause; no record reaches beyond it. */
export const LINK_RECORDS = oneByOne(
  { summary: 'records of a decrypted message of a link', share: 1 / 4 },
  () => (random) => {
    const message = messageOf(random);
    let records = 0;
    const fault = readRecords(
      message,
      PACKET_BYTES,
      sinkFor(message, () => (records += 1)),
    );
    if (fault === null) {
      assert.ok(records > 0, 'a message that is taken holds a record');
      return 'taken';
    }
    assert.equal(fault.code, 'protocol-violation');
    const cause = LINK_FAULTS.find((known) => known === fault.details.cause);
    assert.ok(cause !== undefined, `the cause ${fault.details.cause} is of the list`);
    return cause;
  },
);

function sinkFor(message: Buffer, onRecord: () => void): RecordSink {
  return {
    isOpen: () => true,
    onPackets(_message, { offset, stride, count }) {
      assert.ok(count > 0 && offset + (count - 1) * stride + PACKET_BYTES <= message.length, 'packets lie within');
      onRecord();
    },
    onControl: onRecord,
    onGoodbye({ reason }) {
      assert.ok(Buffer.byteLength(reason) <= 3 * LINK_LIMITS.goodbyeBytes);
      onRecord();
    },
    onPing: onRecord,
    onPong: onRecord,
    onWelcome: onRecord,
  };
}

function messageOf(random: FuzzRandom): Buffer {
  if (random.once(8)) return Buffer.from(random.bytes(random.below(80)));
  const records = Array.from({ length: 1 + random.below(5) }, () => recordOf(random));
  const message = Buffer.concat(records);
  const kind = random.below(5);
  if (kind === 0) random.flip(message);
  if (kind === 1) return message.subarray(0, random.below(message.length));
  if (kind === 2) return Buffer.concat([message, random.bytes(1 + random.below(8))]);
  return message;
}

function recordOf(random: FuzzRandom): Buffer {
  const kind = random.pick(KINDS);
  if (kind === 'packet') return encodeRecord(kind, random.bytes(PACKET_BYTES + (random.once(16) ? 1 : 0)));
  if (kind === 'control') return encodeRecord(kind, Buffer.from(random.once(8) ? '{' : '{"a":[1,"b"]}'));
  if (kind === 'goodbye') return encodeRecord(kind, random.bytes(1 + random.below(20)));
  return encodeRecord(kind, random.once(16) ? random.bytes(1) : new Uint8Array());
}

/** Invariants: frames are those that were written, over whatever chunks; a length that none can have is refused. */
export const LINK_FRAMES = oneByOne(
  { summary: 'streams of a link, cut into chunks at any place', share: 1 / 10 },
  () => (random) => {
    using reader = new FrameReader();
    const isNoise = random.once(4);
    const written = Array.from({ length: random.below(6) }, () => random.bytes(LEAST_FRAME_BYTES + random.below(200)));
    const stream = isNoise ? Buffer.from(random.bytes(random.below(200))) : Buffer.concat(written.map(frameOf));
    const isDamaged = isNoise || (stream.length > 0 && random.once(4));
    if (isDamaged && !isNoise) {
      if (random.once(2)) random.flip(stream);
      else stream.writeUInt16BE(random.below(2 * LEAST_FRAME_BYTES));
    }
    const read: Buffer[] = [];
    try {
      for (let at = 0; at < stream.length; ) {
        const size = 1 + random.below(random.once(2) ? 3 : 300);
        reader.push(stream.subarray(at, at + size));
        for (let frame = reader.next(); frame !== null; frame = reader.next()) read.push(Buffer.from(frame));
        at += size;
      }
    } catch (error) {
      assert.ok(error instanceof FogError && error.code === 'protocol-violation' && isDamaged, String(error));
      return 'refused';
    }
    assert.ok(
      read.every(({ length }) => length >= LEAST_FRAME_BYTES),
      'no frame is shorter than any can be',
    );
    if (isDamaged) return reader.isBetweenFrames ? 'damaged: all frames whole' : 'damaged: breaks off';
    assert.ok(reader.isBetweenFrames && read.length === written.length);
    assert.ok(read.every((frame, index) => frame.equals(written[index] as Uint8Array)));
    return 'as written';
  },
);

function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(2 + message.length);
  frame.writeUInt16BE(message.length);
  frame.set(message, 2);
  return frame;
}

/** Invariants: whatever is read as hello or answer is what it would be written as; all else is refused in words. */
export const LINK_GREETINGS = oneByOne(
  { summary: 'hello and answer, which are read in clear before any key', share: 1 / 20 },
  () => (random) => {
    const bytes = greetingOf(random);
    if (bytes.length > 0) readOrNull(() => lengthFromHead(bytes.subarray(0, 1 + random.below(bytes.length))));
    const hello = readOrNull(() => decodeHello(bytes));
    if (hello !== null) assert.deepEqual(encodeHello(hello), bytes);
    const answer = readOrNull(() => decodeAnswer(bytes));
    if (answer !== null) assert.deepEqual(encodeAnswer(answer), bytes);
    return hello !== null ? 'hello' : answer !== null ? 'answer' : 'refused';
  },
);

function greetingOf(random: FuzzRandom): Buffer {
  if (random.once(8)) return Buffer.from(random.bytes(random.below(80)));
  const versions = Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(65_535)).sort((a, b) => b - a);
  const greeting = random.once(2)
    ? encodeHello({ networkId: random.bytes(32), versions })
    : encodeAnswer({ kind: random.pick(ANSWER_KINDS), versions: versions.slice(0, random.below(3)) });
  const kind = random.below(4);
  if (kind === 0) random.flip(greeting);
  if (kind === 1) return greeting.subarray(0, random.below(greeting.length));
  return greeting;
}

function readOrNull<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof FogError && error.code === 'protocol-violation', String(error));
    return null;
  }
}
