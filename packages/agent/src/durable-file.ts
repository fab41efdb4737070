/** Files that are either the old ones or the new ones, never half of each, whatever ends the process. */
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Writes beside the file, syncs, renames over it and syncs the folder. */
export async function writeFileDurably(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', mode);
  try {
    await file.chmod(mode);
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Makes renames in a folder durable. Windows cannot open folders; its renames are journaled by the file system. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
