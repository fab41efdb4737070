/**
 * Replays recorded work through the shipped decisions and says how well they did.
 *
 *     npm run replay -- KIND FILE [--json]     without a kind it lists them
 *
 * With `--json` the last line of stdout is one JSON object.
 */
import { parseArgs } from 'node:util';
import { OPENB_REPLAY } from './openb.ts';
import type { Replay } from './replay.ts';
import { SWF_REPLAY } from './swf.ts';
import { WORKFLOW_REPLAY } from './workflow.ts';

const REPLAYS: readonly Replay[] = [SWF_REPLAY, OPENB_REPLAY, WORKFLOW_REPLAY];
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [name, file, ...rest] = positionals;
  const replay = REPLAYS.find((candidate) => candidate.name === name);
  if (replay === undefined || file === undefined || rest.length > 0) {
    console.error('npm run replay -- KIND FILE [--json]\n');
    for (const { name: kind, summary } of REPLAYS) console.error(`${kind}  ${summary}`);
    return EXIT_USAGE;
  }
  const figures = { replay: replay.name, ...(await replay.run(file)) };
  if (values.json) console.log(JSON.stringify(figures));
  else for (const [key, value] of Object.entries(figures)) print(key, value);
  return 0;
}

/** Figures of several alternatives become a table. */
function print(key: string, value: unknown): void {
  const rows = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.values(value) : [];
  if (rows.length > 0 && rows.every((row) => typeof row === 'object' && row !== null)) console.table(value);
  else console.log(`${key.padEnd(32)} ${text(value)}`);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = EXIT_FAILED;
}
