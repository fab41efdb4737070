import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockFolder } from '../src/node/index.ts';

test('makes the folder with its parents, holds it alone, and lets it go', () => {
  const root = mkdtempSync(join(tmpdir(), 'fog-lock-'));
  try {
    const folder = join(root, 'a', 'b');
    const lock = lockFolder(folder, 'agent');
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.throws(() => lockFolder(folder, 'agent'), { code: 'data-directory', message: /another agent/ });
    lockFolder(folder, 'coordinator')[Symbol.dispose]();
    lock[Symbol.dispose]();
    lockFolder(folder, 'agent')[Symbol.dispose]();
    writeFileSync(join(root, 'file'), '');
    assert.throws(() => lockFolder(join(root, 'file', 'x'), 'agent'), { code: 'data-directory' });
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('a place where nothing can be made is an error at once', { skip: process.platform !== 'linux' }, () => {
  assert.throws(() => lockFolder('/proc/fog/data', 'agent'), { code: 'data-directory' });
});
