/** Results that the script of their job compares, over both databases. */
import assert from 'node:assert/strict';
import type { AttemptName } from '@fog/contract';
import { onBothDatabases } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import { type Fog, MODULE } from './fog-harness.ts';
import { attemptStates, jobRow, taskRow } from './invariants.ts';
import { acceptedOutput, honest, outputsOf, RIGHT, stranger, submitVerified, trustOf, wrong } from './strangers.ts';

/** Near enough for the script of these tests. */
const NEAR = wrong(0);
const FAR = wrong(1);
const [YES, NO, MAYBE] = [wrong(5), wrong(6), wrong(7)];
const blobs = new Map([
  [YES, Buffer.from('true')],
  [NO, Buffer.from('false')],
  [MAYBE, Buffer.from('"true"')],
]);
const SCRIPTED = { mode: 'replicate' as const, compare: { script: MODULE } };

type Says = (left: string, right: string) => string | null;
const nearEnough: Says = (left, right) => (left === FAR || right === FAR ? NO : YES);

/** A trusted node that runs nothing but scripts. What it is asked goes into `asked`. */
async function judge(fog: Fog, says: Says, asked: string[][] = []): Promise<FakeAgent> {
  const agent = fog.agent({ owner: 'root', prefix: '10.1.0.0/24', trusted: true, runtimes: ['javascript'] });
  agent.onLease = (name) => {
    const [left, right] = ['/left/result', '/right/result'].map((path) => inputAt(agent, name, path));
    asked.push([left ?? '', right ?? '']);
    const answer = says(left ?? '', right ?? '');
    queueMicrotask(() => {
      if (answer === null) agent.fail(name, 'script-error', null);
      else agent.succeed(name, outputsOf(answer));
    });
  };
  await agent.connect();
  return agent;
}

function inputAt(agent: FakeAgent, { job }: AttemptName, path: string): string | undefined {
  const group = agent.groups.findLast((known) => known.job === job);
  return group?.spec.spec.task.inputs.find((input) => input.path === path)?.source;
}

/** Ids of the hidden jobs. */
async function runsOf(fog: Fog, job: string): Promise<string[]> {
  const rows = await fog.database.read.selectFrom('comparisons').select('run_id').where('job_id', '=', job).execute();
  return rows.map(({ run_id }) => run_id);
}

async function advance(fog: Fog, seconds: number): Promise<void> {
  for (let round = 0; round < seconds; round += 1) await fog.advance(1000);
}

await onBothDatabases('comparing scripts', {
  async 'results that the script calls equal, both ways round, are a quorum'({ open }) {
    const fog = await open({ blobs });
    const asked: string[][] = [];
    await judge(fog, nearEnough, asked);
    await stranger(fog, () => FAR);
    const near = [await stranger(fog, honest), await stranger(fog, () => NEAR)];
    const job = await submitVerified(fog, SCRIPTED);
    await fog.settle();
    await advance(fog, 8);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.ok([RIGHT, NEAR].includes((await acceptedOutput(fog, job)) ?? ''));
    assert.deepEqual((await attemptStates(fog.database, job)).sort(), ['confirmed', 'invalid', 'valid']);
    for (const agent of near) assert.equal((await trustOf(fog, agent))?.valid, 1);
    const pairs = asked.map((pair) => pair.join());
    assert.equal(new Set(pairs).size, pairs.length, 'nothing is asked twice');
    assert.ok(pairs.includes([RIGHT, NEAR].join()) && pairs.includes([NEAR, RIGHT].join()));
    for (const run of await runsOf(fog, job)) assert.equal((await jobRow(fog.database, run)).purpose, 'comparison');
  },

  async 'what says anything but true, fails, or differs with the order, calls nothing equal'({ open }) {
    for (const says of [() => MAYBE, () => null, (left: string) => (left === RIGHT ? YES : NO)]) {
      const fog = await open({ blobs });
      await judge(fog, says);
      await stranger(fog, honest);
      await stranger(fog, () => NEAR);
      const job = await submitVerified(fog, { ...SCRIPTED, maxReplicas: 2 });
      await fog.settle();
      await advance(fog, 6);
      assert.equal((await taskRow(fog.database, job)).state, 'queued', 'a trusted node has to decide');
      for (let round = 0; round < 20; round += 1) await fog.advance(10_000);
      assert.equal((await taskRow(fog.database, job)).failure?.includes('inconclusive'), true);
    }
  },

  async 'without a trusted node nothing is equal, after a while'({ open }) {
    const fog = await open({ blobs });
    await stranger(fog, honest);
    await stranger(fog, () => NEAR);
    await stranger(fog, () => FAR);
    const job = await submitVerified(fog, { ...SCRIPTED, maxReplicas: 2 });
    await fog.settle();
    for (let round = 0; round < 60; round += 1) await fog.advance(10_000);
    assert.equal((await jobRow(fog.database, job)).state, 'failed');
    assert.match((await taskRow(fog.database, job)).failure ?? '', /inconclusive/);
    const [run] = await runsOf(fog, job);
    assert.equal((await jobRow(fog.database, run ?? '')).state, 'expired');
    await fog.advance(2 * 3_600_000);
    assert.deepEqual(await runsOf(fog, job), [], 'nothing is left of them');
    assert.equal(
      await fog.database.read
        .selectFrom('jobs')
        .selectAll()
        .where('id', '=', run ?? '')
        .executeTakeFirst(),
      undefined,
    );
  },

  async 'whom nobody could compare with the result of a trusted node is not found out'({ open }) {
    const fog = await open({ blobs });
    const strangers = [await stranger(fog, honest), await stranger(fog, () => NEAR)];
    const job = await submitVerified(fog, { ...SCRIPTED, maxReplicas: 2 });
    await fog.settle();
    for (let round = 0; round < 15; round += 1) await fog.advance(10_000);
    const decider = await stranger(fog, () => wrong(3), { trusted: true });
    for (let round = 0; round < 60; round += 1) await fog.advance(10_000);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.deepEqual((await attemptStates(fog.database, job)).sort(), ['inconclusive', 'inconclusive', 'valid']);
    for (const agent of strangers) assert.equal((await trustOf(fog, agent))?.invalid ?? 0, 0);
    assert.equal(decider.groups.length, 1, 'the trusted node is asked once');
  },

  async 'a crash in between begins nothing twice'({ open, crash }) {
    const fog = await open({ blobs });
    const asked: string[][] = [];
    const trusted = await judge(fog, nearEnough, asked);
    trusted.cut();
    await stranger(fog, honest);
    await stranger(fog, () => NEAR);
    const job = await submitVerified(fog, SCRIPTED);
    await fog.settle();
    await advance(fog, 3);
    const again = await crash(fog);
    for (const agent of again.agents) await agent.connect();
    await advance(again, 8);
    assert.equal((await jobRow(again.database, job)).state, 'completed');
    assert.equal(asked.length, 2);
  },
});
