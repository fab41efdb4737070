/**
 * Takes the outputs out of the root of an attempt whose processes are all gone. The tree stands still, but it was made
 * by the job: links, fifos, devices and unsound names in an output make it `output-invalid`.
 *
 * Small files come back in memory, larger ones are moved to a folder beside the root.
 */

import type { Stats } from 'node:fs';
import { copyFile, type FileHandle, lstat, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isRelativePath } from '@fog/contract';
import { PROCESS_LIMITS } from '../limits.ts';
import type { AttemptOutput, AttemptRequest, OutputFile, OutputRequest } from '../runtime.ts';
import { type Failure, tooLarge } from './ending.ts';
import { childPath, openFile, openFolder, walkTree } from './tree-walk.ts';

export class OutputFault extends Error {
  override readonly name = 'OutputFault';
  readonly failure: Failure;

  constructor(reason: Failure['reason'], message: string) {
    super(message);
    this.failure = { reason, message, exitCode: null };
  }
}

export interface CollectOptions {
  request: Pick<AttemptRequest, 'outputs' | 'inputs' | 'limits' | 'checkpoint'>;
  rootPath: string;
  /** Where large files are moved to; made when needed. On the file system of the root. */
  filesPath: string;
  /** Paths in the sandbox of what is mounted there; in the root they are empty and no file of the job. */
  mounted: ReadonlySet<string>;
}

/** Rejects with OutputFault for what the job did. */
export async function collectOutputs(options: CollectOptions): Promise<AttemptOutput[]> {
  const collector = new Collector(options);
  const outputs: AttemptOutput[] = [];
  for (const output of options.request.outputs) outputs.push(await collector.collect(output));
  return outputs;
}

class Collector {
  readonly #options: CollectOptions;
  readonly #inputs: ReadonlyMap<string, string>;
  /** Whether one file may be in two outputs, so that it cannot be moved. */
  readonly #overlaps: boolean;
  #bytesLeft: number;
  #filesLeft: number;
  #inlineLeft: number = PROCESS_LIMITS.inlineOutputsBytes;
  #moved = 0;

  constructor(options: CollectOptions) {
    this.#options = options;
    const { inputs, outputs, limits } = options.request;
    this.#inputs = new Map(inputs.map(({ sandboxPath, hostPath }) => [sandboxPath, hostPath]));
    const paths = outputs.map(({ sandboxPath }) => sandboxPath);
    this.#overlaps = paths.some((path, index) => paths.some((other, at) => at !== index && isWithin(other, path)));
    const inputBytes = inputs.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#bytesLeft = (limits.diskBytes + inputBytes) * Math.max(1, outputs.length);
    this.#filesLeft = (limits.files + inputs.length) * Math.max(1, outputs.length);
  }

  async collect({ name, sandboxPath }: OutputRequest): Promise<AttemptOutput> {
    const parts = sandboxPath.split('/').filter((part) => part !== '');
    const last = parts.pop();
    let folder = await openFolder(this.#base(parts), true);
    try {
      for (const part of parts) {
        const child = await this.#enter(folder, part, name, sandboxPath);
        await folder.close();
        folder = child;
      }
      if (last === undefined) return { name, type: 'folder', files: await this.#folder(folder, name, sandboxPath) };
      const path = childPath(folder, last);
      const stats = await lstat(path).catch(() => null);
      if (stats === null) throw missing(name, sandboxPath);
      if (stats.isDirectory()) {
        const child = await openFolder(path, true);
        try {
          return { name, type: 'folder', files: await this.#folder(child, name, sandboxPath) };
        } finally {
          await child.close();
        }
      }
      return { name, type: 'file', files: [await this.#file(path, stats, '', name, sandboxPath)] };
    } finally {
      await folder.close();
    }
  }

  /** /checkpoint is a folder of its own; its first part is then used up. */
  #base(parts: string[]): string {
    const { checkpoint } = this.#options.request;
    if (checkpoint === null || parts[0] !== 'checkpoint') return this.#options.rootPath;
    parts.shift();
    return checkpoint.hostPath;
  }

  async #enter(folder: FileHandle, part: string, name: string, sandboxPath: string): Promise<FileHandle> {
    try {
      return await openFolder(childPath(folder, part), true);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw missing(name, sandboxPath);
      throw new OutputFault(
        'output-invalid',
        `The path ${sandboxPath} of output ${name} leads through ${part}, which is no folder.`,
      );
    }
  }

  async #folder(folder: FileHandle, name: string, sandboxPath: string): Promise<OutputFile[]> {
    const files: OutputFile[] = [];
    const top = sandboxPath === '/' ? '' : sandboxPath;
    try {
      for await (const { path, openPath, stats } of walkTree(folder, true)) {
        const relativePath = soundPath(path, name);
        const inside = `${top}/${relativePath}`;
        if (stats.isDirectory() || (this.#options.mounted.has(inside) && !this.#inputs.has(inside))) continue;
        files.push(await this.#file(openPath, stats, relativePath, name, inside));
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new OutputFault('output-invalid', `The folders of output ${name} are nested too deeply.`);
    }
    return files.sort((a, b) => Buffer.compare(Buffer.from(a.relativePath), Buffer.from(b.relativePath)));
  }

  async #file(path: Buffer, stats: Stats, relativePath: string, name: string, inside: string): Promise<OutputFile> {
    const shown = relativePath === '' ? `Output ${name}` : `${relativePath} of output ${name}`;
    const input = this.#inputs.get(inside);
    if (input === undefined && !stats.isFile()) {
      throw new OutputFault(
        'output-invalid',
        `${shown} is ${kindOf(stats)}, and only files and folders can be stored.`,
      );
    }
    if (input === undefined && stats.nlink !== 1) {
      throw new OutputFault(
        'output-invalid',
        `${shown} has several names (hard links), and such files cannot be stored.`,
      );
    }
    const file = await openFile(input ?? path);
    try {
      const { size } = await file.stat();
      this.#filesLeft -= 1;
      this.#bytesLeft -= size;
      if (this.#bytesLeft < 0 || this.#filesLeft < 0) {
        throw new OutputFault('output-too-large', tooLarge(this.#options.request.limits).message);
      }
      if (size <= PROCESS_LIMITS.inlineOutputBytes && size <= this.#inlineLeft) {
        this.#inlineLeft -= size;
        return { relativePath, content: { data: await file.readFile() } };
      }
      return { relativePath, content: { hostPath: await this.#move(path, file, input !== undefined), bytes: size } };
    } finally {
      await file.close();
    }
  }

  async #move(path: Buffer, file: FileHandle, isInput: boolean): Promise<string> {
    const { filesPath, request } = this.#options;
    await mkdir(filesPath, { recursive: true, mode: 0o700 });
    const target = join(filesPath, String(this.#moved));
    this.#moved += 1;
    const source = `/proc/self/fd/${file.fd}`;
    // The checkpoint stays as it is, and may lie on another file system.
    if (isInput || this.#overlaps || request.checkpoint !== null) {
      await copyFile(source, target);
      return target;
    }
    // No rights of the job's choosing, and no owner that is a later attempt.
    await file.chmod(0o600);
    if (process.getuid?.() === 0) await file.chown(0, 0);
    await rename(path, target);
    return target;
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

/** Rejects what a folder manifest cannot hold, with OutputFault. */
export function soundPath(path: Buffer, name: string): string {
  const text = path.toString('utf8');
  if (!Buffer.from(text).equals(path) || !isRelativePath(text) || path.length > PROCESS_LIMITS.outputPathBytes) {
    throw new OutputFault(
      'output-invalid',
      `Output ${name} has a file whose name cannot be stored: ${JSON.stringify(text).slice(0, 100)}.`,
    );
  }
  return text;
}

export function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return 'a symbolic link';
  if (stats.isFIFO()) return 'a fifo';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

function missing(name: string, sandboxPath: string): OutputFault {
  return new OutputFault('output-missing', `The program did not write the output ${name} at ${sandboxPath}.`);
}
