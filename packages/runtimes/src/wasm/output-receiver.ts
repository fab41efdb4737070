/**
 * Takes the outputs of an attempt from its child. A child that ran a job is not trusted: names, paths, order and sizes
 * are checked against the request, and anything that a sound child cannot have sent throws ProtocolError.
 *
 * Small files come back in memory, larger ones are written to the scratch folder as they arrive, so that the memory of
 * this process does not grow with the outputs.
 */
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { WASM_LIMITS } from '../limits.ts';
import type { AttemptOutput, AttemptRequest, OutputFile } from '../runtime.ts';
import type { FileMessage, OutputMessage } from './protocol.ts';

export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

type Sink = { bytes: number; received: number } & (
  | { kind: 'memory'; data: Uint8Array }
  | { kind: 'file'; handle: FileHandle }
);

export class OutputReceiver {
  readonly #request: AttemptRequest;
  readonly #folder: string;
  readonly #outputs: AttemptOutput[] = [];
  #sink: Sink | null = null;
  #files = 0;
  #scratchFiles = 0;
  /** Bytes that may still come: what the guest may have written, and inputs that lie in an output folder. */
  #bytesLeft: number;

  constructor(request: AttemptRequest, scratchDirectory: string) {
    this.#request = request;
    this.#folder = join(scratchDirectory, encodeURIComponent(request.attemptId));
    const inputBytes = request.inputs.reduce((sum, input) => sum + input.bytes, 0);
    // One file may be in several outputs, when one output lies within another.
    this.#bytesLeft = (request.limits.diskBytes + inputBytes) * Math.max(1, request.outputs.length);
  }

  output({ name, type }: OutputMessage): void {
    this.#requireNoSink();
    const expected = this.#request.outputs[this.#outputs.length]?.name;
    if (name !== expected || (type !== 'file' && type !== 'folder')) throw new ProtocolError('an unexpected output');
    this.#outputs.push({ name, type, files: [] });
  }

  async file({ relativePath, bytes }: FileMessage): Promise<void> {
    this.#requireNoSink();
    const output = this.#outputs.at(-1);
    if (output === undefined || !isSoundPath(relativePath, output.type)) throw new ProtocolError('an unsound path');
    if (output.type === 'file' && output.files.length > 0) throw new ProtocolError('a second file');
    this.#files += 1;
    this.#bytesLeft -= bytes;
    const filesMaximum = (this.#request.limits.files + this.#request.inputs.length) * this.#request.outputs.length;
    if (!Number.isSafeInteger(bytes) || bytes < 0 || this.#bytesLeft < 0 || this.#files > filesMaximum) {
      throw new ProtocolError('more output than the limits allow');
    }
    if (bytes <= WASM_LIMITS.inlineOutputBytes) {
      const data = new Uint8Array(bytes);
      output.files.push({ relativePath, content: { data } });
      this.#sink = bytes === 0 ? null : { kind: 'memory', bytes, received: 0, data };
      return;
    }
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const hostPath = join(this.#folder, String(this.#scratchFiles));
    this.#scratchFiles += 1;
    this.#sink = { kind: 'file', bytes, received: 0, handle: await open(hostPath, 'wx', 0o600) };
    const file: OutputFile = { relativePath, content: { hostPath, bytes } };
    output.files.push(file);
  }

  async content(data: Uint8Array): Promise<void> {
    const sink = this.#sink;
    if (sink === null || sink.received + data.length > sink.bytes) throw new ProtocolError('content without a file');
    if (sink.kind === 'memory') sink.data.set(data, sink.received);
    else await sink.handle.writeFile(data);
    sink.received += data.length;
    if (sink.received < sink.bytes) return;
    this.#sink = null;
    if (sink.kind === 'file') await sink.handle.close();
  }

  /** The outputs, once all are complete. */
  finish(): AttemptOutput[] {
    this.#requireNoSink();
    if (this.#outputs.length !== this.#request.outputs.length) throw new ProtocolError('an output did not come');
    for (const output of this.#outputs) {
      if (output.type === 'file' && output.files.length !== 1) throw new ProtocolError('a file output without a file');
    }
    return this.#outputs;
  }

  /** Removes what was written for an attempt that failed. Never rejects. */
  async discard(): Promise<void> {
    const sink = this.#sink;
    this.#sink = null;
    if (sink?.kind === 'file') await sink.handle.close().catch(() => {});
    if (this.#scratchFiles > 0) await rm(this.#folder, { recursive: true, force: true }).catch(() => {});
  }

  #requireNoSink(): void {
    if (this.#sink !== null) throw new ProtocolError('a file is not complete');
  }
}

function isSoundPath(relativePath: unknown, type: AttemptOutput['type']): boolean {
  if (typeof relativePath !== 'string') return false;
  if (type === 'file') return relativePath === '';
  if (Buffer.byteLength(relativePath) > WASM_LIMITS.outputPathBytes || relativePath.includes('\0')) return false;
  return relativePath.split('/').every((name) => name !== '' && name !== '.' && name !== '..');
}
