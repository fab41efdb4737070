/** Finds the declared outputs in the file system of an attempt, and sends them. */
import { CHILD_LIMITS, WASM_LIMITS } from '../limits.ts';
import type { OutputRequest } from '../runtime.ts';
import { type FileMessage, FROM_CHILD, type OutputMessage } from './protocol.ts';
import { FILE_TYPE, WasiError } from './wasi/abi.ts';
import type { FileContent } from './wasi/file-content.ts';
import { compareByBytes, type FolderNode, type MemoryFileSystem, type TreeNode } from './wasi/memory-file-system.ts';
import { failedStop } from './wasi/stop.ts';

interface CollectedFile {
  relativePath: string;
  content: FileContent;
}

export interface CollectedOutput {
  name: string;
  type: 'file' | 'folder';
  files: CollectedFile[];
}

/** Throws the stop of the attempt when an output is missing or cannot be stored. */
export function collectOutputs(fileSystem: MemoryFileSystem, requests: readonly OutputRequest[]): CollectedOutput[] {
  return requests.map(({ name, sandboxPath }) => {
    const node = lookUp(fileSystem, sandboxPath);
    if (node === null) {
      throw failedStop('output-missing', `The output ${name} was not written: ${sandboxPath} does not exist.`);
    }
    if (node.type === FILE_TYPE.file) {
      return { name, type: 'file', files: [{ relativePath: '', content: node.content }] };
    }
    return { name, type: 'folder', files: collectFolder(node, name) };
  });
}

function lookUp(fileSystem: MemoryFileSystem, sandboxPath: string): TreeNode | null {
  try {
    return fileSystem.resolve(fileSystem.root, `.${sandboxPath}`).node;
  } catch (error) {
    if (error instanceof WasiError) return null;
    throw error;
  }
}

function collectFolder(root: FolderNode, outputName: string): CollectedFile[] {
  const files: CollectedFile[] = [];
  const folders: { folder: FolderNode; prefix: string }[] = [{ folder: root, prefix: '' }];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    for (const [name, node] of next.folder.entries) {
      const relativePath = next.prefix + name;
      if (Buffer.byteLength(relativePath) > WASM_LIMITS.outputPathBytes) {
        throw failedStop('output-invalid', `The output ${outputName} has a path that is longer than can be stored.`);
      }
      if (node.type === FILE_TYPE.folder) folders.push({ folder: node, prefix: `${relativePath}/` });
      else files.push({ relativePath, content: node.content });
    }
  }
  return files.sort((a, b) => compareByBytes(a.relativePath, b.relativePath));
}

export function sendOutputs(outputs: readonly CollectedOutput[], send: (kind: number, body: Uint8Array) => void): void {
  const buffer = new Uint8Array(CHILD_LIMITS.contentFrameBytes);
  for (const { name, type, files } of outputs) {
    const output: OutputMessage = { name, type };
    send(FROM_CHILD.output, Buffer.from(JSON.stringify(output)));
    for (const { relativePath, content } of files) {
      const file: FileMessage = { relativePath, bytes: content.size };
      send(FROM_CHILD.file, Buffer.from(JSON.stringify(file)));
      for (let position = 0; position < content.size; ) {
        const count = content.read(position, buffer);
        send(FROM_CHILD.content, buffer.subarray(0, count));
        position += count;
      }
    }
  }
}
