/**
 * The folder of an attempt in the scratch folder: what is mounted into its container, and what an agent that comes
 * after a dead one has to know.
 *
 *     docker-<attempt>/
 *         attempt.json     what adoption needs
 *         position         how much of the output was delivered (container-output.ts)
 *         stdin-delivered  is there once the container has all of its standard input
 *         network/         of the forwarder
 *         inputs/          folders of inputs, and inputs that could not be made readable in place
 *         written/         the writable folders
 */
import { constants, existsSync } from 'node:fs';
import { chmod, copyFile, lchown, link, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { removeTree } from '../remove-tree.ts';
import type { AttemptRequest, InputFile } from '../runtime.ts';
import type { ContainerMount } from './container-spec.ts';
import { CHECKPOINT_PATH, isWithin, type MountPlan } from './mount-plan.ts';
import { walkWritten } from './written-files.ts';

const PREFIX = 'docker-';
/** Inputs can be run as programs too. Nobody but the agent gets through the folders above them. */
const INPUT_MODE = 0o555;

export interface WritableFolder {
  sandboxPath: string;
  hostPath: string;
  /** It belongs to the agent and stays: what is taken from it is copied. */
  kept: boolean;
}

/** What is written to attempt.json. */
export interface AttemptRecord {
  writable: WritableFolder[];
  /** Folders and places of mounts that the runtime and the engine made among what the job writes. */
  ownEntries: number;
  engine: string;
}

export class AttemptFolder {
  readonly path: string;

  constructor(scratchDirectory: string, attemptId: string) {
    this.path = join(scratchDirectory, PREFIX + encodeURIComponent(attemptId));
  }

  get positionPath(): string {
    return join(this.path, 'position');
  }

  /** Lays out everything and answers the mounts. `userId` is whom the container runs as, where that is not the agent. */
  async prepare(
    plan: MountPlan,
    request: Pick<AttemptRequest, 'checkpoint'>,
    owner: { userId: number; groupId: number } | null,
  ): Promise<{ mounts: ContainerMount[]; writable: WritableFolder[]; ownEntries: number }> {
    await removeTree(this.path);
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    const writable: WritableFolder[] = [];
    for (const [index, { sandboxPath, folders }] of plan.writable.entries()) {
      const hostPath = join(this.path, 'written', String(index));
      await makeOpenFolder(hostPath);
      for (const folder of folders) await makeOpenFolders(hostPath, folder);
      writable.push({ sandboxPath, hostPath, kept: false });
    }
    if (request.checkpoint !== null) {
      const { hostPath } = request.checkpoint;
      await handOver(hostPath, owner);
      writable.push({ sandboxPath: CHECKPOINT_PATH, hostPath, kept: true });
    }
    const mounts: ContainerMount[] = writable.map(({ sandboxPath, hostPath }) => ({
      sandboxPath,
      hostPath,
      readOnly: false,
    }));
    mounts.push(...(await this.#stageInputs(plan)));
    const places = [...plan.inputFiles, ...plan.inputFolders].map(({ sandboxPath }) => sandboxPath);
    const folders = plan.writable.flatMap((folder) =>
      folder.folders.map((name) => posix.join(folder.sandboxPath, name)),
    );
    return { mounts, writable, ownEntries: countOwnEntries([...places, ...folders], writable) };
  }

  async #stageInputs(plan: MountPlan): Promise<ContainerMount[]> {
    const mounts: ContainerMount[] = [];
    for (const [index, input] of plan.inputFiles.entries()) {
      const hostPath = await this.#readable(input, join(this.path, 'inputs', `file-${index}`));
      mounts.push({ hostPath, sandboxPath: input.sandboxPath, readOnly: true });
    }
    for (const [index, folder] of plan.inputFolders.entries()) {
      const hostPath = join(this.path, 'inputs', `folder-${index}`);
      await mkdir(hostPath, { recursive: true, mode: 0o755 });
      const parents = new Set([...folder.files.map(({ relativePath }) => dirname(relativePath)), ...folder.places]);
      for (const parent of parents) await mkdir(join(hostPath, parent), { recursive: true, mode: 0o755 });
      for (const { relativePath, input } of folder.files) {
        const target = join(hostPath, relativePath);
        await link(input.hostPath, target).catch(() => copyFile(input.hostPath, target, constants.COPYFILE_FICLONE));
        await chmod(target, INPUT_MODE);
      }
      mounts.push({ hostPath, sandboxPath: folder.sandboxPath, readOnly: true });
    }
    return mounts;
  }

  /** A path under which the user of the container can read the input: its own, or that of a copy. */
  async #readable(input: InputFile, copyPath: string): Promise<string> {
    try {
      await chmod(input.hostPath, INPUT_MODE);
      return input.hostPath;
    } catch {
      await mkdir(dirname(copyPath), { recursive: true });
      await copyFile(input.hostPath, copyPath);
      await chmod(copyPath, INPUT_MODE);
      return copyPath;
    }
  }

  async writeRecord(record: AttemptRecord): Promise<void> {
    await writeFile(join(this.path, 'attempt.json'), JSON.stringify(record), { mode: 0o600 });
  }

  /** Null when the agent died before the record was complete. */
  async readRecord(): Promise<AttemptRecord | null> {
    try {
      return JSON.parse(await readFile(join(this.path, 'attempt.json'), 'utf8')) as AttemptRecord;
    } catch {
      return null;
    }
  }

  async markStdinDelivered(): Promise<void> {
    await writeFile(join(this.path, 'stdin-delivered'), '');
  }

  hasStdinDelivered(): boolean {
    return existsSync(join(this.path, 'stdin-delivered'));
  }

  exists(): boolean {
    return existsSync(this.path);
  }

  async remove(): Promise<void> {
    await removeTree(this.path);
  }
}

/** The folders of attempts in the scratch folder, whoever made them. */
export async function attemptFolders(scratchDirectory: string): Promise<{ path: string; attemptId: string }[]> {
  const names = await readdir(scratchDirectory).catch(() => []);
  return names
    .filter(isAttemptFolder)
    .map((name) => ({ path: join(scratchDirectory, name), attemptId: decodeName(name.slice(PREFIX.length)) }));
}

export function isAttemptFolder(name: string): boolean {
  return name.startsWith(PREFIX);
}

export function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // Of nobody's making here.
  }
}

/** Writable for whomever the container runs as; the folder above lets nobody but the agent through. */
async function makeOpenFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o777);
}

async function makeOpenFolders(root: string, relativePath: string): Promise<void> {
  let path = root;
  for (const name of relativePath.split('/')) {
    path = join(path, name);
    await makeOpenFolder(path);
  }
}

/** What an earlier attempt left in the checkpoint, perhaps on another machine, belongs to the user of this container. */
async function handOver(hostPath: string, owner: { userId: number; groupId: number } | null): Promise<void> {
  await makeOpenFolder(hostPath);
  if (owner === null) return;
  await walkWritten(hostPath, async (entry) => {
    await lchown(entry.hostPath, owner.userId, owner.groupId);
    return true;
  });
}

function countOwnEntries(paths: readonly string[], writable: readonly WritableFolder[]): number {
  const own = new Set<string>();
  for (const path of paths) {
    const root = writable.find(({ sandboxPath }) => isWithin(path, sandboxPath))?.sandboxPath;
    if (root === undefined) continue;
    for (let at = path; at !== root; at = posix.dirname(at)) own.add(at);
  }
  return own.size;
}
