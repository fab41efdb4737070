/**
 * The folder of one attempt on this machine, and what bubblewrap is told of it.
 *
 *     <scratch>/<attempt>/        0711, so that the attempt's own id may pass
 *       owner                     marks it as one of this runtime, for reap()
 *       root/                     the writable root of the sandbox, of the attempt's own id
 *       settings/                 passwd and the like
 *       in/                       inputs, where the agent is root: its cache is closed to the attempt's id
 *       net/                      socket and forwarder
 *       files/                    large outputs, which the caller gets
 */
import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { chmod, copyFile, lchown, link, mkdir, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { FolderOwner } from '../folder-owner.ts';
import { removeTree } from '../remove-tree.ts';
import type { AttemptRequest, ProcessProgram } from '../runtime.ts';
import { stagedPath } from './launch.ts';
import {
  existsIn,
  HOST_PARENTS,
  hostSource,
  isHostVisible,
  OWN_SETTINGS,
  planView,
  type RootEntry,
  type SandboxView,
  type ViewSource,
} from './sandbox-view.ts';
import { openFolder, walkTree } from './tree-walk.ts';

export interface PreparedFolder {
  view: SandboxView;
  rootBind: string;
  readOnlyBinds: { hostPath: string; sandboxPath: string }[];
  writableBinds: { hostPath: string; sandboxPath: string }[];
  /** What root must mount for bubblewrap; empty where it can reach everything itself. */
  stages: { name: string; hostPath: string }[];
}

export class AttemptFolder {
  readonly path: string;
  readonly rootPath: string;
  readonly filesPath: string;
  readonly networkPath: string;
  /** Of the attempt, where the agent is root. */
  readonly #id: number | null;
  readonly #owner: FolderOwner;

  constructor(scratchDirectory: string, attemptId: string, { id, owner }: { id: number | null; owner: FolderOwner }) {
    this.path = join(scratchDirectory, encodeURIComponent(attemptId));
    this.rootPath = join(this.path, 'root');
    this.filesPath = join(this.path, 'files');
    this.networkPath = join(this.path, 'net');
    this.#id = id;
    this.#owner = owner;
  }

  /** Rejects with ViewConflict for places that the root cannot have, and with what the file system says. */
  async prepare(request: AttemptRequest, program: ProcessProgram): Promise<PreparedFolder> {
    await mkdir(this.path, { recursive: true });
    await chmod(this.path, this.#id === null ? 0o700 : 0o711);
    await this.#owner.mark(this.path);
    await mkdir(this.rootPath, { mode: 0o700 });
    const source = rootSource(program.rootPath ?? '/');
    const folders = [...new Set([...request.outputs.map(({ sandboxPath }) => posix.dirname(sandboxPath)), '/tmp'])];
    const isHost = program.rootPath === null;
    const { workingDirectory } = program;
    const isThere = isHost ? isHostVisible(workingDirectory) : existsIn(source, workingDirectory);
    if (!isThere) folders.push(workingDirectory);
    const places = [...request.inputs.map(({ sandboxPath }) => sandboxPath), ...folders.map((folder) => `${folder}/.`)];
    const view = isHost ? planView(hostSource(source), places, HOST_PARENTS) : planView(source, places);
    for (const folder of [...view.folders, ...folders]) await mkdir(join(this.rootPath, folder), { recursive: true });
    const readOnlyBinds = await this.#binds(request, program, view);
    const writableBinds = request.checkpoint === null ? [] : [this.#checkpoint(request.checkpoint.hostPath)];
    if (this.#id !== null) {
      await ownTree(this.rootPath, this.#id);
      if (request.checkpoint !== null) await ownTree(request.checkpoint.hostPath, this.#id);
    }
    return {
      view,
      rootBind: this.#reach('attempt', 'root'),
      readOnlyBinds,
      writableBinds,
      stages: this.#stages(request, program),
    };
  }

  /** Where bubblewrap finds a path of this folder. */
  #reach(stage: string, ...rest: string[]): string {
    return this.#id === null ? join(this.path, ...rest) : join(stagedPath(stage), ...rest);
  }

  #checkpoint(hostPath: string): { hostPath: string; sandboxPath: string } {
    return { hostPath: this.#id === null ? hostPath : stagedPath('checkpoint'), sandboxPath: '/checkpoint' };
  }

  #stages(request: AttemptRequest, program: ProcessProgram): { name: string; hostPath: string }[] {
    if (this.#id === null) return [];
    const stages = [{ name: 'attempt', hostPath: this.path }];
    if (program.rootPath !== null) stages.push({ name: 'root', hostPath: program.rootPath });
    if (request.checkpoint !== null) stages.push({ name: 'checkpoint', hostPath: request.checkpoint.hostPath });
    return stages;
  }

  async #binds(
    request: AttemptRequest,
    program: ProcessProgram,
    view: SandboxView,
  ): Promise<{ hostPath: string; sandboxPath: string }[]> {
    const { rootPath } = program;
    const staged = this.#id !== null && rootPath !== null;
    const binds = view.readOnlyBinds.map(({ hostPath, sandboxPath }) => {
      return { hostPath: staged ? join(stagedPath('root'), sandboxPath) : hostPath, sandboxPath };
    });
    if (rootPath === null) {
      const folder = join(this.path, 'settings');
      await mkdir(folder);
      await chmod(folder, 0o755);
      for (const [name, text] of Object.entries(OWN_SETTINGS)) {
        await writeFile(join(folder, name), text);
        await chmod(join(folder, name), 0o444);
        const sandboxPath = `/etc/${name}`;
        if (request.inputs.some((input) => input.sandboxPath === sandboxPath)) continue;
        binds.push({ hostPath: this.#reach('attempt', 'settings', name), sandboxPath });
      }
    }
    if (this.#id !== null) {
      await mkdir(join(this.path, 'in'));
      await chmod(join(this.path, 'in'), 0o711);
    }
    for (const [index, { hostPath, sandboxPath }] of request.inputs.entries()) {
      if (this.#id !== null) await offer(hostPath, join(this.path, 'in', String(index)));
      binds.push({ hostPath: this.#id === null ? hostPath : this.#reach('attempt', 'in', String(index)), sandboxPath });
    }
    return binds;
  }

  /** For the socket's folder, which the network has made below `networkPath`. */
  networkBind(hostDirectory: string, sandboxDirectory: string): { hostPath: string; sandboxPath: string } {
    const hostPath =
      this.#id === null ? hostDirectory : join(stagedPath('attempt'), hostDirectory.slice(this.path.length));
    return { hostPath, sandboxPath: sandboxDirectory };
  }

  /** The network's folder is closed to others; the attempt's id must pass it. */
  async openNetworkFolder(): Promise<void> {
    if (this.#id !== null) await chmod(this.networkPath, 0o711);
  }

  /** All but `files` and the mark, when `keepFiles`. Never rejects. */
  async remove(keepFiles: boolean): Promise<void> {
    const names = await readdir(this.path).catch((): string[] => []);
    // There are none where all outputs were small.
    if (!keepFiles || !names.includes('files')) return removeTree(this.path);
    const kept = ['files', FolderOwner.fileName];
    for (const name of names) if (!kept.includes(name)) await removeTree(join(this.path, name));
  }
}

/** Makes an input readable to an id that is not the agent's: by a link, or a copy where the disk is another one. */
async function offer(hostPath: string, path: string): Promise<void> {
  try {
    await link(hostPath, path);
  } catch {
    await copyFile(hostPath, path);
  }
  const { mode } = await stat(path);
  // The folders of the cache stay closed, so that on this machine nobody gets to see it by that.
  if ((mode & 0o004) === 0) await chmod(path, 0o444);
}

async function ownTree(path: string, id: number): Promise<void> {
  const folder = await openFolder(path);
  try {
    for await (const { openPath } of walkTree(folder)) await lchown(openPath, id, id);
    await folder.chown(id, id);
  } finally {
    await folder.close();
  }
}

function rootSource(rootPath: string): ViewSource {
  const hostPath = (path: string): string => join(rootPath, path);
  return {
    hostPath,
    readLink: (path) => readlinkSync(hostPath(path)),
    typeOf: (path) => {
      try {
        return typeOf(lstatSync(hostPath(path)));
      } catch {
        return null;
      }
    },
    list: (path) =>
      readdirSync(hostPath(path), { withFileTypes: true }).map((entry): RootEntry => {
        return { name: entry.name, type: typeOf(entry) };
      }),
  };
}

function typeOf(entry: Pick<Stats, 'isSymbolicLink' | 'isDirectory' | 'isFile'>): RootEntry['type'] {
  if (entry.isSymbolicLink()) return 'symlink';
  if (entry.isDirectory()) return 'folder';
  return entry.isFile() ? 'file' : 'other';
}

/** The bytes of the arguments for bubblewrap in an open file that no other process can open. */
export async function argumentsFile(folder: string, bytes: Uint8Array) {
  const path = join(folder, 'arguments');
  const file = await open(path, 'wx+', 0o600);
  try {
    await file.write(bytes, 0, bytes.length, 0);
    await rm(path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
