/**
 * Runs a target in a child process and says how it ended:
 *
 *     running --result--> done
 *        |--- died, or stood still for too long ---> done, with a finding at the batch where it was
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TargetRange, TargetResult } from './fuzz-target.ts';

const PROGRAM = fileURLToPath(new URL('./target-process.ts', import.meta.url));
/** A batch takes milliseconds, and what is made before the first some seconds. */
const STANDSTILL_MILLISECONDS = 60_000;

export interface SuperviseOptions {
  /** Exports `TARGETS`. */
  modulePath: string;
  standstillMilliseconds?: number;
}

export async function supervise(
  range: TargetRange,
  { modulePath, standstillMilliseconds = STANDSTILL_MILLISECONDS }: SuperviseOptions,
): Promise<TargetResult> {
  const folder = await mkdtemp(join(tmpdir(), 'fog-fuzz-'));
  const positionPath = join(folder, 'position');
  const started = performance.now();
  const child = fork(PROGRAM, [modulePath, positionPath, JSON.stringify(range)], { stdio: ['ignore', 2, 2, 'ipc'] });
  let result: TargetResult | null = null;
  child.on('message', (message) => {
    result = message as TargetResult;
  });
  let seen: number | null = null;
  let isStanding = false;
  const watch = setInterval(async () => {
    const position = await positionIn(positionPath);
    if (position === seen && result === null) {
      isStanding = true;
      child.kill('SIGKILL');
    }
    seen = position;
  }, standstillMilliseconds);
  try {
    const [code, signal] = await once(child, 'exit');
    if (result !== null) return result;
    const position = await positionIn(positionPath);
    const how = isStanding ? 'did not come back' : `died (${signal ?? `exit code ${code}`})`;
    return {
      name: range.name,
      from: range.from,
      inputs: Math.max(0, (position ?? range.from) - range.from),
      seconds: (performance.now() - started) / 1000,
      outcomes: {},
      work: {},
      findings: [{ index: position ?? range.from, message: `the process ${how} in the batch that begins here` }],
    };
  } finally {
    clearInterval(watch);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Null before the first batch. */
async function positionIn(path: string): Promise<number | null> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  return bytes.length === 8 ? Number(bytes.readBigUInt64LE()) : null;
}
