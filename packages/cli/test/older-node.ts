/** Programs as processes, and a Node that is too old for fog. */
import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

export function run(file: string, args: string[], environment: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(file, args, { env: { ...process.env, ...environment } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** A Node from 18 that is too old for the program: on PATH, or named by FOG_TEST_OLDER_NODE. */
export async function findOlderNode(): Promise<string | undefined> {
  const named = process.env.FOG_TEST_OLDER_NODE;
  const candidates = (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, 'node'));
  for (const candidate of named === undefined ? candidates : [named]) {
    const { code, stdout } = await run(candidate, ['--version']);
    const major = Number(/^v(\d+)/.exec(stdout)?.[1]);
    if (code === 0 && major >= 18 && major < 26) return candidate;
  }
  return undefined;
}
