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
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { FailureReason } from '@fog/contract';
import type {
  AttemptHost,
  AttemptOutcome,
  AttemptRequest,
  RunningAttempt,
  RuntimeSettings,
  TaskRuntime,
} from '../src/runtime.ts';

/** From the call of kill() to the outcome. The promise of the interface. */
const KILL_MILLISECONDS = 100;
/** How long a test waits for something that must happen soon, on a loaded machine. */
const PATIENCE_MILLISECONDS = 20_000;

/** What a program factory is given. */
export interface Stage {
  /** Writes a file into a folder that the runtime may read; returns its host path. */
  write(name: string, bytes: Uint8Array | string): Promise<string>;
  /** A request with defaults for everything but the program. */
  request(part: Pick<AttemptRequest, 'program'> & Partial<AttemptRequest>): AttemptRequest;
}

type ProgramFactory = (stage: Stage) => Promise<AttemptRequest> | AttemptRequest;

/** What an attempt can know of its surroundings. */
export interface Inspection {
  args: string[];
  env: Record<string, string>;
  partition: { index: number; count: number };
}

/** One program a behaviour. `outputs` of the request name the outputs that are asked for here. */
export interface CompliancePrograms {
  /** Ends at once with success; no outputs. */
  succeed: ProgramFactory;
  /** Copies the standard input (compact JSON text) byte for byte into the file output `result`. */
  echo: ProgramFactory;
  /** Copies the input file `/in/data.txt` (UTF-8, given by the suite) into the file output `result`. */
  copy: ProgramFactory;
  /** Ends with a failure of its own making: an exit code or a throw. What must be reported stands beside it. */
  fail: ProgramFactory;
  failure: { reason: FailureReason; exitCode: number | null };
  /** Writes a line to stdout, then runs for ever without yielding. */
  loop: ProgramFactory;
  /** Takes memory without end. The suite gives it 64 MiB. */
  hog: ProgramFactory;
  /** Writes into the file output `result` without end, in pieces of at most 1 MiB. The suite gives it 4 MiB of disk. */
  flood: ProgramFactory;
  /** Creates files without end; the suite allows 64. Null where the runtime has no files. */
  litter: ProgramFactory | null;
  /**
   * Writes the folder output `tree`: files named by TREE_FILES, in any order, each holding its own relative path. Null
   * where the runtime has no folders.
   */
  folder: ProgramFactory | null;
  /** Writes `out 1\n` to stdout, then `err 1\n` to stderr, then `out 2\n` to stdout. */
  logs: ProgramFactory;
  /** Stores its args, environment and partition in whatever form `readInspection` understands. */
  inspect: ProgramFactory;
  readInspection: (outcome: Succeeded) => Promise<Inspection> | Inspection;
  /** Stores 32 random bytes and ten clock readings in the file output `result`, in any form. */
  chance: ProgramFactory;
}

export const TREE_FILES = ['a.txt', 'a/z.txt', 'a/é.txt', 'b.txt'] as const;

export type Succeeded = Extract<AttemptOutcome, { status: 'succeeded' }>;
export type Failed = Extract<AttemptOutcome, { status: 'failed' }>;

/** Bytes of the only file of a file output, or of `relativePath` of a folder output. */
export async function outputBytes(outcome: Succeeded, name: string, relativePath = ''): Promise<Uint8Array> {
  const output = outcome.outputs.find((candidate) => candidate.name === name);
  const file = output?.files.find((candidate) => candidate.relativePath === relativePath);
  assert.ok(file !== undefined, `output ${name} has no file '${relativePath}'`);
  return 'data' in file.content ? file.content.data : await readFile(file.content.hostPath);
}

export async function outputText(outcome: Succeeded, name: string, relativePath = ''): Promise<string> {
  return new TextDecoder('utf-8', { fatal: true }).decode(await outputBytes(outcome, name, relativePath));
}

export function assertSucceeded(outcome: AttemptOutcome): asserts outcome is Succeeded {
  assert.equal(outcome.status, 'succeeded', outcome.status === 'failed' ? `${outcome.reason}: ${outcome.message}` : '');
}

export function assertFailed(outcome: AttemptOutcome, reason: FailureReason): asserts outcome is Failed {
  assert.ok(outcome.status === 'failed', `expected ${reason}, but it succeeded`);
  assert.equal(outcome.reason, reason, outcome.message);
  assert.ok(outcome.message.length > 0 && outcome.message.length < 500, outcome.message);
  // One sentence for the user, never a dump of the machinery.
  assert.ok(!outcome.message.includes('\n'), outcome.message);
  assert.ok(!/\bat .+:\d+:\d+/.test(outcome.message), outcome.message);
}

/** Records what the runtime tells while an attempt runs. */
export class HostRecord implements AttemptHost {
  readonly calls: string[] = [];
  readonly progressed: { fraction: number; message: string }[] = [];
  readonly #chunks: { stdout: Uint8Array[]; stderr: Uint8Array[] } = { stdout: [], stderr: [] };
  readonly #started = Promise.withResolvers<void>();
  readonly #logged = Promise.withResolvers<void>();
  startedAtMilliseconds: number | null = null;

  started(): void {
    this.startedAtMilliseconds = performance.now();
    this.calls.push('started');
    this.#started.resolve();
  }

  log(stream: 'stdout' | 'stderr', data: Uint8Array): void {
    this.calls.push(stream);
    // The bytes belong to the runtime after the call returns.
    this.#chunks[stream].push(data.slice());
    this.#logged.resolve();
  }

  progress(fraction: number, message: string): void {
    this.progressed.push({ fraction, message });
  }

  text(stream: 'stdout' | 'stderr'): string {
    return Buffer.concat(this.#chunks[stream]).toString('utf8');
  }

  /** Resolves with started(); rejects when it does not come. */
  async waitForStart(): Promise<void> {
    await within(this.#started.promise, 'started()');
  }

  async waitForLog(): Promise<void> {
    await within(this.#logged.promise, 'a log');
  }
}

async function within<Value>(promise: Promise<Value>, what: string): Promise<Value> {
  const timer = Promise.withResolvers<never>();
  const handle = setTimeout(() => timer.reject(new Error(`${what} did not come`)), PATIENCE_MILLISECONDS);
  try {
    return await Promise.race([promise, timer.promise]);
  } finally {
    clearTimeout(handle);
  }
}

const MEBIBYTE = 1 << 20;

/** A stage on a temporary folder; for tests of one runtime beyond this suite too. */
export async function createStage(): Promise<
  Stage & { settings(slots: number): RuntimeSettings; [Symbol.asyncDispose](): Promise<void> }
> {
  const root = await mkdtemp(join(tmpdir(), 'fog-runtime-'));
  const readable = join(root, 'blobs');
  const scratch = join(root, 'scratch');
  await mkdir(readable);
  await mkdir(scratch);
  let written = 0;
  let requested = 0;
  return {
    async write(name, bytes) {
      written += 1;
      const path = join(readable, `${written}-${name}`);
      await writeFile(path, bytes);
      return path;
    },
    request(part) {
      requested += 1;
      return {
        attemptId: `attempt-${requested}`,
        args: [],
        env: {},
        stdin: null,
        inputs: [],
        outputs: [],
        limits: { memoryBytes: 64 * MEBIBYTE, runMilliseconds: 10_000, diskBytes: 16 * MEBIBYTE, files: 1000 },
        partition: { index: 0, count: 1 },
        seed: new Uint8Array(32).fill(7),
        submittedAtMilliseconds: Date.UTC(2026, 0, 2, 3, 4, 5),
        trusted: true,
        ...part,
      };
    },
    settings: (slots) => ({ slots, readablePaths: [readable], scratchDirectory: scratch }),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

export type TestStage = Awaited<ReturnType<typeof createStage>>;

/** Runs one attempt to its outcome, with the rules that hold for every attempt. */
export async function runAttempt(
  runtime: TaskRuntime,
  request: AttemptRequest,
  host = new HostRecord(),
): Promise<AttemptOutcome> {
  return checkOutcome(await within(runtime.start(request, host).outcome, 'the outcome'), host);
}

function checkOutcome(outcome: AttemptOutcome, host: HostRecord): AttemptOutcome {
  const { wallMilliseconds, cpuMilliseconds, peakMemoryBytes } = outcome.usage;
  assert.ok(Number.isFinite(wallMilliseconds) && wallMilliseconds >= 0, `wall ${wallMilliseconds}`);
  assert.ok(cpuMilliseconds === null || (Number.isFinite(cpuMilliseconds) && cpuMilliseconds >= 0));
  assert.ok(peakMemoryBytes === null || (Number.isFinite(peakMemoryBytes) && peakMemoryBytes >= 0));
  assert.ok(outcome.engine.length > 0, 'the engine has a name');
  // started() comes once and before any log.
  assert.ok(host.calls.filter((call) => call === 'started').length <= 1);
  if (host.calls.length > 0) assert.equal(host.calls[0], 'started');
  if (outcome.status === 'succeeded') {
    assert.equal(outcome.exitCode, 0);
    assert.equal(host.calls[0], 'started');
  }
  return outcome;
}

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
    describe('limits', () => registerLimits(subject));
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

  it('hands over the standard input from bytes and from a file', async () => {
    const text = JSON.stringify({ greeting: 'grüße', numbers: [1, 2.5, null] });
    const request = await programs.echo(stage());
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

  it('is deterministic: random and clock come from the seed and the submit time', async () => {
    const request = await programs.chance(stage());
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

  it('does not mix attempts that run at the same time', async () => {
    const request = await programs.echo(stage());
    const texts = Array.from({ length: 12 }, (_, index) => JSON.stringify({ index, filler: 'x'.repeat(index * 1000) }));
    const outcomes = await Promise.all(
      texts.map((text, index) =>
        runAttempt(runtime(), { ...request, attemptId: `parallel-${index}`, stdin: { data: Buffer.from(text) } }),
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
    assertFailed(outcome, 'output-missing');
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
