import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { encodeFolderManifest } from '@fog/contract';
import { renewBlobs } from '../../src/blobs/blob-rows.ts';
import { type BlobStore, openBlobStore } from '../../src/blobs/blob-store.ts';
import { BlobCollector } from '../../src/blobs/collect-blobs.ts';
import { HTTP_LIMITS } from '../../src/limits.ts';
import { type StoreFolder, storeFolder } from '../access/store-folder.ts';

const KEEP = 1000;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Scene extends StoreFolder {
  store: BlobStore;
  collector: BlobCollector;
  clock: { now: number };
  put(bytes: Uint8Array): Promise<string>;
  /** What a submit does; false when the blob is gone. */
  refer(digest: string): Promise<boolean>;
}

async function scene(): Promise<Scene> {
  const folder = await storeFolder();
  const clock = { now: 10_000_000 };
  const options = { database: folder.database, logger: silent, now: () => clock.now };
  const store = await openBlobStore({
    ...options,
    directory: join(folder.directory, 'blobs'),
    blobBytes: 1 << 20,
    blobSpaceBytes: 1 << 30,
    keepMilliseconds: KEEP,
    freeDiskBytes: async () => 1e12,
  });
  return {
    ...folder,
    store,
    collector: new BlobCollector({ ...options, blobs: store }),
    clock,
    async put(bytes) {
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      await store.receive(digest, { offset: 0, length: bytes.length, body: Readable.from([bytes]) });
      return digest;
    },
    async refer(digest) {
      const row = { job_id: 'j0123456789abcdefgh', digest };
      return folder.database.write(async (writer) => {
        const missing = await renewBlobs(writer, [digest], clock.now);
        if (missing.length > 0) return false;
        await writer
          .insertInto('job_blobs')
          .values(row)
          .onConflict((conflict) => conflict.doNothing())
          .execute();
        return true;
      });
    },
  };
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

test('old and unreferenced blobs go, fresh and referenced ones stay', async () => {
  await using it = await scene();
  const [old, referenced, renewed] = [
    await it.put(randomBytes(9)),
    await it.put(randomBytes(9)),
    await it.put(randomBytes(9)),
  ];
  await it.refer(referenced);
  it.clock.now += KEEP;
  assert.equal((await it.collector.run()).deleted, 0, 'exactly as old as allowed');
  assert.ok(await it.store.has(renewed));
  it.clock.now += 1;
  const fresh = await it.put(randomBytes(9));
  assert.equal((await it.collector.run()).deleted, 1);
  assert.equal(await exists(it.store.paths.blob(old)), false);
  for (const digest of [referenced, renewed, fresh]) assert.ok(await it.store.has(digest), digest);
  assert.equal((await it.store.totals()).blobs, 3);
});

test('a folder that a job refers to keeps its files', async () => {
  await using it = await scene();
  const files = await Promise.all([1, 2, 3].map(() => it.put(randomBytes(9))));
  const manifestOf = (digests: string[]) =>
    encodeFolderManifest(digests.map((digest, index) => ({ path: `f${index}`, digest, bytes: 9 })));
  const manifest = await it.put(manifestOf(files.slice(0, 2)));
  const unreferenced = await it.put(manifestOf(files.slice(2)));
  await it.refer(manifest);
  await it.refer(await it.put(Buffer.from('{"fogFolder":1 but no manifest')));
  it.clock.now += KEEP + 1;
  assert.deepEqual(await it.collector.run(), { deleted: 2, keptByFolders: 2, strays: 0 });
  for (const digest of [manifest, ...files.slice(0, 2)]) assert.ok(await it.store.has(digest), digest);
  for (const digest of [unreferenced, ...files.slice(2)]) assert.equal(await it.store.has(digest), false, digest);
  assert.deepEqual(await it.collector.run(), { deleted: 0, keptByFolders: 0, strays: 0 });
});

test('the checkpoint of a task keeps its files until another replaces it', async () => {
  await using it = await scene();
  const folder = async () => {
    const digest = await it.put(randomBytes(9));
    return { file: digest, manifest: await it.put(encodeFolderManifest([{ path: 'n', digest, bytes: 9 }])) };
  };
  const [last] = [await folder(), await folder()];
  const task = { job_id: 'j0123456789abcdefgh', partition: 0, state: 'queued', class_id: 'c', rank: 50, fence: 1 };
  const counts = { parked: 0, job_failures: 0, node_failures: 0, checkpoint_manifest: last.manifest };
  await it.database.write((writer) =>
    writer
      .insertInto('tasks')
      .values({ ...task, ...counts })
      .execute(),
  );
  it.clock.now += KEEP + 1;
  assert.deepEqual(await it.collector.run(), { deleted: 2, keptByFolders: 1, strays: 0 });
  for (const digest of [last.file, last.manifest]) assert.ok(await it.store.has(digest), digest);
  await it.database.write((writer) => writer.updateTable('tasks').set({ checkpoint_manifest: null }).execute());
  it.clock.now += KEEP + 1;
  assert.equal((await it.collector.run()).deleted, 2);
});

test('a deletion that was begun and not finished is finished later', async () => {
  await using it = await scene();
  const digest = await it.put(randomBytes(9));
  await it.database.write((writer) => writer.updateTable('blobs').set({ stored_at: -it.clock.now }).execute());
  await it.collector.run();
  assert.ok(await exists(it.store.paths.blob(digest)), 'somebody may still be at it');
  it.clock.now += HTTP_LIMITS.collectTakeoverMilliseconds + 1;
  await it.collector.run();
  assert.equal(await exists(it.store.paths.blob(digest)), false);
  assert.equal((await it.database.read.selectFrom('blobs').selectAll().execute()).length, 0);
});

test('files without a row go once they are old', async () => {
  await using it = await scene();
  const kept = await it.put(randomBytes(9));
  const stray = `sha256:${'00'}${'ab'.repeat(31)}`;
  const young = `sha256:${'00'}${'cd'.repeat(31)}`;
  for (const [digest, at] of [
    [stray, it.clock.now - KEEP - 1],
    [young, it.clock.now],
  ] as const) {
    await mkdir(dirname(it.store.paths.blob(digest)), { recursive: true });
    await writeFile(it.store.paths.blob(digest), 'x');
    await utimes(it.store.paths.blob(digest), new Date(at), new Date(at));
  }
  assert.equal((await it.collector.run()).strays, 1);
  assert.equal(await exists(it.store.paths.blob(stray)), false);
  assert.ok(await exists(it.store.paths.blob(young)));
  assert.ok(await it.store.has(kept));
});

test('collecting while others upload, ask and refer never takes what they were promised', async () => {
  await using it = await scene();
  const pool = Array.from({ length: 12 }, () => randomBytes(9));
  const promised = new Set<string>();
  let running = true;
  const collecting = (async () => {
    while (running) {
      it.clock.now += KEEP / 2;
      await it.collector.run();
    }
  })();
  for (let round = 0; round < 60; round += 1) {
    const bytes = pool[round % pool.length] as Buffer;
    const before = it.clock.now;
    const digest = await it.put(bytes);
    // Within the time it was promised for, the file is there.
    const there = await exists(it.store.paths.blob(digest));
    assert.ok(there || it.clock.now - before >= KEEP, `round ${round}`);
    if (round % 17 === 0 && (await it.refer(digest))) promised.add(digest);
  }
  running = false;
  await collecting;
  assert.ok(promised.size > 0);
  for (const digest of promised) assert.ok(await exists(it.store.paths.blob(digest)));
});
