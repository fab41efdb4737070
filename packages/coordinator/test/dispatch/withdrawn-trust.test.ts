/** A node that is trusted no more when it shows its result is believed like any other, whatever it was leased as. */
import assert from 'node:assert/strict';
import type { AttemptName } from '@fog/contract';
import { onBothDatabases } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import type { Fog } from './fog-harness.ts';
import { attemptStates, jobRow, taskRow } from './invariants.ts';
import {
  acceptedOutput,
  honest,
  outputsOf,
  RIGHT,
  recordOf,
  stranger,
  submitVerified,
  trustOf,
  wrong,
} from './strangers.ts';

/** A trusted node that runs what it gets until the test says more. */
async function operators(fog: Fog): Promise<FakeAgent> {
  return await fog.connected({ trusted: true, owner: 'operator', prefix: '10.1.0.0/24' });
}

function only(agent: FakeAgent): AttemptName {
  const [name] = agent.attempts;
  assert.ok(name !== undefined && agent.held.size === 1);
  return name;
}

/** A task on which two strangers differ, so that the trusted node is to decide. */
async function disputed(fog: Fog): Promise<{ job: string; right: FakeAgent; liar: FakeAgent; node: FakeAgent }> {
  const right = await stranger(fog);
  const liar = await stranger(fog, () => wrong(1));
  const job = await submitVerified(fog, { mode: 'replicate', maxReplicas: 2 });
  await fog.settle();
  const node = await operators(fog);
  await fog.settle();
  return { job, right, liar, node };
}

async function reasonOf(fog: Fog, { job, partition, fence }: AttemptName): Promise<string | undefined> {
  const row = await fog.database.read
    .selectFrom('attempts')
    .select('outcome')
    .where('job_id', '=', job)
    .where('partition', '=', partition)
    .where('fence', '=', fence)
    .executeTakeFirst();
  return JSON.parse(row?.outcome ?? '{}').reason;
}

await onBothDatabases('trust that is withdrawn', {
  async 'what it decides afterwards condemns nobody: another trusted node is asked'({ open }) {
    const fog = await open();
    const { job, right, liar, node } = await disputed(fog);
    const name = only(node);
    await fog.nodes.trust(node.id, false, 'root');
    node.succeed(name, outputsOf(wrong(1)));
    await fog.settle();
    assert.equal(await reasonOf(fog, name), 'trust-withdrawn');
    const task = await taskRow(fog.database, job);
    assert.deepEqual([task.state, task.node_failures, task.job_failures], ['queued', 0, 0]);
    for (const agent of [right, liar, node]) assert.equal((await trustOf(fog, agent))?.invalid ?? 0, 0);
    await stranger(fog, honest, { trusted: true });
    await fog.settle();
    assert.equal(await acceptedOutput(fog, job), RIGHT);
    assert.deepEqual([(await trustOf(fog, right))?.invalid, (await trustOf(fog, liar))?.invalid], [0, 1]);
    assert.equal(await trustOf(fog, node), null);
  },

  async 'nor does its word that the program fails'({ open }) {
    const fog = await open();
    const { job, node } = await disputed(fog);
    const name = only(node);
    await fog.nodes.trust(node.id, false, 'root');
    node.fail(name, 'exit-code', 1);
    await fog.settle();
    assert.deepEqual(
      [await reasonOf(fog, name), (await taskRow(fog.database, job)).state],
      ['trust-withdrawn', 'queued'],
    );
  },

  async 'what it runs as if nothing was verified is run again by others, and verified'({ open }) {
    for (const fails of [false, true]) {
      const fog = await open();
      const node = await operators(fog);
      const job = await submitVerified(fog, { mode: 'replicate' }, { retry: { attempts: 1 } });
      await fog.settle();
      const name = only(node);
      assert.equal(await recordOf(fog, job), null);
      await fog.nodes.trust(node.id, false, 'root');
      await fog.nodes.cordon(node.id, true, 'root');
      if (fails) node.fail(name, 'exit-code', 1);
      else node.succeed(name, outputsOf(wrong(1)));
      await fog.settle();
      assert.equal(await reasonOf(fog, name), 'trust-withdrawn');
      const { state, node_failures, job_failures } = await taskRow(fog.database, job);
      assert.deepEqual([state, node_failures, job_failures], ['queued', 0, 0]);
      for (let which = 0; which < 2; which += 1) await stranger(fog);
      await fog.settle();
      assert.equal(await acceptedOutput(fog, job), RIGHT);
      assert.equal((await jobRow(fog.database, job)).state, 'completed');
      for (const { id } of fog.agents) await fog.nodes.remove(id);
    }
  },

  async 'nothing is leased to it on its word though its session does not know yet'({ open }) {
    const fog = await open();
    const node = await operators(fog);
    // As another coordinator does it.
    await fog.database.write((writer) =>
      writer.updateTable('nodes').set({ trusted: 0 }).where('id', '=', node.id).execute(),
    );
    const job = await submitVerified(fog);
    await fog.settle();
    assert.deepEqual([only(node).job, (await recordOf(fog, job))?.state.replicas.length], [job, 1]);
    // A hint has told of it, which nothing waits for.
    for (let tries = 0; tries < 200 && node.session?.identity.trusted !== false; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(node.session?.identity.trusted, false, 'it knows now');
  },

  async 'a replica that it began as trusted has the weight of one of a stranger'({ open }) {
    const fog = await open();
    await stranger(fog);
    const job = await submitVerified(fog, { mode: 'replicate' });
    await fog.settle();
    const node = await operators(fog);
    node.onReveal = () => queueMicrotask(() => node.reveal(name, wrong(1)));
    await fog.settle();
    const name = only(node);
    await fog.nodes.trust(node.id, false, 'root');
    node.commit(name, wrong(1));
    await fog.settle();
    assert.equal(await acceptedOutput(fog, job), null);
    await stranger(fog);
    await fog.settle();
    assert.equal(await acceptedOutput(fog, job), RIGHT);
    assert.deepEqual((await attemptStates(fog.database, job)).sort(), ['confirmed', 'invalid', 'valid']);
  },
});
