/**
 * Chaos: processes are killed, frozen and cut off under load; afterwards every accepted task must have exactly one
 * accepted result.
 *
 *     npm run chaos -- --seeds 200                        seeds 1 to 200, on SQLite and on PostgreSQL
 *     npm run chaos -- --seed 17 --database sqlite        one of them again
 *     npm run chaos -- --real-time --seed 1               with the pauses of a real deployment; takes minutes
 *     npm run chaos -- --mixed --seeds 20                 on real engines, containers and native programs among them
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { skipWithoutDocker, TestEngine } from '../support/docker-engine.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { checkInvariants } from './invariants.ts';
import { describeFailure } from './report.ts';
import { runSeed } from './run-seed.ts';
import { type Engine, makeSchedule } from './schedule.ts';

const USAGE =
  'usage: npm run chaos -- [--seeds N | --seed S] [--first F] [--database sqlite|postgres] [--parallel P] [--real-time | --mixed] [--keep] [--verbose]';

interface Options {
  seeds: number[];
  engines: Engine[];
  parallel: number;
  isRealTime: boolean;
  /** On real engines. */
  isMixed: boolean;
  /** Leaves the folders of failed runs. */
  keeps: boolean;
  isVerbose: boolean;
}

interface Case {
  seed: number;
  engine: Engine;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '20' },
      seed: { type: 'string' },
      first: { type: 'string', default: '1' },
      database: { type: 'string' },
      parallel: { type: 'string', default: '2' },
      'real-time': { type: 'boolean', default: false },
      mixed: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
    },
  });
  const { database } = values;
  if (database !== undefined && database !== 'sqlite' && database !== 'postgres')
    throw new Error(`unknown database "${database}"`);
  if (values.mixed && values['real-time']) throw new Error('--mixed and --real-time exclude each other');
  const first = wholeNumber('first', values.first);
  const amount = wholeNumber('seeds', values.seeds);
  const seeds = Array.from({ length: amount }, (_, index) => first + index);
  return {
    seeds: values.seed === undefined ? seeds : [wholeNumber('seed', values.seed)],
    engines: database === undefined ? ['sqlite', 'postgres'] : [database],
    parallel: wholeNumber('parallel', values.parallel),
    isRealTime: values['real-time'],
    isMixed: values.mixed,
    keeps: values.keep,
    isVerbose: values.verbose,
  };
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new Error(`--${name} must be a whole number from 1 on, not "${text}"`);
  return number;
}

async function main(options: Options): Promise<number> {
  const withoutDocker = options.isMixed && skipWithoutDocker();
  if (withoutDocker !== false) throw new Error(`--mixed needs a container engine: ${withoutDocker}`);
  const directory = await mkdtemp(join(tmpdir(), 'fog-chaos-'));
  let postgres: TestPostgres | null = null;
  let engines = options.engines;
  try {
    if (engines.includes('postgres')) {
      const started = await startPostgres();
      if (!('unavailable' in started)) postgres = started;
      else {
        engines = engines.filter((engine) => engine !== 'postgres');
        console.log(`skipped: postgres: ${started.unavailable}`);
      }
    }
    const cases = options.seeds.flatMap((seed) => engines.map((engine): Case => ({ seed, engine })));
    const { passed, failed } = await runAll(cases, options, { directory, postgres });
    console.log(`${passed} passed, ${failed} failed`);
    return failed === 0 && passed === cases.length ? 0 : 1;
  } finally {
    await postgres?.stop();
    if (!options.keeps) await rm(directory, { recursive: true, force: true });
  }
}

interface World {
  directory: string;
  postgres: TestPostgres | null;
}

/** A few at a time. */
async function runAll(
  cases: readonly Case[],
  options: Options,
  world: World,
): Promise<{ passed: number; failed: number }> {
  const waiting = [...cases];
  const counts = { passed: 0, failed: 0 };
  // Whoever interrupts still wants the server stopped and the folders removed.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => waiting.splice(0));
  const worker = async () => {
    // Of its own, since it is killed.
    const containers = options.isMixed ? await TestEngine.start() : null;
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        counts[(await runCase(next, options, { ...world, containers })) ? 'passed' : 'failed'] += 1;
      }
    } finally {
      await containers?.stop();
    }
  };
  await Promise.all(Array.from({ length: options.parallel }, worker));
  return counts;
}

/** Answers whether it passed. */
async function runCase(
  { seed, engine }: Case,
  options: Options,
  world: World & { containers: TestEngine | null },
): Promise<boolean> {
  const { isRealTime, isMixed } = options;
  const schedule = makeSchedule({ seed, engine, isRealTime, isMixed });
  const directory = join(world.directory, `${engine}-${seed}`);
  const started = performance.now();
  const label = `seed ${seed} ${engine}${schedule.coordinators > 1 ? ' (two coordinators)' : ''}`;
  const steps: string[] = [];
  const onStep = (text: string) => {
    steps.push(`${Math.round(performance.now() - started)}: ${text}`);
    if (options.isVerbose) console.log(`${label}: ${steps.at(-1)}`);
  };
  let failure: string | null = null;
  try {
    const { postgres, containers } = world;
    const databaseUrl =
      engine === 'postgres' && postgres !== null ? postgres.url(await postgres.createDatabase()) : null;
    const compileCache = join(world.directory, 'compile-cache');
    const evidence = await runSeed({ schedule, directory, databaseUrl, compileCache, containers, onStep });
    const violations = checkInvariants(evidence);
    if (violations.length > 0) failure = describeFailure(violations, evidence);
  } catch (error) {
    failure = `the run broke: ${(error as Error).stack}`;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${failure === null ? 'passed' : 'FAILED'}: ${label} in ${seconds} s`);
  if (failure !== null) {
    const flavour = isRealTime ? ' --real-time' : isMixed ? ' --mixed' : '';
    console.log(`${failure}\nfaults:\n  ${steps.join('\n  ')}`);
    console.log(`replay: npm run chaos -- --seed ${seed} --database ${engine}${flavour}\n`);
  }
  if (failure === null || !options.keeps) await rm(directory, { recursive: true, force: true });
  else console.log(`its files: ${directory}`);
  return failure === null;
}

// Everything is cleared away by now, but for connections that this run has left half open on purpose.
try {
  process.exit(await main(readOptions()));
} catch (error) {
  console.error(`${(error as Error).message}\n${USAGE}`);
  process.exit(2);
}
