import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LogDemultiplexer, type LogStream, LogStreamError } from '../../src/docker/log-demux.ts';

function frame(kind: number, data: Uint8Array, bytes = data.length): Buffer {
  const header = Buffer.alloc(8);
  header[0] = kind;
  header.writeUInt32BE(bytes, 4);
  return Buffer.concat([header, data]);
}

function parse(chunks: readonly Uint8Array[]): { stdout: Buffer; stderr: Buffer; order: string; atBoundary: boolean } {
  const taken: Record<LogStream, Uint8Array[]> = { stdout: [], stderr: [] };
  let order = '';
  const parser = new LogDemultiplexer((stream, data) => {
    taken[stream].push(data.slice());
    if (!order.endsWith(stream)) order += stream;
  });
  for (const chunk of chunks) parser.push(chunk);
  const { atBoundary } = parser;
  return { stdout: Buffer.concat(taken.stdout), stderr: Buffer.concat(taken.stderr), order, atBoundary };
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

describe('the multiplexed stream', () => {
  it('property: however it is cut into chunks, the same comes out', () => {
    const frames = fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 3), fc.uint8Array({ maxLength: 40 })), { maxLength: 12 });
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 20 }), (parts, places) => {
        const bytes = Buffer.concat(parts.map(([kind, data]) => frame(kind, data)));
        const whole = parse([bytes]);
        assert.deepEqual(parse(cut(bytes, places)), whole);
        const of = (...kinds: number[]) =>
          Buffer.concat(parts.filter(([kind]) => kinds.includes(kind)).map(([, data]) => data));
        assert.deepEqual(whole.stdout, of(0, 1));
        assert.deepEqual(whole.stderr, of(2));
        assert.ok(whole.atBoundary);
      }),
    );
  });

  it('hands on what has come of a long frame, and keeps none of it', () => {
    const lengths: number[] = [];
    const parser = new LogDemultiplexer((_stream, data) => lengths.push(data.length));
    parser.push(frame(1, Buffer.alloc(10), 0xffff_ffff));
    for (let round = 0; round < 100; round += 1) parser.push(Buffer.alloc(1000));
    assert.deepEqual([lengths.length, lengths[0], lengths[1]], [101, 10, 1000]);
    assert.equal(parser.atBoundary, false);
  });

  it('tells an end within a frame, or a header, from one between frames', () => {
    const bytes = frame(1, Buffer.from('abc'));
    for (let length = 0; length <= bytes.length; length += 1) {
      const expected = length === 0 || length === bytes.length;
      assert.equal(parse([bytes.subarray(0, length)]).atBoundary, expected, `${length} bytes`);
    }
  });

  it('refuses what is not a header', () => {
    for (const header of ['not so multiplexed', '\x04\0\0\0\0\0\0\x01x', '\x01\0\0\x01\0\0\0\x01x']) {
      assert.throws(() => parse([Buffer.from(header, 'latin1')]), LogStreamError);
    }
  });
});
