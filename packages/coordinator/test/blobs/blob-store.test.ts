import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import { insertBlob, markForDeletion } from '../../src/blobs/blob-rows.ts';
import { type BlobStore, type BlobStoreDependencies, openBlobStore } from '../../src/blobs/blob-store.ts';
import { type StoreFolder, storeFolder } from '../access/store-folder.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

async function openIn(folder: StoreFolder, options: Partial<BlobStoreDependencies> = {}): Promise<BlobStore> {
  return openBlobStore({
    directory: join(folder.directory, 'blobs'),
    database: folder.database,
    logger: silent,
    blobBytes: 1 << 20,
    blobSpaceBytes: 8 << 20,
    keepMilliseconds: 1000,
    freeDiskBytes: async () => 1e12,
    ...options,
  });
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** `bytes` in chunks; ends with an error after `cut` bytes. */
function bodyOf(bytes: Uint8Array, options: { chunk?: number; cut?: number } = {}): Readable {
  const { chunk = 1000, cut = Number.POSITIVE_INFINITY } = options;
  async function* chunks() {
    for (let start = 0; start < Math.min(bytes.length, cut); start += chunk) {
      yield bytes.subarray(start, Math.min(start + chunk, cut));
    }
    if (cut <= bytes.length) throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
  }
  return Readable.from(chunks(), { objectMode: true });
}

async function put(store: BlobStore, bytes: Uint8Array, offset = 0): Promise<{ bytes: number; created: boolean }> {
  return store.receive(digestOf(bytes), {
    offset,
    length: bytes.length - offset,
    body: bodyOf(bytes.subarray(offset)),
  });
}

async function contents(store: BlobStore, digest: string): Promise<Buffer> {
  const { file } = await store.open(digest);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

const partialFiles = (store: BlobStore) => readdir(store.paths.partial);

test('a blob is verified, stored under its digest, counted, and not stored twice', async () => {
  await using folder = await storeFolder();
  const store = await openIn(folder);
  const bytes = randomBytes(123_456);
  const digest = digestOf(bytes);
  assert.equal(await store.stat(digest), null);
  assert.deepEqual(await put(store, bytes), { bytes: bytes.length, created: true });
  assert.deepEqual(await put(store, bytes), { bytes: bytes.length, created: false });
  assert.deepEqual(await contents(store, digest), bytes);
  assert.deepEqual(await readFile(join(folder.directory, 'blobs/sha256', digest.slice(7, 9), digest.slice(9))), bytes);
  const empty = new Uint8Array();
  assert.deepEqual(await put(store, empty), { bytes: 0, created: true });
  const totals = await store.totals();
  assert.deepEqual([totals.blobs, totals.blobBytes, totals.partialBytes], [2, bytes.length, 0]);
  assert.deepEqual(await partialFiles(store), []);
  await assert.rejects(store.open(`sha256:${'0'.repeat(64)}`), { code: 'blob-not-found' });
  await assert.rejects(store.open('sha256:../../../etc/passwd'), TypeError);
});

test('however often an upload is cut, what arrived stays and the end is right', async () => {
  await using folder = await storeFolder();
  const store = await openIn(folder);
  const cuts = fc.array(fc.nat(5000), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 5000 }),
      cuts,
      fc.integer({ min: 1, max: 900 }),
      async (bytes, at, chunk) => {
        const whole = Buffer.concat([bytes, randomBytes(8)]);
        const digest = digestOf(whole);
        for (const cut of at) {
          const offset = await store.uploadOffset(digest);
          const rest = whole.subarray(offset);
          if (cut >= rest.length) continue;
          await assert.rejects(
            store.receive(digest, { offset, length: rest.length, body: bodyOf(rest, { chunk, cut }) }),
            { code: 'ECONNRESET' },
          );
          assert.equal(await store.uploadOffset(digest), offset + cut);
        }
        const offset = await store.uploadOffset(digest);
        await put(store, whole, offset);
        assert.deepEqual(await contents(store, digest), whole);
        assert.deepEqual(await partialFiles(store), []);
      },
    ),
    { numRuns: 40 },
  );
  const totals = await store.totals();
  assert.equal(totals.partialBytes, 0, 'nothing is counted as unfinished any more');
});

test('wrong bytes are thrown away, a wrong offset is answered with the right one', async () => {
  await using folder = await storeFolder();
  const store = await openIn(folder);
  const bytes = randomBytes(5000);
  const digest = digestOf(bytes);
  const wrong = Buffer.from(bytes);
  wrong[4999] = (wrong[4999] ?? 0) ^ 1;
  await assert.rejects(store.receive(digest, { offset: 0, length: 5000, body: bodyOf(wrong) }), {
    code: 'blob-digest-mismatch',
    details: { expected: digest, actual: digestOf(wrong), bytes: 5000 },
  });
  assert.deepEqual(await partialFiles(store), []);
  assert.equal(await store.stat(digest), null);

  await assert.rejects(put(store, bytes, 7), { code: 'blob-offset-mismatch', details: { offset: 0 } });
  await assert.rejects(store.receive(digest, { offset: 0, length: 5000, body: bodyOf(bytes, { cut: 3000 }) }));
  await assert.rejects(put(store, bytes, 2999), { code: 'blob-offset-mismatch', details: { offset: 3000 } });
  assert.equal(await store.uploadOffset(digest), 3000, 'a wrong offset costs nothing');
  assert.equal((await put(store, bytes, 3000)).created, true);
});

test('a part that was poisoned is found out at the end, and the next upload succeeds', async () => {
  await using folder = await storeFolder();
  const store = await openIn(folder);
  const bytes = randomBytes(5000);
  await writeFile(store.paths.released(digestOf(bytes)), Buffer.alloc(3000));
  await assert.rejects(put(store, bytes, 3000), { code: 'blob-digest-mismatch' });
  assert.equal((await put(store, bytes)).created, true);
});

test('sizes are bounded: one blob, all blobs, unfinished ones, the disk', async () => {
  await using folder = await storeFolder();
  let free = 1e12;
  const store = await openIn(folder, { blobBytes: 100_000, blobSpaceBytes: 300_000, freeDiskBytes: async () => free });
  const full = { code: 'storage-full', status: 507 };
  const unread = () => Readable.from([], { read: () => assert.fail('the body was read') } as never);
  await assert.rejects(store.receive(digestOf(new Uint8Array(1)), { offset: 0, length: 100_001, body: unread() }), {
    code: 'body-too-large',
  });
  const endless = randomBytes(200_000);
  await assert.rejects(store.receive(digestOf(endless), { offset: 0, length: null, body: bodyOf(endless) }), {
    code: 'body-too-large',
  });
  const [one, two] = [randomBytes(90_000), randomBytes(90_000)];
  await put(store, one);
  await assert.rejects(store.receive(digestOf(two), { offset: 0, length: 90_000, body: bodyOf(two, { cut: 80_000 }) }));
  const third = randomBytes(90_000);
  await put(store, third);
  await assert.rejects(put(store, randomBytes(60_000)), full);
  const unannounced = randomBytes(60_000);
  await assert.rejects(
    store.receive(digestOf(unannounced), { offset: 0, length: null, body: bodyOf(unannounced) }),
    full,
  );
  await put(store, two, 80_000);
  free = 1000;
  await assert.rejects(put(store, randomBytes(10)), full);
  free = 1e12;
  await put(store, randomBytes(10));
  assert.deepEqual(await partialFiles(store), []);
});

test('several uploads of one blob at the same time all succeed', async () => {
  await using folder = await storeFolder();
  const store = await openIn(folder);
  const second = await openIn(folder);
  const bytes = randomBytes(50_000);
  const results = await Promise.all(Array.from({ length: 8 }, (_, index) => put(index % 2 ? store : second, bytes)));
  assert.ok(results.every((result) => result.bytes === 50_000));
  assert.deepEqual(await contents(store, digestOf(bytes)), bytes);
  assert.deepEqual(await partialFiles(store), []);
});

test('a silent upload gives way to its own continuation', { timeout: 10_000 }, async () => {
  await using folder = await storeFolder();
  const store = await openIn(folder);
  const bytes = randomBytes(4000);
  const digest = digestOf(bytes);
  const silentBody = new Readable({ read: () => undefined });
  silentBody.push(bytes.subarray(0, 1500));
  const first = store.receive(digest, { offset: 0, length: 4000, body: silentBody });
  const ended = assert.rejects(first, { code: 'conflict' });
  while ((await store.uploadOffset(digest)) < 1500) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal((await put(store, bytes, 1500)).created, true);
  await ended;
  assert.deepEqual(await contents(store, digest), bytes);
});

test('a body that stalls is ended and its part kept', async () => {
  await using folder = await storeFolder();
  const store = await openIn(folder, { stallMilliseconds: 60 });
  const bytes = randomBytes(4000);
  const digest = digestOf(bytes);
  const body = new Readable({ read: () => undefined });
  body.push(bytes.subarray(0, 1500));
  await assert.rejects(store.receive(digest, { offset: 0, length: 4000, body }), { code: 'timed-out' });
  assert.equal(await store.uploadOffset(digest), 1500);
});

test('what a killed process left is adopted, what lives is left alone, what is old goes', async () => {
  await using folder = await storeFolder();
  const { paths } = await openIn(folder);
  const [killed, living, foreign, abandoned, old] = Array.from({ length: 5 }, () => randomBytes(3000));
  const host = hostname().replace(/[^A-Za-z0-9.-]/g, '-');
  const write = async (bytes: Uint8Array | undefined, name: string, ageHours = 0) => {
    const hex = digestOf(bytes ?? new Uint8Array()).slice(7);
    const path = join(paths.partial, hex + name);
    await writeFile(path, (bytes ?? new Uint8Array()).subarray(0, 2000));
    const then = new Date(Date.now() - ageHours * 3_600_000);
    await utimes(path, then, then);
    return hex + name;
  };
  await write(killed, `~${host}~${process.pid}~${'0'.repeat(12)}~1`);
  const kept = [
    await write(living, `~${host}~1~${'0'.repeat(12)}~1`),
    await write(foreign, `~elsewhere~1~${'0'.repeat(12)}~1`),
  ];
  await write(abandoned, `~elsewhere~1~${'0'.repeat(12)}~2`, 1);
  await write(old, '', 25);
  await write(old, 'rubbish', 25);
  const store = await openIn(folder);
  const names = await partialFiles(store);
  const released = [killed, abandoned].map((bytes) => digestOf(bytes ?? new Uint8Array()).slice(7));
  assert.deepEqual(new Set(names), new Set([...kept, ...released]));
  assert.equal(await store.uploadOffset(digestOf(killed as Buffer)), 2000);
  await put(store, killed as Buffer, 2000);
});

test('after kill -9 the upload goes on where its file ends', { timeout: 20_000 }, async () => {
  await using folder = await storeFolder();
  const bytes = Buffer.alloc(4 << 20, 7);
  const digest = digestOf(bytes);
  const program = new URL('./endless-upload.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, folder.directory, digest], { stdio: 'inherit' });
  const partial = join(folder.directory, 'blobs', 'partial');
  const written = async () => {
    const names = await readdir(partial).catch(() => []);
    return Promise.all(names.map(async (name) => (await stat(join(partial, name))).size));
  };
  while (!(await written()).includes(2 << 20)) await new Promise((resolve) => setTimeout(resolve, 20));
  const early = await openIn(folder, { blobBytes: 8 << 20 });
  assert.equal(await early.uploadOffset(digest), 0, 'its process lives, so its file is left alone');
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  const store = await openIn(folder, { blobBytes: 8 << 20 });
  const offset = await store.uploadOffset(digest);
  assert.equal(offset, 2 << 20);
  assert.equal((await put(store, bytes, offset)).created, true);
});

test('row and file only count together: a crash between them loses nothing but the upload', async () => {
  await using folder = await storeFolder();
  const store = await openIn(folder);
  const bytes = randomBytes(3000);
  const digest = digestOf(bytes);
  await folder.database.write((writer) => insertBlob(writer, digest, 3000, Date.now()));
  assert.equal(await store.has(digest), false, 'killed before the rename');
  await put(store, bytes);
  assert.equal(await store.has(digest), true);
  await writeFile(store.paths.blob(digest), bytes.subarray(0, 2000));
  assert.equal(await store.has(digest), false, 'a file of another length is not the blob');
  await rm(store.paths.blob(digest));
  await put(store, bytes);
  await mkdir(join(store.paths.complete, 'zz'), { recursive: true });
  const stray = randomBytes(10);
  await put(store, stray);
  await folder.database.write((writer) => writer.deleteFrom('blobs').where('digest', '=', digestOf(stray)).execute());
  assert.equal(await store.has(digestOf(stray)), false, 'a file without a row is not the blob');
});

test('asking for a blob renews it, and during a deletion it does not exist', async () => {
  await using folder = await storeFolder();
  let now = 1_000_000;
  const store = await openIn(folder, { now: () => now, keepMilliseconds: 1000 });
  const bytes = randomBytes(3000);
  const digest = digestOf(bytes);
  await put(store, bytes);
  const storedAt = async () =>
    (await folder.database.read.selectFrom('blobs').selectAll().executeTakeFirst())?.stored_at;
  now += 100;
  await store.has(digest);
  assert.equal(await storedAt(), 1_000_000, 'a fresh row is not written again');
  now += 300;
  await store.has(digest);
  assert.equal(await storedAt(), now);
  const mark = (cutoff: number) =>
    folder.database.write((writer) => markForDeletion(writer, [digest], { cutoff, now }));
  assert.deepEqual(await mark(now), [], 'renewed since it was found to be old');
  const marked = await mark(now + 1);
  assert.deepEqual(marked, [digest]);
  assert.equal(await store.has(digest), false);
  const upload = put(store, bytes);
  await new Promise((resolve) => setTimeout(resolve, 120));
  await store.deleteMarkedFiles(marked, now);
  assert.deepEqual(await upload, { bytes: 3000, created: true });
  assert.equal(await store.has(digest), true);
  assert.equal((await stat(store.paths.blob(digest))).size, 3000);
  assert.equal(await store.delete(digest), true);
  assert.equal(await store.delete(digest), false);
});

test('folder manifests are read back, other blobs are none', async () => {
  await using folder = await storeFolder();
  const store = await openIn(folder);
  const entry = { path: 'a.txt', digest: digestOf(new Uint8Array()), bytes: 0 };
  const manifest = Buffer.from(JSON.stringify({ fogFolder: 1, entries: [entry] }));
  await put(store, manifest);
  assert.deepEqual(await store.readFolder(digestOf(manifest)), [entry]);
  const other = randomBytes(20);
  await put(store, other);
  await assert.rejects(store.readFolder(digestOf(other)), FogError);
});
