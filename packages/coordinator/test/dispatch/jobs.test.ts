/** Jobs as such: submit, spread out, close, deadlines, retention. */
import assert from 'node:assert/strict';
import { FogError } from '@fog/contract';
import { TokenStore } from '../../src/access/tokens.ts';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { readEvents } from '../../src/store/job-queries.ts';
import { onBothDatabases } from './both-databases.ts';
import { Fog, jobSpec, MODULE } from './fog-harness.ts';
import { eventTypes, jobRow, taskRow } from './invariants.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const alice = { scope: 'submit' as const, principal: 'alice' };

await onBothDatabases('jobs', {
  async 'cancelling ends queued and running tasks and stops the attempts'({ open }) {
    const fog = await open();
    const agent = await fog.connected({ capacity: { slots: 2 } });
    const job = await fog.submit({ spec: { count: 5 } });
    await fog.settle();
    const [first] = agent.attempts;
    assert.ok(first !== undefined);
    await Promise.all([fog.jobs.close(job, 'cancelled', 'alice'), fog.jobs.close(job, 'cancelled', 'bob')]);
    const row = await jobRow(fog.database, job);
    assert.deepEqual([row.state, row.cancelled, row.closed_by], ['cancelled', 5, 'alice']);
    assert.equal(agent.held.size, 0);
    assert.deepEqual(
      agent.stopped.map((stop) => stop.reason),
      ['cancelled', 'cancelled'],
    );
    agent.succeed(first);
    await fog.settle();
    assert.equal((await taskRow(fog.database, job, first.partition)).state, 'cancelled', 'too late');
    const next = await fog.submit({ spec: { count: 2 } });
    await fog.settle();
    assert.deepEqual(
      agent.attempts.map((name) => name.job),
      [next, next],
      'the places are free again',
    );
  },

  async 'timeouts.total ends what is left'({ open }) {
    const fog = await open();
    const agent = await fog.connected({ capacity: { slots: 1 } });
    const job = await fog.submit({ spec: { count: 3, timeouts: { total: '2h' } } });
    await fog.settle();
    for (const name of agent.attempts) agent.succeed(name);
    await fog.settle();
    await fog.advance(2 * HOUR);
    const row = await jobRow(fog.database, job);
    assert.deepEqual([row.state, row.reason, row.succeeded, row.expired], ['expired', 'total-timeout', 1, 2]);
    assert.equal(agent.held.size, 0);
  },

  async 'timeouts.queue ends tasks that no node took, and only those'({ open }) {
    const fog = await open();
    const agent = await fog.connected({ capacity: { slots: 1 } });
    const job = await fog.submit({ spec: { count: 2, timeouts: { queue: '1h' } } });
    await fog.settle();
    await fog.advance(HOUR);
    const row = await jobRow(fog.database, job);
    assert.deepEqual([row.state, row.expired, row.scheduled], ['running', 1, 1]);
    for (const name of agent.attempts) agent.succeed(name);
    await fog.settle();
    assert.deepEqual(
      [(await jobRow(fog.database, job)).state, (await jobRow(fog.database, job)).reason],
      ['expired', 'queue-timeout'],
    );
  },

  async 'an ops job runs once on every matching node'({ open }) {
    const fog = await open();
    await assert.rejects(fog.submit({ spec: { type: 'ops' } }), { code: 'conflict' });
    const matching = [];
    for (let index = 0; index < 5; index += 1) matching.push(await fog.connected({ labels: { zone: 'a' } }));
    const other = await fog.connected();
    const job = await fog.submit({ spec: { type: 'ops', placement: { constraints: ['zone == a'] } } });
    await fog.settle();
    assert.deepEqual(
      matching.map((agent) => agent.held.size),
      [1, 1, 1, 1, 1],
    );
    assert.equal(other.held.size, 0);
    const [failing] = matching;
    for (const name of failing?.attempts ?? []) failing?.fail(name, 'sandbox');
    await fog.settle();
    await fog.advance(1000);
    assert.equal(failing?.held.size, 1, 'its node tries again, no other does');
    for (const agent of matching) for (const name of agent.attempts) agent.succeed(name);
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },

  async 'a large job is spread out in steps, and cancelled midway leaves nothing behind'({ open }) {
    const fog = await open();
    const job = await fog.submit({ spec: { count: 12_000 } });
    assert.equal((await jobRow(fog.database, job)).expanded, 5000, 'the first step is part of the submit');
    await fog.jobs.close(job, 'cancelled', 'alice');
    const row = await jobRow(fog.database, job);
    assert.equal(row.state, 'cancelled');
    assert.equal(row.cancelled, row.expanded);
    assert.ok(row.expanded < 12_000);
  },

  async 'a large job that a crash has cut is spread out to its end'({ open, crash }) {
    const fog = await open();
    const job = await fog.submit({ spec: { count: 12_000 } });
    const next = await crash(fog);
    assert.ok((await jobRow(next.database, job)).expanded < 12_000);
    await next.sweeps.sweepOnce();
    const row = await jobRow(next.database, job);
    assert.deepEqual([row.expanded, row.queued, row.state], [12_000, 12_000, 'queued']);
    const types = await eventTypes(next.database, job);
    assert.deepEqual(types, ['job.submitted', 'job.queued']);
    await next.jobs.close(job, 'cancelled', 'alice');
  },

  async 'the same idempotency key answers the same job, whatever has changed'({ open }) {
    const fog = await open({ queuedTasks: 10 });
    const [first, second, third] = await Promise.all(
      [1, 2, 3].map(() => fog.submit({ spec: { count: 2 } }, { key: 'k1' })),
    );
    assert.ok(first === second && second === third);
    assert.notEqual(
      await fog.submit({ spec: { count: 2 } }, { key: 'k1', by: 'bob' }),
      first,
      'keys belong to a submitter',
    );
    await assert.rejects(fog.submit({ spec: { count: 3 } }, { key: 'k1' }), { code: 'idempotency-mismatch' });
    await fog.submit({ spec: { count: 6 } });
    await fog.sweeps.takeStock();
    await assert.rejects(fog.submit(), { code: 'too-many-requests' });
    await fog.database.write((writer) => writer.deleteFrom('blobs').execute());
    assert.equal(await fog.submit({ spec: { count: 2 } }, { key: 'k1' }), first);
  },

  async 'an empty folder is refused: nothing would be at its path'({ open }) {
    const folders = new Map([[MODULE, []]]);
    const fog = await open({ folders });
    const inputs = [{ source: MODULE, path: '/in/folder', type: 'folder' as const }];
    await assert.rejects(fog.submit({ task: { inputs } }), {
      code: 'invalid-spec',
      message: 'spec.task.inputs[0].source: is an empty folder',
    });
  },

  async 'a blob that is missing, or just being deleted, is refused'({ open }) {
    const fog = await open();
    const other = `sha256:${'b'.repeat(64)}`;
    const request = fog.submit({ task: { inputs: [{ source: other, path: '/in' }] } });
    await assert.rejects(request, { code: 'blob-not-found', details: { digests: [other] } });
    const process = { command: ['a'], root: other };
    const rooted = fog.submit({ task: { runtime: 'process', wasm: undefined, process } });
    await assert.rejects(rooted, { code: 'blob-not-found', details: { digests: [other] } });
    await fog.database.write((writer) => writer.updateTable('blobs').set({ stored_at: -1 }).execute());
    await assert.rejects(fog.submit(), { code: 'blob-not-found', details: { digests: [MODULE] } });
    assert.equal(fog.dispatcher.hints.size, 0, 'nothing is hinted at');
  },

  async 'secrets are in the lease and nowhere else'({ open }) {
    const secrets: Record<string, string> = { key: 'swordfish' };
    const fog = await open({ secrets });
    const agent = await fog.connected();
    const task = { env: { KEY: { secret: 'key' } } };
    const fault = await fog.submit({ task: { env: { KEY: { secret: 'absent' } } } }).catch((error: unknown) => error);
    assert.equal((fault as { code?: string }).code, 'invalid-spec');
    const job = await fog.submit({ task });
    await fog.settle();
    assert.deepEqual(
      agent.groups.map((group) => group.secrets),
      [{ key: 'swordfish' }],
    );
    for (const table of ['jobs', 'events', 'attempts', 'tasks'] as const) {
      const rows = await fog.database.read.selectFrom(table).selectAll().execute();
      assert.ok(!JSON.stringify(rows).includes('swordfish'), table);
    }
    for (const name of agent.attempts) agent.succeed(name);
    await fog.settle();
    delete secrets.key;
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },

  async 'a secret that is gone when the task is leased fails the task'({ open }) {
    const secrets: Record<string, string> = { key: 'swordfish' };
    const fog = await open({ secrets });
    const job = await fog.submit({ task: { env: { KEY: { secret: 'key' } } } });
    delete secrets.key;
    await fog.connected();
    await fog.settle();
    const task = await taskRow(fog.database, job);
    assert.deepEqual([task.state, JSON.parse(task.failure ?? '').reason], ['failed', 'input-missing']);
  },

  async 'old jobs are removed entirely, others stay'({ open }) {
    const fog = await open({ keepJobs: '2d' });
    const agent = await fog.connected();
    const old = await fog.submit({ spec: { count: 3 } });
    await fog.settle();
    for (const name of agent.attempts) {
      agent.log(name, 0, 'hello');
      agent.succeed(name, [{ name: 'out', type: 'file', digest: `sha256:${'c'.repeat(64)}`, bytes: 3 }]);
    }
    await fog.settle();
    fog.clock.now += DAY;
    const young = await fog.submit();
    await fog.settle();
    for (const name of agent.attempts) agent.succeed(name);
    await fog.settle();
    await fog.advance(DAY + 1);
    const left = await fog.database.read.selectFrom('jobs').select('id').execute();
    assert.deepEqual(
      left.map((row) => row.id),
      [young],
    );
    for (const table of ['tasks', 'attempts', 'logs', 'job_blobs'] as const) {
      const rows = await fog.database.read.selectFrom(table).select('job_id').where('job_id', '=', old).execute();
      assert.equal(rows.length, 0, table);
    }
    assert.deepEqual(await eventTypes(fog.database, old), []);
    assert.deepEqual(await eventTypes(fog.database, agent.id), [], 'what happened to nodes is forgotten as well');
  },

  async 'retention keeps up: one round removes whatever is due, tokens and unused placement classes too'({ open }) {
    const fog = await open({ keepJobs: '2d' });
    const agent = await fog.connected();
    agent.onLease = (name) => queueMicrotask(() => agent.succeed(name));
    for (let count = 0; count < DISPATCH_LIMITS.retentionJobs + 5; count += 1) await fog.submit();
    await fog.settle();
    const tokens = new TokenStore({ database: fog.database, fingerprint: null, now: () => fog.clock.now });
    const expired = await tokens.create({ scope: 'read', lifeMilliseconds: 1 });
    const revoked = await tokens.create({ scope: 'read' });
    await tokens.revoke(revoked.id);
    const good = await tokens.create({ scope: 'read' });
    const waiting = await fog.submit({
      spec: { placement: { constraints: ['nowhere == yes'] }, timeouts: { queue: '30d', total: '30d' } },
    });
    fog.clock.now += 5 * DAY;
    const young = await fog.submit({ task: { resources: { cpu: '7m' } } });
    await fog.sweeps.sweepOnce();
    const jobs = await fog.database.read.selectFrom('jobs').select('id').orderBy('id').execute();
    assert.deepEqual(
      jobs.map((row) => row.id),
      [waiting, young],
    );
    const classes = await fog.database.read.selectFrom('placement_classes').select('requirements').execute();
    assert.equal(classes.length, 2, 'the one of the task that waits, and the one just used');
    const left = (await fog.database.read.selectFrom('tokens').select('id').execute()).map((row) => row.id);
    assert.ok(left.includes(good.id) && !left.includes(expired.id) && !left.includes(revoked.id));
    await fog.submit();
    await fog.settle();
    const again = await fog.database.read.selectFrom('placement_classes').select('id').execute();
    assert.equal(again.length, 3, 'a class that was removed is stored again');
  },

  async 'events of one task are a stream of their own'({ open }) {
    const fog = await open();
    const agent = await fog.connected({ capacity: { slots: 20, milliCpu: 20_000, memoryBytes: 1e12 } });
    const job = await fog.submit({ spec: { count: 12 } });
    await fog.settle();
    for (const name of agent.attempts) {
      agent.report(name, { event: 'progress', fraction: 0.5, message: 'like {"type":"task.x","partition":1,' });
    }
    await fog.settle();
    const read = (partition: number) => readEvents(fog.database.read, job, { after: 0, limit: 100, partition });
    for (const partition of [1, 11]) {
      const records = await read(partition);
      assert.deepEqual(
        records.map(({ data }) => [data.type, 'partition' in data && data.partition]),
        [
          ['task.leased', partition],
          ['task.progress', partition],
        ],
      );
    }
    assert.deepEqual(await read(99), []);
  },

  async 'a full disk refuses submits and nothing else'({ open }) {
    let full: FogError | null = null;
    const fog = await open({ storageFault: () => full });
    const agent = await fog.connected();
    await fog.submit();
    full = new FogError('storage-full', 'the disk is full');
    await assert.rejects(fog.submit(), { code: 'storage-full' });
    await fog.settle();
    for (const name of agent.attempts) agent.succeed(name);
    await fog.settle();
    assert.equal(agent.unacknowledged, 0);
  },

  async 'what a crash interrupts while a job is cancelled is done after it'({ open, crash }) {
    const fog = await open();
    await fog.connected({ capacity: { slots: 2 } });
    const job = await fog.submit({ spec: { count: 300 } });
    await fog.settle();
    void fog.jobs.close(job, 'cancelled', 'alice');
    await new Promise((resolve) => setImmediate(resolve));
    const next = await crash(fog);
    const before = await jobRow(next.database, job);
    if (before.closing === null) await next.jobs.close(job, 'cancelled', 'alice');
    await next.sweeps.sweepOnce();
    assert.equal((await jobRow(next.database, job)).state, 'cancelled');
  },

  async 'many submits at once are one job each'({ open }) {
    const fog = await open();
    const ids = await Promise.all(Array.from({ length: 60 }, () => fog.jobs.submit(alice, { spec: jobSpec() })));
    assert.equal(new Set(ids).size, 60);
    assert.ok(fog instanceof Fog);
  },
});
