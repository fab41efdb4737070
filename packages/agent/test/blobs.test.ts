import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeFolderManifest, encodeFolderManifest, FogError, parseJobSpec, type TaskSpec } from '@fog/contract';
import type { AttemptOutput } from '@fog/runtimes';
import { AttemptFailure } from '../src/attempt-failure.ts';
import { AGENT_LIMITS } from '../src/limits.ts';
import { RootCache } from '../src/root-cache.ts';
import { Sessions } from '../src/sessions.ts';
import { stage } from '../src/staging.ts';
import { Transfers } from '../src/transfers.ts';
import { uploadOutputs } from '../src/uploads.ts';
import { startSite, temporaryFolder } from './agent-under-test.ts';
import { BlobShelf, bodyOf, cacheAt, failsWith, never } from './blob-shelf.ts';
import { digestOf, JOB, leaseGroup, problem } from './fake-coordinator.ts';

test('fetches a blob once for all who want it, read-only, and finds it after a restart', async () => {
  await using folder = await temporaryFolder();
  const shelf = new BlobShelf();
  const bytes = randomBytes(100_000);
  const digest = shelf.add(bytes);
  const empty = shelf.add(Buffer.alloc(0));
  const cache = await cacheAt(folder.path, 1 << 20, shelf);
  const [first, second] = await Promise.all([cache.acquire(digest, never), cache.acquire(digest, never)]);
  assert.equal(shelf.gets.length, 1);
  assert.equal(first.hostPath, second.hostPath);
  assert.deepEqual(await readFile(first.hostPath), bytes);
  assert.equal((await stat(first.hostPath)).mode & 0o777, 0o400);
  assert.equal((await cache.acquire(empty, never)).bytes, 0);
  const again = await cacheAt(folder.path, 1 << 20, shelf);
  assert(again.has(digest));
  assert.equal(again.usedBytes, bytes.length);
});

test('drops the least recently used blobs, never one in use', async () => {
  await using folder = await temporaryFolder();
  const shelf = new BlobShelf();
  const digests = Array.from({ length: 5 }, () => shelf.add(randomBytes(1000)));
  const [a, b, c, d, e] = digests as [string, string, string, string, string];
  const cache = await cacheAt(folder.path, 3000, shelf);
  const used = await cache.acquire(a, never);
  for (const digest of [b, c]) {
    await cache.acquire(digest, never);
    cache.release(digest);
  }
  await cache.acquire(b, never); // now c is the older one
  cache.release(b);
  await cache.acquire(d, never);
  assert.deepEqual(
    [a, b, c, d].map((digest) => cache.has(digest)),
    [true, true, false, true],
  );
  assert.equal((await stat(used.hostPath)).size, 1000);
  assert.equal(cache.usedBytes, 3000);
  await cache.acquire(b, never);
  await assert.rejects(cache.acquire(e, never), failsWith('staging', /do not fit/));
  assert.equal(cache.usedBytes, 3000);
  cache.release(a);
  await cache.acquire(e, never);
  assert(!cache.has(a));
  await assert.rejects(stat(used.hostPath), { code: 'ENOENT' });
});

test('bytes with a wrong digest are fetched once more, then refused', async () => {
  await using folder = await temporaryFolder();
  const shelf = new BlobShelf();
  const digest = shelf.add(Buffer.from('right'));
  const cache = await cacheAt(folder.path, 1 << 20, shelf);
  let wrong = 1;
  shelf.alter = (bytes) => bodyOf(wrong-- > 0 ? Buffer.from('wrong bytes') : bytes);
  assert.equal((await cache.acquire(digest, never)).bytes, 5);
  assert.equal(cache.usedBytes, 5);
  const other = shelf.add(Buffer.from('other'));
  shelf.alter = () => bodyOf(Buffer.from('wrong'));
  await assert.rejects(cache.acquire(other, never), failsWith('staging', /another digest/));
  assert.equal(shelf.gets.length, 4);
  assert.equal(cache.usedBytes, 5);
});

test('goes on where a broken connection left off, and gives up when nothing moves', async () => {
  await using folder = await temporaryFolder();
  const shelf = new BlobShelf();
  const bytes = randomBytes(50_000);
  const digest = shelf.add(bytes);
  const cache = await cacheAt(folder.path, 1 << 20, shelf);
  const cutAfter = async function* (part: Uint8Array): AsyncGenerator<Uint8Array> {
    yield part;
    throw new TypeError('terminated');
  };
  shelf.alter = (rest) => ReadableStream.from(cutAfter(rest.subarray(0, 4000))) as ReadableStream<Uint8Array>;
  const blob = await cache.acquire(digest, never);
  assert.deepEqual(await readFile(blob.hostPath), bytes);
  assert.deepEqual(
    shelf.gets.map(({ offset }) => offset),
    Array.from({ length: 13 }, (_, index) => index * 4000),
  );
  shelf.alter = () => {
    throw new FogError('internal', 'broken disk');
  };
  const gets = shelf.gets.length;
  await assert.rejects(cache.acquire(shelf.add(Buffer.from('x')), never), failsWith('staging', /broken disk/));
  assert.equal(shelf.gets.length - gets, AGENT_LIMITS.transferFailures);
});

test('a transfer that is owed is repeated as long as another try may help', async () => {
  const sessions = new Sessions();
  sessions.opened(new BlobShelf());
  const transfers = new Transfers({ session: (signal) => sessions.wait(signal), random: () => 0 });
  let tries = 0;
  const full = async (): Promise<string> => {
    tries += 1;
    if (tries <= 3 * AGENT_LIMITS.transferFailures) throw new FogError('storage-full', 'no room');
    return 'stored';
  };
  assert.equal(await transfers.patient().run(full, () => 0, never), 'stored');
  const useless = () => Promise.reject(new FogError('forbidden', 'never'));
  await assert.rejects(
    transfers.patient().run(useless, () => 0, never),
    { code: 'forbidden' },
  );
});

test('who leaves does not stop the download for the others; when all leave it ends', async () => {
  await using folder = await temporaryFolder();
  const shelf = new BlobShelf();
  const digest = shelf.add(Buffer.from('slow'));
  const cache = await cacheAt(folder.path, 1 << 20, shelf);
  const gate = Promise.withResolvers<void>();
  const slowly = async function* (bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    await gate.promise;
    yield bytes;
  };
  shelf.alter = (bytes) => ReadableStream.from(slowly(bytes)) as ReadableStream<Uint8Array>;
  const leaver = new AbortController();
  const left = cache.acquire(digest, leaver.signal);
  const stayed = cache.acquire(digest, never);
  leaver.abort(new AttemptFailure('cancelled', 'left'));
  await assert.rejects(left, failsWith('cancelled', /left/));
  gate.resolve();
  assert.equal((await stayed).bytes, 4);
  assert.equal(shelf.gets.length, 1);
});

function taskOf(task: object): TaskSpec {
  return parseJobSpec({
    kind: 'Job',
    spec: { task: { runtime: 'wasm', wasm: { module: digestOf(Buffer.from('module')) }, ...task } },
  }).spec.task;
}

test('stages program, standard input, files and folders', async () => {
  await using folder = await temporaryFolder();
  const shelf = new BlobShelf();
  shelf.add(Buffer.from('module'));
  const one = Buffer.from('one');
  const source = shelf.add(
    Buffer.from(encodeFolderManifest([{ path: 'sub/1.txt', digest: shelf.add(one), bytes: one.length }])),
  );
  const cache = await cacheAt(folder.path, 1 << 20, shelf);
  const roots = await RootCache.open({ directory: join(folder.path, 'roots'), capacityBytes: 0, blobs: cache });
  const shelves = { cache, roots };
  const inputs = [
    { source, path: '/in/data', type: 'folder' },
    { source: shelf.add(Buffer.from('file')), path: '/in/file' },
  ];
  const staged = await stage(taskOf({ inputs, stdin: { text: 'hi' } }), shelves, never);
  const found = await Promise.all(
    staged.inputs.map(async ({ sandboxPath, hostPath }) => [sandboxPath, await readFile(hostPath, 'utf8')]),
  );
  assert.deepEqual(found.sort(), [
    ['/in/data/sub/1.txt', 'one'],
    ['/in/file', 'file'],
  ]);
  assert(staged.stdin !== null && 'data' in staged.stdin);
  staged.release();
  const missing = { source: `sha256:${'1'.repeat(64)}`, path: '/in/gone' };
  await assert.rejects(
    stage(taskOf({ inputs: [missing] }), shelves, never),
    failsWith('input-missing', /^input \/in\/gone: blob sha256:1+ does not exist$/),
  );
  const file = { source: shelf.add(Buffer.from('file')), path: '/in/file', type: 'folder' };
  await assert.rejects(
    stage(taskOf({ inputs: [file] }), shelves, never),
    failsWith('input-missing', /not a folder manifest/),
  );
  const lying = encodeFolderManifest([{ path: 'a', digest: digestOf(one), bytes: 99 }]);
  const liar = { source: shelf.add(Buffer.from(lying)), path: '/in', type: 'folder' };
  await assert.rejects(
    stage(taskOf({ inputs: [liar] }), shelves, never),
    failsWith('input-missing', /manifest says 99/),
  );
  const clash = [
    { source, path: '/in', type: 'folder' },
    { source: digestOf(one), path: '/in/sub' },
  ];
  await assert.rejects(stage(taskOf({ inputs: clash }), shelves, never), failsWith('input-missing', /which is a file/));
});

test('outputs with names that cannot be stored are refused before a byte is sent', async () => {
  const content = { data: Buffer.from('x') };
  const transfers = { run: () => assert.fail('nothing may be sent') };
  for (const relativePath of ['../up', '/etc/passwd', 'a/../b', 'a\nb', 'a\\b', '', 'a//b']) {
    const output: AttemptOutput = { name: 'result', type: 'folder', files: [{ relativePath, content }] };
    await assert.rejects(
      uploadOutputs([output], transfers, never),
      failsWith('output-invalid', /cannot be stored/),
      relativePath,
    );
  }
});

test('a folder output is stored as its files and a manifest', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  const path = join(site.folder, 'scratch', `${JOB}.0.1`);
  runtime.behaviour = (attempt) => {
    const files = ['b', 'a/c'].map((name) => ({ relativePath: name, content: { data: Buffer.from(name) } }));
    attempt.succeed([{ name: 'folder', type: 'folder', files }]);
  };
  coordinator.lease(leaseGroup([0]));
  await coordinator.until(() => coordinator.ending(0) !== undefined);
  const ending = coordinator.ending(0);
  assert(ending?.event === 'succeed');
  assert.deepEqual(ending.outputs[0], { name: 'folder', type: 'folder', digest: ending.outputs[0]?.digest, bytes: 4 });
  const manifest = decodeFolderManifest(coordinator.blobs.get(ending.outputs[0]?.digest ?? '')?.toString() ?? '');
  assert.deepEqual(
    manifest.map((entry) => entry.path),
    ['a/c', 'b'],
  );
  assert(manifest.every(({ digest }) => coordinator.blobs.has(digest)));
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('an upload cut in the middle goes on where it stopped, and the file is removed afterwards', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  const bytes = randomBytes(3_000_000);
  const hostPath = join(site.folder, 'scratch', 'big');
  await writeFile(hostPath, bytes);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  let cuts = 0;
  coordinator.onRequest = (request) => {
    if (request.method !== 'PUT' || cuts > 0) return false;
    cuts += 1;
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received < 1_000_000) return;
      request.destroy();
      coordinator.cut();
    });
    return false;
  };
  runtime.behaviour = (attempt) =>
    attempt.succeed([
      { name: 'big', type: 'file', files: [{ relativePath: '', content: { hostPath, bytes: bytes.length } }] },
    ]);
  coordinator.lease(leaseGroup([0]));
  await coordinator.until(() => coordinator.ending(0) !== undefined, 'the outcome');
  const ending = coordinator.ending(0);
  assert(ending?.event === 'succeed', JSON.stringify(ending));
  assert.deepEqual(ending.outputs, [{ name: 'big', type: 'file', digest, bytes: bytes.length }]);
  assert(coordinator.blobs.get(digest)?.equals(bytes));
  const puts = coordinator.requests.filter((request) => request.startsWith('PUT'));
  assert.equal(puts.length, 2);
  assert.match(puts[1] ?? '', /offset=[1-9]\d+$/);
  assert(coordinator.reports({ partition: 0 }).some((report) => report.event === 'upload'));
  await assert.rejects(stat(hostPath), { code: 'ENOENT' });
});

test('what the coordinator refuses to store fails the attempt with the reason', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  coordinator.onRequest = (request, response) => {
    if (request.method !== 'PUT') return false;
    problem(response, new FogError('body-too-large', 'at most 5 GiB'));
    return true;
  };
  runtime.behaviour = (attempt) =>
    attempt.succeed([{ name: 'out', type: 'file', files: [{ relativePath: '', content: { data: Buffer.of(1) } }] }]);
  coordinator.lease(leaseGroup([0]));
  await coordinator.until(() => coordinator.ending(0) !== undefined);
  const ending = coordinator.ending(0);
  assert(ending?.event === 'fail' && ending.reason === 'output-too-large', JSON.stringify(ending));
});

test('an upload that another one of the same blob takes over asks again what is there', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  const data = Buffer.from('the same result');
  coordinator.onRequest = (request, response, digest) => {
    if (request.method !== 'PUT') return false;
    coordinator.blobs.set(digest, data); // the other one is done
    problem(response, new FogError('conflict', 'a newer upload of this blob took over'));
    return true;
  };
  runtime.behaviour = (attempt) =>
    attempt.succeed([{ name: 'out', type: 'file', files: [{ relativePath: '', content: { data } }] }]);
  coordinator.lease(leaseGroup([0]));
  await coordinator.until(() => coordinator.ending(0) !== undefined);
  assert.equal(coordinator.ending(0)?.event, 'succeed');
});

test('stopping an attempt ends its transfers', async () => {
  await using site = await startSite();
  const { coordinator } = site;
  coordinator.onRequest = () => true; // never answers
  const name = { job: JOB, partition: 0, fence: 1 };
  coordinator.lease(leaseGroup([0]));
  await coordinator.until(() => coordinator.requests.length === 1);
  coordinator.send({ type: 'stop', attempts: [{ attempt: name, reason: 'cancelled' }] });
  coordinator.cut();
  await coordinator.until(() => coordinator.hellos.length === 2);
  assert.deepEqual(coordinator.hellos.at(-1)?.attempts, []);
});
