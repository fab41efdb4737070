/**
 * What all processes of a test run share. A file that is run alone has no need of it. Test processes inherit the
 * environment that is set here.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { SUITE_LIMITS } from '../suite/limits.ts';
import { startPostgres } from './postgres.ts';

const MEMORY_FOLDER = '/dev/shm';

let stop = async (): Promise<void> => {};
let folder: string | null = null;

export async function globalSetup(): Promise<void> {
  // Types are stripped once, not once for each file and each program that a test starts.
  process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../../node_modules/.cache/node');
  folder = fastFolder();
  if (folder !== null) process.env.TMPDIR = folder;
  // A server of their own for each file takes a second each. Where there is none, the files say why.
  const postgres = await startPostgres();
  if ('unavailable' in postgres) return;
  process.env.FOG_TEST_POSTGRES = postgres.url('postgres');
  stop = postgres.stop;
}

export async function globalTeardown(): Promise<void> {
  await stop();
  if (folder !== null) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/**
 * A temporary folder in memory, or null where TMPDIR says another, memory is short or programs must not run there. The
 * tests make and remove some ten thousand files, which on ext4 costs a tenth of the whole run: it looks at each inode
 * that was freed in the last minutes before it gives a new one.
 */
function fastFolder(): string | null {
  if (process.env.TMPDIR !== undefined && process.env.TMPDIR !== '') return null;
  try {
    const mount = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .find(([, path]) => path === MEMORY_FOLDER);
    const [, , type = '', options = ''] = mount ?? [];
    if (type !== 'tmpfs' || options.split(',').some((option) => ['noexec', 'ro'].includes(option))) return null;
    const { bavail, bsize } = statfsSync(MEMORY_FOLDER);
    if (bavail * bsize < SUITE_LIMITS.fastFolderBytes) return null;
    const made = mkdtempSync(join(MEMORY_FOLDER, 'fog-tests-'));
    // PostgreSQL and sandboxes run as other users.
    chmodSync(made, 0o1777);
    return made;
  } catch {
    return null;
  }
}
