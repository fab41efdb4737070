import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NETWORK_LIMITS } from '../../src/limits.ts';
import { openFrame, parseCommandResult, parseOpening, runFrame } from '../../src/network/control-frames.ts';

describe('control frames', () => {
  it('are what forwarder.c reads', () => {
    assert.deepEqual([...openFrame(0x01020304, 8080)], [0x4f, 1, 2, 3, 4, 0x1f, 0x90]);
    const frame = Buffer.from(runFrame(5, ['a', 'ü'], 1500) ?? []);
    assert.deepEqual([...frame], [0x52, 0, 0, 0, 5, 0, 0, 5, 220, 0, 0, 0, 5, 97, 0, 0xc3, 0xbc, 0]);
    for (const command of [[], [''], ['a\0b'], ['x'.repeat(NETWORK_LIMITS.commandBytes)]]) {
      assert.equal(runFrame(1, command, 1), null);
    }
  });

  it('openings: any bytes are one kind, and what is incomplete can become whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 16 }), (bytes) => {
        const opening = parseOpening(bytes);
        if (opening.kind === 'incomplete') {
          assert.ok(bytes.length < 6);
          assert.notEqual(parseOpening(new Uint8Array([...bytes, 0, 0, 0, 0, 0, 0])).kind, 'incomplete');
        } else if (opening.kind !== 'invalid') assert.ok(opening.headerBytes <= bytes.length);
        // What follows does not change what was read.
        if (opening.kind !== 'incomplete') assert.deepEqual(parseOpening(new Uint8Array([...bytes, 7])), opening);
      }),
      { numRuns: 3000 },
    );
    assert.deepEqual(parseOpening(new Uint8Array([0x44, 0, 0, 1, 0, 111, 9])), {
      kind: 'answer',
      id: 256,
      status: 111,
      headerBytes: 6,
    });
  });

  it('results of commands: any bytes are a bounded result or none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6000 }), (bytes) => {
        const result = parseCommandResult(bytes);
        if (result === null) return;
        assert.ok(result.exitCode === null || (result.exitCode >= 0 && result.exitCode <= 255));
        assert.ok(result.output.length <= NETWORK_LIMITS.commandOutputBytes);
      }),
    );
    assert.deepEqual(parseCommandResult(new Uint8Array([0, 3, 111, 107])), { exitCode: 3, output: 'ok' });
    assert.deepEqual(parseCommandResult(new Uint8Array([1, 0])), { exitCode: null, output: '' });
    assert.equal(parseCommandResult(new Uint8Array([0])), null);
  });
});
