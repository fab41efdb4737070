/**
 * Copies the folder /checkpoint of an attempt, whose program may be running, so that the copy can be stored in peace.
 *
 * The tree is the job's: it is walked without following links (docker/written-files.ts), and links, pipes, sockets,
 * devices, files of several names and unsound names make the checkpoint invalid, as they would an output. Of a file
 * only its bytes are kept. Folders without files leave no trace.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { TooDeep, type WrittenEntry, walkWritten } from './docker/written-files.ts';
import { CHECKPOINT_LIMITS } from './limits.ts';
import { kindOf, OutputFault, soundPath } from './process/collect-outputs.ts';
import type { AttemptLimits, OutputFile } from './runtime.ts';

/** What the job has put into the folder cannot be kept. `failure` has the reason and one sentence. */
export const CheckpointFault = OutputFault;
export type CheckpointFault = OutputFault;

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const NAME = 'checkpoint';

export interface CheckpointCopy {
  files: OutputFile[];
  /** Nothing has changed in the folder from the beginning of the copy to its end. */
  isStable: boolean;
}

/**
 * `target` is made and belongs to the caller, also when this rejects: with CheckpointFault for what the job did, and
 * with the errors of the file system.
 */
export async function copyCheckpoint(
  folder: string,
  target: string,
  limits: Pick<AttemptLimits, 'diskBytes' | 'files'>,
): Promise<CheckpointCopy> {
  await mkdir(target, { mode: 0o700 });
  const copier = new Copier(target, limits);
  const before = new Map<string, string>();
  await walk(folder, async (entry) => {
    before.set(pathOf(entry), identity(entry.stats));
    await copier.take(entry);
    return true;
  });
  // What was looked at early may have changed since, and something may have come to be behind the walk.
  let isSame = true;
  let seen = 0;
  await walk(folder, (entry) => {
    seen += 1;
    isSame = before.get(pathOf(entry)) === identity(entry.stats);
    return isSame;
  });
  return { files: copier.files, isStable: isSame && seen === before.size };
}

async function walk(folder: string, visit: Parameters<typeof walkWritten>[1]): Promise<void> {
  try {
    await walkWritten(folder, visit);
  } catch (error) {
    if (error instanceof TooDeep)
      throw new OutputFault('output-invalid', 'The folders of /checkpoint are nested too deeply.');
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    throw new OutputFault('output-invalid', 'The program has taken away the right to read what is in /checkpoint.');
  }
}

class Copier {
  readonly files: OutputFile[] = [];
  readonly #target: string;
  readonly #limits: Pick<AttemptLimits, 'diskBytes' | 'files'>;
  #bytes = 0;
  #entries = 0;

  constructor(target: string, limits: Pick<AttemptLimits, 'diskBytes' | 'files'>) {
    this.#target = target;
    this.#limits = limits;
  }

  async take(entry: WrittenEntry): Promise<void> {
    const { stats, hostPath } = entry;
    this.#entries += 1;
    if (this.#entries > this.#limits.files) throw tooLarge(`more than ${this.#limits.files} files and folders`);
    const relativePath = soundPath(Buffer.from(pathOf(entry), 'latin1'), NAME);
    if (stats.isDirectory()) return;
    if (!stats.isFile()) throw invalid(relativePath, `is ${kindOf(stats)}`);
    const file = await open(hostPath, READ_FLAGS);
    try {
      const opened = await file.stat();
      if (!opened.isFile()) throw invalid(relativePath, `is ${kindOf(opened)}`);
      if (opened.nlink > 1) throw invalid(relativePath, 'has several names (hard links)');
      this.#bytes += opened.size;
      if (this.#bytes > this.#limits.diskBytes) throw tooLarge(`more than ${this.#limits.diskBytes} bytes`);
      const copyPath = join(this.#target, String(this.files.length));
      await copyBytes(file, copyPath, opened.size);
      this.files.push({ relativePath, content: { hostPath: copyPath, bytes: opened.size } });
    } finally {
      await file.close();
    }
  }
}

/** Never more than `bytes`, however fast the file grows. A file that has shrunk gives zeros; it is not stable then. */
async function copyBytes(file: FileHandle, path: string, bytes: number): Promise<void> {
  const copy = await open(path, 'wx', 0o600);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(CHECKPOINT_LIMITS.copyBytes, Math.max(1, bytes)));
    let at = 0;
    while (at < bytes) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, bytes - at), at);
      if (bytesRead === 0) break;
      const { bytesWritten } = await copy.write(buffer, 0, bytesRead, at);
      if (bytesWritten !== bytesRead) throw new Error('the disk is full');
      at += bytesRead;
    }
    await copy.truncate(bytes);
  } finally {
    await copy.close();
  }
}

/** Each byte of the name is a character: names need not be text. */
function pathOf({ path }: WrittenEntry): string {
  return path.map((name) => name.toString('latin1')).join('/');
}

function identity({ dev, ino, mode, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, mode, size, mtimeMs, ctimeMs].join(' ');
}

function invalid(relativePath: string, why: string): OutputFault {
  return new OutputFault(
    'output-invalid',
    `/checkpoint/${relativePath} ${why}, and only files and folders can be kept.`,
  );
}

function tooLarge(what: string): OutputFault {
  return new OutputFault('output-too-large', `The program has put ${what} into /checkpoint.`);
}
