/**
 * Bytes, files and folders to blobs.
 *
 * A blob is named by its digest, so the bytes are hashed before they are sent: small files are read once, large ones
 * streamed twice. The coordinator tells how much of a broken upload it kept, and verifies the digest of the whole.
 * A folder is its manifest; equal folders have equal manifests wherever they are uploaded from.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { Readable } from 'node:stream';
import {
  encodeFolderManifest,
  type FogClient,
  FogError,
  type FolderEntry,
  isRelativePath,
  LIMITS,
} from '@fog/contract';
import { SDK_LIMITS } from './limits.ts';
import { inParallel, retried, throwIfAborted } from './retry.ts';

export interface UploadedBlob {
  digest: string;
  /** Of the file, or of all files of the folder. */
  bytes: number;
  type: 'file' | 'folder';
}

export interface UploadOptions {
  signal?: AbortSignal | undefined;
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Uploads bytes unless the coordinator has them. */
export async function uploadBytes(
  client: FogClient,
  bytes: Uint8Array,
  options: UploadOptions = {},
): Promise<UploadedBlob> {
  const digest = digestOf(bytes);
  await send(client, digest, (offset) => bytes.subarray(offset), options.signal);
  return { digest, bytes: bytes.byteLength, type: 'file' };
}

/**
 * Uploads the file or folder at `path`.
 * Throws `invalid-request` when there is none, when it is neither file nor folder, or when a link leads out of the
 * folder; `blob-digest-mismatch` when a file changes meanwhile.
 */
export async function uploadPath(client: FogClient, path: string, options: UploadOptions = {}): Promise<UploadedBlob> {
  const found = await statPath(path);
  if (found.isDirectory()) return uploadFolder(client, path, options);
  if (!found.isFile()) throw new FogError('invalid-request', `${path} is neither a file nor a folder`);
  return uploadFile(client, path, found.size, options);
}

async function uploadFile(
  client: FogClient,
  path: string,
  bytes: number,
  { signal }: UploadOptions,
): Promise<UploadedBlob> {
  throwIfAborted(signal, 'the upload');
  if (bytes <= SDK_LIMITS.wholeFileBytes) return uploadBytes(client, await readFile(path), { signal });
  const hash = createHash('sha256');
  let hashedBytes = 0;
  for await (const chunk of createReadStream(path, { ...(signal === undefined ? {} : { signal }) })) {
    hash.update(chunk);
    hashedBytes += chunk.length;
  }
  const digest = `sha256:${hash.digest('hex')}`;
  // The stream ends where the hash ended: a file that grows meanwhile is taken as it was.
  const body = (offset: number) => {
    const stream = createReadStream(path, { start: offset, end: Math.max(offset, hashedBytes - 1) });
    return Readable.toWeb(stream) as ReadableStream<Uint8Array>;
  };
  try {
    await send(client, digest, body, signal);
  } catch (error) {
    const fault = FogError.from(error);
    if (fault.code !== 'blob-digest-mismatch') throw fault;
    throw new FogError(fault.code, `${path} changed while it was uploaded`, { cause: fault, details: fault.details });
  }
  return { digest, bytes: hashedBytes, type: 'file' };
}

async function uploadFolder(client: FogClient, path: string, options: UploadOptions): Promise<UploadedBlob> {
  const files = await listFolder(path);
  const entries = await inParallel(files, SDK_LIMITS.concurrentTransfers, async (file): Promise<FolderEntry> => {
    const { digest, bytes } = await uploadFile(client, file.source, file.bytes, options);
    return { path: file.path, digest, bytes };
  });
  const manifest = await uploadBytes(client, encodeFolderManifest(entries), options);
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  return { digest: manifest.digest, bytes, type: 'folder' };
}

interface FolderFile {
  /** Relative, with `/`. */
  path: string;
  /** Where its bytes are. */
  source: string;
  bytes: number;
}

/** All files under a folder. Links are followed as long as they stay inside; empty folders do not travel. */
export async function listFolder(folder: string): Promise<FolderFile[]> {
  const root = await realpath(folder);
  const files: FolderFile[] = [];
  const visit = async (directory: string, prefix: string, ancestors: readonly string[]) => {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = prefix + entry.name;
      if (!isRelativePath(path)) {
        throw new FogError('invalid-request', `${JSON.stringify(path)} in ${folder} has a name that cannot travel`);
      }
      let source = join(directory, entry.name);
      if (entry.isSymbolicLink()) source = await followInside(root, source, folder);
      const found = entry.isSymbolicLink() ? await stat(source) : entry;
      if (found.isDirectory()) {
        if (ancestors.includes(source)) {
          throw new FogError('invalid-request', `${path} in ${folder} is a link to a folder that holds it`);
        }
        await visit(source, `${path}/`, [...ancestors, source]);
      } else if (found.isFile()) {
        files.push({ path, source, bytes: (await stat(source)).size });
      } else throw new FogError('invalid-request', `${path} in ${folder} is neither a file nor a folder`);
      if (files.length > LIMITS.folderEntries) {
        throw new FogError('invalid-request', `${folder} holds more than ${LIMITS.folderEntries} files`);
      }
    }
  };
  await visit(root, '', [root]);
  return files;
}

async function followInside(root: string, link: string, folder: string): Promise<string> {
  let target: string;
  try {
    target = await realpath(link);
  } catch (cause) {
    throw new FogError('invalid-request', `${relative(root, link)} in ${folder} is a link to nothing`, { cause });
  }
  const inside = relative(root, target);
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw new FogError('invalid-request', `${relative(root, link)} in ${folder} is a link that leads out of it`, {
      hint: 'copy what it points to into the folder',
    });
  }
  return target;
}

/** Throws `invalid-request` when there is nothing, or nothing that may be looked at. */
export async function statPath(path: string) {
  try {
    return await stat(path);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const message = missing ? `there is no file or folder ${path}` : `cannot read ${path}: ${(cause as Error).message}`;
    throw new FogError('invalid-request', message, { cause });
  }
}

/** Sends what the coordinator lacks. A cut or a racing upload of the same blob is asked about and continued. */
async function send(
  client: FogClient,
  digest: string,
  bodyFrom: (offset: number) => Uint8Array | ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  await retried(async () => {
    const { complete, offset } = await client.blobOffset(digest, signal);
    if (complete) return;
    await client.putBlob(digest, bodyFrom(offset), { offset, ...(signal === undefined ? {} : { signal }) });
  }, signal);
}
