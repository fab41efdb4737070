import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  compareBytes,
  decodeFolderManifest,
  encodeFolderManifest,
  type FolderEntry,
  isRelativePath,
} from '../src/index.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const entry = (path: string): FolderEntry => ({ path, digest: DIGEST, bytes: 1 });
const text = (...paths: string[]) => JSON.stringify({ fogFolder: 1, entries: paths.map(entry) });

test('paths that leave the folder, or are none, are refused', () => {
  for (const path of [
    '',
    '/',
    '/etc/passwd',
    '..',
    '../a',
    'a/..',
    'a/../b',
    './a',
    'a/./b',
    'a//b',
    'a/',
    'a\\b',
    'a\0b',
    'a\nb',
    '\ud800',
  ]) {
    assert.equal(isRelativePath(path), false, JSON.stringify(path));
    assert.throws(() => decodeFolderManifest(text(path)), { code: 'invalid-request' }, JSON.stringify(path));
    assert.throws(() => encodeFolderManifest([entry(path)]), { code: 'invalid-request' });
  }
  for (const path of ['a', '.a', 'a..b', '...', 'a b/ü/🌫', '__proto__/x'])
    assert.equal(isRelativePath(path), true, path);
});

test('a path twice, or as file and as folder, is refused', () => {
  for (const paths of [
    ['a', 'a'],
    ['a', 'a/b'],
    ['a/b/c', 'a/b'],
    ['x/y/z/w', 'x'],
  ]) {
    assert.throws(() => decodeFolderManifest(text(...paths)), { code: 'invalid-request' }, paths.join(' '));
  }
  assert.equal(decodeFolderManifest(text('a-b', 'a/b', 'ab')).length, 3);
});

test('what is no manifest is refused', () => {
  for (const wrong of [
    '',
    '{',
    'null',
    '[]',
    '{"fogFolder":2,"entries":[]}',
    '{"fogFolder":1}',
    '{"fogFolder":1,"entries":[],"x":1}',
    '{"fogFolder":1,"entries":[{"path":"a"}]}',
  ]) {
    assert.throws(() => decodeFolderManifest(wrong), { code: 'invalid-request' }, wrong);
  }
});

const paths = fc.uniqueArray(fc.stringMatching(/^[a-zA-Z0-9~é\u{1F32B}\uFFFD-]{1,6}$/u), { maxLength: 12 });

test('equal folders have equal bytes in the order of code points, and come back whole', () => {
  fc.assert(
    fc.property(paths, fc.infiniteStream(fc.nat()), (names, order) => {
      const entries = names.map(entry);
      const shuffled = entries
        .map((each) => ({ each, key: order.next().value }))
        .sort((a, b) => a.key - b.key)
        .map(({ each }) => ({ bytes: each.bytes, path: each.path, digest: each.digest }));
      const bytes = encodeFolderManifest(entries);
      assert.deepEqual(encodeFolderManifest(shuffled), bytes);
      const decoded = decodeFolderManifest(new TextDecoder().decode(bytes));
      assert.deepEqual(
        decoded.map((each) => each.path),
        names.toSorted(compareBytes),
      );
      assert.deepEqual(encodeFolderManifest(decoded), bytes);
    }),
  );
  assert.ok(compareBytes('\uFFFD', '\u{1F32B}') < 0, 'not the order of UTF-16');
});
