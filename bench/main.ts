/**
 * `npm run bench -- NAME [--json] [--OPTION N]`: runs one benchmark. Progress goes to stderr; with `--json` the last
 * line of stdout is one JSON object. Without a name it lists the benchmarks.
 */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { agents } from './agents.ts';
import type { Benchmark } from './benchmark.ts';
import { dispatch } from './dispatch.ts';
import { docker } from './docker.ts';
import { fuel } from './fuel.ts';
import { ledger } from './ledger.ts';
import { describeCommit, describeMachine } from './machine.ts';
import { map } from './map.ts';
import { mixnode } from './mixnode.ts';
import { queue } from './queue.ts';
import { scheduler } from './scheduler.ts';
import { verification } from './verification.ts';
import { wasm } from './wasm.ts';

const BENCHMARKS: readonly Benchmark[] = [
  dispatch,
  agents,
  queue,
  wasm,
  fuel,
  map,
  docker,
  verification,
  mixnode,
  scheduler,
  ledger,
];
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

interface Request {
  benchmark: Benchmark;
  json: boolean;
  profileFolder: string | null;
  options: Record<string, number>;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.length === 0 || args.includes('--help')) {
    process.stdout.write(listing());
    return 0;
  }
  let request: Request;
  try {
    request = parseRequest(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${listing()}`);
    return EXIT_USAGE;
  }
  const command = `npm run bench -- ${args.join(' ')}`;
  const figures = await run(request);
  const document = {
    benchmark: request.benchmark.name,
    ...figures,
    machine: describeMachine(),
    commit: describeCommit(),
    command,
  };
  process.stdout.write(request.json ? `${JSON.stringify(document)}\n` : table(document));
  return 0;
}

async function run({ benchmark, options, profileFolder }: Request): Promise<Record<string, unknown>> {
  await using cleanup = new AsyncDisposableStack();
  const interrupt = () => {
    process.stderr.write('interrupted; taking everything down\n');
    void cleanup.disposeAsync().finally(() => process.exit(EXIT_INTERRUPTED));
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  if (profileFolder !== null) mkdirSync(profileFolder, { recursive: true });
  return await benchmark.run({
    cleanup,
    profileFolder,
    option(name) {
      const value = options[name];
      if (value === undefined) throw new Error(`${benchmark.name} has no option ${name}`);
      return value;
    },
    progress: (text) => void process.stderr.write(`${benchmark.name}: ${text}\n`),
  });
}

function parseRequest(args: readonly string[]): Request {
  const [name, ...rest] = args;
  const benchmark = BENCHMARKS.find((candidate) => candidate.name === name);
  if (benchmark === undefined) throw new Error(`there is no benchmark "${name}"`);
  const texts = Object.fromEntries(Object.keys(benchmark.options).map((key) => [key, { type: 'string' }] as const));
  const { values } = parseArgs({
    args: rest,
    options: { ...texts, json: { type: 'boolean' }, profile: { type: 'string' } },
    strict: true,
  });
  const options: Record<string, number> = {};
  for (const [key, option] of Object.entries(benchmark.options)) {
    const text = (values as Record<string, unknown>)[key] as string | undefined;
    const value = text === undefined ? option.default : Number(text);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${key} must be a whole number, not "${text}"`);
    options[key] = value;
  }
  const { profile } = values as { profile?: string };
  return {
    benchmark,
    json: values.json === true,
    profileFolder: profile === undefined ? null : resolve(profile),
    options,
  };
}

function listing(): string {
  const lines = ['npm run bench -- NAME [--json] [--profile FOLDER] [--OPTION N]', ''];
  for (const { name, summary, options } of BENCHMARKS) {
    lines.push(`${name}  ${summary}`);
    for (const [key, option] of Object.entries(options)) {
      lines.push(`    --${key.padEnd(13)} ${option.description} (${option.default})`);
    }
    lines.push('');
  }
  lines.push('--profile writes CPU profiles of the coordinator, which cost some speed.');
  return `${lines.join('\n')}\n`;
}

/** Figures one a line, nested names joined by dots. */
function table(document: Record<string, unknown>): string {
  const rows: [string, string][] = [];
  const add = (prefix: string, value: unknown): void => {
    if (typeof value !== 'object' || value === null)
      rows.push([prefix, value === null ? 'unavailable' : String(value)]);
    else for (const [key, inner] of Object.entries(value)) add(prefix === '' ? key : `${prefix}.${key}`, inner);
  };
  add('', document);
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${key.padEnd(width)}  ${value}\n`).join('');
}

process.exitCode = await main(process.argv.slice(2));
