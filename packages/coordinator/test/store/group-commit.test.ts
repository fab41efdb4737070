/** Group commit: what waits together is committed together, and nobody pays for the faults of others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import { sql } from 'kysely';
import type { Database, Writer } from '../../src/store/database.ts';
import { openDatabase } from '../../src/store/open-database.ts';
import { refusableWrite } from '../../src/store/refusable-write.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { Fog, temporaryStorage } from '../dispatch/fog-harness.ts';

function insert(writer: Writer, digest: string) {
  return writer.insertInto('blobs').values({ digest, bytes: 1, stored_at: 1 }).execute();
}

async function digests(database: Database): Promise<string[]> {
  const rows = await database.read.selectFrom('blobs').select('digest').where('digest', 'like', 'd%').execute();
  return rows.map((row) => row.digest).sort();
}

await onBothDatabases('group commit', {
  async 'runs works in their order, and answers each with its own result'({ open }) {
    const { database } = await open();
    const order: number[] = [];
    const results = await Promise.all(
      Array.from({ length: 1200 }, (_, index) =>
        database.write(async () => {
          order.push(index);
          return index * 2;
        }),
      ),
    );
    assert.deepEqual(
      order,
      Array.from({ length: 1200 }, (_, index) => index),
    );
    assert.deepEqual(
      results,
      order.map((index) => index * 2),
    );
  },

  async 'a work that fails is rolled back alone'({ open }) {
    const { database } = await open();
    const works = ['d1', 'd2', 'd3', 'd4'].map((digest, index) =>
      database.write(async (writer) => {
        await insert(writer, digest);
        if (index === 1) throw new Error('a bug');
        if (index === 2) await insert(writer, digest);
        return digest;
      }),
    );
    const settled = await Promise.allSettled(works);
    assert.deepEqual(
      settled.map((result) => result.status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(await digests(database), ['d1', 'd4']);
  },

  async 'a refusal undoes what it follows and nothing else, in the same transaction'({ open }) {
    const { database } = await open();
    let runs = 0;
    const others = ['d1', 'd3'].map((digest) =>
      database.write(async (writer) => {
        runs += 1;
        await insert(writer, digest);
      }),
    );
    const refused = refusableWrite(database, async (writer) => {
      await insert(writer, 'd2');
      throw new FogError('conflict', 'not so');
    });
    const allowed = refusableWrite(database, async (writer) => {
      await insert(writer, 'd4');
      return 'done';
    });
    await assert.rejects(refused, { code: 'conflict' });
    assert.equal(await allowed, 'done');
    await Promise.all(others);
    assert.equal(runs, 2, 'the others are done once');
    assert.deepEqual(await digests(database), ['d1', 'd3', 'd4']);
  },

  async 'a serialisation failure or deadlock is tried again, but not for ever'({ open }) {
    const { database } = await open();
    for (const code of ['40001', '40P01']) {
      let tries = 0;
      const result = await database.write(async (writer) => {
        await insert(writer, `d${code}`);
        tries += 1;
        if (tries < 4) throw Object.assign(new Error('again'), { code });
        return tries;
      });
      assert.equal(result, 4);
    }
    let tries = 0;
    const endless = database.write(async () => {
      tries += 1;
      throw Object.assign(new Error('again'), { code: '40001' });
    });
    await assert.rejects(endless, /again/);
    assert.equal(tries, 5);
    assert.deepEqual(await digests(database), ['d40001', 'd40P01']);
  },

  async 'a write during a commit goes into the next'({ open }) {
    const { database } = await open();
    let nested: Promise<unknown> | undefined;
    await database.write(async (writer) => {
      nested ??= database.write((next) => insert(next, 'd2'));
      await insert(writer, 'd1');
    });
    await nested;
    assert.deepEqual(await digests(database), ['d1', 'd2']);
  },
});

test('what was acknowledged is there for the next process, and nothing is acknowledged before', async () => {
  await using folder = await temporaryStorage();
  const database = await openDatabase(folder.storage);
  const other = await openDatabase(folder.storage);
  let acknowledged = false;
  const write = database.write(async (writer) => {
    await insert(writer, 'd1');
    assert.deepEqual(await digests(other), [], 'not visible before the commit');
    assert.equal(acknowledged, false);
  });
  await write.then(() => {
    acknowledged = true;
  });
  assert.deepEqual(await digests(other), ['d1']);
  await database.close();
  await assert.rejects(
    database.write(async () => undefined),
    /closed/,
  );
  await other.close();
});

test('close commits what waits', async () => {
  await using folder = await temporaryStorage();
  const fog = await Fog.open(folder.storage);
  const works = Array.from({ length: 700 }, (_, index) => fog.database.write((writer) => insert(writer, `d${index}`)));
  await fog.database.close();
  await Promise.all(works);
  const again = await openDatabase(folder.storage);
  assert.equal((await digests(again)).length, 700);
  await again.close();
});

test('a full disk is told as such, and work goes on once there is room', async () => {
  await using folder = await temporaryStorage();
  const database = await openDatabase(folder.storage);
  try {
    const pages = (most: number) =>
      database.write((writer) => sql.raw(`PRAGMA max_page_count = ${most}`).execute(writer));
    await pages(1);
    await assert.rejects(
      database.write((writer) => insert(writer, 'd'.repeat(200_000))),
      { code: 'storage-full' },
    );
    await pages(1_000_000);
    await database.write((writer) => insert(writer, 'd1'));
    assert.deepEqual(await digests(database), ['d1']);
  } finally {
    await database.close();
  }
});
