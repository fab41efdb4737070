/** Jobs that mean harm, on a real engine. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { skipWithoutDocker, TestEngine } from '../../../../test/support/docker-engine.ts';
import type { AttemptOutcome } from '../../src/runtime.ts';
import {
  assertFailed,
  assertSucceeded,
  HostRecord,
  largestSample,
  MEBIBYTE,
  outputText,
  runAttempt,
  STAGE_LIMITS,
  within,
} from '../runtime-stage.ts';
import { dockerStage, shellRequest } from './docker-stage.ts';

/** FOG_FLOOD_MEBIBYTES=1024 for the long form. */
const FLOOD_BYTES = Number(process.env.FOG_FLOOD_MEBIBYTES ?? 100) * MEBIBYTE;

describe('docker runtime: hostile jobs', { skip: skipWithoutDocker() }, () => {
  let engine: TestEngine;
  let given: Awaited<ReturnType<typeof dockerStage>>;
  before(async () => {
    engine = await TestEngine.start();
    given = await dockerStage(engine);
  });
  after(async () => {
    // Also when something is left: a daemon that goes on would keep the test from ending.
    await given.end().finally(() => engine.stop());
  });
  const outputs = [{ name: 'result', sandboxPath: '/out/result' }];
  const run = (script: string, part: Parameters<typeof shellRequest>[2] = {}): Promise<AttemptOutcome> =>
    runAttempt(given.runtime, shellRequest(given.stage, script, { outputs, ...part }));

  it('a fork bomb stays within its processes and ends with its time', async () => {
    const limits = { ...STAGE_LIMITS, processes: 32, runMilliseconds: 1500 };
    // The shell itself gives up when it cannot fork; what it has started by then stays.
    const bomb = 'bomb() { bomb & bomb & sleep 30; }; bomb 2>/dev/null & exec sleep 30';
    const attempt = given.runtime.start(shellRequest(given.stage, bomb, { limits }), new HostRecord());
    const processes = await within(largestSample(attempt, 'processes'), 'the outcome');
    assert.ok(processes > 8 && processes <= 32, `${processes} processes`);
    assertFailed(await attempt.outcome, 'timeout');
  });

  it('a disk filled by many files ends while it is filled', async () => {
    const limits = { ...STAGE_LIMITS, diskBytes: 8 * MEBIBYTE };
    const fill = 'i=0; while :; do head -c 1000000 /dev/zero > /out/$i; i=$((i+1)); done';
    assertFailed(await run(fill, { limits }), 'output-too-large');
  });

  it('a disk filled by files that have no name any more ends too', async () => {
    const limits = { ...STAGE_LIMITS, diskBytes: 4 * MEBIBYTE };
    const one = (fd: number) => `exec ${fd}> /out/x; rm /out/x; head -c 3000000 /dev/zero >&${fd}`;
    assertFailed(await run(`${one(3)}; ${one(4)}; ${one(5)}; sleep 30`, { limits }), 'output-too-large');
  });

  it('a file in /tmp stops at the limit by itself', async () => {
    const limits = { ...STAGE_LIMITS, diskBytes: 4 * MEBIBYTE };
    const outcome = await run('dd if=/dev/zero of=/tmp/x bs=1M count=64 2>/dev/null; stat -c %s /tmp/x > /out/result', {
      limits,
    });
    assertSucceeded(outcome);
    assert.equal(await outputText(outcome, 'result'), `${4 * MEBIBYTE}\n`);
  });

  it('a flood of logs passes in order, and does not gather in memory', async () => {
    let bytes = 0;
    let wrong = 0;
    let most = 0;
    const host = new HostRecord();
    host.log = (_stream, data) => {
      // Lines of 127 zeros.
      for (let index = 0; index < data.length; index += 4096) {
        if (data[index] !== ((bytes + index) % 128 === 127 ? 0x0a : 0x30)) wrong += 1;
      }
      bytes += data.length;
      most = Math.max(most, process.memoryUsage().rss);
    };
    const before = process.memoryUsage().rss;
    const request = shellRequest(given.stage, `yes $(printf %0127d 0) | head -c ${FLOOD_BYTES}`, {
      limits: { ...STAGE_LIMITS, runMilliseconds: 100_000 },
    });
    const startedAtMilliseconds = performance.now();
    const outcome = await given.runtime.start(request, host).outcome;
    assertSucceeded(outcome);
    assert.deepEqual([bytes, wrong], [FLOOD_BYTES, 0]);
    assert.ok(most - before < 80 * MEBIBYTE, `${(most - before) / MEBIBYTE} MiB more`);
    process.stderr.write(
      `# ${FLOOD_BYTES / MEBIBYTE} MiB of logs in ${Math.round(performance.now() - startedAtMilliseconds)} ms\n`,
    );
  });

  it('links, pipes, sockets and devices are no outputs', async () => {
    const cases = {
      'ln -s /etc/passwd /out/result': /symbolic link/,
      'ln -s / /out/result': /symbolic link/,
      'mkdir /out/result; ln -s /proc/self/environ /out/result/x': /symbolic link/,
      'mkdir /out/result; ln -s .. /out/result/up': /symbolic link/,
      'mkfifo /out/result': /named pipe/,
      'echo x > /out/other; ln /out/other /out/result': /hard link/,
      'mkdir /out/result; nc -l -s local:/out/result/socket -p 1 & sleep 0.2; mkfifo /out/result/p':
        /named pipe|socket/,
      "mkdir /out/result; : > $(printf '/out/result/\\377')": /UTF-8/,
    };
    const outcomes = Object.entries(cases).map(async ([script, pattern]) => {
      const outcome = await run(`${script}; exit 0`);
      assertFailed(outcome, 'output-invalid');
      assert.match(outcome.message, pattern, script);
    });
    await Promise.all(outcomes);
    const device = await run('mknod /out/result c 1 3 2>/dev/null || mknod /out/result b 7 0 2>/dev/null; exit 0');
    assertFailed(device, 'output-missing');
  });

  it('a link on the way to an output leads nowhere', async () => {
    const nested = [...outputs, { name: 'deep', sandboxPath: '/out/a/deep' }];
    const outcome = await run('echo x > /out/result; rm -rf /out/a; ln -s /etc /out/a', { outputs: nested });
    assertFailed(outcome, 'output-missing');
  });

  it('folders within folders without end are ended', async () => {
    const script = 'cd /out; while :; do mkdir d; cd d; done 2>/dev/null';
    const limits = { ...STAGE_LIMITS, files: 100_000 };
    assertFailed(await run(script, { limits }), 'output-too-large');
  });

  it('nothing of it is left', async () => {
    await given.runtime.close();
    assert.equal(await engine.containers(), 0);
    const left = await readdir(given.settings.scratchDirectory);
    assert.deepEqual(left, []);
  });
});
