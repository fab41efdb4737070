/** What tests of runtimes stand on: a folder with inputs, requests, a host that records, and rules for every outcome. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { FailureReason } from '@fog/contract';
import type {
  AttemptHost,
  AttemptLimits,
  AttemptOutcome,
  AttemptRequest,
  RunningAttempt,
  RuntimeSettings,
  TaskRuntime,
} from '../src/runtime.ts';

// Node hands it to every child, whatever environment that was given; what is measured here has been told by now.
delete process.env.NODE_V8_COVERAGE;

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
  /**
   * Copies the standard input (compact JSON text) byte for byte into the file output `result`. Null where the runtime
   * has no standard input.
   */
  echo: ProgramFactory | null;
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
  /**
   * Stores 32 random bytes and ten clock readings in the file output `result`, in any form. Null where programs see the
   * clock and the randomness of their machine.
   */
  chance: ProgramFactory | null;
  /** What is said of an output that does not exist; `output-missing` unless the runtime can tell before the run. */
  missingOutput?: FailureReason;
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

export async function within<Value>(promise: Promise<Value>, what: string): Promise<Value> {
  const timer = Promise.withResolvers<never>();
  const handle = setTimeout(() => timer.reject(new Error(`${what} did not come`)), PATIENCE_MILLISECONDS);
  try {
    return await Promise.race([promise, timer.promise]);
  } finally {
    clearTimeout(handle);
  }
}

/** The most of something that is seen of an attempt until it has ended. */
export async function largestSample(attempt: RunningAttempt, what: 'processes' | 'memoryBytes'): Promise<number> {
  let isOver = false;
  void attempt.outcome.then(() => {
    isOver = true;
  });
  let most = 0;
  while (!isOver) {
    most = Math.max(most, (await attempt.sample?.())?.[what] ?? 0);
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MILLISECONDS));
  }
  return most;
}

const SAMPLE_MILLISECONDS = 20;
export const MEBIBYTE = 1 << 20;
/** Enough for every program of the suites. */
export const STAGE_LIMITS: AttemptLimits = {
  memoryBytes: 64 * MEBIBYTE,
  runMilliseconds: 10_000,
  diskBytes: 16 * MEBIBYTE,
  files: 1000,
  milliCpu: 1000,
  processes: 64,
};

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
        limits: STAGE_LIMITS,
        checkpoint: null,
        partition: { index: 0, count: 1 },
        seed: new Uint8Array(32).fill(7),
        submittedAtMilliseconds: Date.UTC(2026, 0, 2, 3, 4, 5),
        trusted: true,
        ...part,
      };
    },
    // Test files run at the same time: what they leave outside of their folder must not be taken for another's.
    settings: (slots) => ({ slots, readablePaths: [readable], scratchDirectory: scratch, nodeId: basename(root) }),
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

export function checkOutcome(outcome: AttemptOutcome, host: HostRecord): AttemptOutcome {
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
