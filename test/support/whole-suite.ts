/**
 * What all test files of a run share; given to node as `--test-global-setup`. A file that is run alone has no need of it.
 * Test processes inherit the environment that is set here.
 */
import { join } from 'node:path';
import { startPostgres } from './postgres.ts';

let stop = async (): Promise<void> => {};

export async function globalSetup(): Promise<void> {
  // Types are stripped once, not once for each file and each program that a test starts.
  process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../../node_modules/.cache/node');
  // A server of their own for each file takes a second each. Where there is none, the files say why.
  const postgres = await startPostgres();
  if ('unavailable' in postgres) return;
  process.env.FOG_TEST_POSTGRES = postgres.url('postgres');
  stop = postgres.stop;
}

export async function globalTeardown(): Promise<void> {
  await stop();
}
