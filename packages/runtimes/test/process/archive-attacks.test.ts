/** What hostile archives of roots try. The rows of docs/security.md, "Archives", name these tests. */
import assert from 'node:assert/strict';
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createGzip, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import {
  END,
  gzipArchive,
  type TarEntry,
  tarArchive,
  tarEntry,
  withChecksum,
} from '../../../../test/support/tar-archive.ts';
import { ArchiveFault } from '../../src/process/unpack-archive.ts';
import { listing, RUNS, UnpackingStage } from './unpacking-stage.ts';

const stage = new UnpackingStage();

const NAMES: readonly [what: string, entry: TarEntry, message: RegExp][] = [
  ['a name that leads up', { name: '../evil' }, /names an entry by "\.\."/],
  ['a name that leads up from inside', { name: 'a/b/../../../evil' }, /names an entry by "\.\."/],
  ['a pax name that leads up', { name: 'a', pax: { path: '../evil' } }, /names an entry by "\.\."/],
  ['a zero byte', { name: 'a', pax: { path: 'a\0b' } }, /zero byte/],
  ['what is not UTF-8', { name: Buffer.from([0x61, 0xff]) }, /a name that is not UTF-8/],
  ['what is not UTF-8 in a pax name', { name: 'a', pax: { path: 'a\ufffd' } }, /a name that is not UTF-8/],
  ['a name that is too long', { name: 'a', pax: { path: 'n'.repeat(256) } }, /more than 255 bytes in one folder/],
  ['a path that is too long', { name: 'a', pax: { path: 'n/'.repeat(513) } }, /more than 1024 bytes/],
  ['a path that is too deep', { name: 'a', pax: { path: 'n/'.repeat(129) } }, /deeper than 128/],
  ['a root that is a file', { name: './', type: 'fifo' }, /has a fifo outside of \/dev, ".\/"/],
  ['a link as the root', { name: '.', type: 'symlink', target: '/etc' }, /else than a folder as its root/],
];

const KINDS: readonly [what: string, entries: TarEntry[], message: RegExp][] = [
  ['a character device', [{ name: 'null', type: 'character-device' }], /a character device outside of \/dev, "null"/],
  ['a block device', [{ name: 'etc/sda', type: 'block-device' }], /a block device outside of \/dev, "etc\/sda"/],
  ['a device as /dev', [{ name: 'dev', type: 'block-device' }], /a block device outside of \/dev, "dev"/],
  ['a fifo', [{ name: 'run/fifo', type: 'fifo' }], /a fifo outside of \/dev/],
  ['a sparse file of GNU', [{ name: 'a', type: 'sparse' }], /of a kind that is not known, "a"/],
  ['a sparse file of pax', [{ name: 'a', pax: { 'GNU.sparse.major': '1' } }], /a sparse file, "a"/],
  ['a link with contents', [{ name: 'a', type: 'symlink', target: 'b', content: 'c' }], /a link with contents, "a"/],
  ['a link without a target', [{ name: 'a', type: 'symlink' }], /leads nowhere, "a"/],
  ['a link with a zero byte', [{ name: 'a', type: 'symlink', pax: { linkpath: 'a\0' } }], /leads nowhere/],
  ['a long target', [{ name: 'a', type: 'symlink', pax: { linkpath: 'x'.repeat(4096) } }], /leads nowhere/],
];

const LINKS: readonly [what: string, entries: TarEntry[], message: RegExp][] = [
  [
    'a file through a link',
    [
      { name: 'a', type: 'symlink', target: '../..' },
      { name: 'a/passwd', content: 'evil' },
    ],
    /has "a" as a link and as a folder/,
  ],
  [
    'a file through a link to a link',
    [
      { name: 'a', type: 'symlink', target: '/etc' },
      { name: 'b', type: 'hardlink', target: 'a' },
      { name: 'b/x/passwd', content: 'evil' },
    ],
    /has "b" as a link and as a folder/,
  ],
  [
    'a folder that becomes a link',
    [
      { name: 'a/b', content: '' },
      { name: 'a', type: 'symlink', target: '/etc' },
    ],
    /has "a" as a folder and as something else/,
  ],
  [
    'a link that becomes a folder',
    [
      { name: 'a', type: 'symlink', target: '/etc' },
      { name: 'a/', type: 'folder' },
    ],
    /has "a" as a link and as a folder/,
  ],
  [
    'a file that becomes a folder',
    [
      { name: 'a', content: '' },
      { name: 'a/b', content: '' },
    ],
    /has "a" as a file and as a folder/,
  ],
  [
    'a hard link to a file of the machine',
    [{ name: 'a', type: 'hardlink', target: '/etc/passwd' }],
    /no file before it in the archive: "a", to "etc\/passwd"/,
  ],
  [
    'a hard link that leads up',
    [{ name: 'a', type: 'hardlink', target: '../../outside' }],
    /the target of "a" by "\.\."/,
  ],
  [
    'a hard link through a link',
    [
      { name: 'l', type: 'symlink', target: '../..' },
      { name: 'a', type: 'hardlink', target: 'l/outside' },
    ],
    /no file before it/,
  ],
  [
    'a hard link to a folder',
    [
      { name: 'd', type: 'folder' },
      { name: 'a', type: 'hardlink', target: 'd' },
    ],
    /no file before it/,
  ],
];

describe('what is refused', () => {
  for (const [what, entry, message] of NAMES) it(what, () => stage.assertRefused(tarArchive([entry]), message));
  for (const [what, entries, message] of [...KINDS, ...LINKS]) {
    it(what, () => stage.assertRefused(tarArchive([{ name: 'before', content: 'x' }, ...entries]), message));
  }

  it('more than the limits: entries, names, one file, all together, and where exactly', async () => {
    const files = (amount: number, content = '') =>
      tarArchive(Array.from({ length: amount }, (_, index) => ({ name: `f${index}`, content })));
    await stage.assertRefused(files(11), /more than 10 entries/, { entries: 10 });
    await stage.assertRefused(files(5), /more than 9 bytes of names/, { namesBytes: 9 });
    await stage.assertRefused(tarArchive([{ name: 'a', bytes: 5000 }]), /more than the 5000 bytes .*: "a"/, {
      bytes: 5000,
    });
    const archive = files(3, 'x'.repeat(700));
    await stage.assertRefused(archive, /more than the \d+ bytes/, { bytes: archive.length - 1 });
    assert.equal(Object.keys(await stage.unpack(archive, { bytes: archive.length })).length, 3);
    await stage.clear();
    await stage.assertRefused(tarArchive([{ name: 'a', bytes: 2 ** 32 }]), /more than the 4294967296 bytes/);
  });

  it('folders that are only implied, more than there may be entries', async () => {
    const deep = Array.from({ length: 9 }, (_, index) => ({ name: `${index}${'/d'.repeat(20)}` }));
    await stage.assertRefused(tarArchive(deep), /more than 100 entries with the folders above/, { entries: 100 });
    assert.ok(stage.claimed <= 100 * 4096);
  });

  it('headers of names and attributes without end', async () => {
    const comment = { name: 'pax', type: 'pax', content: '12 comment=\n' } as const;
    const many = tarArchive(Array.from({ length: 31 }, () => comment));
    await stage.assertRefused(many, /more than 30 headers of names and attributes/, { entries: 10 });
    const large = [{ name: 'a', pax: { 'SCHILY.xattr.user.a': 'x'.repeat(17_000) } }];
    await stage.assertRefused(tarArchive(large), /a header of 17\d+ bytes of names and attributes: more than 16384/);
    const long = [{ name: 'x', type: 'long-name', content: `a${'/'.repeat(1 << 20)}` } as const, { name: 'a' }];
    await stage.assertRefused(tarArchive(long), /a header of 1048577 bytes/);
    await stage.assertRefused(
      tarArchive([{ ...comment, content: '' }, { name: 'a' }]),
      /a header of names has no size/,
    );
  });

  it('sizes that are no numbers', { timeout: 10_000 }, async () => {
    for (const [type, message] of [
      ['file', /the size of an entry is no number, "a"/],
      ['folder', /the size of an entry is no number/],
      ['pax', /a header of names has no size/],
      ['long-name', /a header of names has no size/],
    ] as const) {
      const entry = tarEntry({ name: 'a', type, content: 'x' });
      entry[124] = 0xa4; // neither octal digits nor the mark of a number in bytes
      withChecksum(entry.subarray(0, 512));
      await stage.assertRefused(Buffer.concat([entry, tarEntry({ name: 'b', content: 'y' }), END]), message);
    }
  });

  it('what is no archive, and tells what it is', async () => {
    await stage.assertRefused(Buffer.alloc(0), /ends too early, after 0 bytes/);
    await stage.assertRefused(Buffer.from('just text'), /ends too early/);
    await stage.assertRefused(Buffer.alloc(4096, 'text'), /damaged after \d+ bytes: Invalid tar header/);
    await stage.assertRefused(gzipSync('just text'), /ends too early/);
    await stage.assertRefused(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), /is zstd, and has to be tar, plain or gzip/);
    await stage.assertRefused(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), /is xz/);
    const twice = gzipSync(gzipArchive([{ name: 'a' }]));
    await stage.assertRefused(twice, /damaged|ends too early/);
  });

  it('a changed header, a changed or cut stream of gzip', async () => {
    const archive = tarArchive([{ name: 'a', content: 'x'.repeat(600) }]);
    const header = Buffer.from(archive);
    header[0] = 0x62;
    await stage.assertRefused(header, /damaged after .* Invalid tar header/);
    const negative = Buffer.from(archive);
    negative.fill(0xff, 124, 136);
    await stage.assertRefused(
      Buffer.concat([withChecksum(negative.subarray(0, 512)), archive.subarray(512)]),
      /damaged/,
    );
    const packed = gzipSync(archive);
    await stage.assertRefused(packed.subarray(0, packed.length - 9), /damaged/);
    const changed = Buffer.from(packed);
    changed[packed.length - 6] = (changed[packed.length - 6] ?? 0) ^ 0xff; // the checksum
    await stage.assertRefused(changed, /damaged/);
  });

  it('property: an archive that is cut anywhere is refused', async () => {
    const archive = tarArchive([
      { name: 'a/', type: 'folder' },
      { name: 'a/b', content: 'b'.repeat(1000) },
      { name: 'c', type: 'symlink', target: 'a/b' },
    ]);
    const property = fc.asyncProperty(fc.nat(archive.length - END.length), fc.boolean(), async (length, isGzip) => {
      const cut = archive.subarray(0, length);
      await stage.assertRefused(isGzip ? gzipSync(cut) : cut, /ends too early|damaged/);
    });
    await fc.assert(property, { numRuns: RUNS });
  });

  it('a bomb of 1 GiB in 1 MiB is stopped at the limit, and leaves nothing', async () => {
    const bomb: Buffer[] = [];
    const gzip = createGzip({ level: 1 });
    gzip.on('data', (chunk: Buffer) => bomb.push(chunk));
    const zeros = Buffer.alloc(1 << 20);
    gzip.write(tarArchive([{ name: 'zeros', bytes: 2 ** 30 }]).subarray(0, 512));
    for (let mebibyte = 0; mebibyte < 1024; mebibyte += 1) {
      if (!gzip.write(zeros)) await new Promise((resolve) => gzip.once('drain', resolve));
    }
    gzip.end(END);
    await new Promise((resolve) => gzip.once('end', resolve));
    const archive = Buffer.concat(bomb);
    assert.ok(archive.length < 6 << 20, `${archive.length}`);
    const limits = { bytes: 32 << 20 };
    await stage.assertRefused(archive, /more than the 33554432 bytes .*: "zeros"/, limits);
    assert.equal(stage.claimed, 0, 'its own header told');
    // Headers that lie, or none at all, are stopped by what comes.
    const many = gzipSync(Buffer.concat([tarArchive([{ name: 'a' }]), Buffer.alloc(64 << 20)]));
    const begun = performance.now();
    await stage.assertRefused(many, /more than the 33554432 bytes/, limits);
    assert.ok(performance.now() - begun < 2000);
    const growing = Buffer.concat([tarEntry({ name: 'b', bytes: 31 << 20 }), Buffer.alloc(40 << 20)]);
    await stage.assertRefused(gzipSync(growing), /more than the 33554432 bytes/, limits);
    assert.ok(stage.claimed <= 32 << 20, `${stage.claimed}`);
  });
});

describe('attacks by chance', () => {
  const part = fc.constantFrom('a', 'b', 'c', '..', '.', '', 'dev', 'outside', '\0', 'n'.repeat(130));
  const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const entry: fc.Arbitrary<TarEntry> = fc.record(
    {
      name,
      type: fc.constantFrom<NonNullable<TarEntry['type']>>(
        ...([
          'file',
          'file',
          'folder',
          'symlink',
          'hardlink',
          'fifo',
          'pax',
          'long-name',
          'long-target',
          'sparse',
        ] as const),
      ),
      content: fc.string({ maxLength: 700 }),
      target: fc.oneof(name, fc.constantFrom('/', '../..', '../../outside')),
      mode: fc.nat(0o7777),
      bytes: fc.constantFrom(0, 1, 511, 512, 700, 5000),
      pax: fc.dictionary(fc.constantFrom('path', 'linkpath', 'size', 'GNU.sparse.name', 'mtime', '__proto__'), name, {
        maxKeys: 2,
      }),
    },
    { requiredKeys: ['name'] },
  );

  /** Unpacked, or refused with the one error; whatever it is, the rest of the disk stays as it was. */
  async function survives(archive: Uint8Array): Promise<boolean> {
    await stage.clear();
    try {
      await stage.unpack(archive);
    } catch (error) {
      assert.ok(error instanceof ArchiveFault, String(error));
      assert.ok(error.message.length < 1000 && !/\p{Cc}/u.test(error.message), JSON.stringify(error.message));
      stage.assertUntouched();
      return false;
    }
    const around = Object.keys(listing(stage.base)).filter((path) => !path.startsWith('roots/root'));
    assert.deepEqual(around.sort(), ['archive', 'outside', 'roots']);
    assert.equal(readFileSync(join(stage.base, 'outside'), 'utf8'), 'outside');
    assert.equal(lstatSync(join(stage.base, 'outside')).nlink, 1);
    for (const kind of Object.values(listing(stage.target))) assert.match(kind, /^(link|folder 755|file (644|755)) /);
    return true;
  }

  it('property: entries of any kind in any order', async () => {
    let unpacked = 0;
    const property = fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
      if (await survives(tarArchive(entries))) unpacked += 1;
    });
    await fc.assert(property, { numRuns: RUNS * 5 });
    assert.ok(unpacked > RUNS / 10, `only ${unpacked} were no attack`);
  });

  it('property: a good archive with changed, cut, doubled and moved bytes', async () => {
    const good = tarArchive([
      { name: 'bin/', type: 'folder' },
      { name: 'bin/a', content: 'a'.repeat(600), mode: 0o755 },
      { name: 'lib', type: 'symlink', target: 'usr/lib' },
      { name: 'b', type: 'hardlink', target: 'bin/a' },
      { name: 'x', content: 'y', pax: { path: 'long' } },
    ]);
    const place = fc.nat(good.length - 1);
    const change = fc.oneof(
      fc.tuple(fc.constant('byte'), place, fc.nat(255)),
      fc.tuple(fc.constant('digit'), place, fc.integer({ min: 48, max: 57 })),
      fc.tuple(fc.constant('block'), place, place),
      fc.tuple(fc.constant('cut'), place, place),
    );
    const property = fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      fc.boolean(),
      async (changes, isMended, isGzip) => {
        let bytes: Buffer = Buffer.from(good);
        for (const [what, at, value] of changes) {
          const block = at - (at % 512);
          if (what === 'cut') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(value)]);
          else if (what === 'byte' || what === 'digit') bytes.subarray(at, at + 1).fill(value);
          else if (block + 512 <= bytes.length)
            bytes.set(bytes.subarray(value - (value % 512)).subarray(0, 512), block);
          // So that the parser goes on to what was changed.
          if (isMended && block + 512 <= bytes.length) withChecksum(bytes.subarray(block, block + 512));
        }
        await survives(isGzip ? gzipSync(bytes) : bytes);
      },
    );
    await fc.assert(property, { numRuns: RUNS * 5 });
  });

  it('property: any bytes', async () => {
    const property = fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.boolean(), async (bytes, isGzip) => {
      await survives(isGzip ? gzipSync(bytes) : bytes);
    });
    await fc.assert(property, { numRuns: RUNS });
  });
});
