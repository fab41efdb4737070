/** Other systems, run beside us in processes of their own from the folder `peers/`. */
import { execFile } from 'node:child_process';
import { readFileSync, statSync, utimesSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { BenchmarkContext } from './benchmark.ts';

const FOLDER = join(import.meta.dirname, 'peers');
const MANIFEST = join(FOLDER, 'package.json');
const MOST_MILLISECONDS = 15 * 60_000;
const run = promisify(execFile);

/** Installs the pinned peers when they are not there or the pins have changed. Throws when npm cannot. */
export async function installPeers(context: Pick<BenchmarkContext, 'progress'>): Promise<void> {
  const installed = join(FOLDER, 'node_modules');
  const installedAt = statSync(installed, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (installedAt >= statSync(MANIFEST).mtimeMs) return;
  context.progress('installing the peers');
  // npm runs under the Node that this process runs under.
  const PATH = dirname(process.execPath) + delimiter + (process.env.PATH ?? '');
  await run('npm', ['install', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: FOLDER,
    env: { ...process.env, PATH },
  });
  const now = new Date();
  utimesSync(installed, now, now);
}

/** Runs `peers/NAME.mjs`; answers the JSON it prints last, or null with the reason on stderr. */
export async function runPeer<Result>(
  name: string,
  parameters: unknown,
  context: Pick<BenchmarkContext, 'progress' | 'cleanup'>,
): Promise<Result | null> {
  try {
    await installPeers(context);
    const stopping = new AbortController();
    context.cleanup.defer(() => stopping.abort());
    const { stdout } = await run(process.execPath, [join(FOLDER, `${name}.mjs`), JSON.stringify(parameters)], {
      cwd: FOLDER,
      timeout: MOST_MILLISECONDS,
      signal: stopping.signal,
      maxBuffer: 64 << 20,
    });
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Result;
  } catch (error) {
    context.progress(`${name} is unavailable: ${reasonOf(error)}`);
    return null;
  }
}

/** Pinned versions by package. */
export function peerVersions(): Record<string, string> {
  return (JSON.parse(readFileSync(MANIFEST, 'utf8')) as { dependencies: Record<string, string> }).dependencies;
}

export function reasonOf(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  return (stderr?.trim() || message || String(error)).split('\n').slice(0, 12).join('\n');
}
