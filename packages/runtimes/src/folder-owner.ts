/**
 * Whose the folders of attempts are: of the runtime that runs, or of one that died with its agent. A folder of its own
 * may hold outputs that wait to be uploaded; one of another, or one that nobody has marked yet, is left over.
 */
import { randomUUID } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from './remove-tree.ts';

export class FolderOwner {
  /** Of the file that marks a folder. */
  static readonly fileName = 'owner';
  readonly #token = randomUUID();

  async mark(path: string): Promise<void> {
    await writeFile(join(path, FolderOwner.fileName), this.#token);
  }

  /**
   * Removes what others have left. `isKept` is asked by the name of a folder, right before: of those that are made at
   * the moment, and may have no mark yet, and of those that have another meaning.
   */
  async removeOthers(scratchDirectory: string, isKept: (name: string) => boolean): Promise<void> {
    for (const name of await readdir(scratchDirectory).catch((): string[] => [])) {
      const path = join(scratchDirectory, name);
      const token = await readFile(join(path, FolderOwner.fileName), 'utf8').catch(() => null);
      if (token !== this.#token && !isKept(name)) await removeTree(path);
    }
  }
}
