import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { encodeFolderManifest, FogError } from '@fog/contract';
import { downloadBytes, downloadFile, downloadFolder, downloadOutput } from '../src/download.ts';
import { SDK_LIMITS } from '../src/limits.ts';
import { digestOf, uploadBytes, uploadPath } from '../src/upload.ts';
import { BlobServer } from './blob-server.ts';

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fog-transfers-'));
});
after(() => rm(root, { recursive: true, force: true }));

const bytes = (length: number, seed = 1) => Uint8Array.from({ length }, (_, index) => (index * 31 * seed + seed) & 255);
const withCode = (code: string) => (error: unknown) => error instanceof FogError && error.code === code;

async function folder(name: string, files: Record<string, string | Uint8Array>): Promise<string> {
  const path = join(root, name);
  await mkdir(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    await mkdir(join(path, file, '..'), { recursive: true });
    await writeFile(join(path, file), content);
  }
  return path;
}

describe('upload', () => {
  test('what is there is not sent again', async () => {
    const server = new BlobServer();
    const data = bytes(1000);
    await uploadBytes(server.client, data);
    await uploadBytes(server.client, data);
    assert.equal(server.requests.filter((request) => request.startsWith('PUT')).length, 1);
  });

  test('a broken upload goes on where it broke, small and large', async () => {
    for (const length of [10_000, SDK_LIMITS.wholeFileBytes + 12_345]) {
      const server = new BlobServer();
      server.breakUploads = 2;
      const data = bytes(length, 3);
      const path = join(root, `file-${length}`);
      await writeFile(path, data);
      const { digest } = await uploadPath(server.client, path);
      assert.equal(digest, digestOf(data));
      assert.deepEqual(server.blobs.get(digest), data);
      const offsets = server.requests.flatMap((request) => /PUT .*offset=(\d+)/.exec(request)?.[1] ?? []).map(Number);
      assert.equal(offsets.length, 3);
      assert.ok((offsets[1] as number) > 0 && (offsets[2] as number) > (offsets[1] as number));
    }
  });

  test('equal folders have equal digests; links inside are followed', async () => {
    const server = new BlobServer();
    const one = await folder('one', { 'b.txt': 'b', 'a/c.txt': 'c', 'ä.txt': '' });
    const two = await folder('two', { 'ä.txt': '', 'a/c.txt': 'c' });
    await writeFile(join(two, 'real.txt'), 'b');
    const first = await uploadPath(server.client, one);
    await symlink('real.txt', join(two, 'b.txt'));
    await assert.doesNotReject(uploadPath(server.client, two));
    await rm(join(two, 'b.txt'));
    await rm(join(two, 'real.txt'));
    await writeFile(join(two, 'b.txt'), 'b');
    const second = await uploadPath(server.client, two);
    assert.equal(first.type, 'folder');
    assert.deepEqual(first, second);
    assert.equal(first.bytes, 2);
  });

  test('links that lead out, to nothing or in circles are refused', async () => {
    const server = new BlobServer();
    const out = await folder('out', { 'a.txt': 'a' });
    await symlink('/etc/hostname', join(out, 'secret'));
    await assert.rejects(uploadPath(server.client, out), /leads out of it/);
    const broken = await folder('broken', {});
    await symlink('nowhere', join(broken, 'x'));
    await assert.rejects(uploadPath(server.client, broken), /link to nothing/);
    const circle = await folder('circle', { 'a/b.txt': 'b' });
    await symlink('..', join(circle, 'a', 'up'));
    await assert.rejects(uploadPath(server.client, circle), /folder that holds it/);
    await assert.rejects(uploadPath(server.client, join(root, 'missing')), withCode('invalid-request'));
  });
});

describe('download', () => {
  test('verified, in one rename, and a repetition keeps the file', async () => {
    const server = new BlobServer();
    const data = bytes(50_000);
    const { digest } = await uploadBytes(server.client, data);
    const target = join(root, 'deep', 'file.bin');
    assert.equal((await downloadFile(server.client, digest, target)).kept, false);
    assert.deepEqual(new Uint8Array(await readFile(target)), data);
    assert.deepEqual(await readdir(join(root, 'deep')), ['file.bin']);
    assert.equal((await downloadFile(server.client, digest, target)).kept, true);
  });

  test('goes on where it broke off', async () => {
    const server = new BlobServer();
    const data = bytes(50_000, 5);
    const { digest } = await uploadBytes(server.client, data);
    server.cutDownloadsAfter = 20_000;
    const target = join(root, 'resumed.bin');
    await downloadFile(server.client, digest, target);
    assert.deepEqual(new Uint8Array(await readFile(target)), data);
    const ranges = server.requests.flatMap((request) => /bytes=(\d+)-/.exec(request)?.[1] ?? []);
    assert.deepEqual(ranges, ['20000', '40000']);
  });

  test('bytes with another digest never get the name', async () => {
    const server = new BlobServer();
    const digest = digestOf(bytes(10));
    server.blobs.set(digest, bytes(10, 9));
    const target = join(root, 'forged.bin');
    await assert.rejects(downloadFile(server.client, digest, target), withCode('blob-digest-mismatch'));
    await assert.rejects(readFile(target));
    await assert.rejects(downloadBytes(server.client, digest), withCode('blob-digest-mismatch'));
    await assert.rejects(downloadBytes(server.client, digestOf(bytes(3))), withCode('blob-not-found'));
    assert.deepEqual(
      (await readdir(root)).filter((name) => name.includes('forged')),
      [],
    );
  });

  test('a part file with wrong bytes is thrown away', async () => {
    const server = new BlobServer();
    const data = bytes(5000, 7);
    const { digest } = await uploadBytes(server.client, data);
    const directory = await folder('parts', { [`.x.bin.${digest.slice(7, 23)}.part`]: bytes(100, 2) });
    await downloadFile(server.client, digest, join(directory, 'x.bin'));
    assert.deepEqual(new Uint8Array(await readFile(join(directory, 'x.bin'))), data);
    assert.deepEqual(await readdir(directory), ['x.bin']);
  });

  test('a folder comes back as it was', async () => {
    const server = new BlobServer();
    const source = await folder('source', { 'a/b/c.txt': 'deep', 'top.bin': bytes(3000) });
    const { digest } = await uploadPath(server.client, source);
    await downloadFolder(server.client, digest, join(root, 'copy'));
    const again = await uploadPath(server.client, join(root, 'copy'));
    assert.equal(again.digest, digest);
  });

  test('a manifest or an output that leaves the folder is refused', async () => {
    const server = new BlobServer();
    const { digest } = await uploadBytes(server.client, bytes(1));
    const good = new TextDecoder().decode(encodeFolderManifest([{ path: 'x', digest, bytes: 1 }]));
    for (const path of ['../x', '/x', 'a/../../x', 'a\\\\..\\\\x']) {
      const manifest = await uploadBytes(server.client, new TextEncoder().encode(good.replace('"x"', `"${path}"`)));
      await assert.rejects(
        downloadFolder(server.client, manifest.digest, join(root, 'jail')),
        withCode('invalid-request'),
        path,
      );
    }
    for (const name of ['..', '../x', 'a/b', '']) {
      const output = { name, type: 'file', digest, bytes: 1 } as const;
      await assert.rejects(downloadOutput(server.client, output, join(root, 'jail')), withCode('invalid-request'));
    }
    await assert.rejects(readFile(join(root, 'x')));
  });
});
