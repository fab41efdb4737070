import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parseJobSpec, type TaskSpec } from '@fog/contract';
import { gzipArchive, type TarEntry, tarArchive } from '../../../test/support/tar-archive.ts';
import { AttemptFailure } from '../src/attempt-failure.ts';
import type { BlobCache } from '../src/blob-cache.ts';
import { RootCache } from '../src/root-cache.ts';
import { isStaged, programOf, stage } from '../src/staging.ts';
import { temporaryFolder } from './agent-under-test.ts';
import { BlobShelf, cacheAt, failsWith, never } from './blob-shelf.ts';

/** As the unpacker counts an entry besides its bytes. */
const ENTRY_BYTES = 4096;

interface Node {
  shelf: BlobShelf;
  cache: BlobCache;
  roots: RootCache;
  directory: string;
  /** Another agent in the same folder. */
  restarted(): Promise<RootCache>;
}

async function nodeAt(path: string, capacityBytes: number): Promise<Node> {
  const shelf = new BlobShelf();
  const cache = await cacheAt(join(path, 'cache'), 1 << 24, shelf);
  const directory = join(path, 'roots');
  const restarted = () => RootCache.open({ directory, capacityBytes, blobs: cache });
  return { shelf, cache, roots: await restarted(), directory, restarted };
}

function archiveOf(content: string, more: TarEntry[] = []): Buffer {
  return gzipArchive([{ name: 'bin/a', content, mode: 0o755 }, ...more]);
}

/** What lies there, when what is being removed is gone. */
async function settled(directory: string): Promise<string[]> {
  for (;;) {
    const names = await readdir(directory);
    if (!names.some((name) => name.startsWith('dropped-'))) return names.sort();
    await pause(5);
  }
}

const hex = (digest: string): string => digest.slice('sha256:'.length);

test('a root is fetched and unpacked once for all who want it, and kept over a restart', async () => {
  await using folder = await temporaryFolder();
  const { shelf, cache, roots, directory, restarted } = await nodeAt(folder.path, 1 << 20);
  const digest = shelf.add(archiveOf('one'));
  assert(!roots.has(digest));
  const [first, second] = await Promise.all([roots.acquire(digest, never), roots.acquire(digest, never)]);
  assert.deepEqual([first, first.hostPath], [second, roots.pathOf(digest)]);
  assert.equal(first.hostPath, join(directory, hex(digest), 'tree'));
  const made = await stat(join(first.hostPath, 'bin/a'));
  assert.equal(await readFile(join(first.hostPath, 'bin/a'), 'utf8'), 'one');
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
  assert.equal(shelf.gets.length, 1);
  assert.equal(roots.usedBytes, 2 * ENTRY_BYTES + 3);
  cache.release(digest);
  assert.equal((await roots.acquire(digest, never)).hostPath, first.hostPath);

  await mkdir(join(directory, `partial-${hex(digest)}`, 'tree'), { recursive: true });
  await mkdir(join(directory, 'dropped-7', 'tree', 'closed'), { recursive: true });
  await chmod(join(directory, 'dropped-7', 'tree', 'closed'), 0);
  await mkdir(join(directory, 'f'.repeat(64)));
  await writeFile(join(directory, 'f'.repeat(64), 'facts.json'), 'cut of');
  const again = await restarted();
  assert.deepEqual(await readdir(directory), [hex(digest)], 'what is not complete is removed');
  assert(again.has(digest));
  assert.equal(again.usedBytes, roots.usedBytes);
  await again.acquire(digest, never);
  assert.equal((await stat(join(first.hostPath, 'bin/a'))).ino, made.ino);
  assert.equal(shelf.gets.length, 1);
});

test('drops the least recently used roots, never one in use', async () => {
  await using folder = await temporaryFolder();
  const { shelf, roots, directory } = await nodeAt(folder.path, 3 * (2 * ENTRY_BYTES + 1));
  const [a, b, c, d, e] = [...'abcde'].map((content) => shelf.add(archiveOf(content))) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const used = await roots.acquire(a, never);
  for (const digest of [b, c, b]) {
    await roots.acquire(digest, never);
    roots.release(digest);
  }
  await roots.acquire(d, never);
  const kept = [a, b, c, d].map((digest) => roots.has(digest));
  assert.deepEqual(kept, [true, true, false, true]);
  assert.deepEqual(await settled(directory), [a, b, d].map(hex).sort());
  await roots.acquire(b, never);
  const usedBytes = roots.usedBytes;
  await assert.rejects(roots.acquire(e, never), failsWith('staging', /roots in use do not fit .*agent\.roots/));
  assert.equal(roots.usedBytes, usedBytes);
  assert.deepEqual(await settled(directory), [a, b, d].map(hex).sort(), 'nothing is left of it');
  assert.equal(await readFile(join(used.hostPath, 'bin/a'), 'utf8'), 'a');
  roots.release(a);
  await roots.acquire(e, never);
  assert(!roots.has(a));
  await roots.acquire(d, never);
  roots.release(d);
  await assert.rejects(roots.acquire(a, never), failsWith('staging', /do not fit/), 'd is used twice');
});

test('who leaves does not stop the unpacking for others; when all leave it ends, and another begins anew', async () => {
  await using folder = await temporaryFolder();
  const { shelf, roots, directory } = await nodeAt(folder.path, 1 << 26);
  const files = Array.from({ length: 400 }, (_, index) => ({ name: `f${index}`, content: 'x'.repeat(2000) }));
  const digest = shelf.add(tarArchive(files));
  const reason = new AttemptFailure('cancelled', 'left');
  const leaver = new AbortController();
  const left = roots.acquire(digest, leaver.signal);
  const stayed = roots.acquire(digest, never);
  while (!(await readdir(directory)).some((name) => name.startsWith('partial-'))) await pause(1);
  leaver.abort(reason);
  await assert.rejects(left, (error) => error === reason);
  assert.equal((await readdir((await stayed).hostPath)).length, 400);
  roots.release(digest);

  const other = shelf.add(tarArchive([...files, { name: 'last', content: '' }]));
  const abort = new AbortController();
  const alone = roots.acquire(other, abort.signal);
  while (!(await readdir(directory)).some((name) => name.startsWith('partial-'))) await pause(1);
  abort.abort(reason);
  await assert.rejects(alone, (error) => error === reason);
  const usedBytes = 401 * ENTRY_BYTES + 400 * 2000;
  const anew = await roots.acquire(other, never);
  assert.equal((await readdir(anew.hostPath)).length, 401);
  assert.equal(roots.usedBytes, usedBytes - ENTRY_BYTES + usedBytes);
  assert.deepEqual(await readdir(directory).then((names) => names.sort()), [digest, other].map(hex).sort());
});

test('what is wrong with an archive is the job’s, and leaves nothing', async () => {
  await using folder = await temporaryFolder();
  const { shelf, roots, directory } = await nodeAt(folder.path, 1 << 20);
  const leadsOut = shelf.add(archiveOf('x', [{ name: '../evil', content: 'x' }]));
  await assert.rejects(
    roots.acquire(leadsOut, never),
    failsWith('input-missing', /^the archive names an entry by "\.\.": "\.\.\/evil"$/),
  );
  const noArchive = shelf.add(Buffer.from('#!/bin/sh'));
  await assert.rejects(roots.acquire(noArchive, never), failsWith('input-missing', /the archive ends too early/));
  const gone = `sha256:${'1'.repeat(64)}`;
  await assert.rejects(roots.acquire(gone, never), failsWith('input-missing', /blob sha256:1+ does not exist/));
  assert.equal(roots.usedBytes, 0);
  assert.deepEqual(await readdir(directory), []);
});

test('a disk that fails is the node’s', async () => {
  await using folder = await temporaryFolder();
  const { shelf, roots, directory } = await nodeAt(folder.path, 1 << 20);
  const digest = shelf.add(archiveOf('x'));
  await mkdir(join(directory, `partial-${hex(digest)}`));
  await assert.rejects(roots.acquire(digest, never), failsWith('staging', /^it cannot be unpacked: EEXIST/));
  assert.equal(roots.usedBytes, 0);
  await roots.acquire(digest, never);
});

test('an attempt stages its root with its files, and holds it until it is released', async () => {
  await using folder = await temporaryFolder();
  const node = await nodeAt(folder.path, 2 * ENTRY_BYTES + 3);
  const { shelf, roots } = node;
  const task = (root: string, more: object = {}): TaskSpec => {
    const spec = { task: { runtime: 'process', process: { root, command: ['/bin/a'] }, ...more } };
    return parseJobSpec({ kind: 'Job', spec }).spec.task;
  };
  const digest = shelf.add(archiveOf('one'));
  assert(!isStaged(task(digest), node));
  const program = programOf({ task: task(digest) }, node);
  assert(program?.runtime === 'process');
  assert.equal(program.rootPath, roots.pathOf(digest));
  const staged = await stage(task(digest), node, never);
  assert(isStaged(task(digest), node));
  const other = task(shelf.add(archiveOf('two')));
  await assert.rejects(stage(other, node, never), failsWith('staging', /^the root: the roots in use do not fit/));
  const again = await stage(task(digest), node, never);
  staged.release();
  staged.release();
  await assert.rejects(stage(other, node, never), failsWith('staging', /in use/), 'the second attempt uses it, too');
  again.release();
  const inputs = [{ source: `sha256:${'1'.repeat(64)}`, path: '/in/gone' }];
  await assert.rejects(stage(task(digest, { inputs }), node, never), failsWith('input-missing', /^input \/in\/gone/));
  (await stage(other, node, never)).release();
  assert(!roots.has(digest), 'what failed holds nothing');
});
