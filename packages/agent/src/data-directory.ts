/**
 * The folder an agent owns.
 *
 *     agent.lock         held while an agent runs
 *     identity.key       who the node is
 *     coordinator.json   whose certificate was pinned at the first join
 *     journal.jsonl      what the coordinator has not acknowledged yet
 *     cache/             blobs; may be deleted while no agent runs
 *     roots/             unpacked roots of native programs; may be deleted, too
 *     held/              attempts that may outlive the agent, one file each
 *     checkpoints/       /checkpoint of running attempts, a folder each
 *     forwarder/         the program that connects sandboxes, compiled at first use
 *     scratch/           files of running attempts, a folder each runtime, and outputs of committed ones; what is left
 *                        in it is removed at every start
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FogError } from '@fog/contract';
import { lockFolder } from '@fog/contract/node';
import { z } from 'zod';
import { writeFileDurably } from './durable-file.ts';

export interface DataDirectory extends Disposable {
  path: string;
  journalPath: string;
  cachePath: string;
  rootsPath: string;
  heldPath: string;
  checkpointsPath: string;
  forwarderPath: string;
  scratchPath: string;
}

/** Creates and locks the folder. Throws `data-directory` when it cannot be used or another agent uses it. */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  const root = resolve(path);
  const scratchPath = join(root, 'scratch');
  let lock: Disposable | undefined;
  try {
    lock = lockFolder(root, 'agent');
    await mkdir(scratchPath, { mode: 0o700, recursive: true });
  } catch (cause) {
    lock?.[Symbol.dispose]();
    if (cause instanceof FogError) throw cause;
    throw new FogError('data-directory', `cannot use ${root}: ${(cause as Error).message}`, { cause });
  }
  const held = lock;
  return {
    path: root,
    journalPath: join(root, 'journal.jsonl'),
    cachePath: join(root, 'cache'),
    rootsPath: join(root, 'roots'),
    heldPath: join(root, 'held'),
    checkpointsPath: join(root, 'checkpoints'),
    forwarderPath: join(root, 'forwarder'),
    scratchPath,
    [Symbol.dispose]: () => held[Symbol.dispose](),
  };
}

/** Removes what an earlier agent left there, but for these folders of runtimes, which look after their own. */
export async function emptyScratch(scratchPath: string, kept: readonly string[]): Promise<void> {
  const names = await readdir(scratchPath);
  const left = names.filter((name) => !kept.includes(name));
  await Promise.all(left.map((name) => rm(join(scratchPath, name), { recursive: true, force: true })));
}

const pinSchema = z.strictObject({ url: z.string(), fingerprint: z.string().nullable() });

/** The fingerprint pinned for this coordinator, or null. Throws `data-directory` when the file is unreadable. */
export async function readPin(root: string, url: string): Promise<string | null> {
  const path = join(root, 'coordinator.json');
  try {
    const pin = pinSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return pin.url === url ? pin.fingerprint : null;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new FogError('data-directory', `${path} is unreadable`, { cause, hint: 'delete it and join again' });
  }
}

/** Remembers the certificate, so that the join token is needed once. */
export async function writePin(root: string, url: string, fingerprint: string | null): Promise<void> {
  await writeFileDurably(join(root, 'coordinator.json'), `${JSON.stringify({ url, fingerprint })}\n`, 0o600);
}
