/**
 * Fuzzing of all that reads what strangers send in the mix network, and of records of votes: inputs from a seed,
 * invariants, and counts of what became of them.
 *
 *     npm run fuzz                                        a million inputs; slow targets get a part of them
 *     npm run fuzz -- --inputs 10000000                   ten million
 *     npm run fuzz -- --only unwrap --from 5000000        that target alone, from an input on
 *     npm run fuzz -- --quick                             some seconds, for every change
 *     npm run fuzz -- --list                              which targets there are, and their part of the inputs
 */
import { parseArgs } from 'node:util';
import { backendsNotRun } from '../conformance/sphinx/backends.ts';
import type { FuzzTarget, TargetResult } from './fuzz-target.ts';
import { supervise } from './supervise.ts';
import { TARGETS } from './targets.ts';

const USAGE =
  'usage: npm run fuzz -- [--inputs N | --quick] [--seed S] [--only NAME [--from INDEX]]... [--json] | --list';
const DEFAULT_INPUTS = 1_000_000;
const QUICK_INPUTS = 40_000;

interface Options {
  names: string[];
  seed: number;
  from: number;
  inputs: number;
  isJson: boolean;
}

function readOptions(): Options | 'list' {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', multiple: true, default: [] },
      from: { type: 'string', default: '0' },
      json: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  if (values.list) return 'list';
  const names = values.only.length === 0 ? [...TARGETS.keys()] : values.only;
  const unknown = names.find((name) => !TARGETS.has(name));
  if (unknown !== undefined) throw new Error(`there is no target "${unknown}"; --list shows them`);
  const from = wholeNumber('from', values.from, 0);
  if (from > 0 && names.length !== 1) throw new Error('--from counts the inputs of one target: name it by --only');
  if (values.quick && values.inputs !== undefined) throw new Error('--quick and --inputs exclude each other');
  const inputs = values.quick ? QUICK_INPUTS : wholeNumber('inputs', values.inputs ?? String(DEFAULT_INPUTS), 1);
  return { names, seed: wholeNumber('seed', values.seed, 0), from, inputs, isJson: values.json };
}

function wholeNumber(name: string, text: string, least: number): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new Error(`--${name} must be a whole number from ${least} on, not "${text}"`);
}

async function main({ names, seed, from, inputs, isJson }: Options): Promise<number> {
  const print = (line: string) => (isJson ? console.error(line) : console.log(line));
  const notRun = backendsNotRun();
  for (const reason of notRun) print(`not run: ${reason}`);
  const results: TargetResult[] = [];
  for (const name of names) {
    const { share } = TARGETS.get(name) as FuzzTarget;
    const range = { name, seed, from, inputs: Math.max(1, Math.round(inputs * share)) };
    const result = await supervise(range, { modulePath: new URL('./targets.ts', import.meta.url).href });
    results.push(result);
    for (const line of linesOf(result, seed)) print(line);
  }
  const failed = results.filter(({ findings }) => findings.length > 0).length;
  const total = results.reduce((sum, result) => sum + result.inputs, 0);
  print(`${total} inputs, seed ${seed}`);
  print(`${results.length - failed} passed, ${failed} failed`);
  if (isJson) console.log(JSON.stringify({ seed, inputs: total, notRun, targets: results }));
  return failed === 0 ? 0 : 1;
}

function linesOf({ name, from, inputs, seconds, outcomes, work, findings }: TargetResult, seed: number): string[] {
  const counts = (of: Record<string, number>) =>
    Object.entries(of)
      .map(([what, amount]) => `${what} ${amount}`)
      .join('; ');
  const place = from === 0 ? '' : ` from ${from} on`;
  return [
    `${findings.length === 0 ? 'passed' : 'FAILED'}: ${name}: ${inputs} inputs${place} in ${seconds.toFixed(1)} s`,
    ...[outcomes, work].filter((of) => Object.keys(of).length > 0).map((of) => `  ${counts(of)}`),
    ...findings.flatMap(({ index, message }) => [
      `  finding at ${index}: ${message}`,
      `  repeat: npm run fuzz -- --only ${name} --seed ${seed} --from ${index} --inputs 1`,
    ]),
  ];
}

try {
  const options = readOptions();
  if (options === 'list') {
    for (const [name, { summary, share }] of TARGETS) {
      console.log(`${name}: ${summary}${share === 1 ? '' : ` (one input of ${Math.round(1 / share)})`}`);
    }
  } else {
    process.exitCode = await main(options);
  }
} catch (error) {
  console.error(`${(error as Error).message}\n${USAGE}`);
  process.exitCode = 2;
}
