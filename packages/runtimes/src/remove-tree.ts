/** Removes what a job has made of a folder. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Whatever a job has made of it. All its processes have to be gone. Never rejects. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // Folders without rights, or nested deeper than a path can be, which rm(1) goes through step by step.
    await run('chmod', ['-R', 'u+rwx', '--', path]).catch(() => {});
    await run('rm', ['-rf', '--', path]).catch(() => {});
  }
}
