/**
 * `fog.map` over two nodes of one slot, beside a plain loop in one process and beside piscina with two threads.
 *
 * The items are pure computation that takes one process ITEM milliseconds each, by a count of rounds found before.
 * All start warm: the loop is compiled, the threads and the engines of the nodes have run the function before. The
 * ratio of an engine is the time of one such item inside it, as the node tells the usage of the attempt, to its time
 * in plain Node.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Attempt, FogClient } from '../packages/contract/src/index.ts';
import { httpFetch } from '../packages/contract/src/node/index.ts';
import { Fog } from '../packages/sdk/src/index.ts';
import { startAgentProcess } from './agent-process.ts';
import type { Benchmark, BenchmarkContext } from './benchmark.ts';
import { CoordinatorProcess } from './coordinator-process.ts';
import { ECONOMY_OPTION, economyOf } from './economy-option.ts';
import { peerVersions, runPeer } from './peers.ts';
import { median, medianOrNull, rounded, roundedOrNull } from './statistics.ts';
import { TemporaryFolder } from './temporary-folder.ts';

const NODES = 2;
const WARM_UP_ITEMS = 8;
const ENGINES = ['v8', 'quickjs'] as const;
const ENGINE_RUNS = 3;

interface Item {
  seed: number;
  rounds: number;
}
interface RunResult {
  plainMilliseconds: number;
  fogMilliseconds: number;
  piscinaMilliseconds: number | null;
}

/** Self-contained, as `fog.map` wants it: integer arithmetic that no compiler can leave out. */
function mixRounds(item: Item): number {
  let state = item.seed | 0;
  for (let round = 0; round < item.rounds; round += 1) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + round;
  }
  return state | 0;
}

export const map: Benchmark = {
  name: 'map',
  summary: 'fog.map on two nodes beside one process and piscina, and the engines beside plain Node',
  options: {
    items: { default: 200, description: 'items of the map' },
    milliseconds: { default: 50, description: 'of plain Node an item takes' },
    runs: { default: 3, description: 'of which the median is taken' },
    ...ECONOMY_OPTION,
  },
  async run(context) {
    const rounds = calibrate(context.option('milliseconds'));
    context.progress(`${rounds} rounds take ${context.option('milliseconds')} ms`);
    const items = makeItems(context.option('items'), rounds);
    using folder = context.cleanup.use(new TemporaryFolder());
    await using coordinator = await CoordinatorProcess.start(
      { dataDirectory: join(folder.path, 'coordinator'), economy: economyOf(context) },
      context,
    );
    const { url, adminToken: token } = coordinator;
    await using nodes = new AsyncDisposableStack();
    for (let number = 1; number <= NODES; number += 1) {
      const name = `node-${number}`;
      const dataDirectory = join(folder.path, name);
      const options = { dataDirectory, url, token, name, slots: 1, trusted: ['*'] };
      nodes.use(await startAgentProcess(options, context.cleanup));
    }
    const client = new FogClient({ url, token, fetch: httpFetch() });
    const fog = new Fog(client);
    await fog.map(makeItems(WARM_UP_ITEMS, rounds), mixRounds);
    const results: RunResult[] = [];
    for (let run = 1; run <= context.option('runs'); run += 1) results.push(await measure(context, fog, items, run));
    const engines = await measureEngines(context, fog, rounds);
    return report(context, results, engines);
  },
};

function makeItems(count: number, rounds: number): Item[] {
  return Array.from({ length: count }, (_, seed) => ({ seed, rounds }));
}

/** Rounds that take plain Node so many milliseconds, once the function is compiled. */
function calibrate(milliseconds: number): number {
  let rounds = 100_000;
  for (let step = 0; step < 20; step += 1) {
    const times = Array.from({ length: 5 }, (_, seed) => timeOf(() => mixRounds({ seed, rounds })));
    // Whatever else runs on the machine can only make it slower.
    const factor = milliseconds / Math.min(...times);
    rounds = Math.round(rounds * Math.min(10, factor));
    if (step > 3 && Math.abs(factor - 1) < 0.02) break;
  }
  return rounds;
}

function timeOf(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

async function measure(context: BenchmarkContext, fog: Fog, items: readonly Item[], run: number): Promise<RunResult> {
  const expected: number[] = [];
  const plainMilliseconds = timeOf(() => expected.push(...items.map(mixRounds)));
  const start = performance.now();
  const results = await fog.map(items, mixRounds);
  const fogMilliseconds = performance.now() - start;
  check(expected, results, 'fog.map');
  using folder = context.cleanup.use(new TemporaryFolder());
  const modulePath = join(folder.path, 'item.mjs');
  writeFileSync(modulePath, `export default ${mixRounds}\n`);
  const piscina = await runPeer<{ milliseconds: number; results: number[] }>(
    'piscina',
    {
      items,
      threads: NODES,
      modulePath,
      warmUpItems: makeItems(WARM_UP_ITEMS, items[0]?.rounds ?? 0),
    },
    context,
  );
  if (piscina !== null) check(expected, piscina.results, 'piscina');
  const piscinaMilliseconds = piscina?.milliseconds ?? null;
  const text = (value: number | null) => (value === null ? 'unavailable' : `${Math.round(value)} ms`);
  context.progress(
    `run ${run}: plain ${text(plainMilliseconds)}, fog.map ${text(fogMilliseconds)}, piscina ${text(piscinaMilliseconds)}`,
  );
  return { plainMilliseconds, fogMilliseconds, piscinaMilliseconds };
}

function check(expected: readonly number[], results: readonly number[], name: string): void {
  const wrong = expected.findIndex((value, index) => value !== results[index]);
  if (wrong !== -1 || results.length !== expected.length)
    throw new Error(`${name} gave a wrong result at item ${wrong}`);
}

/** Time of one item in each engine relative to plain Node; null where the node has no such engine. */
async function measureEngines(
  context: BenchmarkContext,
  fog: Fog,
  rounds: number,
): Promise<Record<string, number | null>> {
  const plain = median(Array.from({ length: 5 }, (_, seed) => timeOf(() => mixRounds({ seed, rounds }))));
  const ratios: Record<string, number | null> = {};
  for (const engine of ENGINES) {
    try {
      const times: number[] = [];
      for (let run = 1; run <= ENGINE_RUNS; run += 1)
        times.push(await engineMilliseconds(fog, engine, { seed: run, rounds }));
      ratios[engine] = rounded(median(times) / plain);
      context.progress(`${engine}: ${median(times).toFixed(1)} ms, plain Node ${plain.toFixed(1)} ms`);
    } catch (error) {
      ratios[engine] = null;
      context.progress(`engine ${engine} is unavailable: ${(error as Error).message}`);
    }
  }
  return ratios;
}

async function engineMilliseconds(fog: Fog, engine: (typeof ENGINES)[number], item: Item): Promise<number> {
  const name = `engine-${engine}-${item.seed}`;
  const [result] = await fog.map([item], mixRounds, { engine, name });
  check([mixRounds(item)], [result ?? Number.NaN], engine);
  const { items: jobs } = await fog.client.call('listJobs', { query: { limit: 1 } });
  const { attempts } = await fog.client.call('getTask', { params: { job: jobs[0]?.id ?? '', partition: 0 } });
  const accepted: Attempt | undefined = attempts.find((attempt) => attempt.state === 'valid');
  if (jobs[0]?.name !== name || accepted?.usage == null) throw new Error(`the usage of ${name} is unknown`);
  return accepted.usage.wallMilliseconds;
}

function report(
  context: BenchmarkContext,
  results: RunResult[],
  engineRatioToNode: Record<string, number | null>,
): Record<string, unknown> {
  const piscina = results.map(({ piscinaMilliseconds, fogMilliseconds }) =>
    piscinaMilliseconds === null ? null : piscinaMilliseconds / fogMilliseconds,
  );
  const of = (value: (result: RunResult) => number) => rounded(median(results.map(value)));
  return {
    items: context.option('items'),
    itemMilliseconds: context.option('milliseconds'),
    nodes: NODES,
    economy: economyOf(context),
    speedupOverOneProcess: of((result) => result.plainMilliseconds / result.fogMilliseconds),
    ratioToPiscina: roundedOrNull(medianOrNull(piscina)),
    engineRatioToNode,
    wallMilliseconds: {
      oneProcess: of((result) => result.plainMilliseconds),
      fogMap: of((result) => result.fogMilliseconds),
      piscina: roundedOrNull(medianOrNull(results.map((result) => result.piscinaMilliseconds))),
    },
    versions: { piscina: peerVersions().piscina },
  };
}
