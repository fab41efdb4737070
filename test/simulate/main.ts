/**
 * Simulations that a seed repeats, until an invariant breaks or all is done.
 *
 *     npm run simulate -- ledger --operations 10000000 --seed 1     the ledger over its log, with crashes; some 100 s
 *     npm run simulate -- ledger --operations 20000 --seed 41       one of its episodes again
 *
 * An episode is a ledger of its own with a seed of its own, counted on from the first; it ends after 20,000 operations.
 */
import { parseArgs } from 'node:util';
import {
  BrokenInvariant,
  type SimulationReport,
  simulateLedger,
} from '../../packages/economy/src/ledger/log/simulation/index.ts';

const USAGE = 'usage: npm run simulate -- ledger [--operations N] [--seed S] [--seconds T] [--json]';
const EPISODE_OPERATIONS = 20_000;
const TOLD_EVERY_MILLISECONDS = 10_000;
const COUNTS = [
  'operations',
  'requests',
  'crashes',
  'failedSyncs',
  'snapshots',
  'retries',
  'tornTails',
  'lost',
] as const satisfies readonly (keyof SimulationReport)[];

interface Options {
  operations: number;
  seed: number;
  /** No episode begins after this. */
  seconds: number;
  isJson: boolean;
}

function readOptions(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      operations: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '86400' },
      json: { type: 'boolean', default: false },
    },
  });
  if (positionals.length !== 1 || positionals[0] !== 'ledger')
    throw new Error(`there is no simulation "${positionals}"`);
  return {
    operations: wholeNumber('operations', values.operations),
    seed: wholeNumber('seed', values.seed),
    seconds: wholeNumber('seconds', values.seconds),
    isJson: values.json,
  };
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new Error(`--${name} must be a whole number from 1 on, not "${text}"`);
}

async function main({ operations, seed: first, seconds, isJson }: Options): Promise<number> {
  const startedAt = performance.now();
  const totals = Object.fromEntries(COUNTS.map((count) => [count, 0])) as Record<(typeof COUNTS)[number], number>;
  const statuses: Record<string, number> = {};
  let seed = first;
  let toldAt = startedAt;
  for (; totals.operations < operations && performance.now() - startedAt < seconds * 1000; seed += 1) {
    const wanted = Math.min(EPISODE_OPERATIONS, operations - totals.operations);
    try {
      const report = await simulateLedger(seed, wanted);
      for (const count of COUNTS) totals[count] += report[count];
      for (const [status, times] of Object.entries(report.statuses)) statuses[status] = (statuses[status] ?? 0) + times;
    } catch (error) {
      console.log(error instanceof BrokenInvariant ? `BROKEN: ${error.message}` : (error as Error).stack);
      console.log(`replay: npm run simulate -- ledger --operations ${wanted} --seed ${seed}`);
      return 1;
    }
    if (performance.now() - toldAt < TOLD_EVERY_MILLISECONDS) continue;
    toldAt = performance.now();
    console.error(`${totals.operations} operations, ${totals.crashes} crashes, up to seed ${seed}`);
  }
  const took = Number(((performance.now() - startedAt) / 1000).toFixed(1));
  const report = { simulation: 'ledger', firstSeed: first, lastSeed: seed - 1, seconds: took, ...totals, statuses };
  console.log(isJson ? JSON.stringify(report) : described(report));
  return totals.operations < operations ? 3 : 0;
}

function described({ statuses, ...report }: { statuses: Record<string, number> }): string {
  const rows = [...Object.entries(report), ...Object.entries(statuses).sort()];
  return `${rows.map(([name, value]) => `${name.padEnd(36)} ${value}`).join('\n')}\nno invariant was broken`;
}

let options: Options;
try {
  options = readOptions();
} catch (error) {
  console.error(`${(error as Error).message}\n${USAGE}`);
  process.exit(2);
}
process.exitCode = await main(options);
