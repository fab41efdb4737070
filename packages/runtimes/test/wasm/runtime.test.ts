/** What is special to the wasm runtime, beyond the suite that every runtime passes. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { AttemptOutcome, AttemptRequest, TaskRuntime } from '../../src/runtime.ts';
import { createWasmRuntime } from '../../src/wasm/index.ts';
import { RIGHT } from '../../src/wasm/wasi/abi.ts';
import {
  assertFailed,
  assertSucceeded,
  createStage,
  HostRecord,
  outputBytes,
  runAttempt,
  STAGE_LIMITS,
  type TestStage,
} from '../runtime-stage.ts';
import {
  Assembler,
  type BuildOptions,
  getLocal,
  i32,
  i64,
  name,
  section,
  u32,
  unreachable,
  vector,
} from './assembler.ts';
import {
  Commands,
  chanceModule,
  chatterModule,
  drop,
  errnoModule,
  hogModule,
  recursionModule,
  succeedModule,
} from './programs.ts';

const MEBIBYTE = 1 << 20;

let stage: TestStage;
let runtime: TaskRuntime;
let modules = 0;

before(async () => {
  stage = await createStage();
  runtime = createWasmRuntime(stage.settings(1));
});
after(async () => {
  await runtime.close();
  await stage[Symbol.asyncDispose]();
});

async function request(module: Uint8Array, part: Partial<AttemptRequest> = {}): Promise<AttemptRequest> {
  modules += 1;
  const modulePath = await stage.write('module.wasm', module);
  return stage.request({ program: { runtime: 'wasm', modulePath, moduleDigest: `module-${modules}` }, ...part });
}

async function run(module: Uint8Array, part: Partial<AttemptRequest> = {}, host?: HostRecord): Promise<AttemptOutcome> {
  return runAttempt(runtime, await request(module, part), host);
}

const build = (options: Partial<BuildOptions>): Uint8Array => new Assembler().build({ start: [], ...options });
const relaxedSimd = [0xfd, 0x0c, ...new Array(16).fill(0), 0xfd, 0x0c, ...new Array(16).fill(0)];

const INVALID: Record<string, [Uint8Array, RegExp]> = {
  'a file that is not wasm': [Buffer.from('#!/bin/sh\necho hello\n'), /not a WebAssembly module/],
  'an empty file': [new Uint8Array(0), /not a WebAssembly module/],
  'a component': [new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), /components/],
  'a truncated module': [succeedModule().slice(0, -3), /malformed/],
  'a module that V8 rejects': [build({ start: [0x6a] }), /not valid/],
  'no _start': [build({ exportName: 'main' }), /does not export the function _start/],
  'a library': [build({ exportName: '_initialize' }), /reactor/],
  'an unknown import': [
    build({ furtherImports: [[...name('env'), ...name('fetch"\n'), 0, 0]] }),
    /imports the function "env"\."fetch\\"\\n"/,
  ],
  'WASI preview 0': [
    build({ furtherImports: [[...name('wasi_unstable'), ...name('fd_write'), 0, 0]] }),
    /wasi_unstable/,
  ],
  'an import with another type': [
    build({ furtherImports: [[...name('wasi_snapshot_preview1'), ...name('fd_write'), 0, 0]] }),
    /"fd_write" with a type/,
  ],
  'an imported global': [build({ furtherImports: [[...name('env'), ...name('base'), 3, 0x7f, 0]] }), /global "env"/],
  'an inherited name as import': [
    build({ furtherImports: [[...name('wasi_snapshot_preview1'), ...name('constructor'), 0, 0]] }),
    /"constructor", which is not offered/,
  ],
  'shared memory': [build({ memory: [3, 1, 2] }), /shared memory/],
  'imported shared memory': [build({ memory: [3, 1, 2], importsMemory: true }), /shared memory/],
  '64-bit memory': [build({ memory: [4, 1] }), /64-bit memory/],
  'atomic instructions': [build({ start: [0xfe, 0x03, 0x00] }), /atomic/],
  // i8x16.relaxed_swizzle
  'relaxed SIMD': [build({ start: [...relaxedSimd, 0xfd, 0x80, 0x02, drop] }), /relaxed SIMD/],
  'garbage-collected objects': [build({ start: [...i32(0), 0xfb, 0x1c, drop] }), /garbage-collected/],
};

describe('wasm runtime: modules that may not run', () => {
  for (const [what, [module, message]] of Object.entries(INVALID)) {
    it(what, async () => {
      const outcome = await run(module);
      assertFailed(outcome, 'invalid-module');
      assert.match(outcome.message, message);
    });
  }

  it('refuses what it could not run, before an attempt is burnt', async () => {
    const good = await request(succeedModule());
    assert.match(runtime.refusal({ ...good, limits: { ...good.limits, memoryBytes: 100 } }) ?? '', /memory/);
    assert.match(runtime.refusal({ ...good, limits: { ...good.limits, diskBytes: 2 ** 40 } }) ?? '', /in memory/);
    const script = { runtime: 'javascript', scriptPath: '/x', engine: 'auto' } as const;
    assert.match(runtime.refusal({ ...good, program: script }) ?? '', /javascript/);
  });

  it('blames the node, not the job, when the blob is gone', async () => {
    const program = { runtime: 'wasm', modulePath: '/nowhere/module.wasm', moduleDigest: 'gone' } as const;
    const outcome = await runAttempt(runtime, stage.request({ program }));
    assertFailed(outcome, 'sandbox');
    assert.doesNotMatch(outcome.message, /nowhere/);
  });
});

describe('wasm runtime: memory', () => {
  const cases: Record<string, Uint8Array> = {
    'a memory without maximum': hogModule([0, 1]),
    'a memory that declares more than the limit': hogModule([1, 1, ...u32(65_536)]),
    'an imported memory': hogModule([0, 1], true),
    'an imported memory with a maximum': hogModule([1, 1, ...u32(65_536)], true),
  };
  for (const [what, module] of Object.entries(cases)) {
    it(`stops growth at the limit: ${what}`, async () => {
      const outcome = await run(module);
      assertFailed(outcome, 'oom');
      assert.equal(outcome.exitCode, 134);
      const peak = outcome.usage.peakMemoryBytes ?? 0;
      assert.ok(peak > 62 * MEBIBYTE && peak <= 64 * MEBIBYTE, `peak ${peak}`);
    });
  }

  it('keeps a maximum of the module that is below the limit', async () => {
    const outcome = await run(hogModule([1, 1, 40]));
    assertFailed(outcome, 'oom');
    assert.ok((outcome.usage.peakMemoryBytes ?? 0) <= 40 * 65_536);
  });

  it('reports a module that starts above the limit', async () => {
    assertFailed(await run(build({ memory: [0, ...u32(2000)] })), 'oom');
  });

  it('survives tables that exhaust its heap', async () => {
    const table = [0x70, 0, ...u32(10_000_000)];
    const bomb = succeedModule();
    // The table section stands between the function section and the memory section.
    const at = bomb.indexOf(5, 8 + 6 + 4 - 1);
    const module = new Uint8Array([
      ...bomb.slice(0, at),
      ...section(4, vector(new Array(100).fill(table))),
      ...bomb.slice(at),
    ]);
    assertFailed(await run(module), 'oom');
    assertSucceeded(await run(succeedModule()));
  });
});

describe('wasm runtime: endings', () => {
  it('reports a trap by its name, with exit code 134', async () => {
    const outcome = await run(build({ start: [unreachable] }));
    assertFailed(outcome, 'exit-code');
    assert.equal(outcome.exitCode, 134);
    assert.match(outcome.message, /trapped: unreachable/);
  });

  it('reports a stack overflow as a trap', async () => {
    const outcome = await run(recursionModule());
    assertFailed(outcome, 'exit-code');
    assert.equal(outcome.exitCode, 134);
    assert.match(outcome.message, /stack overflow/);
  });

  it('reports the whole range of exit codes', async () => {
    const assembler = new Assembler();
    const outcome = await run(assembler.build({ start: assembler.wasi('proc_exit', i32(-1)) }));
    assertFailed(outcome, 'exit-code');
    assert.equal(outcome.exitCode, 0xffff_ffff);
  });

  it('cannot be talked out of an exit by a guest that catches everything', async () => {
    const assembler = new Assembler();
    // try; proc_exit(7); catch_all; end: the guest then returns from _start as if nothing had happened.
    const start = [0x06, 0x40, ...assembler.wasi('proc_exit', i32(7)), 0x19, 0x0b];
    const outcome = await run(assembler.build({ start }));
    assertFailed(outcome, 'exit-code');
    assert.equal(outcome.exitCode, 7);
  });

  it('holds back a guest that logs without end', async () => {
    const module = chatterModule();
    const limits = {
      ...STAGE_LIMITS,
      memoryBytes: MEBIBYTE * 64,
      runMilliseconds: 300,
      diskBytes: MEBIBYTE,
      files: 10,
    };
    let bytes = 0;
    const host = new HostRecord();
    host.log = (_stream, data) => {
      bytes += data.length;
    };
    const residentBefore = process.memoryUsage.rss();
    assertFailed(await run(module, { limits }, host), 'timeout');
    assert.ok(bytes > MEBIBYTE);
    assert.ok(process.memoryUsage.rss() - residentBefore < 128 * MEBIBYTE);
  });

  it('writes large outputs to the scratch folder, and removes those of a failed attempt', async () => {
    const commands = new Commands();
    const write = Array.from({ length: 48 }, () => commands.write(getLocal(0), i32(0), i32(65_536))).flat();
    const start = [...commands.writeText(i32(1), 'x'), ...commands.create('out/large', 0), ...write];
    const module = commands.assembler.build({ start, locals: 1 });
    const large = { name: 'large', sandboxPath: '/out/large' };
    const outcome = await run(module, { attemptId: 'large/1', outputs: [large] });
    assertSucceeded(outcome);
    const content = outcome.outputs[0]?.files[0]?.content;
    assert.ok(content !== undefined && 'hostPath' in content);
    assert.equal(content.bytes, 3 * MEBIBYTE);
    const [page, file] = [await outputBytes(outcome, 'large'), await readFile(content.hostPath)];
    assert.equal(page.length, 3 * MEBIBYTE);
    assert.ok(file.subarray(0, 65_536).equals(file.subarray(2 * MEBIBYTE, 2 * MEBIBYTE + 65_536)));
    const { scratchDirectory } = stage.settings(1);
    const before = await readdir(scratchDirectory);
    const missing = { name: 'missing', sandboxPath: '/out/missing' };
    assertFailed(await run(module, { attemptId: 'large/2', outputs: [large, missing] }), 'output-missing');
    assert.deepEqual(await readdir(scratchDirectory), before);
  });
});

describe('wasm runtime: what a guest is told', () => {
  const open = (assembler: Assembler, path: string, openFlags: number, rights: bigint, result?: number): number[] => {
    const { pointer, length } = assembler.text(path);
    return assembler.wasi(
      'path_open',
      ...[i32(3), i32(0), i32(pointer), i32(length), i32(openFlags), i64(rights), i64(0n), i32(0)],
      i32(result ?? assembler.reserve(4)),
    );
  };
  const OUT_OF_BOUNDS = 0xffff_fff0 | 0;
  const CASES: Record<string, [number, (assembler: Assembler) => number[]]> = {
    'EPERM-like for .. above the root': [76, (a) => open(a, '../etc/passwd', 0, RIGHT.fdRead)],
    'the same deeper': [76, (a) => open(a, 'in/../../etc/passwd', 0, RIGHT.fdRead)],
    'the same for absolute paths': [76, (a) => open(a, '/etc/passwd', 0, RIGHT.fdRead)],
    'ENOENT for what is on the host alone': [44, (a) => open(a, 'etc/passwd', 0, RIGHT.fdRead)],
    'EROFS for writing an input': [69, (a) => open(a, 'in/data.txt', 0, RIGHT.fdWrite)],
    'EROFS for truncating an input': [69, (a) => open(a, 'in/data.txt', 8, RIGHT.fdRead)],
    'ENOTDIR below a file': [54, (a) => open(a, 'in/data.txt/x', 0, RIGHT.fdRead)],
    'EFAULT for a path out of bounds': [
      21,
      (a) => a.wasi('path_create_directory', i32(3), i32(OUT_OF_BOUNDS), i32(100)),
    ],
    'EFAULT for a result out of bounds': [21, (a) => open(a, 'in/data.txt', 0, RIGHT.fdRead, OUT_OF_BOUNDS)],
    'EFAULT for random bytes out of bounds': [21, (a) => a.wasi('random_get', i32(131_000), i32(1000))],
    'EFAULT for vectors out of bounds': [21, (a) => a.wasi('fd_write', i32(1), i32(OUT_OF_BOUNDS), i32(1), i32(0))],
    'EBADF for a descriptor that is not open': [8, (a) => a.wasi('fd_close', i32(99))],
    'EBADF for a negative descriptor': [8, (a) => a.wasi('fd_close', i32(-1))],
    'ENOTSUP for sockets': [58, (a) => a.wasi('sock_shutdown', i32(3), i32(0))],
    'EINVAL for an unknown clock': [28, (a) => a.wasi('clock_time_get', i32(9), i64(0n), i32(0))],
    'EINVAL for a poll on nothing': [28, (a) => a.wasi('poll_oneoff', i32(0), i32(0), i32(0), i32(0))],
  };
  for (const [what, [errno, write]] of Object.entries(CASES)) {
    it(what, async () => {
      const hostPath = await stage.write('data.txt', 'data');
      const inputs = [{ sandboxPath: '/in/data.txt', hostPath, bytes: 4 }];
      const outcome = await run(errnoModule(write), { inputs });
      assertFailed(outcome, 'exit-code');
      assert.equal(outcome.exitCode, errno, outcome.message);
    });
  }

  it('a clock that starts at the submit time and advances by 1 ms a reading', async () => {
    const outputs = [{ name: 'result', sandboxPath: '/out/result' }];
    const outcome = await run(chanceModule(), { outputs, submittedAtMilliseconds: 1_750_000_000_123 });
    assertSucceeded(outcome);
    const view = Buffer.from(await outputBytes(outcome, 'result'));
    const readings = Array.from({ length: 10 }, (_, index) => view.readBigUInt64LE(32 + index * 8));
    assert.deepEqual(
      readings,
      readings.map((_, index) => (1_750_000_000_123n + BigInt(index)) * 1_000_000n),
    );
  });
});
