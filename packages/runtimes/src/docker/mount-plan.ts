/**
 * What of the host appears where in a container. Pure.
 *
 * The root of the image is read-only. Writable are /tmp (in memory) and the folders that hold outputs: the parent of
 * each declared output, which is fresh and empty whatever the image has there; an output right below the root is a
 * folder itself. So are the volumes of the image. Inputs are mounted file by file while they are few, so that they
 * appear beside what the image has in the same folder; more are mounted by folders.
 */
import { posix } from 'node:path';
import { DOCKER_LIMITS } from '../limits.ts';
import type { AttemptRequest, InputFile } from '../runtime.ts';
import { AttemptFailed } from './failure.ts';

export interface InputFolder {
  sandboxPath: string;
  files: { relativePath: string; input: InputFile }[];
  /** Folders in it that other mounts need as their places. */
  places: string[];
}

export interface MountPlan {
  /** None of them lies within another. `folders` are made in it beforehand, relative to it. */
  writable: { sandboxPath: string; folders: string[] }[];
  inputFiles: InputFile[];
  inputFolders: InputFolder[];
}

export const CHECKPOINT_PATH = '/checkpoint';
/** Where an engine mounts what it needs itself. */
const RESERVED = ['/proc', '/sys', '/dev'];

type Asked = Pick<AttemptRequest, 'inputs' | 'outputs' | 'checkpoint'>;

/** Throws AttemptFailed for places that cannot be mounted. */
export function planMounts(asked: Asked, imageVolumes: readonly string[]): MountPlan {
  for (const { name, sandboxPath } of asked.outputs) {
    if (isReserved(sandboxPath))
      throw new AttemptFailed('output-invalid', `Output ${name} cannot lie in ${sandboxPath}.`);
  }
  for (const { sandboxPath } of asked.inputs) {
    if (isReserved(sandboxPath)) throw new AttemptFailed('rejected', `No input can lie at ${sandboxPath}.`);
  }
  const volumes = imageVolumes.map((path) => posix.resolve('/', path)).filter((path) => !isReserved(path));
  const wanted = [...asked.outputs.map(({ sandboxPath }) => folderOfOutput(sandboxPath)), ...volumes];
  const outside = wanted.filter((path) => asked.checkpoint === null || !isWithin(path, CHECKPOINT_PATH));
  const tops = topmost(outside);
  const inputs = planInputs(asked.inputs, tops);
  // The engine would make the folders above a mount as root, and the job could write nothing beside it.
  const aboveInputs = [...inputs.inputFiles, ...inputs.inputFolders].map(({ sandboxPath }) =>
    posix.dirname(sandboxPath),
  );
  const wantedFolders = [...new Set([...outside, ...aboveInputs])];
  const writable = tops.map((sandboxPath) => ({
    sandboxPath,
    folders: wantedFolders
      .filter((path) => path !== sandboxPath && isWithin(path, sandboxPath))
      .map((path) => posix.relative(sandboxPath, path)),
  }));
  return { writable, ...inputs };
}

function planInputs(inputs: readonly InputFile[], writable: readonly string[]): Omit<MountPlan, 'writable'> {
  if (inputs.length <= DOCKER_LIMITS.singleInputMounts) return { inputFiles: [...inputs], inputFolders: [] };
  // Where the job may write, it must be able to write beside its inputs; and the root cannot be mounted.
  const mountable = (folder: string): boolean => folder !== '/' && !writable.some((top) => isWithin(folder, top));
  const folders = topmost(inputs.map(({ sandboxPath }) => posix.dirname(sandboxPath)).filter(mountable));
  const folderOf = (path: string): string | undefined => {
    const folder = posix.dirname(path);
    return mountable(folder) ? folders.find((top) => isWithin(folder, top)) : undefined;
  };
  const byFolder = Map.groupBy(inputs, ({ sandboxPath }) => folderOf(sandboxPath));
  const inputFolders = folders.map((sandboxPath) => ({
    sandboxPath,
    files: (byFolder.get(sandboxPath) ?? []).map((input) => ({
      relativePath: posix.relative(sandboxPath, input.sandboxPath),
      input,
    })),
    places: writable.filter((path) => isWithin(path, sandboxPath)).map((path) => posix.relative(sandboxPath, path)),
  }));
  return { inputFiles: byFolder.get(undefined) ?? [], inputFolders };
}

/** The folder that is mounted writable so that this output can appear. */
export function folderOfOutput(sandboxPath: string): string {
  const parent = posix.dirname(sandboxPath);
  return parent === '/' ? sandboxPath : parent;
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

function isReserved(path: string): boolean {
  return path === '/' || RESERVED.some((reserved) => isWithin(path, reserved));
}

/** Those that lie in none of the others, once each. */
function topmost(paths: readonly string[]): string[] {
  const sorted = [...new Set(paths)].sort((a, b) => a.length - b.length);
  const tops: string[] = [];
  for (const path of sorted) if (!tops.some((top) => isWithin(path, top))) tops.push(path);
  return tops;
}
