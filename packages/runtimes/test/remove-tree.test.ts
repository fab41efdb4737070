import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { removeTree } from '../src/remove-tree.ts';

const scratch = () => mkdtemp(join(tmpdir(), 'remove-tree-'));

it('folders nested deeper than a path can be are removed', async () => {
  const root = await scratch();
  // 25 times 100 levels of "d/" are 5,000 bytes of path, where a path may have 4,096.
  const step = 'd/'.repeat(100);
  execFileSync('sh', [
    '-c',
    `cd "$1"; for i in $(seq 25); do mkdir -p ${step}; cd -P ${step} || exit 1; done`,
    'sh',
    root,
  ]);
  await removeTree(root);
  assert.equal(existsSync(root), false);
});

it('folders without rights are removed', async () => {
  const root = await scratch();
  await mkdir(join(root, 'closed', 'inner'), { recursive: true });
  await chmod(join(root, 'closed'), 0);
  await removeTree(root);
  assert.equal(existsSync(root), false);
});

it('what is not there is no fault', async () => {
  await removeTree(join(tmpdir(), 'remove-tree-of-nobody'));
});
