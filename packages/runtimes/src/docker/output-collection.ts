/**
 * Takes the declared outputs from the writable folders of a container that has ended.
 *
 * Its processes are gone, but what they left may be anything. Only folders and plain files with one name are taken:
 * links could lead elsewhere, a pipe would block whoever opens it, a device is not the job's. Small files come back in
 * memory; larger ones are moved to the folder of results.
 */
import { constants } from 'node:fs';
import { copyFile, type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { FolderOwner } from '../folder-owner.ts';
import { DOCKER_LIMITS } from '../limits.ts';
import type { AttemptOutput, AttemptRequest, InputFile, OutputFile, OutputRequest } from '../runtime.ts';
import type { WritableFolder } from './attempt-folder.ts';
import { AttemptFailed } from './failure.ts';
import { isWithin } from './mount-plan.ts';
import { TooDeep, type WrittenEntry, walkWritten } from './written-files.ts';

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class OutputCollection {
  readonly #request: Pick<AttemptRequest, 'inputs' | 'outputs'>;
  readonly #writable: readonly WritableFolder[];
  readonly #resultsFolder: string;
  readonly #owner: FolderOwner;
  #results = 0;

  constructor(
    request: Pick<AttemptRequest, 'inputs' | 'outputs'>,
    writable: readonly WritableFolder[],
    results: { folder: string; owner: FolderOwner },
  ) {
    this.#request = request;
    this.#writable = writable;
    this.#resultsFolder = results.folder;
    this.#owner = results.owner;
  }

  /** Throws AttemptFailed with output-missing or output-invalid. */
  async collect(): Promise<AttemptOutput[]> {
    const outputs: AttemptOutput[] = [];
    for (const output of this.#request.outputs) outputs.push(await this.#collectOne(output));
    return outputs;
  }

  /** Removes what was moved for an attempt that failed in the end. Never rejects. */
  async discard(): Promise<void> {
    if (this.#results > 0) await rm(this.#resultsFolder, { recursive: true, force: true }).catch(() => {});
  }

  async #collectOne(output: OutputRequest): Promise<AttemptOutput> {
    const root = this.#writable.find(({ sandboxPath }) => isWithin(output.sandboxPath, sandboxPath));
    if (root === undefined) throw new TypeError('every output lies in a writable folder');
    // A file may be asked for twice, by itself and within a folder.
    const overlaps = this.#request.outputs.some(
      (other) =>
        other !== output &&
        (isWithin(other.sandboxPath, output.sandboxPath) || isWithin(output.sandboxPath, other.sandboxPath)),
    );
    const copies = root.kept || overlaps;
    const wanted = posix.relative(root.sandboxPath, output.sandboxPath);
    const inputs = this.#request.inputs.filter(({ sandboxPath }) => isWithin(sandboxPath, root.sandboxPath));
    const inputPaths = new Set(inputs.map(({ sandboxPath }) => posix.relative(root.sandboxPath, sandboxPath)));
    const files: OutputFile[] = [];
    let type: AttemptOutput['type'] | null = wanted === '' ? 'folder' : null;
    const visit = async (entry: WrittenEntry): Promise<boolean | 'skip'> => {
      const path = textOf(entry.path, output);
      // On the way to the output.
      if (wanted.startsWith(`${path}/`)) return entry.stats.isDirectory();
      if (wanted !== '' && path !== wanted && !path.startsWith(`${wanted}/`)) return 'skip';
      if (path === wanted) type = entry.stats.isDirectory() ? 'folder' : 'file';
      // The place of a mount, empty on this side; what the job saw there is added below.
      if (inputPaths.has(path)) return 'skip';
      if (entry.stats.isDirectory()) return true;
      const relativePath = posix.relative(wanted, path);
      files.push({ relativePath, content: await this.#take(entry, output, copies) });
      return true;
    };
    await this.#walk(root.hostPath, output, visit);
    for (const input of inputs.filter(({ sandboxPath }) => isWithin(sandboxPath, output.sandboxPath))) {
      if (input.sandboxPath === output.sandboxPath) type = 'file';
      files.push({
        relativePath: posix.relative(output.sandboxPath, input.sandboxPath),
        content: await this.#copyInput(input),
      });
    }
    if (type === null) {
      throw new AttemptFailed('output-missing', `The output ${output.name} is not there: ${output.sandboxPath}.`);
    }
    files.sort((a, b) => Buffer.compare(Buffer.from(a.relativePath), Buffer.from(b.relativePath)));
    return { name: output.name, type, files };
  }

  async #walk(root: string, output: OutputRequest, visit: Parameters<typeof walkWritten>[1]): Promise<void> {
    try {
      await walkWritten(root, visit);
    } catch (error) {
      if (error instanceof TooDeep) throw invalid(output, 'its folders are nested without end');
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') throw invalid(output, 'the job has taken away the right to read it');
      throw error;
    }
  }

  async #take(
    { path, stats, hostPath }: WrittenEntry,
    output: OutputRequest,
    copies: boolean,
  ): Promise<OutputFile['content']> {
    const name = textOf(path, output);
    if (!stats.isFile()) throw invalid(output, `${name} is a ${kindOf(stats)}`);
    const handle = await open(hostPath, READ_FLAGS);
    try {
      const opened = await handle.stat();
      if (!opened.isFile()) throw invalid(output, `${name} is not a file`);
      if (opened.nlink !== 1) throw invalid(output, `${name} is a hard link`);
      if (opened.size <= DOCKER_LIMITS.inlineOutputBytes) return { data: await readWhole(handle, opened.size) };
      const target = await this.#nextResult();
      // Of what is open, so that it is what was looked at.
      if (copies) await copyFile(hostPath, target);
      else await rename(hostPath, target).catch(() => copyFile(hostPath, target));
      return { hostPath: target, bytes: opened.size };
    } finally {
      await handle.close();
    }
  }

  async #copyInput({ hostPath, bytes }: InputFile): Promise<OutputFile['content']> {
    if (bytes <= DOCKER_LIMITS.inlineOutputBytes) return { data: await readFile(hostPath) };
    const target = await this.#nextResult();
    await copyFile(hostPath, target);
    return { hostPath: target, bytes };
  }

  async #nextResult(): Promise<string> {
    if (this.#results === 0) {
      await mkdir(this.#resultsFolder, { recursive: true, mode: 0o700 });
      await this.#owner.mark(this.#resultsFolder);
    }
    this.#results += 1;
    return join(this.#resultsFolder, String(this.#results - 1));
  }
}

function textOf(path: readonly Buffer[], output: OutputRequest): string {
  const bytes = path.flatMap((name, index) => (index === 0 ? [name] : [SLASH, name]));
  const whole = Buffer.concat(bytes);
  if (whole.length > DOCKER_LIMITS.outputPathBytes) throw invalid(output, 'a path in it is too long');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(whole);
  } catch {
    throw invalid(output, 'a name in it is not UTF-8');
  }
}

const SLASH = Buffer.from('/');

async function readWhole(handle: FileHandle, bytes: number): Promise<Uint8Array> {
  const data = new Uint8Array(bytes);
  let offset = 0;
  while (offset < bytes) {
    const { bytesRead } = await handle.read(data, offset, bytes - offset, offset);
    if (bytesRead === 0) break;
    offset += bytesRead;
  }
  return data.subarray(0, offset);
}

function kindOf(stats: WrittenEntry['stats']): string {
  if (stats.isSymbolicLink()) return 'symbolic link';
  if (stats.isFIFO()) return 'named pipe';
  if (stats.isSocket()) return 'socket';
  return 'device';
}

function invalid({ name }: OutputRequest, why: string): AttemptFailed {
  return new AttemptFailed(
    'output-invalid',
    `The output ${name} cannot be stored: ${why.replace(/\s+/g, ' ').slice(0, 300)}.`,
  );
}
