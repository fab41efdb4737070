/** Files of recorded work that a command line names, plain or compressed. */
import { access } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { FogError } from '@fog/contract';
import type { NodeShape } from '@fog/scheduler/packing';
import { readTrace, type Trace } from '@fog/scheduler/simulation';
import { parseOpenbNodes } from '@fog/scheduler/simulation/openb';
import { readGivenBytes } from '../given-files.ts';
import { CLI_LIMITS } from '../limits.ts';
import type { Terminal } from '../terminal.ts';

const GZIP_MAGIC = [0x1f, 0x8b];
/** What the public traces call the nodes of their tasks. */
const NODE_LISTS = ['openb_node_list_gpu_node.csv.gz', 'openb_node_list_gpu_node.csv'];
const unpack = promisify(gunzip);

/** Throws `invalid-request` when it cannot be read or unpacked, and as `readTrace` does. */
export async function readTraceFile(terminal: Terminal, file: string): Promise<Trace> {
  return readTrace(await readText(terminal, file), basename(file));
}

/**
 * The list that is named, or else the one that lies beside the tasks; null when there is none. Only tasks for GPUs have
 * nodes to be looked for.
 */
export async function readNodeList(
  terminal: Terminal,
  { trace, file, named }: { trace: Trace; file: string; named: string | undefined },
): Promise<NodeShape[] | null> {
  const list = named ?? (trace.kind === 'gpu-tasks' ? await nodeListBeside(terminal, file) : null);
  return list === null ? null : parseOpenbNodes(await readText(terminal, list), basename(list));
}

async function nodeListBeside(terminal: Terminal, file: string): Promise<string | null> {
  for (const name of NODE_LISTS) {
    const path = join(dirname(file), name);
    const isThere = await access(resolve(terminal.workingDirectory, path)).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return null;
}

async function readText(terminal: Terminal, file: string): Promise<string> {
  const content = await readGivenBytes(terminal, file);
  const isPacked = GZIP_MAGIC.every((byte, at) => content[at] === byte);
  const bytes = isPacked ? await unpacked(content, file) : content;
  if (bytes.length > CLI_LIMITS.traceBytes) throw tooLarge(file);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

async function unpacked(content: Uint8Array, file: string): Promise<Uint8Array> {
  try {
    return await unpack(content, { maxOutputLength: CLI_LIMITS.traceBytes });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(file);
    throw new FogError('invalid-request', `${file} cannot be unpacked: ${(cause as Error).message}`, {
      cause,
      hint: 'it is cut off or damaged: fetch it again',
    });
  }
}

function tooLarge(file: string): FogError {
  return new FogError('invalid-request', `${file} is larger than ${CLI_LIMITS.traceBytes} bytes`, {
    hint: 'cut the trace',
  });
}
