/**
 * Files named in a specification.
 *
 * The coordinator knows digests alone. In a specification that a person writes, a file (an input: or a folder) may
 * stand in their place, relative to the specification; it is uploaded and replaced by its digest.
 */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  type BlobReference,
  blobReferences,
  deploymentNameFaults,
  type FogClient,
  FogError,
  isFileName,
  isRecord,
  type JobSpec,
  parseJobSpec,
  recordIn,
  type SpecFault,
} from '@fog/contract';
import { SDK_LIMITS } from './limits.ts';
import { inParallel } from './retry.ts';
import { digestOf, statPath, type UploadedBlob, uploadBytes, uploadPath } from './upload.ts';

export interface SpecFilesOptions {
  /** What relative paths start from. */
  baseDirectory: string;
  /** Contents by the name that the specification uses, before any file of that name. A string is its text. */
  files?: Readonly<Record<string, string | Uint8Array>> | undefined;
  signal?: AbortSignal | undefined;
  /** It is to be deployed, so it needs a name. */
  isDeployed?: boolean | undefined;
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
  const { copy, faults } = await replaceReferences(document, (reference) =>
    uploadReference(client, reference, options),
  );
  const [first] = faults;
  if (first === undefined) return copy;
  const others = faults.length === 1 ? '' : ` (and ${faults.length - 1} more)`;
  throw new FogError('invalid-spec', `${first.path}: ${first.message}${others}`, { details: { faults } });
}

/**
 * Checks a specification and the files that it names, without sending anything. Answers it with its defaults, and
 * stand-ins for the files.
 * Throws `invalid-spec` or `unsupported` with every fault of both.
 */
export async function checkSpec(document: unknown, options: SpecFilesOptions): Promise<JobSpec> {
  const { copy, faults } = await replaceReferences(document, async (reference) => {
    await checkReference(reference, options);
    return STAND_IN;
  });
  return parseJobSpec(copy, options.isDeployed ? [...deploymentNameFaults(document), ...faults] : faults);
}

/**
 * The same copy without uploading anything, for questions about placement: files are replaced by a digest that
 * nothing has.
 */
export async function standInForSpecFiles(document: unknown): Promise<unknown> {
  return (await replaceReferences(document, async () => STAND_IN)).copy;
}

const STAND_IN: UploadedBlob = { digest: digestOf(new Uint8Array(0)), bytes: 0, type: 'file' };

/** Replaces a file by its stand-in too where it has a fault: the rest of the specification has its own. */
async function replaceReferences(
  document: unknown,
  blobOf: (reference: BlobReference) => Promise<UploadedBlob>,
): Promise<{ copy: unknown; faults: SpecFault[] }> {
  const copy = copyToReferences(document);
  const references = blobReferences(copy).filter(({ text }) => isFileName(text));
  const outcomes = await inParallel(references, SDK_LIMITS.concurrentTransfers, async (reference) => {
    const outcome = await blobOf(reference).catch((error: unknown) => faultOf(reference, error));
    const blob = 'digest' in outcome ? outcome : STAND_IN;
    reference.owner[reference.key] = blob.digest;
    if (blob.type === 'folder') reference.owner.type = 'folder';
    return outcome;
  });
  return { copy, faults: outcomes.flatMap((outcome) => ('digest' in outcome ? [] : [outcome])) };
}

/** What is wrong with the file is a fault of the specification; a failing upload is none. */
function faultOf({ path }: BlobReference, error: unknown): SpecFault {
  const fault = FogError.from(error);
  if (fault.code !== 'invalid-request') throw fault;
  return { path, code: 'invalid', message: fault.message };
}

function givenContent({ text }: BlobReference, { files }: SpecFilesOptions): string | Uint8Array | undefined {
  return files !== undefined && Object.hasOwn(files, text) ? files[text] : undefined;
}

async function checkReference(reference: BlobReference, options: SpecFilesOptions): Promise<void> {
  if (givenContent(reference, options) !== undefined) return;
  const path = resolve(options.baseDirectory, reference.text);
  const found = await statPath(path);
  if (found.isDirectory()) requireFolderPlace(reference);
  else if (!found.isFile()) throw new FogError('invalid-request', `${path} is neither a file nor a folder`);
  await access(path, constants.R_OK).catch((cause: Error) => {
    throw new FogError('invalid-request', `cannot read ${path}: ${cause.message}`, { cause });
  });
}

async function uploadReference(
  client: FogClient,
  reference: BlobReference,
  options: SpecFilesOptions,
): Promise<UploadedBlob> {
  const { signal, baseDirectory } = options;
  const content = givenContent(reference, options);
  if (content !== undefined) {
    return uploadBytes(client, typeof content === 'string' ? new TextEncoder().encode(content) : content, { signal });
  }
  const blob = await uploadPath(client, resolve(baseDirectory, reference.text), { signal });
  if (blob.type === 'folder') requireFolderPlace(reference);
  return blob;
}

function requireFolderPlace({ text, takesFolder }: BlobReference): void {
  if (!takesFolder) throw new FogError('invalid-request', `${text} is a folder; a file is needed here`);
}

/** A copy as deep as the references are; everything else, which may hold itself, is shared. */
function copyToReferences(document: unknown): unknown {
  if (!isRecord(document)) return document;
  const copy = { ...document };
  for (const block of ['wasm', 'javascript', 'process', 'stdin']) copyAlong(copy, ['spec', 'task', block]);
  copyAlong(copy, ['spec', 'verification', 'compare']);
  const task = recordIn(recordIn(copy, 'spec'), 'task');
  if (task !== null && Array.isArray(task.inputs)) {
    task.inputs = task.inputs.map((input: unknown) => (isRecord(input) ? { ...input } : input));
  }
  return copy;
}

function copyAlong(owner: Record<string, unknown>, [key, ...rest]: readonly string[]): void {
  const value = key === undefined ? undefined : owner[key];
  if (key === undefined || !isRecord(value)) return;
  const copy = { ...value };
  owner[key] = copy;
  copyAlong(copy, rest);
}
