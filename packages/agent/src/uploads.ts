/** Stores the outputs of an attempt with the coordinator, by digest. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { encodeFolderManifest, FogError, type FolderEntry, isRelativePath, type TaskOutput } from '@fog/contract';
import type { AttemptOutput, OutputFile } from '@fog/runtimes';
import { AttemptFailure } from './attempt-failure.ts';
import { AGENT_LIMITS } from './limits.ts';
import { type BlobClient, forEachAtOnce, type Transfers } from './transfers.ts';

type Content = OutputFile['content'];

export function contentBytes(content: Content): number {
  return 'data' in content ? content.data.byteLength : content.bytes;
}

/** Digests that the coordinator is known to have: their bytes are not offered to it again. */
export interface KnownBlobs {
  has(digest: string): boolean;
  add(digest: string): void;
}

const NONE_KNOWN: KnownBlobs = { has: () => false, add: () => {} };

/**
 * Stores all files, then the manifests of folders. Throws `AttemptFailure`: `output-invalid` for names that cannot be
 * stored, `output-too-large` and `upload` when the coordinator does not take the bytes.
 */
export function uploadOutputs(
  outputs: readonly AttemptOutput[],
  transfers: Pick<Transfers, 'run'>,
  signal: AbortSignal,
  known: KnownBlobs = NONE_KNOWN,
): Promise<TaskOutput[]> {
  return digestOutputs(outputs, signal, async (digest, content, until, output) => {
    if (!known.has(digest)) await storeBlob(digest, content, transfers, until, output);
    known.add(digest);
  });
}

/** What `uploadOutputs` would answer, with nothing stored. Throws `AttemptFailure` `output-invalid`. */
export function describeOutputs(outputs: readonly AttemptOutput[], signal: AbortSignal): Promise<TaskOutput[]> {
  return digestOutputs(outputs, signal, async () => undefined);
}

/** Throws `AttemptFailure` `output-too-large` for a file that the coordinator would not take. */
export function requireStorable(outputs: readonly AttemptOutput[], blobBytes: number): void {
  for (const { name, files } of outputs) {
    for (const { relativePath, content } of files) {
      const bytes = contentBytes(content);
      if (bytes <= blobBytes) continue;
      const file = relativePath === '' ? '' : `: ${JSON.stringify(relativePath)}`;
      const message = `output "${name}" has ${bytes} bytes${file}, the coordinator takes ${blobBytes}`;
      throw new AttemptFailure('output-too-large', message);
    }
  }
}

/** `store` is given every file and manifest with its digest. */
async function digestOutputs(
  outputs: readonly AttemptOutput[],
  signal: AbortSignal,
  store: (digest: string, content: Content, until: AbortSignal, output: string) => Promise<void>,
): Promise<TaskOutput[]> {
  const stored: TaskOutput[] = [];
  for (const output of outputs) checkNames(output);
  for (const output of outputs) {
    const entries: FolderEntry[] = [];
    await forEachAtOnce(output.files, AGENT_LIMITS.transfersPerAttempt, signal, async (file, until) => {
      const digest = await digestOf(file.content, until);
      await store(digest, file.content, until, output.name);
      entries.push({ path: file.relativePath, digest, bytes: contentBytes(file.content) });
    });
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    if (output.type === 'file') {
      stored.push({ name: output.name, type: 'file', digest: (entries[0] as FolderEntry).digest, bytes });
      continue;
    }
    const manifest = { data: encodeManifest(output.name, entries) };
    const digest = await digestOf(manifest, signal);
    await store(digest, manifest, signal, output.name);
    stored.push({ name: output.name, type: 'folder', digest, bytes });
  }
  return stored;
}

function checkNames(output: AttemptOutput): void {
  const paths = output.files.map(({ relativePath }) => relativePath);
  const isValid =
    output.type === 'file' ? paths.length === 1 && paths[0] === '' : paths.every((path) => isRelativePath(path));
  if (isValid) return;
  const wrong = paths.find((path) => !isRelativePath(path)) ?? '';
  throw new AttemptFailure(
    'output-invalid',
    `output "${output.name}" has a file whose name cannot be stored: ${JSON.stringify(wrong)}`,
  );
}

function encodeManifest(name: string, entries: readonly FolderEntry[]): Uint8Array {
  try {
    return encodeFolderManifest(entries);
  } catch (error) {
    const { message } = FogError.from(error);
    throw new AttemptFailure('output-invalid', `output "${name}" cannot be stored: ${message}`, { cause: error });
  }
}

async function digestOf(content: Content, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  if ('data' in content) hash.update(content.data);
  else await pipeline(createReadStream(content.hostPath), hash, { signal });
  return `sha256:${hash.digest('hex')}`;
}

async function storeBlob(
  digest: string,
  content: Content,
  transfers: Pick<Transfers, 'run'>,
  signal: AbortSignal,
  output: string,
): Promise<void> {
  const upload = new Upload(digest, content);
  try {
    await transfers.run(
      (client, tryFor) => upload.goOn(client, tryFor),
      () => upload.storedBytes,
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AttemptFailure) throw error;
    const isTooLarge = error instanceof FogError && error.code === 'body-too-large';
    const message = error instanceof Error ? error.message : String(error);
    throw new AttemptFailure(
      isTooLarge ? 'output-too-large' : 'upload',
      `output "${output}" could not be stored: ${message}`,
      { cause: error },
    );
  }
}

/** One blob on its way to the coordinator, over as many connections as it takes. */
class Upload {
  /** Where the coordinator was when it was last asked. */
  storedBytes = 0;
  readonly #digest: string;
  readonly #content: Content;
  #isFirstTry = true;
  #wrongDigests = 0;

  constructor(digest: string, content: Content) {
    this.#digest = digest;
    this.#content = content;
  }

  async goOn(client: BlobClient, signal: AbortSignal): Promise<void> {
    const isDirect = this.#isFirstTry && contentBytes(this.#content) <= AGENT_LIMITS.directUploadBytes;
    this.#isFirstTry = false;
    if (!isDirect) {
      const { complete, offset } = await client.blobOffset(this.#digest, signal);
      if (complete) return;
      this.storedBytes = Math.min(offset, contentBytes(this.#content));
    }
    try {
      await client.putBlob(this.#digest, bodyFrom(this.#content, this.storedBytes), {
        offset: this.storedBytes,
        signal,
      });
    } catch (error) {
      if (!(error instanceof FogError)) throw error;
      // Somebody else stores the same blob, or began to: the next try asks first what is there.
      if (error.code === 'blob-offset-mismatch' || error.code === 'conflict') throw retryable(error);
      if (error.code !== 'blob-digest-mismatch') throw error;
      this.#wrongDigests += 1;
      if (this.#wrongDigests > AGENT_LIMITS.digestRetries) throw error;
      throw retryable(error);
    }
  }
}

function retryable(error: FogError): FogError {
  return new FogError(error.code, error.message, { retryable: true, details: error.details, cause: error });
}

function bodyFrom(content: Content, offset: number): Uint8Array | ReadableStream<Uint8Array> {
  if ('data' in content) return content.data.subarray(offset);
  const file = createReadStream(content.hostPath, { start: offset });
  return Readable.toWeb(file) as ReadableStream<Uint8Array>;
}
