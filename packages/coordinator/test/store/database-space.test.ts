import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HTTP_LIMITS } from '../../src/limits.ts';
import { type DatabaseSize, DatabaseSpace, measureDatabase } from '../../src/store/database-space.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';

test('jobs are refused at the limit of the database and when its disk is almost full', async () => {
  let size: DatabaseSize = { bytes: 900, usedBytes: 99, freeDiskBytes: HTTP_LIMITS.freeDiskBytes };
  const space = new DatabaseSpace({ measure: async () => size, limitBytes: 100 });
  assert.equal(space.fault(), null, 'nothing is known yet');
  await space.measure();
  assert.equal(space.fault(), null, 'free pages do not count');
  size = { ...size, usedBytes: 100 };
  await space.measure();
  assert.deepEqual(space.fault()?.details, { usedBytes: 100, limitBytes: 100 });
  size = { bytes: 1, usedBytes: 1, freeDiskBytes: HTTP_LIMITS.freeDiskBytes - 1 };
  await space.measure();
  assert.equal(space.fault()?.code, 'storage-full');
  size = { ...size, freeDiskBytes: null };
  await space.measure();
  assert.equal(space.fault(), null, 'the disk of another machine is not ours to see');
});

await onBothDatabases('the size of a database', {
  async 'is measured'({ open, storage }) {
    const fog = await open();
    const folder = 'dataDirectory' in storage ? storage.dataDirectory : '.';
    const { bytes, usedBytes, freeDiskBytes } = await measureDatabase(fog.database, folder);
    assert.ok(bytes > 10_000 && usedBytes > 10_000, `${bytes}, ${usedBytes}`);
    assert.equal(freeDiskBytes === null, fog.database.engine === 'postgres');
  },
});
