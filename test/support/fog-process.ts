/** `fog up` as a user starts it: a process of its own, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOG = join(ROOT, 'packages/cli/bin/fog.js');

export interface FogProcess {
  /** The line that `fog up --json` prints when it is ready. */
  ready: { url: string; dataDirectory: string; nodes: unknown[] };
  process: ChildProcess;
  /** Ctrl-C. Resolves to the exit code. */
  interrupt(): Promise<number | null>;
}

/** A folder that is removed when the test process ends. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `fog-${name}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Throws what it printed on stderr when it ends before it is ready. */
export async function startFog(
  dataDirectory: string,
  flags: readonly string[] = [],
  variables: Readonly<Record<string, string>> = {},
): Promise<FogProcess> {
  const child = spawn(
    process.execPath,
    [FOG, 'up', '--json', '--listen', '127.0.0.1:0', '--data', dataDirectory, ...flags],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...environment(), ...variables },
    },
  );
  process.on('exit', () => child.kill('SIGKILL'));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text);
    });
    void ended.then((code) => reject(new Error(`fog up ended with ${code}: ${errors}`)));
  });
  return {
    ready: JSON.parse(line),
    process: child,
    interrupt() {
      child.kill('SIGINT');
      return ended;
    },
  };
}

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `fog ARGS` against the fog whose data lies in this folder. */
export function fog(dataDirectory: string, ...args: string[]): Promise<Finished> {
  return run(process.execPath, [FOG, ...args], dataDirectory);
}

/** Runs an example as its first comment says. */
export function example(dataDirectory: string, ...args: string[]): Promise<Finished> {
  return run(process.execPath, args, dataDirectory);
}

function run(command: string, args: string[], dataDirectory: string): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...environment(), FOG_DATA: dataDirectory },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Without settings of whoever runs the tests. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('FOG_') && name !== 'NODE_TEST_CONTEXT');
  return Object.fromEntries(own);
}
