/**
 * Files named in a specification.
 *
 * The coordinator knows digests alone. In a specification that a person writes, `wasm.module`, `javascript.script`,
 * `inputs[].source` and `stdin.source` may name a file (an input also a folder), relative to the specification; they
 * are uploaded and replaced by their digests.
 */
import { resolve } from 'node:path';
import { digestSchema, type FogClient, FogError, type SpecFault } from '@fog/contract';
import { SDK_LIMITS } from './limits.ts';
import { inParallel } from './retry.ts';
import { digestOf, type UploadedBlob, uploadBytes, uploadPath } from './upload.ts';

export interface SpecFilesOptions {
  /** What relative paths start from. */
  baseDirectory: string;
  /** Contents by the name that the specification uses, before any file of that name. A string is its text. */
  files?: Readonly<Record<string, string | Uint8Array>> | undefined;
  signal?: AbortSignal | undefined;
}

interface Reference {
  /** Where it stands, as in `SpecFault.path`. */
  path: string;
  owner: Record<string, unknown>;
  key: string;
  name: string;
  takesFolder: boolean;
}

/**
 * Uploads every file that `document` names and returns a copy with digests in their place; a source that turns out
 * to be a folder sets `type: folder`. Throws `invalid-spec` with one fault for each file that cannot be read.
 */
export async function uploadSpecFiles(
  client: FogClient,
  document: unknown,
  options: SpecFilesOptions,
): Promise<unknown> {
  return replaceReferences(document, (reference) => uploadReference(client, reference, options));
}

/**
 * The same copy without uploading anything, for questions about placement: files are replaced by a digest that
 * nothing has.
 */
export async function standInForSpecFiles(document: unknown): Promise<unknown> {
  const standIn: UploadedBlob = { digest: digestOf(new Uint8Array(0)), bytes: 0, type: 'file' };
  return replaceReferences(document, async () => standIn);
}

async function replaceReferences(
  document: unknown,
  blobOf: (reference: Reference) => Promise<UploadedBlob>,
): Promise<unknown> {
  const copy: unknown = cloneDocument(document);
  const references = findReferences(copy);
  const faults: SpecFault[] = [];
  await inParallel(references, SDK_LIMITS.concurrentTransfers, async (reference) => {
    try {
      const blob = await blobOf(reference);
      reference.owner[reference.key] = blob.digest;
      if (blob.type === 'folder') reference.owner.type = 'folder';
    } catch (error) {
      const fault = FogError.from(error);
      if (fault.code !== 'invalid-request') throw fault;
      faults.push({ path: reference.path, code: 'invalid', message: fault.message });
    }
  });
  const [first] = faults;
  if (first !== undefined) {
    const others = faults.length === 1 ? '' : ` (and ${faults.length - 1} more)`;
    throw new FogError('invalid-spec', `${first.path}: ${first.message}${others}`, { details: { faults } });
  }
  return copy;
}

async function uploadReference(
  client: FogClient,
  reference: Reference,
  { baseDirectory, files, signal }: SpecFilesOptions,
): Promise<UploadedBlob> {
  if (files !== undefined && Object.hasOwn(files, reference.name)) {
    const content = files[reference.name] as string | Uint8Array;
    return uploadBytes(client, typeof content === 'string' ? new TextEncoder().encode(content) : content, { signal });
  }
  const blob = await uploadPath(client, resolve(baseDirectory, reference.name), { signal });
  if (blob.type === 'folder' && !reference.takesFolder) {
    throw new FogError('invalid-request', `${reference.name} is a folder; a file is needed here`);
  }
  return blob;
}

/** Texts in the four places that are not digests already. What has another shape is left to `parseJobSpec`. */
function findReferences(document: unknown): Reference[] {
  const task = recordIn(recordIn(document, 'spec'), 'task');
  const places: { owner: Record<string, unknown> | null; key: string; path: string; takesFolder: boolean }[] = [
    { owner: recordIn(task, 'wasm'), key: 'module', path: 'spec.task.wasm.module', takesFolder: false },
    { owner: recordIn(task, 'javascript'), key: 'script', path: 'spec.task.javascript.script', takesFolder: false },
    { owner: recordIn(task, 'stdin'), key: 'source', path: 'spec.task.stdin.source', takesFolder: false },
  ];
  const inputs = Array.isArray(task?.inputs) ? task.inputs : [];
  inputs.forEach((input, index) => {
    const owner = isRecord(input) ? input : null;
    places.push({ owner, key: 'source', path: `spec.task.inputs[${index}].source`, takesFolder: true });
  });
  return places.flatMap(({ owner, key, path, takesFolder }) => {
    const name = owner?.[key];
    if (owner === null || typeof name !== 'string' || name === '') return [];
    // A mistyped digest is a fault of the text, not the name of a file.
    if (digestSchema.safeParse(name).success || /^[a-z][a-z0-9+.-]+:/i.test(name)) return [];
    return [{ path, owner, key, name, takesFolder }];
  });
}

function recordIn(value: unknown, key: string): Record<string, unknown> | null {
  const found = isRecord(value) ? value[key] : undefined;
  return isRecord(found) ? found : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function cloneDocument(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(cloneDocument);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, nested]) => [key, cloneDocument(nested)]));
}
