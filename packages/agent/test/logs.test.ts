import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgentFrame, LIMITS } from '@fog/contract';
import fc from 'fast-check';
import { AGENT_LIMITS } from '../src/limits.ts';
import { AttemptLog, characterBoundary, type LogChunk } from '../src/logs.ts';
import { Outbox } from '../src/outbox.ts';
import { JOB } from './fake-coordinator.ts';

function drain(log: AttemptLog): LogChunk[] {
  const chunks: LogChunk[] = [];
  for (let chunk = log.next(); chunk !== null; chunk = log.next()) chunks.push(chunk);
  return chunks;
}

function join(chunks: readonly LogChunk[], stream?: string): Buffer {
  return Buffer.concat(
    chunks.filter((chunk) => stream === undefined || chunk.stream === stream).map(({ data }) => data),
  );
}

test('chunks are whole characters, gapless, bounded, and can be had again from any offset', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constant('€'.repeat(9000)));
  const write = fc.record({
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    text,
    cuts: fc.array(fc.nat(200)),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 20 }), fc.nat(40_000), fc.boolean(), (writes, offset, sendsEarly) => {
      const log = new AttemptLog();
      const early: LogChunk[] = [];
      const written = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
      for (const { stream, text: words, cuts } of writes) {
        const bytes = Buffer.from(words.toWellFormed());
        written[stream] = Buffer.concat([written[stream], bytes]);
        let from = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
          if (cut < from || cut > bytes.length) continue;
          log.append(stream, bytes.subarray(from, cut));
          from = cut;
          if (sendsEarly) early.push(...drain(log));
        }
      }
      log.end();
      const chunks = [...early, ...drain(log)];
      assert.deepEqual(join(chunks, 'stdout'), written.stdout);
      assert.deepEqual(join(chunks, 'stderr'), written.stderr);
      let expected = 0;
      for (const { offset: at, data } of chunks) {
        assert.equal(at, expected);
        assert(data.length > 0 && data.length <= LIMITS.logChunkBytes);
        assert(Buffer.from(data.toString()).equals(data), 'no character is split');
        expected += data.length;
      }
      assert.equal(log.totalBytes, expected);
      log.rewind(offset);
      assert.deepEqual(join(drain(log)), join(chunks).subarray(offset));
    }),
    { numRuns: 200 },
  );
});

test('bytes that are no UTF-8 pass unchanged', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (writes) => {
      const log = new AttemptLog();
      for (const bytes of writes) log.append('stdout', bytes);
      log.end();
      assert.deepEqual(join(drain(log)), Buffer.concat(writes));
    }),
  );
  assert.equal(characterBoundary(Buffer.of(0xe2, 0x82), 2), 0);
  assert.equal(characterBoundary(Buffer.of(0x80, 0x80, 0x80, 0x80), 4), 4);
  assert.equal(characterBoundary(Buffer.of(0xff), 1), 1);
});

test('a log that is too long is cut with a notice, once', () => {
  const log = new AttemptLog();
  for (let count = 0; count < 20; count += 1) log.append('stdout', Buffer.from('ü'.repeat(50_000)));
  log.end();
  const chunks = drain(log);
  assert(log.totalBytes <= AGENT_LIMITS.logBytes);
  assert(log.totalBytes > AGENT_LIMITS.logBytes - 3);
  assert.match(join(chunks, 'stderr').toString(), /^\n\[fog: the log was cut here, at 1048576 bytes\]\n$/);
});

test('the log of a program that is kept running goes on with time, in bounded memory', () => {
  let run = 0;
  const log = new AttemptLog({ runMilliseconds: () => run });
  const line = Buffer.from(`${'ü'.repeat(499)}\n`);
  const write = (lines: number) => {
    for (let count = 0; count < lines; count += 1) log.append('stdout', line);
  };
  write(3000);
  const first = drain(log);
  assert.match(join(first, 'stderr').toString(), /^\n\[fog: too much output: .*\]\n$/);
  assert.ok(log.totalBytes <= LIMITS.serviceLogBytes && log.totalBytes > LIMITS.serviceLogBytes - line.length);
  run = LIMITS.serviceLogMilliseconds;
  write(500);
  const more = drain(log);
  assert.equal(join(more).toString(), line.toString().repeat(500));
  assert.equal(more[0]?.offset, join(first).length, 'nothing is missing in between');

  // Nobody listens for long: what is kept stays bounded, and is sent whole in the end.
  run = 100 * LIMITS.serviceLogMilliseconds;
  const before = log.totalBytes;
  write(10_000);
  assert.ok(log.totalBytes - before <= 2 * AGENT_LIMITS.logBytes);
  const late = drain(log);
  assert.equal(join(late).length, log.totalBytes - before);
  write(10);
  assert.equal(join(drain(log)).length, 10 * line.length, 'once it is sent there is room again');

  // What was forgotten cannot be had again; the rest can.
  log.rewind(0);
  const again = drain(log);
  assert.ok((again[0]?.offset ?? 0) > 0);
  assert.equal((again[0]?.offset ?? 0) + join(again).length, log.totalBytes);
});

test('a full socket holds logs and journal back; the log of an ended attempt goes before the journal', () => {
  const frames: AgentFrame[] = [];
  let backlog = 0;
  const outcome = {
    attempt: { job: JOB, partition: 0, fence: 1 },
    atMilliseconds: 0,
    report: { event: 'decline', message: '' },
  } as const;
  const outbox = new Outbox({
    journal: { batch: (after) => (after < 1 ? { first: 1, entries: [outcome] } : null) },
    isOpen: () => true,
    backlogBytes: () => backlog,
    send: (frame) => {
      frames.push(frame);
      backlog += frame.type === 'log' ? frame.data.length : 0;
    },
    now: () => 0,
  });
  const log = new AttemptLog();
  log.append('stdout', Buffer.alloc(AGENT_LIMITS.logBytes, 'a'));
  log.end();
  outbox.logged(outcome.attempt, log);
  outbox.flush();
  assert(frames.length > 10 && frames.every((frame) => frame.type === 'log'));
  assert(log.hasUnsent, 'the rest waits in the log');
  backlog = 0;
  outbox.flush();
  assert(!log.hasUnsent);
  assert.equal(frames.at(-1)?.type, 'journal');
  outbox.close();
});

test('the log of an attempt that was taken over waits for the place where the coordinator has it', () => {
  const log = new AttemptLog({ isTakenOver: true });
  log.append('stdout', Buffer.from('rest'));
  assert.deepEqual([log.hasUnsent, log.next()], [false, null]);
  log.rewind(6);
  assert.equal(log.totalBytes, 10);
  assert.deepEqual({ ...log.next(), data: '' }, { stream: 'stdout', offset: 6, data: '' });
  log.rewind(8);
  const chunk = log.next();
  assert.deepEqual([chunk?.offset, chunk?.data.toString()], [8, 'st']);
});
