/**
 * The places of a specification that name a blob: `wasm.module`, `javascript.script`, `process.root`,
 * `inputs[].source`, `stdin.source` and `verification.compare.script`.
 *
 * The coordinator takes digests alone. Where a person writes, a file may stand there (an input also a folder), which
 * the SDK uploads. Addresses elsewhere are part of the language, but not built.
 */
import { isRecord, recordIn } from './untyped-document.ts';

export interface BlobReference {
  /** Where it stands, as in `SpecFault.path`. */
  path: string;
  owner: Record<string, unknown>;
  key: string;
  text: string;
  takesFolder: boolean;
}

/** All of them that hold a text; their owners are those of `document`. What has another shape is left out. */
export function blobReferences(document: unknown): BlobReference[] {
  const spec = recordIn(document, 'spec');
  const task = recordIn(spec, 'task');
  const compare = recordIn(recordIn(spec, 'verification'), 'compare');
  const places: { owner: Record<string, unknown> | null; key: string; path: string; takesFolder: boolean }[] = [
    { owner: recordIn(task, 'wasm'), key: 'module', path: 'spec.task.wasm.module', takesFolder: false },
    { owner: recordIn(task, 'javascript'), key: 'script', path: 'spec.task.javascript.script', takesFolder: false },
    { owner: recordIn(task, 'process'), key: 'root', path: 'spec.task.process.root', takesFolder: false },
    { owner: recordIn(task, 'stdin'), key: 'source', path: 'spec.task.stdin.source', takesFolder: false },
    { owner: compare, key: 'script', path: 'spec.verification.compare.script', takesFolder: false },
  ];
  const inputs = Array.isArray(task?.inputs) ? task.inputs : [];
  inputs.forEach((input: unknown, index) => {
    const owner = isRecord(input) ? input : null;
    places.push({ owner, key: 'source', path: `spec.task.inputs[${index}].source`, takesFolder: true });
  });
  return places.flatMap(({ owner, key, path, takesFolder }) => {
    const text = owner !== null && Object.hasOwn(owner, key) ? owner[key] : undefined;
    return owner === null || typeof text !== 'string' ? [] : [{ path, owner, key, text, takesFolder }];
  });
}

/**
 * What begins with a scheme is no file: a mistyped digest is a fault of the text, and an address is not built. One
 * letter and a colon are a drive of Windows.
 */
export const FILE_PATTERN = /^(?![A-Za-z][A-Za-z0-9+.-]+:)[\s\S]+$/;

export function isFileName(text: string): boolean {
  return FILE_PATTERN.test(text);
}

/** `'s3://'` for an address that the language knows; null for anything else. */
export function remoteScheme(text: string): string | null {
  return /^(?:s3|https?|ipfs):\/\//i.exec(text)?.[0].toLowerCase() ?? null;
}
