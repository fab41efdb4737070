import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AGENT_PROTOCOL, type CoordinatorFrame, FogError } from '@fog/contract';
import fc from 'fast-check';
import { parseCoordinatorFrame } from '../src/coordinator-frames.ts';
import { JOB, leaseGroup } from './fake-coordinator.ts';

const frames: CoordinatorFrame[] = [
  { type: 'challenge', nonce: 'n', protocols: [AGENT_PROTOCOL] },
  { type: 'lease', groups: [leaseGroup([1, 2])] },
  { type: 'ack', sequence: 4 },
  { type: 'beat' },
  { type: 'stop', attempts: [{ attempt: { job: JOB, partition: 0, fence: 1 }, reason: 'cancelled' }] },
  { type: 'suspend', attempts: [{ job: JOB, partition: 0, fence: 1 }], keepLeaseMilliseconds: 5 },
  { type: 'resume', attempts: [{ job: JOB, partition: 0, fence: 1 }] },
  { type: 'yield', attempts: [{ job: JOB, partition: 0, fence: 1 }], reason: 'moved', graceMilliseconds: 5 },
  { type: 'drain', deadlineMilliseconds: 5 },
];

function isTypedFailure(text: string): boolean {
  try {
    parseCoordinatorFrame(text);
    return true;
  } catch (error) {
    return error instanceof FogError && ['protocol-violation', 'protocol-version'].includes(error.code);
  }
}

test('reads what it is meant to read', () => {
  for (const frame of frames) assert.deepEqual(parseCoordinatorFrame(JSON.stringify(frame)), frame);
});

test('anything else is a typed error', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), isTypedFailure));
});

test('damaged frames are read or refused, never anything else', () => {
  const damage = fc.record({
    frame: fc.constantFrom(...frames),
    at: fc.nat(),
    bytes: fc.string({ maxLength: 4 }),
    cut: fc.nat(8),
  });
  fc.assert(
    fc.property(damage, ({ frame, at, bytes, cut }) => {
      const text = JSON.stringify(frame);
      const from = at % text.length;
      return isTypedFailure(text.slice(0, from) + bytes + text.slice(from + cut));
    }),
    { numRuns: 500 },
  );
});

test('a frame with a field of another type is refused', () => {
  const fault = fc.record({
    frame: fc.constantFrom(...frames.filter(({ type }) => type !== 'beat')),
    value: fc.jsonValue(),
  });
  fc.assert(
    fc.property(fault, ({ frame, value }) => {
      const key = Object.keys(frame)[1] as string;
      return isTypedFailure(JSON.stringify({ ...frame, [key]: value }));
    }),
    { numRuns: 300 },
  );
});
