/** Files that a command line names. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { FogError } from '@fog/contract';
import type { Terminal } from './terminal.ts';

/** Of the system's codes those that people meet; `name` is the file as it was given. */
const WORDS: Readonly<Record<string, (name: string) => string>> = {
  ENOENT: (name) => `there is no file ${name}`,
  ENOTDIR: (name) => `there is no file ${name}`,
  EISDIR: (name) => `${name} is a folder, and a file is needed`,
  EACCES: (name) => `${name} may not be read by you`,
};

/** The text of a file, relative to the working directory. Throws `invalid-request` in words for people. */
export async function readGivenFile(terminal: Terminal, name: string): Promise<string> {
  return Buffer.from(await readGivenBytes(terminal, name)).toString('utf8');
}

/** The same, as it lies on the disk. */
export async function readGivenBytes(terminal: Terminal, name: string): Promise<Uint8Array> {
  try {
    return await readFile(resolve(terminal.workingDirectory, name));
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    throw new FogError('invalid-request', WORDS[code]?.(name) ?? `cannot read ${name}: ${message}`, { cause });
  }
}
