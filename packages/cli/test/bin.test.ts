/** bin/fog.js as a process: under this Node, under an older one, through links. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findOlderNode, run } from './older-node.ts';

const BIN = fileURLToPath(new URL('../bin/fog.js', import.meta.url));
let folder: string;
let olderNode: string | undefined;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fog-bin-'));
  olderNode = await findOlderNode();
});
after(() => rm(folder, { recursive: true, force: true }));

describe('the bin file', () => {
  test('runs through a link from elsewhere', async () => {
    const link = join(folder, 'fog');
    await symlink(BIN, link);
    const { code, stdout } = await run(process.execPath, [link, '--version']);
    assert.deepEqual([code, stdout], [0, '0.1.0\n']);
  });

  test('starts itself again with the pinned Node, and passes on exit codes', async (t) => {
    if (olderNode === undefined) return t.skip('no Node from 18 to 25 on PATH; name one by FOG_TEST_OLDER_NODE');
    const link = join(folder, 'fog-older');
    await symlink(BIN, link);
    assert.equal((await run(olderNode, [link, '--version'])).stdout, '0.1.0\n');
    assert.equal((await run(olderNode, [link, 'nonsense'])).code, 2);
  });

  test('one sentence where there is no Node that could run it', async (t) => {
    if (olderNode === undefined) return t.skip('no Node from 18 to 25 on PATH; name one by FOG_TEST_OLDER_NODE');
    // What the file sets for its second start: a binary that is older than it should be must not start itself for ever.
    const { code, stderr } = await run(olderNode, [BIN], { FOG_STARTED_BY_NODE: '18.0.0' });
    assert.equal(code, 125);
    assert.match(stderr, /^fog: fog needs Node 26 or later and this is Node \d+\.\d+\.\d+; [^\n]+\n$/);
  });

  test('a reader that has seen enough is no failure', async () => {
    const { code, stdout, stderr } = await run('bash', [
      '-c',
      `set -o pipefail; "$0" "$1" completion bash | head -1`,
      process.execPath,
      BIN,
    ]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^# fog completion/);
  });
});
