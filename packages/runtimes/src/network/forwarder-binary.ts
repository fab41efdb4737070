/**
 * The forwarder as a program: compiled at first use from the source beside this file, statically, for this machine, and
 * kept in a folder under a name that carries the hash of the source. Sandboxes get it read-only.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chmod, constants, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { NETWORK_LIMITS } from '../limits.ts';

export type ForwarderBinary =
  | { available: true; path: string }
  /** `reason` completes "…, and <reason>"; `hint` completes "on the node: <hint>". */
  | { available: false; reason: string; hint: string };

const SOURCE = join(import.meta.dirname, 'forwarder.c');
const COMPILERS = ['cc', 'gcc', 'clang'];
const HINT = 'apt install gcc libc6-dev (or dnf, pacman, apk: a C compiler that links statically)';

const run = promisify(execFile);
const underWay = new Map<string, Promise<ForwarderBinary>>();

/** Never rejects. `compilers` is for tests. */
export function forwarderBinary(
  cacheDirectory: string,
  compilers: readonly string[] = COMPILERS,
): Promise<ForwarderBinary> {
  const key = JSON.stringify([cacheDirectory, compilers]);
  const known = underWay.get(key);
  if (known !== undefined) return known;
  const building = build(cacheDirectory, compilers).catch((error: Error): ForwarderBinary => {
    return { available: false, reason: `the forwarder could not be built (${error.message})`, hint: HINT };
  });
  underWay.set(key, building);
  // What failed is tried again at the next use: a compiler may have been installed.
  void building.finally(() => underWay.delete(key));
  return building;
}

/** `yes`, or why not, without compiling anything: nodes that are never asked for a network need none. */
export async function networkOutlook(): Promise<string> {
  if (process.platform !== 'linux') return `no: the forwarder is for Linux, not ${process.platform}`;
  const folders = (process.env.PATH ?? '/usr/bin:/bin').split(delimiter);
  const places = folders.flatMap((folder) => COMPILERS.map((name) => join(folder, name)));
  const found = await Promise.all(places.map(isExecutable));
  return found.includes(true) ? 'yes' : `no: there is no C compiler; ${HINT}`;
}

async function build(cacheDirectory: string, compilers: readonly string[]): Promise<ForwarderBinary> {
  if (process.platform !== 'linux') {
    return { available: false, reason: `the forwarder is for Linux, not ${process.platform}`, hint: 'use Linux' };
  }
  const source = await readFile(SOURCE);
  const hash = createHash('sha256').update(source).digest('hex').slice(0, 16);
  const path = join(cacheDirectory, `forwarder-${hash}-${process.arch}`);
  if (await isExecutable(path)) return { available: true, path };
  await mkdir(cacheDirectory, { recursive: true, mode: 0o700 });
  const faults: string[] = [];
  for (const compiler of compilers) {
    const partial = `${path}.${process.pid}.${compiler}`;
    try {
      await run(compiler, ['-static', '-O2', '-s', '-o', partial, SOURCE], {
        timeout: NETWORK_LIMITS.compileMilliseconds,
        // The compiler needs the path of its parts and nothing else of ours.
        env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' },
      });
      await chmod(partial, 0o555);
      await rename(partial, path);
      return { available: true, path };
    } catch (error) {
      await rm(partial, { force: true });
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') faults.push(`${compiler}: ${firstLine(error)}`);
    }
  }
  const reason =
    faults.length === 0 ? 'there is no C compiler' : `the forwarder does not compile (${faults.join('; ')})`;
  return { available: false, reason, hint: HINT };
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function firstLine(error: unknown): string {
  const { stderr = '', message } = error as Error & { stderr?: string };
  return (stderr.trim() || message).split('\n')[0]?.slice(0, 200) ?? '';
}
