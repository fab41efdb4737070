/**
 * What every TaskRuntime must do, whatever engine stands behind it.
 *
 * A test file of a runtime names its runtime, says how to create one, and gives a program for each behaviour:
 *
 *     runtimeCompliance('wasm', createWasmRuntime, { succeed: (stage) => stage.request({ program }), ... });
 *
 * The suite alters parts of the request that a program came with (standard input, limits, seed, outputs), runs it and
 * asserts the outcome. Nothing here knows an engine.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { FailureReason } from '@fog/contract';
import type { AttemptOutcome, AttemptRequest, RunningAttempt, RuntimeSettings, TaskRuntime } from '../src/runtime.ts';
import {
  assertFailed,
  assertSucceeded,
  type CompliancePrograms,
  checkOutcome,
  createStage,
  HostRecord,
  MEBIBYTE,
  outputBytes,
  outputText,
  runAttempt,
  type TestStage,
  TREE_FILES,
  within,
} from './runtime-stage.ts';

/** From the call of kill() to the outcome. The promise of the interface. */
const KILL_MILLISECONDS = 100;

/** Registers the suite. Creates one runtime with two slots for all tests, and fresh ones where a test closes it. */
export function runtimeCompliance(
  name: string,
  createRuntime: (settings: RuntimeSettings) => TaskRuntime,
  programs: CompliancePrograms,
): void {
  describe(`${name} runtime: compliance`, () => {
    let stage: TestStage;
    let runtime: TaskRuntime;
    before(async () => {
      stage = await createStage();
      runtime = createRuntime(stage.settings(2));
    });
    after(async () => {
      await runtime.close();
      await stage[Symbol.asyncDispose]();
    });
    const subject: Subject = { stage: () => stage, runtime: () => runtime, createRuntime, programs };
    describe('results', () => registerResults(subject));
    describe('surroundings', () => registerSurroundings(subject));
    describe('limits', () => registerLimits(subject));
    describe('freezing', () => registerFreezing(subject));
    describe('ending', () => registerEnding(subject));
  });
}

interface Subject {
  stage(): TestStage;
  runtime(): TaskRuntime;
  createRuntime(settings: RuntimeSettings): TaskRuntime;
  programs: CompliancePrograms;
}

function registerResults({ stage, runtime, programs }: Subject): void {
  it('is available here and refuses nothing of its own', async () => {
    const probe = await runtime().probe();
    assert.ok(probe.available, JSON.stringify(probe));
    assert.ok(probe.version.length > 0);
    assert.equal(runtime().refusal(await programs.succeed(stage())), null);
  });

  it('reports success with usage', async () => {
    const outcome = await runAttempt(runtime(), await programs.succeed(stage()));
    assertSucceeded(outcome);
    assert.deepEqual(outcome.outputs, []);
  });

  const { echo } = programs;
  if (echo !== null) {
    it('hands over the standard input from bytes and from a file', async () => {
      const text = JSON.stringify({ greeting: 'grüße', numbers: [1, 2.5, null] });
      const request = await echo(stage());
      const fromBytes = await runAttempt(runtime(), { ...request, stdin: { data: Buffer.from(text) } });
      assertSucceeded(fromBytes);
      assert.equal(await outputText(fromBytes, 'result'), text);
      const hostPath = await stage().write('stdin.json', text);
      const fromFile = await runAttempt(runtime(), { ...request, attemptId: 'from-file', stdin: { hostPath } });
      assertSucceeded(fromFile);
      assert.equal(await outputText(fromFile, 'result'), text);
      assert.deepEqual(
        fromFile.outputs.map((output) => [output.name, output.type, output.files.map((file) => file.relativePath)]),
        [['result', 'file', ['']]],
      );
    });
  }

  it('hands over input files', async () => {
    const text = 'line one\nline two: ü\n'.repeat(2000);
    const hostPath = await stage().write('data.txt', text);
    const request = await programs.copy(stage());
    const inputs = [{ sandboxPath: '/in/data.txt', hostPath, bytes: Buffer.byteLength(text) }];
    const outcome = await runAttempt(runtime(), { ...request, inputs });
    assertSucceeded(outcome);
    assert.equal(await outputText(outcome, 'result'), text);
    assert.equal(await readFile(hostPath, 'utf8'), text);
  });

  const { folder } = programs;
  if (folder !== null) {
    it('returns a folder sorted by the bytes of its paths', async () => {
      const outcome = await runAttempt(runtime(), await folder(stage()));
      assertSucceeded(outcome);
      const [tree] = outcome.outputs;
      assert.equal(tree?.type, 'folder');
      assert.deepEqual(
        tree.files.map((file) => file.relativePath),
        [...TREE_FILES].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      );
      for (const path of TREE_FILES) assert.equal(await outputText(outcome, 'tree', path), path);
    });
  }
}

function registerSurroundings({ stage, runtime, programs }: Subject): void {
  it('streams logs after started()', async () => {
    const host = new HostRecord();
    assertSucceeded(await runAttempt(runtime(), await programs.logs(stage()), host));
    assert.equal(host.text('stdout'), 'out 1\nout 2\n');
    assert.equal(host.text('stderr'), 'err 1\n');
  });

  it('shows args, the environment alone, and the partition', async () => {
    const request = await programs.inspect(stage());
    const args = ['one', '', 'drei ü'];
    const env = { KEY: 'value=with=equals', EMPTY: '' };
    const outcome = await runAttempt(runtime(), { ...request, args, env, partition: { index: 3, count: 8 } });
    assertSucceeded(outcome);
    const inspection = await programs.readInspection(outcome);
    assert.deepEqual(inspection.args, args);
    assert.deepEqual(inspection.partition, { index: 3, count: 8 });
    const { FOG_PARTITION_INDEX: _index, FOG_PARTITION_COUNT: _count, ...own } = inspection.env;
    assert.deepEqual(own, env);
  });

  const { chance } = programs;
  if (chance !== null) {
    it('is deterministic: random and clock come from the seed and the submit time', async () => {
      const request = await chance(stage());
      const digest = async (part: Partial<AttemptRequest>): Promise<string> => {
        const outcome = await runAttempt(runtime(), { ...request, ...part });
        assertSucceeded(outcome);
        return Buffer.from(await outputBytes(outcome, 'result')).toString('hex');
      };
      const first = await digest({ attemptId: 'chance-1' });
      assert.equal(await digest({ attemptId: 'chance-2' }), first);
      assert.notEqual(await digest({ attemptId: 'chance-3', seed: new Uint8Array(32).fill(8) }), first);
      assert.notEqual(await digest({ attemptId: 'chance-4', submittedAtMilliseconds: 1 }), first);
    });
  }

  it('does not mix attempts that run at the same time', async () => {
    const { echo, copy } = programs;
    const request = await (echo ?? copy)(stage());
    const texts = Array.from({ length: 12 }, (_, index) => JSON.stringify({ index, filler: 'x'.repeat(index * 1000) }));
    const part = async (text: string, index: number): Promise<Partial<AttemptRequest>> => {
      if (echo !== null) return { stdin: { data: Buffer.from(text) } };
      const hostPath = await stage().write(`parallel-${index}.txt`, text);
      return { inputs: [{ sandboxPath: '/in/data.txt', hostPath, bytes: text.length }] };
    };
    const outcomes = await Promise.all(
      texts.map(async (text, index) =>
        runAttempt(runtime(), { ...request, attemptId: `parallel-${index}`, ...(await part(text, index)) }),
      ),
    );
    for (const [index, outcome] of outcomes.entries()) {
      assertSucceeded(outcome);
      assert.equal(await outputText(outcome, 'result'), texts[index]);
    }
  });
}

function registerLimits({ stage, runtime, programs }: Subject): void {
  it('reports a failure of the program', async () => {
    const outcome = await runAttempt(runtime(), await programs.fail(stage()));
    assertFailed(outcome, programs.failure.reason);
    assert.equal(outcome.exitCode, programs.failure.exitCode);
  });

  it('reports a declared output that is missing, by its name', async () => {
    const request = await programs.succeed(stage());
    const outputs = [{ name: 'report', sandboxPath: '/out/report.txt' }];
    const outcome = await runAttempt(runtime(), { ...request, outputs });
    assertFailed(outcome, programs.missingOutput ?? 'output-missing');
    assert.match(outcome.message, /report/);
  });

  it('ends a loop that never yields within 100 ms of its limit', async () => {
    const delays: number[] = [];
    // On a machine that is busy with other tests one of several tells what the code does.
    while (delays.length < 5 && !delays.some((delay) => delay < KILL_MILLISECONDS)) {
      const request = await programs.loop(stage());
      const host = new HostRecord();
      const limits = { ...request.limits, runMilliseconds: 300 };
      const outcome = await runAttempt(runtime(), { ...request, limits }, host);
      const elapsed = performance.now() - (host.startedAtMilliseconds ?? Number.NaN);
      assertFailed(outcome, 'timeout');
      assert.ok(elapsed >= 295 && outcome.usage.wallMilliseconds >= 295, `ended after ${elapsed} ms`);
      delays.push(Math.max(elapsed, outcome.usage.wallMilliseconds) - 300);
    }
    assert.ok(Math.min(...delays) < KILL_MILLISECONDS, `ended ${delays.join(', ')} ms after the limit`);
  });

  it('ends a program that takes too much memory', async () => {
    const request = await programs.hog(stage());
    assertFailed(await runAttempt(runtime(), request), 'oom');
  });

  it('ends a program that writes too much, while it writes', async () => {
    const request = await programs.flood(stage());
    const limits = { ...request.limits, diskBytes: 4 * MEBIBYTE };
    const outcome = await runAttempt(runtime(), { ...request, limits });
    assertFailed(outcome, 'output-too-large');
    assert.ok((outcome.usage.peakMemoryBytes ?? 0) < 512 * MEBIBYTE);
  });

  const { litter } = programs;
  if (litter !== null) {
    it('ends a program that creates too many files', async () => {
      const request = await litter(stage());
      const limits = { ...request.limits, files: 64 };
      assertFailed(await runAttempt(runtime(), { ...request, limits }), 'output-too-large');
    });
  }

  it('works as before after every kind of failure', async () => {
    assertSucceeded(await runAttempt(runtime(), await programs.succeed(stage())));
  });
}

/** How long each kill took. On a machine that is busy with other tests one of several tells what the code does. */
const killDelays: number[] = [];

async function killed(attempt: RunningAttempt, reason: FailureReason, host: HostRecord): Promise<AttemptOutcome> {
  const killedAtMilliseconds = performance.now();
  attempt.kill(reason, 'Stopped by a test.');
  const outcome = checkOutcome(await within(attempt.outcome, 'the outcome'), host);
  killDelays.push(performance.now() - killedAtMilliseconds);
  assertFailed(outcome, reason);
  assert.equal(outcome.message, 'Stopped by a test.');
  assert.equal(outcome.exitCode, null);
  return outcome;
}

function registerFreezing({ stage, runtime, programs }: Subject): void {
  it('freezes what runs, where it can; the limit of the run stands still, and a kill reaches it', async () => {
    const host = new HostRecord();
    const request = await programs.loop(stage());
    const attempt = runtime().start({ ...request, limits: { ...request.limits, runMilliseconds: 2000 } }, host);
    await host.waitForLog();
    const cpu = async () => (await attempt.sample?.())?.cpuMilliseconds ?? 0;
    if (await attempt.pause?.()) {
      const frozen = await cpu();
      await new Promise((resolve) => setTimeout(resolve, 2100));
      assert.ok((await cpu()) - frozen <= 20, 'it has used the processor');
      assert.equal(await attempt.resume?.(), true);
      await new Promise((resolve) => setTimeout(resolve, 250));
      assert.ok((await cpu()) - frozen >= 30, 'it has not gone on');
      assert.equal(await attempt.pause?.(), true);
    }
    const outcome = await killed(attempt, 'cancelled', host);
    assert.ok(outcome.usage.wallMilliseconds < 2000, `${outcome.usage.wallMilliseconds} ms`);
    assert.equal((await attempt.pause?.()) ?? false, false);
  });

  it('loses nothing of what ends while it is being frozen', async () => {
    for (let round = 0; round < 5; round += 1) {
      const host = new HostRecord();
      const attempt = runtime().start(await programs.succeed(stage()), host);
      await host.waitForStart();
      if (await attempt.pause?.()) await attempt.resume?.();
      assertSucceeded(checkOutcome(await within(attempt.outcome, 'the outcome'), host));
    }
  });
}

function registerEnding({ stage, runtime, createRuntime, programs }: Subject): void {
  it('kills a running attempt within 100 ms, with the reason given; the first reason stands', async () => {
    killDelays.length = 0;
    const host = new HostRecord();
    const attempt = runtime().start(await programs.loop(stage()), host);
    await host.waitForLog();
    const outcome = await killed(attempt, 'cancelled', host);
    attempt.kill('drained', 'Too late.');
    assert.equal(await attempt.outcome, outcome);
    for (let more = 0; more < 4 && Math.min(...killDelays) >= KILL_MILLISECONDS; more += 1) {
      const again = new HostRecord();
      const next = runtime().start(await programs.loop(stage()), again);
      await again.waitForLog();
      await killed(next, 'cancelled', again);
    }
    assert.ok(
      Math.min(...killDelays) < KILL_MILLISECONDS,
      `the outcomes came ${killDelays.join(', ')} ms after kill()`,
    );
  });

  it('tells what it uses while it runs', async () => {
    const host = new HostRecord();
    const attempt = runtime().start(await programs.loop(stage()), host);
    await host.waitForLog();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const sample = await attempt.sample?.();
    attempt.kill('cancelled', 'enough');
    await attempt.outcome;
    if (sample === undefined || sample === null) return;
    if (sample.cpuMilliseconds !== null) assert.ok(sample.cpuMilliseconds >= 50, `${sample.cpuMilliseconds} ms of cpu`);
    if (sample.memoryBytes !== null) assert.ok(sample.memoryBytes > 0);
  });

  it('kills an attempt that has not started', async () => {
    const host = new HostRecord();
    await killed(runtime().start(await programs.loop(stage()), host), 'superseded', host);
    const callsAtEnd = host.calls.length;
    assertSucceeded(await runAttempt(runtime(), await programs.succeed(stage())));
    assert.equal(host.calls.length, callsAtEnd, 'nothing is told after the outcome');
  });

  it('ignores a kill after the outcome', async () => {
    const attempt = runtime().start(await programs.succeed(stage()), new HostRecord());
    const outcome = await within(attempt.outcome, 'the outcome');
    attempt.kill('cancelled', 'Too late.');
    assertSucceeded(outcome);
    assert.equal(await attempt.outcome, outcome);
  });

  it('does not disturb one attempt by killing another', async () => {
    const stayingHost = new HostRecord();
    const staying = runtime().start(await programs.loop(stage()), stayingHost);
    await stayingHost.waitForLog();
    for (let round = 0; round < 2; round += 1) {
      const host = new HostRecord();
      const attempt = runtime().start(await programs.loop(stage()), host);
      await host.waitForLog();
      await killed(attempt, 'cancelled', host);
      assert.equal(await Promise.race([staying.outcome, 'still running']), 'still running');
    }
    assertSucceeded(await runAttempt(runtime(), await programs.succeed(stage())));
    await killed(staying, 'cancelled', stayingHost);
  });

  it('close() ends what runs and what waits, and nothing starts afterwards', async (context) => {
    const own = createRuntime(stage().settings(1));
    context.after(() => own.close());
    const hosts = [new HostRecord(), new HostRecord()] as const;
    const request = await programs.loop(stage());
    const running = own.start(request, hosts[0]);
    await hosts[0].waitForLog();
    const waiting = own.start({ ...request, attemptId: 'waiting' }, hosts[1]);
    await within(own.close(), 'close()');
    assertFailed(checkOutcome(await within(running.outcome, 'outcome'), hosts[0]), 'drained');
    assertFailed(checkOutcome(await within(waiting.outcome, 'outcome'), hosts[1]), 'drained');
    assertFailed(await runAttempt(own, await programs.succeed(stage())), 'drained');
    await own.close();
  });
}
