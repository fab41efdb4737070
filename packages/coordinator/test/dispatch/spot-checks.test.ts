/** Known answers, put to proven nodes as jobs that nobody sees and that no node can tell from others. */
import assert from 'node:assert/strict';
import { readJob, readJobs } from '../../src/store/job-queries.ts';
import { onBothDatabases, type Scene } from './both-databases.ts';
import type { Fog } from './fog-harness.ts';
import { CHECKED, checkedNode, knowAnswer } from './known-answers.ts';
import { acceptedOutput, honest, RIGHT, standing, stranger, submitVerified, trustOf, wrong } from './strangers.ts';

async function hiddenJobs(fog: Fog): Promise<string[]> {
  const rows = await fog.database.read.selectFrom('jobs').select('id').where('purpose', '=', 'check').execute();
  return rows.map(({ id }) => id);
}

await onBothDatabases('spot checks', {
  async 'a check says of itself what its origin said, is in no list, and counts'({ open }: Scene) {
    const fog = await open();
    const { origin, group } = await knowAnswer(fog);
    const { agent, check } = await checkedNode(fog, honest);
    await fog.settle();
    const { job, leases, ...told } = check;
    const { job: _job, leases: _leases, ...original } = group;
    assert.deepEqual(told, original, 'all that a program could see but the id of the job');
    assert.equal(leases[0]?.partition, group.leases[0]?.partition);
    assert.notEqual(job, origin);
    assert.equal(job.slice(0, 10), origin.slice(0, 10), 'the id tells the same time');
    assert.deepEqual(await hiddenJobs(fog), [job]);
    assert.equal(await readJob(fog.database.read, job), null);
    const listed = await readJobs(fog.database.read, {
      submitter: null,
      state: undefined,
      before: undefined,
      limit: 99,
    });
    assert.ok(!listed.some(({ id }) => id === job));
    const trust = await trustOf(fog, agent);
    assert.deepEqual([trust?.spotChecksPassed, trust?.spotChecksFailed], [1, 0]);
  },

  async 'a proven node that lies alone is found out by a check, and what it did is verified again'({ open }: Scene) {
    const fog = await open();
    await knowAnswer(fog);
    const { agent, jobs } = await checkedNode(fog, () => wrong(1));
    await fog.settle();
    assert.equal((await trustOf(fog, agent))?.spotChecksFailed, 1);
    assert.equal(await standing(fog, agent), 'suspect');
    await fog.nodes.cordon(agent.id, true, 'root');
    for (let more = 0; more < 2; more += 1) await stranger(fog);
    await fog.advance(1000);
    for (const job of jobs) assert.equal(await acceptedOutput(fog, job), RIGHT);
  },

  async 'an answer is not put to who has met the task, and two who say the same of it put it in doubt'({
    open,
  }: Scene) {
    const fog = await open();
    const { origin } = await knowAnswer(fog);
    const first = await checkedNode(fog, () => wrong(1));
    await fog.nodes.cordon(first.agent.id, true, 'root');
    const second = await checkedNode(fog, () => wrong(1));
    await fog.settle();
    assert.equal((await trustOf(fog, second.agent))?.spotChecksFailed, 0, 'who agrees with another is not condemned');
    const left = await fog.database.read
      .selectFrom('known_answers')
      .select('job_id')
      .where('job_id', '=', origin)
      .execute();
    assert.deepEqual(left, []);
    await stranger(fog, honest, { trusted: true });
    await fog.advance(1000);
    assert.equal(await acceptedOutput(fog, origin), RIGHT, 'a trusted node has looked at it again');
  },

  async 'a check whose node vanishes ends without a verdict'({ open }: Scene) {
    const fog = await open();
    await knowAnswer(fog);
    const { agent, check } = await checkedNode(fog, honest);
    assert.deepEqual(await hiddenJobs(fog), [check.job]);
    agent.onLease = () => undefined;
    for (let more = 0; more < 40 && (await hiddenJobs(fog)).length < 2; more += 1) {
      await submitVerified(fog, CHECKED);
      await fog.settle();
    }
    await agent.disconnect();
    await fog.advance(120_000);
    const unended = await fog.database.read
      .selectFrom('jobs')
      .select('id')
      .where('purpose', '=', 'check')
      .where('ended_at', 'is', null)
      .execute();
    assert.deepEqual(unended, []);
    assert.equal((await trustOf(fog, agent))?.withheld, 0);
  },

  async 'checks and answers go with their time'({ open }: Scene) {
    const fog = await open({ keepJobs: '1d' });
    await knowAnswer(fog);
    await checkedNode(fog, honest);
    await fog.advance(2 * 3_600_000);
    assert.deepEqual(await hiddenJobs(fog), []);
    await fog.advance(2 * 86_400_000);
    for (const table of ['known_answers', 'spot_checks'] as const) {
      assert.deepEqual(await fog.database.read.selectFrom(table).select('job_id').execute(), []);
    }
  },
});
