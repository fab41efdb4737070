/**
 * Blobs and outputs to files.
 *
 * Bytes are hashed while they stream into a part file beside the target; only a file with the right digest gets its
 * name, in one rename. A part file of a broken download is hashed and continued; a target that already has the digest
 * is left alone, so a download that was cut can simply be repeated.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { decodeFolderManifest, type FogClient, FogError, isRelativePath, LIMITS, type TaskOutput } from '@fog/contract';
import { makeFolder } from '@fog/contract/node';
import { SDK_LIMITS } from './limits.ts';
import { inParallel, retried } from './retry.ts';
import { digestOf } from './upload.ts';

export interface DownloadOptions {
  signal?: AbortSignal | undefined;
}

export interface DownloadedFile {
  path: string;
  digest: string;
  bytes: number;
  /** It was there already. */
  kept: boolean;
}

/** The whole blob in memory, verified. Throws `body-too-large` above `limitBytes`, `blob-digest-mismatch`. */
export async function downloadBytes(
  client: FogClient,
  digest: string,
  options: DownloadOptions & { limitBytes?: number } = {},
): Promise<Uint8Array> {
  const limitBytes = options.limitBytes ?? Number.POSITIVE_INFINITY;
  return retried(async () => {
    const stream = await client.getBlob(digest, abortable(options.signal));
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of unbroken(stream)) {
      bytes += chunk.length;
      if (bytes > limitBytes) throw new FogError('body-too-large', `${digest} is larger than ${limitBytes} bytes`);
      chunks.push(chunk);
    }
    const whole = new Uint8Array(Buffer.concat(chunks));
    if (digestOf(whole) !== digest) throw mismatch(digest);
    return whole;
  }, options.signal);
}

/** A blob to the file `target`; its folder is made. Throws `blob-not-found`, `blob-digest-mismatch`. */
export async function downloadFile(
  client: FogClient,
  digest: string,
  target: string,
  options: DownloadOptions = {},
): Promise<DownloadedFile> {
  const present = await hashFile(target);
  if (present?.digest === digest) return { path: target, digest, bytes: present.bytes, kept: true };
  folderFor(dirname(target));
  const part = join(dirname(target), `.${basename(target).slice(0, 128)}.${digest.slice(7, 23)}.part`);
  const bytes = await retried(() => continuePart(client, digest, part, options.signal), options.signal);
  await rename(part, target);
  return { path: target, digest, bytes, kept: false };
}

/** A folder manifest and all its files to the folder `target`. Paths that leave it are refused by the manifest. */
export async function downloadFolder(
  client: FogClient,
  digest: string,
  target: string,
  options: DownloadOptions = {},
): Promise<DownloadedFile[]> {
  const manifest = await downloadBytes(client, digest, { ...options, limitBytes: LIMITS.folderManifestBytes });
  const entries = decodeFolderManifest(new TextDecoder('utf-8', { fatal: true }).decode(manifest));
  folderFor(target);
  return inParallel(entries, SDK_LIMITS.concurrentTransfers, (entry) => {
    if (!isRelativePath(entry.path)) throw new FogError('invalid-request', `${entry.path} leaves the folder`);
    return downloadFile(client, entry.digest, join(target, ...entry.path.split('/')), options);
  });
}

/** One output of a task to `directory/NAME`, file or folder. */
export async function downloadOutput(
  client: FogClient,
  output: TaskOutput,
  directory: string,
  options: DownloadOptions = {},
): Promise<DownloadedFile[]> {
  if (!isRelativePath(output.name) || output.name.includes('/')) {
    throw new FogError('invalid-request', `${JSON.stringify(output.name)} cannot be the name of a file`);
  }
  const target = join(directory, output.name);
  if (output.type === 'folder') return downloadFolder(client, output.digest, target, options);
  return [await downloadFile(client, output.digest, target, options)];
}

/** Brings the part file to its end and returns its size. */
async function continuePart(
  client: FogClient,
  digest: string,
  part: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const hash = createHash('sha256');
  const present = await hashFile(part, hash);
  let offset = present?.bytes ?? 0;
  const { offset: totalBytes } = await client.blobOffset(digest, signal);
  if (offset > totalBytes) offset = 0;
  const file = await open(part, offset === 0 ? 'w' : 'a');
  try {
    const whole = offset === 0 ? createHash('sha256') : hash;
    let bytes = offset;
    if (offset < totalBytes) {
      const stream = await client.getBlob(digest, { offset, ...abortable(signal) });
      bytes += await append(file, whole, stream);
    }
    if (`sha256:${whole.digest('hex')}` === digest) {
      await file.sync();
      return bytes;
    }
    if (bytes < totalBytes) throw new FogError('unavailable', `the download of ${digest} broke off`);
  } finally {
    await file.close();
  }
  await rm(part, { force: true });
  // Bytes of an older, broken try may be at fault: those of one whole stream decide.
  if (offset > 0) return continuePart(client, digest, part, signal);
  throw mismatch(digest);
}

async function append(file: FileHandle, hash: Hash, stream: ReadableStream<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of unbroken(stream)) {
    hash.update(chunk);
    await file.writeFile(chunk);
    bytes += chunk.length;
  }
  return bytes;
}

/** A stream that breaks becomes a retryable `unavailable`. */
async function* unbroken(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream as unknown as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (cause instanceof FogError) throw cause;
    if ((cause as Error).name === 'AbortError') throw new FogError('cancelled', 'the download was aborted', { cause });
    throw new FogError('unavailable', 'the download broke off', { cause });
  }
}

async function hashFile(path: string, hash: Hash = createHash('sha256')) {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile()) return null;
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { digest: `sha256:${hash.copy().digest('hex')}`, bytes };
}

function abortable(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function mismatch(digest: string): FogError {
  return new FogError('blob-digest-mismatch', `what arrived is not ${digest}`, { details: { digest } });
}

function folderFor(path: string): void {
  try {
    makeFolder(path);
  } catch (cause) {
    throw new FogError('invalid-request', `cannot make the folder ${path}: ${(cause as Error).message}`, { cause });
  }
}
