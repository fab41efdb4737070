/** What strangers send, in the parsers alone. Failures print their seed; FOG_FUZZ_RUNS raises the number of inputs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, FogError } from '@fog/contract';
import fc from 'fast-check';
import { FrameReader } from '../../src/link/frame-reader.ts';
import { decodeGoodbye, encodeGoodbye, GOODBYE_CODES } from '../../src/link/goodbye.ts';
import {
  ANSWER_KINDS,
  type Answer,
  answerTo,
  decodeAnswer,
  decodeHello,
  encodeAnswer,
  encodeHello,
  lengthFromHead,
} from '../../src/link/hello.ts';
import { encodeRecord, RECORD_KINDS, type RecordSink, readRecords } from '../../src/link/records.ts';
import { frame } from './link-stage.ts';

const RUNS = { numRuns: Number(process.env.FOG_FUZZ_RUNS ?? 10_000) };

const versions = fc
  .uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 16 })
  .map((list) => list.sort((a, b) => b - a));
const networkId = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Passes what the function gives; null when it refused its input as it should. */
function refusedOr<Result>(read: () => Result, code: ErrorCode = 'protocol-violation'): Result | null {
  try {
    return read();
  } catch (error) {
    assert.ok(error instanceof FogError && error.code === code, String(error));
    return null;
  }
}

test('a hello is read as it was written', () => {
  fc.assert(
    fc.property(networkId, versions, (id, list) => {
      const bytes = encodeHello({ networkId: id, versions: list });
      assert.equal(lengthFromHead(bytes.subarray(0, 37)), bytes.length);
      assert.deepEqual(decodeHello(bytes), { networkId: id, versions: list });
    }),
    { numRuns: 300 },
  );
});

test('what is read of any bytes as hello or answer is what they were written from', () => {
  const prefixed = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.concat([Buffer.from('FOGL'), bytes]));
  const few = fc.tuple(fc.nat(5), fc.nat(4), fc.uint8Array({ maxLength: 9 }));
  const almost = few.map(([kind, count, rest]) => Buffer.from([...Buffer.from('FOGL'), kind, count, ...rest]));
  const long = fc.tuple(networkId, fc.nat(4), fc.uint8Array({ maxLength: 9 }));
  const nearly = long.map(([id, count, rest]) => Buffer.from([...Buffer.from('FOGL'), ...id, count, ...rest]));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), prefixed, almost, nearly), (bytes) => {
      refusedOr(() => lengthFromHead(bytes));
      const hello = refusedOr(() => decodeHello(bytes));
      if (hello !== null) assert.deepEqual(encodeHello(hello), Buffer.from(bytes));
      const answer = refusedOr(() => decodeAnswer(bytes));
      if (answer !== null) assert.deepEqual(encodeAnswer(answer), Buffer.from(bytes));
    }),
    RUNS,
  );
});

test('the answer is the highest common version, or says why there is none', () => {
  fc.assert(
    fc.property(versions, versions, fc.boolean(), (theirs, own, isSame) => {
      const mine = { networkId: new Uint8Array(32), versions: own };
      const answer = answerTo({ networkId: new Uint8Array(32).fill(isSame ? 0 : 1), versions: theirs }, mine);
      const common = Math.max(...theirs.filter((version) => own.includes(version)));
      const expected: Answer = !isSame
        ? { kind: 'other-network', versions: [] }
        : common > 0
          ? { kind: 'chosen', versions: [common] }
          : { kind: 'no-common-version', versions: own };
      assert.deepEqual(answer, expected);
      assert.deepEqual(decodeAnswer(encodeAnswer(answer)), answer);
    }),
    { numRuns: 500 },
  );
  assert.equal(ANSWER_KINDS.length, 4);
});

test('a goodbye keeps its code, and its text within its bounds', () => {
  const bytes = fc.uint8Array({ maxLength: 400 });
  const text = bytes.map((list) => `\u2028${Buffer.from(list).toString('latin1')}\u{1f600}`);
  const code = fc.constantFrom(...(Object.keys(GOODBYE_CODES) as (keyof typeof GOODBYE_CODES)[]));
  fc.assert(
    fc.property(code, text, (name, reason) => {
      const body = encodeGoodbye({ code: name, reason });
      assert.ok(body.length <= 257);
      const read = decodeGoodbye(body);
      assert.equal(read?.code, name);
      assert.doesNotMatch(read?.reason ?? '', /[\p{Cc}\u2028\u2029]/u);
    }),
    { numRuns: 500 },
  );
  assert.deepEqual(decodeGoodbye(Buffer.from([77, 65])), { code: 'other', reason: 'A' });
  assert.equal(decodeGoodbye(Buffer.alloc(0)), null);
  assert.equal(decodeGoodbye(Buffer.alloc(258)), null);
});

/** Says what was handed over, as text. */
function spy(): RecordSink & { said: string[] } {
  const said: string[] = [];
  return {
    said,
    isOpen: () => true,
    onPackets: (message, { offset, stride, count }) => {
      for (let index = 0; index < count; index += 1) {
        said.push(
          `packet ${Buffer.from(message.subarray(offset + index * stride, offset + index * stride + 3)).toString('hex')}`,
        );
      }
    },
    onControl: (control) => said.push(`control ${JSON.stringify(control)}`),
    onGoodbye: ({ code }) => said.push(`goodbye ${code}`),
    onPing: () => said.push('ping'),
    onPong: () => said.push('pong'),
    onWelcome: () => said.push('welcome'),
  };
}

const record = fc.oneof(
  fc.uint8Array({ minLength: 3, maxLength: 3 }).map((body) => ({
    bytes: encodeRecord('packet', body),
    says: `packet ${Buffer.from(body).toString('hex')}`,
  })),
  fc.json({ maxDepth: 2 }).map((text) => ({
    bytes: encodeRecord('control', Buffer.from(text)),
    says: `control ${JSON.stringify(JSON.parse(text))}`,
  })),
  fc.constantFrom('ping', 'pong', 'welcome').map((kind) => ({ bytes: encodeRecord(kind), says: kind })),
  fc.constant({ bytes: encodeRecord('goodbye', Buffer.from([1])), says: 'goodbye shutting-down' }),
);

test('all records of a message are handed over, in order', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 12 }), (records) => {
      const sink = spy();
      assert.equal(readRecords(Buffer.concat(records.map(({ bytes }) => bytes)), 3, sink), null);
      assert.deepEqual(
        sink.said,
        records.map(({ says }) => says),
      );
    }),
    { numRuns: 500 },
  );
});

test('any bytes as a message are read whole or refused, and nothing else is thrown', () => {
  const cutOrChanged = fc
    .tuple(fc.array(record, { maxLength: 5 }), fc.nat(), fc.nat(255), fc.boolean())
    .map(([records, position, value, isCut]) => {
      const whole = Buffer.concat(records.map(({ bytes }) => bytes));
      const at = whole.length === 0 ? 0 : position % whole.length;
      if (isCut) return whole.subarray(0, at);
      if (whole.length > 0) whole.writeUInt8(value, at);
      return whole;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }).map(Buffer.from), cutOrChanged), (bytes) => {
      const sink = spy();
      const fault = readRecords(bytes as Buffer, 3, sink);
      if (fault === null) assert.ok(sink.said.length > 0);
      else assert.equal(fault.code, 'protocol-violation');
    }),
    RUNS,
  );
});

test('each fault of a record has its cause', () => {
  const head = (kind: number, bytes: number) => Buffer.from([kind, bytes >> 16, (bytes >> 8) & 255, bytes & 255]);
  const causes: [string, Buffer][] = [
    ['bad-frame', Buffer.alloc(0)],
    ['bad-frame', Buffer.from([4, 0, 0])],
    ['bad-frame', Buffer.concat([head(1, 3), Buffer.alloc(2)])],
    ['unknown-record', head(0, 0)],
    ['unknown-record', head(7, 0)],
    ['wrong-packet-size', Buffer.concat([head(1, 2), Buffer.alloc(2)])],
    ['wrong-packet-size', Buffer.concat([head(1, 4), Buffer.alloc(4)])],
    ['bad-record', Buffer.concat([head(2, 4097), Buffer.alloc(4097)])],
    ['bad-record', Buffer.concat([head(2, 1), Buffer.from('{')])],
    ['bad-record', head(3, 0)],
    ['bad-record', Buffer.concat([head(3, 258), Buffer.alloc(258)])],
    ['bad-record', Buffer.concat([head(4, 1), Buffer.alloc(1)])],
  ];
  for (const [cause, bytes] of causes) assert.equal(readRecords(bytes, 3, spy())?.details.cause, cause, cause);
  assert.equal(Object.keys(RECORD_KINDS).length, 6);
});

test('frames are the same over whatever chunks they come', () => {
  const messages = fc.array(fc.uint8Array({ minLength: 20, maxLength: 300 }), { maxLength: 8 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }), (frames, sizes) => {
      const bytes = Buffer.concat(frames.map(frame));
      using reader = new FrameReader();
      const read: Buffer[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        reader.push(bytes.subarray(at, at + size));
        for (let next = reader.next(); next !== null; next = reader.next()) read.push(Buffer.from(next));
        at += size;
      }
      assert.deepEqual(read, frames.map(Buffer.from));
      assert.ok(reader.isBetweenFrames);
    }),
    { numRuns: 1000 },
  );
});

test('any bytes as a stream give frames of their own bytes, or are refused', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 }), (chunks) => {
      using reader = new FrameReader();
      refusedOr(() => {
        for (const chunk of chunks) {
          reader.push(Buffer.from(chunk));
          for (let next = reader.next(); next !== null; next = reader.next()) assert.ok(next.length >= 20);
        }
      });
    }),
    RUNS,
  );
});
