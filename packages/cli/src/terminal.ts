/** Where a command reads from and writes to: that of the process, or one of a test. */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import pc from 'picocolors';

export interface Terminal {
  stdin: Readable & { isTTY?: boolean };
  stdout: Writable & { isTTY?: boolean };
  stderr: Writable & { isTTY?: boolean; columns?: number };
  environment: Readonly<Record<string, string | undefined>>;
  workingDirectory: string;
  /** What the process will exit with. */
  exitCode: number;
}

export type Colours = ReturnType<typeof pc.createColors>;

export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  return { stdin, stdout, stderr, environment: process.env, workingDirectory: process.cwd(), exitCode: 0 };
}

/** Colours of a stream: only on a terminal, and not under NO_COLOR (no-color.org). */
export function coloursOf(terminal: Terminal, stream: 'stdout' | 'stderr'): Colours {
  const { environment } = terminal;
  const isPlain = Boolean(environment.NO_COLOR) || environment.TERM === 'dumb' || !terminal[stream].isTTY;
  return pc.createColors(!isPlain);
}

/** Writes text and waits where the reader is slower. */
export async function write(stream: Writable, text: string | Uint8Array): Promise<void> {
  if (!stream.write(text)) await once(stream, 'drain');
}

/** One JSON document on one line of stdout. */
export function writeJson(terminal: Terminal, document: unknown): Promise<void> {
  return write(terminal.stdout, `${JSON.stringify(document)}\n`);
}

export function writeLine(terminal: Terminal, line = ''): Promise<void> {
  return write(terminal.stdout, `${line}\n`);
}

export function note(terminal: Terminal, line: string): Promise<void> {
  return write(terminal.stderr, `${line}\n`);
}

/** All bytes of a stream. */
export async function readAll(stream: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
