/** Programs for the process runtime: small scripts for the shell of this machine, and C where a shell cannot do it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { probeLauncher } from '../../src/process/probe.ts';
import type { AttemptRequest, ProcessProgram } from '../../src/runtime.ts';
import type { Stage } from '../runtime-stage.ts';

const launcher = await probeLauncher();

/** Why sandboxes cannot be tested here, or false. With FOG_REQUIRE_BUBBLEWRAP=1 the tests run, and fail. */
export const skipProcess: string | false =
  launcher.available || process.env.FOG_REQUIRE_BUBBLEWRAP === '1' ? false : launcher.reason;

export const NO_NETWORK = { allow: [], inbound: false } as const;

export function processProgram(command: readonly string[], part: Partial<ProcessProgram> = {}): ProcessProgram {
  return { runtime: 'process', command, rootPath: null, workingDirectory: '/tmp', network: NO_NETWORK, ...part };
}

/** A script; the args of the request are its `$1` and so on. */
export function shell(
  stage: Stage,
  script: string,
  part: Partial<AttemptRequest> & { outputs?: AttemptRequest['outputs'] } = {},
  program: Partial<ProcessProgram> = {},
): AttemptRequest {
  return stage.request({ program: processProgram(['sh', '-c', script, 'sh'], program), ...part });
}

export const RESULT = [{ name: 'result', sandboxPath: '/out/result' }];

const COMPILER = ['/usr/bin/cc', '/usr/bin/gcc', '/usr/bin/clang'].find((path) => existsSync(path));
export const skipCompiler: string | false = COMPILER === undefined ? 'there is no C compiler here' : false;

/** Compiles a program statically and answers where it lies. */
export async function compile(folder: string, name: string, source: string): Promise<string> {
  if (COMPILER === undefined) throw new Error('no compiler');
  await writeFile(join(folder, `${name}.c`), source);
  await promisify(execFile)(COMPILER, ['-static', '-O1', '-o', join(folder, name), join(folder, `${name}.c`)]);
  return join(folder, name);
}
