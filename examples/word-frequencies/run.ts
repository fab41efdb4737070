/**
 * Word frequencies of a folder of text, as a map and a reduce.
 *
 *     npx node examples/word-frequencies/run.ts FOLDER
 *
 * The map is one job with four tasks over the uploaded folder. The reduce is a second job whose inputs are the
 * results of the first, named by their hashes: they never leave the fog.
 */
import { fileURLToPath } from 'node:url';
import { Fog } from '@fog/sdk';

const PARTITIONS = 4;
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const folder = process.argv[2];
if (folder === undefined) {
  process.stderr.write('usage: npx node examples/word-frequencies/run.ts FOLDER\n');
  process.exit(2);
}

const fog = await Fog.connect();
const map = await fog.run({
  kind: 'Job',
  metadata: { name: 'word-count' },
  spec: {
    count: PARTITIONS,
    task: {
      runtime: 'javascript',
      javascript: { script: here('count.js') },
      inputs: [{ source: folder, path: '/in', type: 'folder' }],
    },
  },
});
await finished(map);

const parts = await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => map.output(partition)));
const reduce = await fog.run({
  kind: 'Job',
  metadata: { name: 'word-merge' },
  spec: {
    task: {
      runtime: 'javascript',
      javascript: { script: here('merge.js') },
      args: ['20'],
      inputs: parts.map((part, index) => ({ source: part.digest, path: `/parts/${index}.json` })),
    },
  },
});
await finished(reduce);

const { words, top } = (await (await reduce.output(0)).json()) as { words: number; top: [string, number][] };
const lines = top.map(([word, count]) => `${String(count).padStart(8)} ${word}`);
process.stdout.write(`${[`${words} different words`, ...lines].join('\n')}\n`);

async function finished(job: Awaited<ReturnType<Fog['run']>>): Promise<void> {
  const result = await job.wait();
  if (result.succeeded) return;
  throw new Error(`job ${job.id} ${result.job.state}: ${result.failedTask?.message ?? result.job.reason}`);
}
