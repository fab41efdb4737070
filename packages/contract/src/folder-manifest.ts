/**
 * A folder as a blob: the sorted list of its files with their digests. Equal folders have equal manifests, byte for
 * byte, so the digest of the manifest names the folder.
 */
import { z } from 'zod';
import { FogError } from './errors.ts';
import { digestSchema } from './identifiers.ts';
import { LIMITS } from './limits.ts';

const entrySchema = z.strictObject({
  path: z.string().max(LIMITS.pathBytes).refine(isRelativePath, 'must be a relative path that stays in the folder'),
  digest: digestSchema,
  bytes: z.int().nonnegative(),
});
export type FolderEntry = z.infer<typeof entrySchema>;

const manifestSchema = z.strictObject({
  fogFolder: z.literal(1),
  entries: z.array(entrySchema).max(LIMITS.folderEntries),
});

/** Relative, with `/`, without empty, `.` or `..` parts, NUL, backslash, control characters or halves of characters. */
export function isRelativePath(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters in file names are what is refused
  if (path === '' || /[\u0000-\u001f\\]/.test(path) || !path.isWellFormed()) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** Canonical bytes of the manifest: entries sorted by the UTF-8 bytes of their paths. Throws `invalid-request`. */
export function encodeFolderManifest(entries: readonly FolderEntry[]): Uint8Array {
  const sorted = [...entries].sort((left, right) => compareBytes(left.path, right.path));
  const text = JSON.stringify({
    fogFolder: 1,
    entries: sorted.map(({ path, digest, bytes }) => ({ path, digest, bytes })),
  });
  decodeFolderManifest(text);
  return new TextEncoder().encode(text);
}

/** Throws `invalid-request` when the text is no manifest, a path escapes, or a path is both file and folder. */
export function decodeFolderManifest(text: string): FolderEntry[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new FogError('invalid-request', 'the blob is not a folder manifest: it is not JSON', { cause });
  }
  const result = manifestSchema.safeParse(document);
  if (!result.success) {
    throw new FogError('invalid-request', `the blob is not a folder manifest: ${z.prettifyError(result.error)}`);
  }
  const files = new Set(result.data.entries.map((entry) => entry.path));
  if (files.size !== result.data.entries.length) {
    throw new FogError('invalid-request', 'the folder manifest names a path twice');
  }
  for (const path of files) {
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      if (files.has(path.slice(0, slash))) {
        throw new FogError(
          'invalid-request',
          `the folder manifest has "${path.slice(0, slash)}" as file and as folder`,
        );
      }
    }
  }
  return result.data.entries;
}

const encoder = new TextEncoder();

/** Order of the UTF-8 bytes, which is the order of code points. */
export function compareBytes(left: string, right: string): number {
  const a = encoder.encode(left);
  const b = encoder.encode(right);
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const difference = (a[index] as number) - (b[index] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
