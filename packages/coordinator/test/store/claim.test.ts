/** Claims: the head of the queue in order, bounded, and never twice. */
import assert from 'node:assert/strict';
import { claimTasks, queueHead } from '../../src/store/claim.ts';
import { openDatabase } from '../../src/store/open-database.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog } from '../dispatch/fog-harness.ts';

async function classIdOf(fog: Fog, job: string): Promise<string> {
  const row = await fog.database.read
    .selectFrom('jobs')
    .select('class_id')
    .where('id', '=', job)
    .executeTakeFirstOrThrow();
  return row.class_id ?? '';
}

/** Claims and rolls back. */
async function look(fog: Fog, request: Parameters<typeof claimTasks>[2]): Promise<string[]> {
  const seen: string[] = [];
  const rollback = new Error('rolled back');
  await fog.database
    .write(async (writer) => {
      seen.length = 0;
      for (const task of await claimTasks(writer, fog.database.engine, request))
        seen.push(`${task.job}/${task.partition}/${task.fence}`);
      throw rollback;
    })
    .catch((error: unknown) => assert.equal(error, rollback));
  return seen;
}

await onBothDatabases('claims', {
  async 'take the first tasks by rank, job and partition, none behind the bound'({ open }) {
    const fog = await open();
    fog.clock.now += 1;
    const low = await fog.submit({ spec: { priority: 10, count: 2 } });
    fog.clock.now += 1;
    const high = await fog.submit({ spec: { priority: 90, count: 2 } });
    fog.clock.now += 1;
    const higher = await fog.submit({ spec: { priority: 90, count: 1 } });
    const classId = await classIdOf(fog, low);
    assert.equal(await classIdOf(fog, high), classId, 'priority does not make a class');
    const all = [`${high}/0/1`, `${high}/1/1`, `${higher}/0/1`, `${low}/0/1`, `${low}/1/1`];
    assert.deepEqual(await look(fog, { classId, most: 1, until: null }), all.slice(0, 1));
    assert.deepEqual(await look(fog, { classId, most: 3, until: null }), all.slice(0, 3));
    assert.deepEqual(new Set(await look(fog, { classId, most: 99, until: null })), new Set(all));
    assert.deepEqual(await look(fog, { classId, most: 99, until: { rank: 10, job: high } }), all.slice(0, 2));
    assert.deepEqual(await look(fog, { classId, most: 99, until: { rank: 5, job: high } }), []);
    assert.deepEqual(await fog.database.write((writer) => queueHead(writer, classId)), { rank: 10, job: high });
    assert.equal(await fog.database.write((writer) => queueHead(writer, 'no such class')), null);
  },

  async 'do not take parked tasks'({ open }) {
    const fog = await open();
    const job = await fog.submit({ spec: { count: 2 } });
    await fog.database.write((writer) =>
      writer.updateTable('tasks').set({ parked: 1, not_before: 1 }).where('partition', '=', 0).execute(),
    );
    assert.deepEqual(await look(fog, { classId: await classIdOf(fog, job), most: 9, until: null }), [`${job}/1/1`]);
  },

  async 'of two connections at once never take the same task'({ open, storage }) {
    const fog = await open();
    if (fog.database.engine === 'sqlite') return;
    const job = await fog.submit({ spec: { count: 400 } });
    const classId = await classIdOf(fog, job);
    const other = await openDatabase(storage);
    const claimed: string[] = [];
    const takeAll = async (database: typeof other) => {
      for (let round = 0; round < 40; round += 1) {
        await database.write(async (writer) => {
          const tasks = await claimTasks(writer, 'postgres', { classId, most: 10, until: null });
          const columns = { state: 'cancelled', queue_deadline: null };
          assert.ok(tasks.length <= 10);
          for (const task of tasks) {
            claimed.push(`${task.partition}`);
            await writer
              .updateTable('tasks')
              .set(columns)
              .where('job_id', '=', job)
              .where('partition', '=', task.partition)
              .execute();
          }
        });
      }
    };
    await Promise.all([takeAll(fog.database), takeAll(other)]);
    await other.close();
    assert.equal(claimed.length, 400);
    assert.equal(new Set(claimed).size, 400);
    // The counters were left alone: make them true again for the check that follows.
    await fog.database.write((writer) => writer.deleteFrom('tasks').execute());
    await fog.database.write((writer) => writer.deleteFrom('jobs').execute());
  },
});
