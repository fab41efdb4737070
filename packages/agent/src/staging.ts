/** Brings everything an attempt reads onto this machine before it starts. */
import { readFile } from 'node:fs/promises';
import {
  decodeFolderManifest,
  FogError,
  type FolderEntry,
  type JobInput,
  type JobSpec,
  LIMITS,
  type TaskSpec,
} from '@fog/contract';
import type { AttemptRequest, InputFile, Program } from '@fog/runtimes';
import { AttemptFailure } from './attempt-failure.ts';
import type { BlobCache } from './blob-cache.ts';
import type { Cached } from './disk-cache.ts';
import { AGENT_LIMITS } from './limits.ts';
import type { RootCache } from './root-cache.ts';
import { forEachAtOnce } from './transfers.ts';

type Cache = Pick<BlobCache, 'acquire' | 'release' | 'has' | 'pathOf'>;

/** What an attempt may find on this machine already. */
export interface Shelves {
  cache: Cache;
  roots: Pick<RootCache, 'acquire' | 'release' | 'has' | 'pathOf'>;
}

export interface StagedFiles {
  stdin: AttemptRequest['stdin'];
  inputs: InputFile[];
  /** The blobs and the root may be dropped from then on. Idempotent. */
  release(): void;
}

/** The blob of the program, null for programs that are none. */
function programDigest(task: TaskSpec): string | null {
  return task.wasm?.module ?? task.javascript?.script ?? null;
}

/**
 * The program as runtimes want it, whether its blob or root is here yet or not; null where the specification lacks it. What is
 * secret of it comes with the attempt.
 */
export function programOf(
  { task, budget }: Pick<JobSpec['spec'], 'task' | 'budget'>,
  { cache, roots }: { [Shelf in keyof Shelves]: Pick<Shelves[Shelf], 'pathOf'> },
): Program | null {
  const { wasm, javascript, docker, kubernetes } = task;
  const network = { allow: task.network === 'none' ? [] : task.network.allow, inbound: isReached(task) };
  if (wasm !== undefined) {
    return {
      runtime: 'wasm',
      modulePath: cache.pathOf(wasm.module),
      moduleDigest: wasm.module,
      ...(budget?.meter === 'fuel' ? { meter: 'fuel' } : {}),
    };
  }
  if (javascript !== undefined) {
    return { runtime: 'javascript', scriptPath: cache.pathOf(javascript.script), engine: javascript.engine };
  }
  if (task.process !== undefined) {
    const { command, root, workingDirectory = '/' } = task.process;
    const rootPath = root === undefined ? null : roots.pathOf(root);
    return { runtime: 'process', command, rootPath, workingDirectory, network };
  }
  if (docker !== undefined) {
    const { image, pull, command = null, workingDirectory = null } = docker;
    return { runtime: 'docker', image, pull, command, workingDirectory, credentials: null, network };
  }
  if (kubernetes !== undefined) {
    const { image, command = null, workingDirectory = null } = kubernetes;
    return { runtime: 'kubernetes', image, command, workingDirectory, network };
  }
  return null;
}

/** Whether the agent has to get into the sandbox. A command in a container is run by its engine. */
function isReached({ ports = [], health, runtime }: TaskSpec): boolean {
  const isAsked = health !== undefined && (health.command === undefined || runtime !== 'docker');
  return ports.length > 0 || isAsked;
}

/** Whether nothing has to be fetched, as far as can be told without opening folder manifests. */
export function isStaged(
  task: TaskSpec,
  { cache, roots }: { [Shelf in keyof Shelves]: Pick<Shelves[Shelf], 'has'> },
): boolean {
  if (task.process?.root !== undefined && !roots.has(task.process.root)) return false;
  return task.inputs.every(({ source }) => cache.has(source)) && [...otherDigests(task)].every((it) => cache.has(it));
}

function* otherDigests(task: TaskSpec): Generator<string> {
  const program = programDigest(task);
  if (program !== null) yield program;
  if (task.stdin !== undefined && 'source' in task.stdin) yield task.stdin.source;
}

/**
 * Fetches program, root, standard input and inputs. Throws `AttemptFailure`: `input-missing` when a blob does not exist or
 * is not what the specification says, `sandbox` when it cannot be had. Nothing stays acquired when it throws.
 */
export async function stage(task: TaskSpec, { cache, roots }: Shelves, signal: AbortSignal): Promise<StagedFiles> {
  const { acquire, release: releaseBlobs } = acquisitions(cache);
  const root = acquisitions(roots);
  const release = (): void => {
    releaseBlobs();
    root.release();
  };
  try {
    const program = programDigest(task);
    if (program !== null) await acquire(program, 'the program', signal);
    if (task.process?.root !== undefined) await root.acquire(task.process.root, 'the root', signal);
    let stdin: StagedFiles['stdin'] = null;
    if (task.stdin !== undefined) {
      stdin =
        'text' in task.stdin
          ? { data: Buffer.from(task.stdin.text) }
          : { hostPath: (await acquire(task.stdin.source, 'the standard input', signal)).hostPath };
    }
    const inputs = task.inputs.length === 0 ? [] : await stageInputs(task.inputs, acquire, signal);
    return { stdin, inputs, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Fetches the files of one folder; their sandbox paths begin with `path`. Fails as `stage` does. */
export async function stageFolder(
  { manifest, path }: { manifest: string; path: string },
  cache: Cache,
  signal: AbortSignal,
): Promise<Pick<StagedFiles, 'inputs' | 'release'>> {
  const { acquire, release } = acquisitions(cache);
  try {
    const inputs = await stageInputs([{ source: manifest, path, type: 'folder' }], acquire, signal);
    return { inputs, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** What is kept from being dropped until all of it is released. */
function acquisitions(shelf: Pick<Cache, 'acquire' | 'release'>): { acquire: Acquire; release: () => void } {
  const held: string[] = [];
  const acquire: Acquire = async (digest, what, until) => {
    try {
      const kept = await shelf.acquire(digest, until);
      held.push(digest);
      return kept;
    } catch (error) {
      if (error instanceof AttemptFailure) {
        throw new AttemptFailure(error.reason, `${what}: ${error.message}`, { cause: error });
      }
      throw error;
    }
  };
  const release = (): void => {
    for (const digest of held.splice(0)) shelf.release(digest);
  };
  return { acquire, release };
}

type Acquire = (digest: string, what: string, until: AbortSignal) => Promise<Cached>;

async function stageInputs(inputs: readonly JobInput[], acquire: Acquire, signal: AbortSignal): Promise<InputFile[]> {
  const files: InputFile[] = [];
  const folderEntries: { entry: FolderEntry; sandboxPath: string; what: string }[] = [];
  const { transfersPerAttempt } = AGENT_LIMITS;
  await forEachAtOnce(inputs, transfersPerAttempt, signal, async (input, until) => {
    const what = `input ${input.path}`;
    const blob = await acquire(input.source, what, until);
    if (input.type === 'file') {
      files.push({ sandboxPath: input.path, hostPath: blob.hostPath, bytes: blob.bytes });
      return;
    }
    for (const entry of await readManifest(blob, what)) {
      folderEntries.push({ entry, sandboxPath: `${input.path}/${entry.path}`, what: `${what}/${entry.path}` });
    }
  });
  await forEachAtOnce(folderEntries, transfersPerAttempt, signal, async ({ entry, sandboxPath, what }, until) => {
    const blob = await acquire(entry.digest, what, until);
    if (blob.bytes !== entry.bytes) {
      throw new AttemptFailure('input-missing', `${what} has ${blob.bytes} bytes, its manifest says ${entry.bytes}`);
    }
    files.push({ sandboxPath, hostPath: blob.hostPath, bytes: blob.bytes });
  });
  checkPaths(files);
  return files;
}

async function readManifest(blob: Cached, what: string): Promise<FolderEntry[]> {
  if (blob.bytes > LIMITS.folderManifestBytes) {
    throw new AttemptFailure('input-missing', `${what} is no folder manifest: it has ${blob.bytes} bytes`);
  }
  try {
    return decodeFolderManifest(await readFile(blob.hostPath, 'utf8'));
  } catch (error) {
    if (!(error instanceof FogError)) throw error;
    throw new AttemptFailure('input-missing', `${what}: ${error.message}`, { cause: error });
  }
}

/** Two inputs may not claim one place, nor one lie inside another that is a file. */
function checkPaths(files: readonly InputFile[]): void {
  const paths = new Set<string>();
  for (const { sandboxPath } of files) {
    if (paths.has(sandboxPath)) throw new AttemptFailure('input-missing', `two inputs are named ${sandboxPath}`);
    paths.add(sandboxPath);
  }
  for (const path of paths) {
    for (let slash = path.indexOf('/', 1); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      const parent = path.slice(0, slash);
      if (paths.has(parent))
        throw new AttemptFailure('input-missing', `input ${path} lies in ${parent}, which is a file`);
    }
  }
}
