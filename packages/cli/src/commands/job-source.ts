/** What `fog run` and `fog plan` take: a specification in YAML or JSON, or a program as it is. */
import { basename, dirname, extname, resolve } from 'node:path';
import { FogError, readSpecText, readSpecTexts } from '@fog/contract';
import { checkSpec } from '@fog/sdk';
import { readGivenFile } from '../given-files.ts';
import { readAll, type Terminal } from '../terminal.ts';

export interface JobSource {
  document: unknown;
  baseDirectory: string;
}

const PROGRAMS: Readonly<Record<string, 'javascript' | 'wasm'>> = {
  '.js': 'javascript',
  '.mjs': 'javascript',
  '.wasm': 'wasm',
};

/**
 * Reads FILE: `-` is a specification on standard input; `.js`, `.mjs` and `.wasm` become a job of one task with
 * `args`. `isDeployed`: it needs a name. Throws `invalid-spec` or `unsupported` with all faults, files that do not exist
 * included.
 */
export async function readJobSource(
  terminal: Terminal,
  file: string,
  args: readonly string[],
  { isDeployed = false } = {},
): Promise<JobSource> {
  const path = resolve(terminal.workingDirectory, file);
  const runtime = PROGRAMS[extname(file).toLowerCase()];
  if (runtime === undefined && args.length > 0) {
    throw new FogError('invalid-request', 'arguments after FILE are for programs (.js, .mjs, .wasm)', {
      hint: 'write them as spec.task.args',
    });
  }
  const source: JobSource =
    runtime === undefined
      ? { document: readSpecText(await readText(terminal, file)), baseDirectory: dirname(path) }
      : { document: programSpec(runtime, path, args), baseDirectory: dirname(path) };
  await checkSpec(source.document, { baseDirectory: source.baseDirectory, isDeployed });
  return source;
}

/**
 * What `fog run` takes: as above, or a file of several jobs that wait for each other. The documents of a workflow are
 * checked when they are submitted.
 */
export async function readJobSources(
  terminal: Terminal,
  file: string,
  args: readonly string[],
): Promise<{ documents: unknown[]; baseDirectory: string }> {
  const isProgram = PROGRAMS[extname(file).toLowerCase()] !== undefined;
  const text = isProgram || args.length > 0 ? null : await readText(terminal, file);
  const documents = text === null ? [] : readSpecTexts(text);
  const baseDirectory = dirname(resolve(terminal.workingDirectory, file));
  if (documents.length > 1) return { documents, baseDirectory };
  if (text === null) return one(await readJobSource(terminal, file, args));
  const document = documents[0] ?? null;
  await checkSpec(document, { baseDirectory });
  return { documents: [document], baseDirectory };
}

function one({ document, baseDirectory }: JobSource) {
  return { documents: [document], baseDirectory };
}

async function readText(terminal: Terminal, file: string): Promise<string> {
  const isStdin = file === '-';
  return isStdin ? new TextDecoder().decode(await readAll(terminal.stdin)) : await readGivenFile(terminal, file);
}

function programSpec(runtime: 'javascript' | 'wasm', path: string, args: readonly string[]): unknown {
  const name = basename(path)
    .replace(/\.[^.]+$/, '')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  const program =
    runtime === 'wasm' ? { wasm: { module: basename(path) } } : { javascript: { script: basename(path) } };
  return {
    kind: 'Job',
    metadata: { name: name.slice(0, 60).replace(/-+$/, '') || 'job' },
    spec: { task: { runtime, ...program, args } },
  };
}
