/** That a metered module counts what it does, exactly, and does the same as without a meter. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { AttemptOutcome, AttemptRequest, TaskRuntime } from '../../src/runtime.ts';
import { engine, type WasmGlobal, type WasmInstance } from '../../src/wasm/engine.ts';
import { FUEL, totalFuel } from '../../src/wasm/fuel.ts';
import { createWasmRuntime } from '../../src/wasm/index.ts';
import { MEMORY_IMPORT, prepareModule } from '../../src/wasm/module-rewrite.ts';
import { PREVIEW1_MODULE, PREVIEW1_SIGNATURES } from '../../src/wasm/wasi/abi.ts';
import { assertFailed, createStage, HostRecord, runAttempt, type TestStage } from '../runtime-stage.ts';
import {
  Assembler,
  type Code,
  drop,
  grow,
  i32,
  MAGIC,
  name,
  repeat,
  section,
  u32,
  unreachable,
  vector,
} from './assembler.ts';
import { moduleOf, randomProgram, workOf } from './fuel-programs.ts';
import {
  chanceModule,
  copyModule,
  echoModule,
  exitModule,
  folderModule,
  hogModule,
  inspectModule,
  logsModule,
  recursionModule,
  succeedModule,
} from './programs.ts';

const offered = { module: PREVIEW1_MODULE, functions: PREVIEW1_SIGNATURES };

interface Counted {
  instance: WasmInstance;
  fuel(): number;
}

/** Instantiates a module that imports nothing but memory. */
function metered(module: Uint8Array, maximum = 16): Counted {
  assert.ok(engine.validate(module), 'the test is wrong: V8 does not take it');
  const prepared = prepareModule(module, offered, { isMetered: true });
  const shape = prepared.memory;
  const memory = shape === null ? null : new engine.Memory({ initial: shape.minimumPages, maximum });
  const imports = { [MEMORY_IMPORT.module]: { [MEMORY_IMPORT.name]: memory } };
  const instance = new engine.Instance(new engine.Module(prepared.bytes), imports);
  const global = instance.exports[prepared.fuelExport ?? ''] as WasmGlobal;
  if (prepared.startExport !== null) (instance.exports[prepared.startExport] as () => void)();
  return { instance, fuel: () => Number(global.value) };
}

function start({ instance }: Counted): void {
  (instance.exports._start as () => void)();
}

/** What a command of this code counts. */
function fuelOf(code: Code, maximum?: number): number {
  const run = metered(new Assembler().build({ start: code }), maximum);
  start(run);
  return run.fuel();
}

describe('fuel of a module', () => {
  it('property: is the work that follows from how it is built, run after run', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(), { minLength: 200, maxLength: 400 }),
        fc.constantFrom('legacy' as const, 'table' as const, null),
        (numbers, exceptions) => {
          let at = 0;
          const below = (bound: number) => {
            at += 1;
            return (numbers[at % numbers.length] ?? 0) % bound;
          };
          const program = randomProgram(below, exceptions);
          const work = workOf(program);
          const run = metered(moduleOf(program));
          start(run);
          assert.equal(run.fuel(), work);
          start(run);
          assert.equal(run.fuel(), 2 * work);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('is the same before and after the engine has compiled a function anew', () => {
    const program = moduleOf([
      [{ kind: 'loop', rounds: 3, body: [{ kind: 'call', callee: 1 }] }],
      [{ kind: 'plain', constants: 9 }],
    ]);
    const run = metered(program);
    start(run);
    const first = run.fuel();
    for (let round = 1; round < 100_000; round += 1) start(run);
    assert.equal(run.fuel(), 100_000 * first);
  });

  it('counts the bytes and elements that one instruction moves', () => {
    const fill = (bytes: number) => [...i32(0), ...i32(1), ...i32(bytes), 0xfc, 11, 0];
    const copy = (bytes: number) => [...i32(0), ...i32(9), ...i32(bytes), 0xfc, 10, 0, 0];
    assert.equal(fuelOf(fill(0)), 4);
    assert.equal(fuelOf(fill(65_536)), 4 + 65_536 / FUEL.bytes);
    assert.equal(fuelOf(copy(1001)), 4 + Math.floor(1001 / FUEL.bytes));
  });

  it('counts what memory grows by, but not what is refused', () => {
    assert.equal(fuelOf([...grow(i32(3)), drop], 5), 3 + 3 * FUEL.page);
    assert.equal(fuelOf([...grow(i32(4)), drop], 5), 3);
    assert.equal(fuelOf([...grow(i32(-1)), drop], 5), 3);
  });

  it('counts what a table grows by, but not what is refused', () => {
    const of = (elements: number) => {
      const code = [0xd0, 0x70, ...i32(elements), 0xfc, 15, 0, drop];
      const module = new Uint8Array([
        ...MAGIC,
        ...section(1, vector([[0x60, 0, 0]])),
        ...section(3, vector([[0]])),
        ...section(4, vector([[0x70, 1, 0, ...u32(100)]])),
        ...section(7, vector([[...name('_start'), 0, 0]])),
        ...section(10, vector([[...u32(code.length + 2), 0, ...code, 0x0b]])),
      ]);
      const run = metered(module);
      start(run);
      return run.fuel();
    };
    assert.equal(of(100), 4 + 100);
    assert.equal(of(101), 4);
    assert.equal(of(-1), 4);
  });

  it('counts the whole of a piece in which a program traps', () => {
    const run = metered(new Assembler().build({ start: [...i32(1), drop, unreachable, ...i32(1), drop] }));
    assert.throws(() => start(run), engine.RuntimeError);
    assert.equal(run.fuel(), 3);
  });

  it('is told exactly up to 2^53 - 1, which stands for more', () => {
    const most = Number.MAX_SAFE_INTEGER;
    assert.equal(totalFuel(BigInt(most) - 5n, 5), most);
    assert.equal(totalFuel(BigInt(most), 1), most);
    // An i64 of the engine is signed.
    assert.equal(totalFuel(-1n, 0), most);
    assert.equal(totalFuel(7n, 0), 7);
  });

  it('counts what a module starts with by itself', () => {
    const own = [0, ...i32(1), drop, unreachable, 0x0b];
    const module = new Uint8Array([
      ...MAGIC,
      ...section(1, vector([[0x60, 0, 0]])),
      ...section(3, vector([[0], [0]])),
      ...section(
        7,
        vector([
          [...name('_start'), 0, 0],
          [...name('fog:start'), 0, 0],
          [...name('fog:fuel'), 0, 1],
        ]),
      ),
      ...section(8, [1]),
      ...section(
        10,
        vector([
          [2, 0, 0x0b],
          [own.length, ...own],
        ]),
      ),
    ]);
    const prepared = prepareModule(module, offered, { isMetered: true });
    assert.deepEqual([prepared.startExport, prepared.fuelExport], ["fog:start'", "fog:fuel'"]);
    const { exports } = new engine.Instance(new engine.Module(prepared.bytes));
    assert.throws(exports["fog:start'"] as () => void, engine.RuntimeError);
    assert.equal((exports["fog:fuel'"] as WasmGlobal).value, 3n);
    assert.equal(prepareModule(module, offered).startExport, null);
  });
});

const PROGRAMS: Readonly<Record<string, Uint8Array>> = {
  succeed: succeedModule(),
  echo: echoModule(),
  copy: copyModule(),
  exit: exitModule(3),
  hog: hogModule(),
  folder: folderModule(['a/b', 'c']),
  logs: logsModule(),
  inspect: inspectModule(),
  chance: chanceModule(),
  trap: new Assembler().build({ start: [unreachable] }),
};
const OUTPUTS: Readonly<Record<string, Record<string, string>>> = {
  echo: { result: '/out/result' },
  copy: { result: '/out/result' },
  folder: { tree: '/out/tree' },
  inspect: { args: '/out/args', env: '/out/env' },
  chance: { result: '/out/result' },
};

describe('metered programs in the runtime', () => {
  let stage: TestStage;
  let runtimes: TaskRuntime[];

  before(async () => {
    stage = await createStage();
    runtimes = [createWasmRuntime(stage.settings(1)), createWasmRuntime(stage.settings(1))];
  });
  after(async () => {
    await Promise.all(runtimes.map((runtime) => runtime.close()));
    await stage[Symbol.asyncDispose]();
  });

  async function run(which: string, module: Uint8Array, { isMetered = true, runtime = 0 } = {}) {
    const modulePath = await stage.write(which, module);
    const input = await stage.write('data', 'some data');
    const request: AttemptRequest = stage.request({
      program: { runtime: 'wasm', modulePath, moduleDigest: which, ...(isMetered ? { meter: 'fuel' as const } : {}) },
      stdin: { data: Buffer.from('{"a":1}') },
      args: ['one', 'two'],
      inputs: [{ sandboxPath: '/in/data.txt', hostPath: input, bytes: 9 }],
      outputs: Object.entries(OUTPUTS[which] ?? {}).map(([output, sandboxPath]) => ({ name: output, sandboxPath })),
    });
    const host = new HostRecord();
    const outcome = await runAttempt(runtimes[runtime] as TaskRuntime, request, host);
    const { usage, ...rest } = outcome;
    return { outcome, rest, fuel: usage.fuel, logs: [host.text('stdout'), host.text('stderr')] };
  }

  for (const [which, module] of Object.entries(PROGRAMS)) {
    it(`${which}: gives the same with and without a meter, and counts the same in every process`, async () => {
      const plain = await run(which, module, { isMetered: false });
      const counted = [await run(which, module), await run(which, module), await run(which, module, { runtime: 1 })];
      assert.equal(plain.fuel, undefined);
      for (const { rest, logs, fuel } of counted) {
        assert.deepEqual([rest, logs], [plain.rest, plain.logs]);
        assert.equal(typeof fuel, 'number');
        assert.equal(fuel, counted[0]?.fuel);
      }
    });
  }

  it('counts calls of host functions, what they are given, and what they draw', async () => {
    assert.equal((await run('nothing', succeedModule())).fuel, 0);
    const assembler = new Assembler();
    const draw = assembler.wasi('random_get', i32(0), i32(1000));
    const module = assembler.build({ start: [...draw, drop] });
    assert.equal((await run('draw', module)).fuel, 4 + FUEL.hostCall + 1000 / FUEL.bytes + 1000 * FUEL.randomByte);
    // i32.const, call; what stands behind the exit is of the same piece.
    assert.equal((await run('exit-again', exitModule(0))).fuel, 2 + FUEL.hostCall);
  });

  it('tells none of what is killed', async () => {
    const module = new Assembler().build({ start: repeat([]) });
    const modulePath = await stage.write('endless', module);
    const request = stage.request({
      program: { runtime: 'wasm', modulePath, moduleDigest: 'endless', meter: 'fuel' },
    });
    const attempt = (runtimes[0] as TaskRuntime).start(
      { ...request, limits: { ...request.limits, runMilliseconds: 50 } },
      new HostRecord(),
    );
    const outcome: AttemptOutcome = await attempt.outcome;
    assertFailed(outcome, 'timeout');
    assert.equal(outcome.usage.fuel, undefined);
  });

  it('tells what was counted until the stack was used up', async () => {
    const { outcome, fuel } = await run('recursion', recursionModule());
    assertFailed(outcome, 'exit-code');
    assert.ok((fuel ?? 0) > 100);
  });
});
