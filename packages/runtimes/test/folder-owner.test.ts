import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FolderOwner } from '../src/folder-owner.ts';

test('what others have left goes, marked or not; what is their own and what they keep stays', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'fog-owner-'));
  const [dead, live] = [new FolderOwner(), new FolderOwner()];
  for (const name of ['of-the-dead', 'without-mark', 'outputs', 'begun']) await mkdir(join(scratch, name));
  await dead.mark(join(scratch, 'of-the-dead'));
  await dead.mark(join(scratch, 'outputs'));
  await live.mark(join(scratch, 'outputs'));
  await live.removeOthers(scratch, (name) => name === 'begun');
  assert.deepEqual((await readdir(scratch)).sort(), ['begun', 'outputs']);
  await rm(scratch, { recursive: true });
  await live.removeOthers(scratch, () => false);
});
