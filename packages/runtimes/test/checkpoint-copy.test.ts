/** Copies of a folder that a hostile program has written, or is writing to at this moment. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { link, mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { CheckpointFault, copyCheckpoint } from '../src/checkpoint-copy.ts';
import { removeTree } from '../src/remove-tree.ts';

const LIMITS = { diskBytes: 1 << 20, files: 500 };

let top = '';
before(async () => {
  top = await mkdtemp(join(tmpdir(), 'fog-checkpoint-'));
  writeFileSync(join(top, 'secret'), 'of somebody else');
});
after(() => removeTree(top));

function fresh(): { folder: string; target: string } {
  const path = mkdtempSync(join(top, 'case-'));
  const folder = join(path, 'live');
  mkdirSync(folder);
  return { folder, target: join(path, 'copy') };
}

async function copied(folder: string, target: string): Promise<Record<string, string>> {
  const { files, isStable } = await copyCheckpoint(folder, target, LIMITS);
  assert.equal(isStable, true);
  return Object.fromEntries(
    files.map(({ relativePath, content }) => {
      assert.ok('hostPath' in content && content.hostPath.startsWith(target));
      const bytes = readFileSync(content.hostPath);
      assert.equal(bytes.length, content.bytes);
      return [relativePath, bytes.toString('latin1')];
    }),
  );
}

describe('a copy of /checkpoint', () => {
  it('has every file with all its bytes, whatever the tree', async () => {
    const name = fc.constantFrom('a', 'b', 'c d', 'é', '-', '.x');
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    const tree = fc.dictionary(path, fc.string({ unit: 'binary-ascii', maxLength: 50 }), { maxKeys: 8 });
    const isTree = (files: Record<string, string>) =>
      Object.keys(files).every((one) => Object.keys(files).every((other) => !other.startsWith(`${one}/`)));
    await fc.assert(
      fc.asyncProperty(tree.filter(isTree), async (files) => {
        const { folder, target } = fresh();
        for (const [file, text] of Object.entries(files)) {
          mkdirSync(dirname(join(folder, file)), { recursive: true });
          writeFileSync(join(folder, file), text, 'latin1');
        }
        assert.deepEqual(await copied(folder, target), { ...files });
        await rm(dirname(folder), { recursive: true });
      }),
      { numRuns: 30 },
    );
  });

  const attacks: [string, (folder: string) => unknown, string][] = [
    ['a link to a file', (folder) => symlinkSync(join(top, 'secret'), join(folder, 'x')), 'output-invalid'],
    ['a link to a folder', (folder) => symlinkSync(top, join(folder, 'x')), 'output-invalid'],
    ['a pipe, on which a reader would wait', (folder) => execFileSync('mkfifo', [join(folder, 'x')]), 'output-invalid'],
    [
      'a file of several names',
      async (folder) => {
        writeFileSync(join(folder, 'x'), 'x');
        await link(join(folder, 'x'), join(folder, 'y'));
      },
      'output-invalid',
    ],
    ['a name that is no text', (folder) => writeFileSync(rawPath(folder, [0x66, 0xff]), ''), 'output-invalid'],
    ['a name with a line break', (folder) => writeFileSync(join(folder, 'a\nb'), ''), 'output-invalid'],
    ['folders in folders', (folder) => execFileSync('sh', ['-c', DEEP, 'sh', folder]), 'output-invalid'],
    ['too many bytes', (folder) => writeFileSync(join(folder, 'x'), Buffer.alloc((1 << 20) + 1)), 'output-too-large'],
    ['a hole', (folder) => sparse(join(folder, 'x'), 2 ** 33), 'output-too-large'],
    ['too many files', (folder) => many(folder, 501), 'output-too-large'],
  ];
  for (const [what, attack, reason] of attacks) {
    it(`${what}: is no checkpoint`, async () => {
      const { folder, target } = fresh();
      await attack(folder);
      await assert.rejects(copyCheckpoint(folder, target, LIMITS), (error) => {
        assert.ok(error instanceof CheckpointFault, String(error));
        assert.equal(error.failure.reason, reason, error.message);
        return true;
      });
      await removeTree(dirname(folder));
    });
  }

  it('a device: is no checkpoint', { skip: process.getuid?.() === 0 ? false : 'only root can make one' }, async () => {
    const { folder, target } = fresh();
    try {
      execFileSync('mknod', [join(folder, 'x'), 'c', '1', '5'], { stdio: 'ignore' });
    } catch {
      return; // Not even root may, in this container.
    }
    await assert.rejects(copyCheckpoint(folder, target, LIMITS), CheckpointFault);
  });

  it('tells that the folder has changed meanwhile', async () => {
    const { folder, target } = fresh();
    many(folder, 100);
    writeFileSync(join(folder, 'log'), '');
    const copying = copyCheckpoint(folder, target, LIMITS);
    const timer = setInterval(() => appendFileSync(join(folder, 'log'), 'x'), 0);
    const { isStable } = await copying;
    clearInterval(timer);
    assert.equal(isStable, false);
  });

  it('never leads out, though folders are put in the place of links and back all the time', async () => {
    const { folder, target } = fresh();
    mkdirSync(join(folder, 'x'));
    writeFileSync(join(folder, 'x', 'secret'), 'of the job');
    const swapper = spawn('sh', ['-c', SWAP, 'sh', join(folder, 'x'), top], { stdio: 'ignore' });
    try {
      for (let round = 0; round < 200; round += 1) {
        const copy = await copyCheckpoint(folder, `${target}-${round}`, LIMITS).catch((error: unknown) => error);
        if (copy instanceof Error) assert.ok(copy instanceof CheckpointFault || 'code' in copy, String(copy));
        else {
          for (const { content } of (copy as Awaited<ReturnType<typeof copyCheckpoint>>).files) {
            assert.ok('hostPath' in content);
            assert.equal(readFileSync(content.hostPath, 'utf8'), 'of the job');
          }
        }
      }
    } finally {
      swapper.kill('SIGKILL');
    }
  });
});

const DEEP = 'cd "$1"; i=0; while [ $i -lt 400 ]; do mkdir d; cd d; i=$((i + 1)); done';
const SWAP = 'while :; do mv "$1" "$1.away"; ln -s "$2" "$1"; rm "$1"; mv "$1.away" "$1"; done';

function rawPath(folder: string, name: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]);
}

async function sparse(path: string, bytes: number): Promise<void> {
  writeFileSync(path, '');
  await truncate(path, bytes);
}

function many(folder: string, count: number): void {
  for (let index = 0; index < count; index += 1) writeFileSync(join(folder, String(index)), '');
}
