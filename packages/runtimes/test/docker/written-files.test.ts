/** Looking at what a job writes, without an engine. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DiskWatch } from '../../src/docker/disk-watch.ts';
import { namelessBytes, processListOf } from '../../src/docker/nameless-files.ts';
import { measureWritten, walkWritten } from '../../src/docker/written-files.ts';

async function folderOf(context: { after(run: () => Promise<void>): void }): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'fog-written-'));
  context.after(() => rm(root, { recursive: true, force: true }));
  return root;
}

const NO_END = { bytes: Number.MAX_SAFE_INTEGER, files: Number.MAX_SAFE_INTEGER };

describe('what a job has written', () => {
  it('is measured by size and number, and not beyond the limits', async (context) => {
    const root = await folderOf(context);
    await mkdir(join(root, 'a'));
    for (const name of ['x', 'a/y', 'a/z']) await writeFile(join(root, name), '12345');
    assert.deepEqual(await measureWritten([root], NO_END), { bytes: 15, files: 4 });
    assert.deepEqual(await measureWritten([root, root], NO_END), { bytes: 30, files: 8 });
    assert.equal((await measureWritten([root], { bytes: 1000, files: 1 })).files, 2);
  });

  it('is not what its links lead to, also when they take the place of a folder during the walk', async (context) => {
    const root = await folderOf(context);
    const outside = await folderOf(context);
    await writeFile(join(outside, 'secret'), 'x');
    await mkdir(join(root, 'folder'));
    await symlink(outside, join(root, 'link'));
    const seen: string[] = [];
    await walkWritten(root, async ({ path, stats }) => {
      seen.push(Buffer.concat([...path]).toString());
      if (stats.isDirectory()) {
        await rm(join(root, 'folder'), { recursive: true });
        await symlink(outside, join(root, 'folder'));
      }
      return true;
    });
    assert.deepEqual(seen.sort(), ['folder', 'link']);
  });

  it('counts while it is open, each file once, though it has no name any more', () => {
    const file = (ino: number, nlink: number, size: number, isFile = true) => ({
      dev: 1,
      ino,
      nlink,
      size,
      isFile: () => isFile,
    });
    const files: Record<string, ReturnType<typeof file>> = {
      named: file(1, 1, 100),
      gone: file(2, 0, 20),
      same: file(2, 0, 20),
      other: file(3, 0, 3),
      pipe: file(4, 0, 4000, false),
    };
    const table = {
      processes: () => [1, 2],
      openFiles: (process: number) => (process === 1 ? ['named', 'gone', 'pipe'] : ['same', 'other', 'vanished']),
      stats: (path: string) => files[path] as never,
    };
    assert.equal(namelessBytes(table), 23);
  });

  it('belongs to the control group that names the container, of either version', () => {
    const first = '11:memory:/docker/abc\n8:pids:/docker/abc\n0::/other\n';
    assert.equal(processListOf(first, 'abc'), '/sys/fs/cgroup/pids/docker/abc/cgroup.procs');
    const second = '0::/system.slice/docker-abc.scope\n';
    assert.equal(processListOf(second, 'abc'), '/sys/fs/cgroup/system.slice/docker-abc.scope/cgroup.procs');
    assert.equal(processListOf(second, 'xyz'), null);
  });

  it('is told once by the watch, in a sentence', async (context) => {
    const root = await folderOf(context);
    const told: string[] = [];
    const watch = new DiskWatch([root], { diskBytes: 10, files: 2 }, 1, (message) => told.push(message));
    watch.start();
    context.after(() => watch.stop());
    for (const name of ['a', 'b', 'c']) await writeFile(join(root, name), '');
    assert.equal(await watch.check(), null, 'one of the three was there before');
    await writeFile(join(root, 'a'), 'more than ten');
    while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.equal(told.length, 1);
    assert.match(told[0] ?? '', /10 bytes/);
    await writeFile(join(root, 'a'), '');
    await writeFile(join(root, 'd'), '');
    assert.match((await watch.check()) ?? '', /limit of 2/);
  });
});
