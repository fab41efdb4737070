/** Unpacking roots: what well-behaved archives become, and what those get to know who asked for it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync } from 'node:fs';
import { chmod, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { END, gzipArchive, tarArchive, tarEntry } from '../../../../test/support/tar-archive.ts';
import { ARCHIVE_LIMITS } from '../../src/limits.ts';
import { unpackArchive } from '../../src/process/unpack-archive.ts';
import { listing, RUNS, UnpackingStage } from './unpacking-stage.ts';

const never = new AbortController().signal;
const stage = new UnpackingStage();

describe('what becomes of an archive', () => {
  it('files, folders, links; names from the root on; rights are reduced, owners and odd times dropped', async () => {
    const found = await stage.unpack(
      gzipArchive([
        { name: './', type: 'folder', mode: 0o777 },
        { name: './bin/', type: 'folder', mode: 0o1777, modifiedSeconds: 5 },
        { name: '/bin/su', content: 'su', mode: 0o4750, modifiedSeconds: 7 },
        { name: 'bin//./sg', content: 'sg', mode: 0o2711 },
        { name: 'etc/secret', content: 'x', mode: 0o600 },
        { name: 'sh', type: 'symlink', target: '/bin/su' },
        { name: 'up', type: 'symlink', target: '../../../etc/passwd' },
        { name: 'bin/same', type: 'hardlink', target: './bin/su' },
        { name: 'bin/sh', type: 'hardlink', target: 'sh' },
        { name: 'empty', modifiedSeconds: 2 ** 33 - 1 },
        { name: 'late', modifiedSeconds: 2 ** 33 },
      ]),
    );
    assert.deepEqual(found, {
      bin: 'folder 755 5',
      'bin/sg': 'file 755 0 sg',
      'bin/su': 'file 755 7 su',
      'bin/same': 'file 755 7 su',
      'bin/sh': 'link /bin/su',
      empty: `file 644 ${2 ** 33 - 1} `,
      etc: 'folder 755 0',
      'etc/secret': 'file 644 0 x',
      late: 'file 644 0 ',
      sh: 'link /bin/su',
      up: 'link ../../../etc/passwd',
    });
    assert.equal(lstatSync(join(stage.target, 'bin/su')).ino, lstatSync(join(stage.target, 'bin/same')).ino);
    assert.equal((lstatSync(stage.target).mode & 0o7777).toString(8), '755');
    assert.equal(stage.claimed, 11 * ARCHIVE_LIMITS.entryBytes + 'susgx'.length, 'the root itself is not counted');
  });

  it('long names of GNU and of pax, and sizes of pax', async () => {
    const long = `${'d'.repeat(90)}/${'ü'.repeat(90)}`;
    const found = await stage.unpack(
      Buffer.concat([
        tarEntry({ name: '././@LongLink', type: 'long-name', content: `${long}\0` }),
        tarEntry({ name: 'cut', content: 'gnu' }),
        tarEntry({ name: '././@LongLink', type: 'long-target', content: `${long}\0` }),
        tarEntry({ name: 'gnu', type: 'symlink', target: 'cut' }),
        tarEntry({ name: 'cut', content: 'pax', bytes: 0, pax: { path: `${long}.pax`, size: '3' } }),
        tarEntry({ name: 'pax', type: 'symlink', target: 'cut', pax: { linkpath: long, 'SCHILY.xattr.a': 'b' } }),
        END,
      ]),
    );
    assert.deepEqual(found, {
      [dirname(long)]: 'folder 755 0',
      [long]: 'file 644 0 gnu',
      [`${long}.pax`]: 'file 644 0 pax',
      gnu: `link ${long}`,
      pax: `link ${long}`,
    });
  });

  it('devices in /dev are left out', async () => {
    const found = await stage.unpack(
      tarArchive([
        { name: 'dev/', type: 'folder' },
        { name: 'dev/null', type: 'character-device', mode: 0o666 },
        { name: 'dev/sda', type: 'block-device' },
        { name: 'dev/initctl', type: 'fifo' },
      ]),
    );
    assert.deepEqual(found, { dev: 'folder 755 0' });
  });

  it('of two entries of one name that are no folders the later one counts, and other names keep what they were', async () => {
    const found = await stage.unpack(
      tarArchive([
        { name: 'a', content: 'first' },
        { name: 'kept', type: 'hardlink', target: 'a' },
        { name: 'a', content: 'second' },
        { name: 'a', type: 'hardlink', target: 'a' },
        { name: 'b', type: 'symlink', target: '/etc/passwd' },
        { name: 'b', content: 'no link any more' },
        { name: 'c', content: 'file' },
        { name: 'c', type: 'symlink', target: 'a' },
        { name: 'd/e', content: '' },
        { name: 'd', type: 'folder', modifiedSeconds: 9 },
      ]),
    );
    assert.deepEqual(found, {
      a: 'file 644 0 second',
      b: 'file 644 0 no link any more',
      c: 'link a',
      d: 'folder 755 9',
      'd/e': 'file 644 0 ',
      kept: 'file 644 0 first',
    });
  });

  it('property: what tar packs comes back, in each of its formats', async () => {
    const name = fc.stringMatching(/^[a-zäß \\"'*%-]{1,20}$/).filter((text) => Buffer.byteLength(text) <= 60);
    const leaf = fc.oneof(
      fc.record({ content: fc.string({ maxLength: 3000 }), isProgram: fc.boolean(), seconds: fc.nat(2 ** 31) }),
      fc.record({ target: fc.stringMatching(/^[a-z./]{1,150}$/) }),
    );
    const { tree } = fc.letrec<{ tree: Record<string, unknown> }>((tie) => ({
      tree: fc.dictionary(name, fc.oneof({ maxDepth: 4, withCrossShrink: true }, leaf, tie('tree')), { maxKeys: 5 }),
    }));
    const write = async (folder: string, entries: Record<string, unknown>): Promise<void> => {
      await mkdir(folder, { mode: 0o755 });
      for (const [key, value] of Object.entries(entries)) {
        const path = join(folder, key);
        if (typeof (value as { target?: unknown }).target === 'string') {
          await symlink((value as { target: string }).target, path);
        } else if (typeof (value as { content?: unknown }).content === 'string') {
          const { content, isProgram, seconds } = value as { content: string; isProgram: boolean; seconds: number };
          await writeFile(path, content);
          await chmod(path, isProgram ? 0o755 : 0o644);
          await utimes(path, seconds, seconds);
        } else await write(path, value as Record<string, unknown>);
      }
      await utimes(folder, 1000, 1000);
    };
    const property = fc.asyncProperty(
      tree,
      fc.constantFrom('gnu', 'pax', 'ustar'),
      fc.boolean(),
      async (entries, format, isGzip) => {
        await stage.clear();
        const source = join(stage.base, 'source');
        try {
          await write(source, entries);
          const archive = execFileSync('tar', ['-C', source, `--format=${format}`, isGzip ? '-cz' : '-c', '.'], {
            maxBuffer: 1 << 26,
          });
          assert.deepEqual(await stage.unpack(archive), listing(source));
        } finally {
          await rm(source, { recursive: true, force: true });
        }
      },
    );
    await fc.assert(property, { numRuns: Math.ceil(RUNS / 3) });
  });
});

describe('who asks', () => {
  const large = () =>
    tarArchive(Array.from({ length: 50 }, (_, index) => ({ name: `f${index}`, content: 'x'.repeat(9000) })));

  it('ends it in the middle, with the reason', async () => {
    const abort = new AbortController();
    const archivePath = join(stage.base, 'archive');
    await writeFile(archivePath, large());
    const reason = new Error('nobody waits');
    let calls = 0;
    const claim = () => {
      calls += 1;
      if (calls === 20) abort.abort(reason);
    };
    const unpacking = unpackArchive({ archivePath, folder: stage.target, signal: abort.signal, claim });
    await assert.rejects(unpacking, (error) => error === reason);
    assert.ok(calls < 80, `${calls} of more than 100`);
    stage.assertUntouched();
    const aborted = unpackArchive({ archivePath, folder: stage.target, signal: abort.signal, claim });
    await assert.rejects(aborted, (error) => error === reason);
    stage.assertUntouched();
  });

  it('has no room: what was thrown comes back as it was', async () => {
    const archivePath = join(stage.base, 'archive');
    await writeFile(archivePath, large());
    const full = new Error('no room');
    const claim = (bytes: number) => {
      stage.claimed += bytes;
      if (stage.claimed > 100_000) throw full;
    };
    const unpacking = unpackArchive({ archivePath, folder: stage.target, signal: never, claim });
    await assert.rejects(unpacking, (error) => error === full);
    stage.assertUntouched();
  });

  it('is told as it is that there is no archive, or that the folder exists', async () => {
    const claim = () => {};
    const gone = unpackArchive({ archivePath: join(stage.base, 'gone'), folder: stage.target, signal: never, claim });
    await assert.rejects(gone, { code: 'ENOENT' });
    await mkdir(stage.target);
    const there = unpackArchive({
      archivePath: join(stage.base, 'archive'),
      folder: stage.target,
      signal: never,
      claim,
    });
    await assert.rejects(there, { code: 'EEXIST' });
    assert.ok(lstatSync(stage.target).isDirectory(), 'it is not ours to remove');
  });
});
