/** Jobs that wait for other jobs, over both databases. */
import assert from 'node:assert/strict';
import { FogError } from '@fog/contract';
import { fateOf, neededText } from '../../src/dispatch/dependencies.ts';
import { readJob } from '../../src/store/job-queries.ts';
import { type Cases, onBothDatabases } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import type { Fog } from './fog-harness.ts';
import { eventTypes, jobRow, taskRow } from './invariants.ts';

type Name = FakeAgent['attempts'][number];

async function finish(fog: Fog, agent: FakeAgent, job: string, how: 'succeed' | 'fail' = 'succeed'): Promise<void> {
  for (const name of agent.attempts.filter((attempt) => attempt.job === job)) {
    if (how === 'succeed') agent.succeed(name);
    else agent.fail(name, 'input-missing');
  }
  await fog.settle();
}

const placed = (agent: FakeAgent) => [...new Set(agent.attempts.map(({ job }) => job))];
const invalid = (error: unknown) => error instanceof FogError && error.code === 'invalid-spec';

const CASES: Cases = {
  async 'a job is placed when all that it waits for has completed, and not before'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const [one, two] = [await fog.submit(), await fog.submit()];
    const last = await fog.submit({ spec: { dependsOn: [one, two], priority: 100, count: 2 } });
    await fog.settle();
    assert.deepEqual(placed(agent).sort(), [one, two].sort());
    assert.deepEqual(
      [(await jobRow(fog.database, last)).state, (await jobRow(fog.database, last)).queued],
      ['pending', 0],
    );
    assert.equal((await readJob(fog.database.read, last))?.tasks.queued, 2);
    await finish(fog, agent, one);
    await fog.advance(5000);
    assert.deepEqual(placed(agent), [two]);
    await finish(fog, agent, two);
    assert.deepEqual(placed(agent), [last]);
    await finish(fog, agent, last);
    assert.equal((await jobRow(fog.database, last)).state, 'completed');
    const types = await eventTypes(fog.database, last);
    assert.deepEqual(types.slice(0, 4), ['job.submitted', 'job.ready', 'job.queued', 'task.leased 0/1']);
  },

  async 'a job ends with the reason when one that it waits for does not complete, and so do those after it'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const first = await fog.submit();
    const second = await fog.submit({ spec: { dependsOn: [first] } });
    const third = await fog.submit({ spec: { dependsOn: [second, first] } });
    await fog.settle();
    await finish(fog, agent, first, 'fail');
    await fog.advance(5000);
    for (const [id, cause] of [
      [second, first],
      [third, null],
    ] as const) {
      const job = await readJob(fog.database.read, id);
      assert.deepEqual([job?.state, job?.reason], ['failed', 'dependency-failed']);
      if (cause === null) assert.ok([first, second].includes(job?.failedDependency ?? ''));
      else assert.equal(job?.failedDependency, cause);
      assert.equal((await eventTypes(fog.database, id)).at(-1), 'job.failed');
    }
    const cancelled = await fog.submit({ spec: { placement: { constraints: ['gpu'] } } });
    const after = await fog.submit({ spec: { dependsOn: [cancelled] } });
    await fog.jobs.close(cancelled, 'cancelled', 'alice');
    await fog.settle();
    assert.equal((await jobRow(fog.database, after)).reason, 'dependency-failed');
  },

  async 'what it waits for may have ended before the submit'({ open }) {
    const fog = await open();
    const agent = await fog.connected();
    const first = await fog.submit();
    await fog.settle();
    await finish(fog, agent, first);
    const after = await fog.submit({ spec: { dependsOn: [first] } });
    await fog.settle();
    assert.deepEqual(placed(agent), [after]);
    await finish(fog, agent, after, 'fail');
    const never = await fog.submit({ spec: { dependsOn: [first, after] } });
    await fog.settle();
    assert.equal((await readJob(fog.database.read, never))?.failedDependency, after);
  },

  async 'nobody waits for jobs that are unknown, hidden from him, or without an end'({ open }) {
    const fog = await open();
    const other = await fog.submit({}, { by: 'bob' });
    const unknown = other.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    for (const id of [other, unknown]) {
      await assert.rejects(fog.submit({ spec: { dependsOn: [id] } }), (error) => {
        assert.ok(invalid(error), String(error));
        assert.match((error as Error).message, /spec\.dependsOn\[0\]: you have no job/);
        return true;
      });
    }
    assert.equal((await fog.database.read.selectFrom('jobs').select('id').execute()).length, 1);
    await assert.rejects(fog.submit({ spec: { dependsOn: [other], type: 'ops' } }), invalid);
  },

  async 'timeouts.queue counts from when it is ready, timeouts.total from the submit'({ open }) {
    const fog = await open();
    const agent = await fog.connected({ capacity: { slots: 1 } });
    const first = await fog.submit();
    const waits = await fog.submit({ spec: { dependsOn: [first], timeouts: { queue: '1m' } } });
    const ends = await fog.submit({ spec: { dependsOn: [first], timeouts: { total: '2m' } } });
    await fog.settle();
    await fog.advance(150_000);
    assert.deepEqual(
      [(await jobRow(fog.database, waits)).state, (await jobRow(fog.database, ends)).state],
      ['pending', 'expired'],
    );
    const blocker = await fog.submit({ spec: { priority: 100 } });
    await finish(fog, agent, first);
    assert.deepEqual(placed(agent), [blocker]);
    await fog.advance(59_000);
    assert.equal((await taskRow(fog.database, waits)).state, 'queued');
    await fog.advance(2_000);
    assert.deepEqual((await jobRow(fog.database, waits)).reason, 'queue-timeout');
  },

  async 'a crash between the end of one and the start of the other loses nothing'({ open, crash }) {
    const before = await open();
    const agent = await before.connected();
    const first = await before.submit();
    await before.settle();
    const last = await before.submit({ spec: { dependsOn: [first], count: 3 } });
    agent.succeed(agent.attempts[0] as Name);
    await before.dispatcher.settled();
    const fog = await crash(before);
    await agent.connect();
    await fog.advance(5000);
    assert.deepEqual(placed(agent), [last]);
    assert.equal(agent.attempts.length, 3);
  },

  async 'what was made ready and not spread out is spread out by the sweep, suspended where that was asked for'({
    open,
  }) {
    const fog = await open();
    const agent = await fog.connected();
    const first = await fog.submit({ spec: { placement: { constraints: ['gpu'] } } });
    const last = await fog.submit({ spec: { dependsOn: [first] } });
    await fog.suspensions.change(last, { suspend: true, by: 'alice' });
    await fog.database.write((writer) =>
      writer.updateTable('jobs').set({ waits: 0, ready_at: fog.clock.now }).where('id', '=', last).execute(),
    );
    await fog.advance(5000);
    const task = await taskRow(fog.database, last);
    assert.deepEqual([task.parked, task.suspended_at !== null], [1, true]);
    assert.deepEqual(placed(agent), []);
    await fog.suspensions.change(last, { suspend: false, by: 'alice' });
    await fog.settle();
    assert.deepEqual(placed(agent), [last]);
  },

  async 'a job that others wait for is not removed, and is with the last of them'({ open }) {
    const fog = await open({ keepJobs: '1h' });
    const agent = await fog.connected();
    const [first, never] = [await fog.submit(), await fog.submit({ spec: { placement: { constraints: ['gpu'] } } })];
    const last = await fog.submit({ spec: { dependsOn: [first, never] } });
    await fog.settle();
    await finish(fog, agent, first);
    await fog.advance(2 * 3_600_000);
    assert.notEqual(await readJob(fog.database.read, first), null);
    await fog.jobs.close(last, 'cancelled', 'alice');
    await fog.advance(1000);
    assert.equal(await readJob(fog.database.read, first), null);
    await fog.advance(2 * 3_600_000);
    assert.equal((await fog.database.read.selectFrom('job_dependencies').selectAll().execute()).length, 0);
  },

  async 'a large job is spread out when it is ready, and can be cancelled while it waits'({ open }) {
    const fog = await open();
    const agent = await fog.connected({ capacity: { slots: 1 } });
    const first = await fog.submit();
    const [large, gone] = [
      await fog.submit({ spec: { dependsOn: [first], count: 6000 } }),
      await fog.submit({ spec: { dependsOn: [first], count: 6000 } }),
    ];
    await fog.settle();
    await fog.jobs.close(gone, 'cancelled', 'alice');
    await finish(fog, agent, first);
    await fog.jobs.spreadOut(large);
    const row = await jobRow(fog.database, large);
    assert.deepEqual([row.expanded, row.queued + row.scheduled], [6000, 6000]);
    assert.deepEqual(
      [(await jobRow(fog.database, gone)).state, (await jobRow(fog.database, gone)).expanded],
      ['cancelled', 0],
    );
    await fog.jobs.close(large, 'cancelled', 'alice');
  },

  async 'the fate of a job, and what it waits for in words'() {
    assert.equal(fateOf([{ id: 'a', state: 'completed' }]), 'ready');
    assert.equal(
      fateOf([
        { id: 'a', state: 'completed' },
        { id: 'b', state: 'running' },
      ]),
      'waits',
    );
    assert.deepEqual(
      fateOf([
        { id: 'a', state: 'pending' },
        { id: 'b', state: 'expired' },
      ]),
      { failed: 'b' },
    );
    assert.deepEqual(fateOf([{ id: 'a', state: null }]), { failed: 'a' });
    assert.equal(
      neededText([
        { id: 'a', state: 'completed' },
        { id: 'b', state: 'running' },
      ]),
      'it waits until b (running) has completed',
    );
  },
};

await onBothDatabases('dependencies', CASES);
