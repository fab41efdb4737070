/** The host functions of WASI preview 1, called as a guest calls them, but without a guest. */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ALL_RIGHTS, ERRNO, PREVIEW1_SIGNATURES, type Preview1Name, RIGHT } from '../../src/wasm/wasi/abi.ts';
import { MemoryContent } from '../../src/wasm/wasi/file-content.ts';
import { compareByBytes } from '../../src/wasm/wasi/memory-file-system.ts';
import { RandomStream } from '../../src/wasm/wasi/random-stream.ts';
import { AttemptStop } from '../../src/wasm/wasi/stop.ts';
import { BUFFER, CREATE, Guest, OTHER_TEXT, READ_WRITE, RESULT, ROOT, TEXT, VECTOR } from './guest.ts';

describe('wasi: files', () => {
  it('reads, writes, seeks and appends', () => {
    const guest = new Guest();
    guest.createFile('a', 'hello');
    const fd = guest.open('a', { rights: ALL_RIGHTS & ~RIGHT.fdReaddir });
    assert.equal(guest.read(fd, 2), 'he');
    assert.equal(guest.call('fd_tell', fd, RESULT), ERRNO.success);
    assert.equal(guest.view.getBigUint64(RESULT, true), 2n);
    assert.equal(guest.call('fd_seek', fd, -1n, 2, RESULT), ERRNO.success);
    assert.equal(guest.read(fd), 'o');
    assert.equal(guest.call('fd_seek', fd, -6n, 2, RESULT), ERRNO.inval);
    assert.equal(guest.call('fd_seek', fd, 0n, 3, RESULT), ERRNO.inval);
    assert.equal(guest.call('fd_seek', fd, 8n, 0, RESULT), ERRNO.success);
    guest.write(fd, '!');
    assert.equal(guest.content('a'), 'hello\0\0\0!');
    const appending = guest.open('a', { fdFlags: 1 });
    guest.write(appending, '?');
    assert.equal(guest.content('a'), 'hello\0\0\0!?');
    assert.equal(guest.call('fd_filestat_set_size', fd, 2n), ERRNO.success);
    assert.equal(guest.call('fd_filestat_set_size', fd, 4n), ERRNO.success);
    assert.equal(guest.content('a'), 'he\0\0');
  });

  it('gives the standard streams', () => {
    const guest = new Guest();
    assert.equal(guest.read(0, 8), 'standard');
    assert.equal(guest.read(0), ' input');
    assert.equal(guest.read(0), '');
    assert.equal(guest.write(0, 'x'), ERRNO.notcapable);
    guest.write(1, 'out');
    guest.write(2, 'err');
    assert.deepEqual(guest.logged, ['stdout:out', 'stderr:err']);
    assert.equal(guest.call('fd_seek', 1, 0n, 1, RESULT), ERRNO.spipe);
  });

  it('places every field of a filestat where the specification says', () => {
    const guest = new Guest();
    guest.createFile('a', 'hello');
    const setTimes = guest.call('path_filestat_set_times', ROOT, 0, ...guest.text('a'), 11n, 22n, 1 | 4);
    assert.equal(setTimes, ERRNO.success);
    assert.equal(guest.call('path_filestat_get', ROOT, 0, ...guest.text('a'), RESULT), ERRNO.success);
    const { view } = guest;
    assert.equal(view.getUint8(16), 4);
    assert.equal(view.getBigUint64(24, true), 1n);
    assert.equal(view.getBigUint64(32, true), 5n);
    assert.deepEqual([view.getBigUint64(40, true), view.getBigUint64(48, true)], [11n, 22n]);
    assert.equal(view.getBigUint64(56, true), 1_000_000_000n);
    const both = guest.call('path_filestat_set_times', ROOT, 0, ...guest.text('a'), 0n, 0n, 3);
    assert.equal(both, ERRNO.inval);
  });

  it('enforces rights, and lets them only shrink', () => {
    const guest = new Guest();
    guest.createFile('a', 'x');
    const readOnly = guest.open('a', { rights: RIGHT.fdRead });
    assert.equal(guest.write(readOnly, 'y'), ERRNO.notcapable);
    assert.equal(guest.call('fd_fdstat_set_rights', readOnly, RIGHT.fdRead | RIGHT.fdWrite, 0n), ERRNO.notcapable);
    assert.equal(guest.call('fd_fdstat_set_rights', readOnly, 0n, 0n), ERRNO.success);
    assert.equal(guest.call('fd_read', readOnly, VECTOR, 0, RESULT), ERRNO.notcapable);
    guest.path('path_create_directory', 'd');
    const folder = guest.open('d', { flags: 2, rights: RIGHT.pathOpen, inheriting: RIGHT.fdRead });
    assert.equal(guest.open('new', { from: folder, flags: CREATE, rights: RIGHT.fdRead }), -ERRNO.notcapable);
    assert.equal(guest.open('.', { from: folder, rights: RIGHT.fdWrite }), -ERRNO.notcapable);
  });

  it('reuses the lowest free descriptor and bounds how many are open', () => {
    const guest = new Guest();
    guest.createFile('a');
    const [first, second] = [guest.open('a'), guest.open('a')];
    guest.call('fd_close', first);
    assert.equal(guest.open('a'), first);
    assert.equal(guest.call('fd_renumber', second, first), ERRNO.success);
    assert.equal(guest.call('fd_close', second), ERRNO.badf);
    let last = 0;
    while (last >= 0) last = guest.open('a');
    assert.equal(last, -ERRNO.mfile);
  });
});

describe('wasi: folders', () => {
  it('lists sorted by bytes, whatever the size of the buffer', () => {
    const guest = new Guest();
    const names = ['b', 'a', 'é', 'z', '\u{1f600}', '\uffee', 'ab'];
    for (const name of names) guest.createFile(name);
    const expected = ['tmp', ...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const length of [29, 40, 64, 4096]) assert.deepEqual(guest.list(ROOT, length), ['.', '..', ...expected]);
  });

  it('keeps cookies valid while entries are removed', () => {
    const guest = new Guest();
    const names = Array.from({ length: 20 }, (_, index) => `f${String(index).padStart(2, '0')}`);
    for (const name of names) guest.createFile(name);
    let removed = 0;
    const seen = guest.list(ROOT, 60, () => {
      if (removed < names.length) assert.equal(guest.path('path_unlink_file', names[removed] ?? ''), ERRNO.success);
      removed += 1;
    });
    assert.ok(seen.includes('f19') && seen.includes('tmp'));
    assert.equal(new Set(seen).size, seen.length);
  });

  it('renames as rename(2) does', () => {
    const guest = new Guest();
    guest.createFile('a', 'A');
    guest.createFile('b', 'B');
    assert.equal(guest.rename('a', 'b'), ERRNO.success);
    assert.equal(guest.content('b'), 'A');
    assert.equal(guest.open('a'), -ERRNO.noent);
    for (const folder of ['d', 'd/e', 'empty']) assert.equal(guest.path('path_create_directory', folder), 0);
    assert.equal(guest.rename('d', 'd/e/f'), ERRNO.inval);
    assert.equal(guest.rename('b', 'd'), ERRNO.isdir);
    assert.equal(guest.rename('d', 'b'), ERRNO.notdir);
    assert.equal(guest.rename('empty', 'd'), ERRNO.notempty);
    assert.equal(guest.rename('d', 'empty'), ERRNO.success);
    assert.equal(guest.rename('b', 'empty/e/b'), ERRNO.success);
    assert.equal(guest.content('empty/e/b'), 'A');
    assert.equal(guest.rename('nothing', 'x'), ERRNO.noent);
  });

  it('removes what may be removed', () => {
    const guest = new Guest();
    guest.path('path_create_directory', 'd');
    guest.createFile('d/a');
    assert.equal(guest.path('path_remove_directory', 'd'), ERRNO.notempty);
    assert.equal(guest.path('path_unlink_file', 'd'), ERRNO.isdir);
    assert.equal(guest.path('path_remove_directory', 'd/a'), ERRNO.notdir);
    const folder = guest.open('d', { flags: 2, rights: RIGHT.pathOpen | RIGHT.pathCreateFile, inheriting: READ_WRITE });
    assert.equal(guest.path('path_unlink_file', 'd/a'), ERRNO.success);
    assert.equal(guest.path('path_remove_directory', 'd'), ERRNO.success);
    assert.equal(guest.open('x', { from: folder, flags: CREATE }), -ERRNO.noent);
    assert.equal(guest.path('path_remove_directory', '.'), ERRNO.inval);
  });

  it('confines every path to the folder it starts from', () => {
    const guest = new Guest();
    guest.path('path_create_directory', 'd');
    guest.createFile('secret', 'x');
    const folder = guest.open('d', { flags: 2, rights: RIGHT.pathOpen, inheriting: READ_WRITE });
    assert.equal(guest.open('../secret', { from: folder }), -ERRNO.notcapable);
    assert.equal(guest.open('../d/../../secret', { from: ROOT }), -ERRNO.notcapable);
    assert.ok(guest.open('d/../secret') > 0);
    assert.equal(guest.open('a\0b'), -ERRNO.inval);
    assert.equal(guest.open('n'.repeat(256), { flags: CREATE }), -ERRNO.nametoolong);
    new Uint8Array(guest.memory.buffer).set([0xff, 0xfe], TEXT);
    assert.equal(guest.call('path_create_directory', ROOT, TEXT, 2), ERRNO.ilseq);
    assert.equal(guest.call('path_symlink', ...guest.text('/etc'), ROOT, ...guest.text('l', OTHER_TEXT)), ERRNO.notsup);
  });

  it('makes a declared output a folder when something is created below it', () => {
    const guest = new Guest({ outputPaths: ['/out/tree'] });
    guest.createFile('out/tree/a');
    assert.equal(guest.open('out/other/a', { flags: CREATE }), -ERRNO.noent);
  });
});

describe('wasi: quotas', () => {
  const stopOf = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof AttemptStop && error.stopCause.kind === 'failed');
      return error.stopCause.reason;
    }
    return 'none';
  };

  it('counts bytes of files that exist or are open, and gives back those of removed ones', () => {
    const guest = new Guest({ diskBytes: 10 });
    guest.createFile('a', '12345678');
    const fd = guest.open('a');
    guest.path('path_unlink_file', 'a');
    guest.call('fd_close', fd);
    guest.createFile('b', '12345678');
    const b = guest.open('b');
    assert.equal(guest.write(b, '87654321'), ERRNO.success);
    assert.equal(
      stopOf(() => guest.write(b, '123')),
      'output-too-large',
    );
    // The stop is sticky: whatever the guest does next meets it again.
    assert.equal(
      stopOf(() => guest.call('sched_yield')),
      'output-too-large',
    );
    assert.equal(
      stopOf(() => new Guest({ diskBytes: 10 }).call('fd_allocate', ROOT, 0n, 0n)),
      'none',
    );
  });

  it('stops a hole as large as the quota before it takes memory', () => {
    const guest = new Guest({ diskBytes: 1 << 20 });
    guest.createFile('a');
    const fd = guest.open('a');
    assert.equal(
      stopOf(() => guest.call('fd_filestat_set_size', fd, 1n << 40n)),
      'output-too-large',
    );
  });

  it('counts files and folders', () => {
    const guest = new Guest({ files: 4 });
    guest.createFile('a');
    guest.createFile('b');
    guest.path('path_unlink_file', 'a');
    guest.path('path_create_directory', 'c');
    guest.createFile('d');
    assert.equal(
      stopOf(() => guest.path('path_create_directory', 'e')),
      'output-too-large',
    );
  });
});

describe('wasi: time and chance', () => {
  it('sleeps on the virtual clock, several timers and descriptors at once', () => {
    const guest = new Guest();
    const timer = (at: number, userdata: bigint, timeout: bigint, flags: number): void => {
      new Uint8Array(guest.memory.buffer).fill(0, at, at + 48);
      guest.view.setBigUint64(at, userdata, true);
      guest.view.setBigUint64(at + 24, timeout, true);
      guest.view.setUint16(at + 40, flags, true);
    };
    timer(TEXT, 1n, 3_600_000_000_000n, 0);
    timer(TEXT + 48, 2n, 5_000_000_000n, 1);
    const before = performance.now();
    assert.equal(guest.call('poll_oneoff', TEXT, BUFFER, 2, RESULT), ERRNO.success);
    assert.ok(performance.now() - before < 1000);
    assert.equal(guest.view.getUint32(RESULT, true), 1);
    assert.equal(guest.view.getBigUint64(BUFFER, true), 2n);
    assert.equal(guest.clock.peek(), 5_000_000_000n);
    // A descriptor is always ready, so nothing sleeps.
    guest.view.setUint8(TEXT + 48 + 8, 1);
    guest.view.setUint32(TEXT + 48 + 16, 0, true);
    assert.equal(guest.call('poll_oneoff', TEXT, BUFFER, 2, RESULT), ERRNO.success);
    assert.equal(guest.view.getUint8(BUFFER + 10), 1);
    assert.equal(guest.view.getBigUint64(BUFFER + 16, true), 14n);
    assert.equal(guest.clock.peek(), 5_000_000_000n);
    timer(TEXT, 1n, (1n << 64n) - 1n, 0);
    assert.equal(guest.call('poll_oneoff', TEXT, BUFFER, 1, RESULT), ERRNO.success);
    assert.equal(guest.clock.peek(), (1n << 64n) - 1n);
  });

  it('draws the ChaCha20 key stream of the seed (RFC 8439), in pieces of any size', () => {
    const key = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex');
    const expected = createCipheriv('chacha20', key, Buffer.alloc(16)).update(Buffer.alloc(1000));
    fc.assert(
      fc.property(fc.array(fc.nat(150), { maxLength: 6 }), (sizes) => {
        const stream = new RandomStream(key);
        let offset = 0;
        for (const size of sizes) {
          const piece = new Uint8Array(size);
          stream.fill(piece);
          assert.deepEqual(Buffer.from(piece), expected.subarray(offset, offset + size));
          offset += size;
        }
      }),
    );
  });
});

describe('wasi: file contents', () => {
  it('property: chunked files read back like one buffer', () => {
    const operation = fc.record({ at: fc.nat(600_000), length: fc.nat(300_000), resize: fc.option(fc.nat(700_000)) });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
        const content = new MemoryContent();
        let model = Buffer.alloc(0);
        for (const [index, { at, length, resize }] of operations.entries()) {
          const size = resize ?? (length === 0 ? model.length : Math.max(model.length, at + length));
          const next = Buffer.alloc(size);
          model.copy(next, 0, 0, size);
          if (resize === null) {
            const data = Buffer.alloc(length, index + 1);
            data.copy(next, at);
            content.write(at, data);
          } else content.resize(size);
          model = next;
        }
        const read = Buffer.alloc(model.length + 10);
        assert.equal(content.size, model.length);
        assert.equal(content.read(0, read), model.length);
        assert.ok(read.subarray(0, model.length).equals(model));
      }),
      { numRuns: 60 },
    );
  });

  it('property: names are ordered by the bytes of UTF-8', () => {
    const text = fc.string({ unit: 'binary', maxLength: 8 });
    fc.assert(
      fc.property(text, text, (a, b) => {
        const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
        assert.equal(Math.sign(compareByBytes(a, b)), expected);
      }),
    );
  });

  it('property: no call with any numbers makes the host fail', () => {
    let guest = new Guest();
    const names = Object.keys(PREVIEW1_SIGNATURES) as Preview1Name[];
    const i32 = fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.constantFrom(0, 1, 3, 4, -1, 131_071, 131_072, -16));
    const i64 = fc.oneof(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), fc.constantFrom(0n, 1n, 3n, -1n));
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.array(i32, { minLength: 9, maxLength: 9 }),
        i64,
        i64,
        (name, small, x, y) => {
          const big = [x, y];
          const [letters = ''] = PREVIEW1_SIGNATURES[name].split(':');
          const parameters = [...letters].map((letter, index) =>
            letter === 'I' ? (big.pop() ?? 0n) : (small[index] ?? 0),
          );
          try {
            const errno = guest.call(name, ...parameters);
            assert.ok(Number.isInteger(errno) && errno >= 0 && errno <= 76);
          } catch (error) {
            assert.ok(error instanceof AttemptStop, String(error));
            assert.ok(error.stopCause.kind === 'exit' || error.stopCause.reason === 'output-too-large');
            // A stop is sticky.
            guest = new Guest();
          }
        },
      ),
      { numRuns: 5000 },
    );
  });
});
