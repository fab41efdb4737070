/** Verified tasks from their submit to a verdict, over both databases: who runs them, what is believed, who pays. */
import assert from 'node:assert/strict';
import { onBothDatabases } from './both-databases.ts';
import { attemptStates, eventTypes, jobRow, taskRow } from './invariants.ts';
import {
  acceptedOutput,
  honest,
  outputsOf,
  passing,
  prove,
  RIGHT,
  recordOf,
  standing,
  stranger,
  submitVerified,
  trustOf,
  wrong,
} from './strangers.ts';

/** Longer than any patience. */
const LONG = 3 * 3_600_000;

await onBothDatabases('verification', {
  async 'two honest strangers agree: accepted by a quorum, both valid'({ open }) {
    const fog = await open();
    const first = await stranger(fog);
    const second = await stranger(fog);
    const job = await submitVerified(fog, { mode: 'replicate' }, { count: 3 });
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.equal((await recordOf(fog, job))?.state.accepted?.by, 'quorum');
    assert.deepEqual((await attemptStates(fog.database, job)).sort(), ['confirmed', 'valid']);
    for (const agent of [first, second]) assert.equal((await trustOf(fog, agent))?.consecutiveValid, 3);
    const types = await eventTypes(fog.database, job);
    for (const type of ['task.committed', 'task.revealed', 'attempt.judged', 'task.verified']) {
      assert.ok(
        types.some((line) => line.startsWith(type)),
        type,
      );
    }
    assert.equal(types.at(-1), 'job.completed');
  },

  async 'one slot each is enough: who has committed makes room'({ open }) {
    const fog = await open();
    for (let node = 0; node < 2; node += 1) await stranger(fog, honest, { capacity: { slots: 1 } });
    const job = await submitVerified(fog, { mode: 'replicate' }, { count: 8 });
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },

  async 'the same owner, and the same network, never runs two replicas of a task'({ open }) {
    const fog = await open();
    await stranger(fog, honest, { owner: 'olga' });
    await stranger(fog, honest, { owner: 'olga' });
    const job = await submitVerified(fog);
    await fog.settle();
    assert.deepEqual(
      [(await taskRow(fog.database, job)).state, (await taskRow(fog.database, job)).fence],
      ['queued', 1],
    );
    await stranger(fog, honest, { prefix: '10.0.0.0/24' });
    await stranger(fog, honest, { prefix: '10.0.1.0/24' });
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    const { state } = (await recordOf(fog, job)) ?? {};
    assert.equal(new Set(state?.replicas.map(({ owner }) => owner)).size, 2);
  },

  async 'a place that turns out to be of the same owner is not taken'({ open }) {
    const fog = await open();
    await stranger(fog, honest, { owner: 'olga' });
    const second = await stranger(fog, honest, { owner: 'oleg' });
    await fog.nodes.cordon(second.id, true, 'root');
    const job = await submitVerified(fog);
    await fog.settle();
    const { session } = second;
    assert.ok(session !== null);
    // What placement remembers of the node is not what the lease finds.
    session.identity.owner = 'olga';
    await fog.nodes.cordon(second.id, false, 'root');
    await fog.settle();
    const task = await taskRow(fog.database, job);
    assert.deepEqual([task.state, task.fence, task.parked], ['queued', 1, 1]);
    session.identity.owner = 'oleg';
    for (let round = 0; round < 3; round += 1) await fog.advance(6000);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },

  async 'a liar is outvoted by a third node and becomes suspect; the honest lose nothing'({ open }) {
    const fog = await open();
    const liar = await stranger(fog, () => wrong(1));
    const others = [await stranger(fog), await stranger(fog)];
    const job = await submitVerified(fog);
    await fog.settle();
    assert.equal(await acceptedOutput(fog, job), RIGHT);
    assert.equal(await standing(fog, liar), 'suspect');
    for (const other of others) assert.equal((await trustOf(fog, other))?.invalid, 0);
    assert.deepEqual((await attemptStates(fog.database, job)).sort(), ['confirmed', 'invalid', 'valid']);
  },

  async 'accomplices at one owner never form a quorum'({ open }) {
    const fog = await open();
    const pair = [
      await stranger(fog, () => wrong(1), { owner: 'mallory' }),
      await stranger(fog, () => wrong(1), { owner: 'mallory' }),
    ];
    await stranger(fog);
    await stranger(fog);
    const job = await submitVerified(fog, { mode: 'replicate' }, { count: 10 });
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    for (let partition = 0; partition < 10; partition += 1) {
      assert.equal(await acceptedOutput(fog, job, partition), RIGHT);
    }
    for (const accomplice of pair) assert.notEqual(await standing(fog, accomplice), 'proven');
  },

  async 'replicas that cannot agree are decided by a trusted node'({ open }) {
    const fog = await open();
    const liars = [];
    for (let which = 0; which < 3; which += 1) liars.push(await stranger(fog, () => wrong(which)));
    const job = await submitVerified(fog, { mode: 'replicate', maxReplicas: 3 });
    await fog.settle();
    assert.equal((await recordOf(fog, job))?.state.phase, 'adjudicating');
    await stranger(fog, honest, { trusted: true });
    await fog.settle();
    assert.deepEqual(
      [await acceptedOutput(fog, job), (await recordOf(fog, job))?.state.accepted?.by],
      [RIGHT, 'trusted'],
    );
    for (const liar of liars) assert.equal(await standing(fog, liar), 'suspect');
  },

  async 'without a trusted node, the task fails as inconclusive, and nobody is condemned'({ open }) {
    const fog = await open();
    const liars = [];
    for (let which = 0; which < 2; which += 1) liars.push(await stranger(fog, () => wrong(which)));
    const job = await submitVerified(fog, { mode: 'replicate', maxReplicas: 2 });
    await fog.settle();
    await passing(fog, 180_000);
    const task = await taskRow(fog.database, job);
    assert.equal(JSON.parse(task.failure ?? '{}').reason, 'inconclusive');
    assert.deepEqual(await attemptStates(fog.database, job), ['inconclusive', 'inconclusive']);
    for (const liar of liars)
      assert.deepEqual([(await trustOf(fog, liar))?.invalid, await standing(fog, liar)], [0, 'unknown']);
  },

  async 'where no second node may run it, a trusted node decides after some patience'({ open }) {
    const fog = await open();
    await stranger(fog);
    const own = await stranger(fog, honest, { trusted: true, labels: { own: 'yes' } });
    await fog.nodes.cordon(own.id, true, 'root');
    const job = await submitVerified(fog);
    await fog.settle();
    assert.equal((await taskRow(fog.database, job)).state, 'queued');
    // First what is there is shown, then nobody is found who could confirm it.
    await passing(fog, 100_000);
    assert.equal((await recordOf(fog, job))?.state.phase, 'adjudicating');
    await fog.nodes.cordon(own.id, false, 'root');
    await fog.settle();
    assert.equal((await recordOf(fog, job))?.state.accepted?.by, 'trusted');
  },

  async 'a task that a trusted node gets first is not verified'({ open }) {
    const fog = await open();
    const own = await stranger(fog, honest, { trusted: true });
    const job = await submitVerified(fog);
    await fog.settle();
    assert.equal(await recordOf(fog, job), null);
    assert.deepEqual(await attemptStates(fog.database, job), ['valid']);
    await fog.nodes.trust(own.id, false, 'root');
    const later = await submitVerified(fog);
    await fog.settle();
    assert.notEqual(await recordOf(fog, later), null, 'nor is it trusted any more');
  },

  async 'a trusted node among the replicas is outvoted by no accomplices'({ open }) {
    const fog = await open();
    const liar = await stranger(fog, () => wrong(1));
    const job = await submitVerified(fog, { mode: 'replicate', maxReplicas: 5 });
    await fog.settle();
    await stranger(fog, honest, { trusted: true });
    await fog.settle();
    for (let more = 0; more < 3; more += 1) await stranger(fog, () => wrong(1));
    await fog.settle();
    assert.equal(await acceptedOutput(fog, job), RIGHT);
    assert.equal(await standing(fog, liar), 'suspect');
  },

  async 'a proven node mostly runs alone; an unknown one never does'({ open }) {
    const fog = await open();
    const proven = await stranger(fog);
    await prove(fog, proven, 1_000_000);
    const job = await submitVerified(fog, { mode: 'adaptive' }, { count: 5 });
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.deepEqual(await attemptStates(fog.database, job), ['valid']);
    assert.equal((await trustOf(fog, proven))?.unreplicated.length, 5);
    await fog.nodes.cordon(proven.id, true, 'root');
    await stranger(fog);
    const unknown = await submitVerified(fog, { mode: 'adaptive' });
    await fog.settle();
    assert.equal((await taskRow(fog.database, unknown)).state, 'queued');
  },

  async 'what a node did alone is verified again when it is found out, and corrected'({ open }) {
    const fog = await open();
    let lies = false;
    const liar = await stranger(fog, () => (lies ? wrong(1) : RIGHT));
    await prove(fog, liar, 1_000_000);
    lies = true;
    const alone = await submitVerified(fog, { mode: 'adaptive' }, { count: 2 });
    await fog.settle();
    assert.equal(await acceptedOutput(fog, alone), wrong(1));
    await prove(fog, liar, 10);
    await stranger(fog);
    const checked = await submitVerified(fog);
    await fog.settle();
    await stranger(fog);
    await stranger(fog);
    await fog.settle();
    assert.equal(await acceptedOutput(fog, checked), RIGHT);
    assert.equal(await standing(fog, liar), 'suspect');
    await fog.advance(1000);
    for (const partition of [0, 1]) {
      assert.equal(await acceptedOutput(fog, alone, partition), RIGHT);
      assert.equal((await taskRow(fog.database, alone, partition)).state, 'succeeded');
    }
    const types = await eventTypes(fog.database, alone);
    assert.ok(types.indexOf('task.corrected 0/2') > types.indexOf('job.completed'), types.join());
    assert.deepEqual((await attemptStates(fog.database, alone))[0], 'invalid');
  },

  async 'a committed result of a job that is removed meanwhile is given up'({ open }) {
    const fog = await open({ keepJobs: '1h' });
    const proven = await stranger(fog);
    await prove(fog, proven, 1_000_000);
    const job = await submitVerified(fog, { mode: 'adaptive', spotChecks: 0 });
    await fog.settle();
    await fog.database.write((writer) =>
      writer.updateTable('tasks').set({ verification_due: fog.clock.now }).where('job_id', '=', job).execute(),
    );
    const other = await stranger(fog);
    other.onReveal = () => undefined;
    await fog.advance(1000);
    await fog.advance(1000);
    assert.equal(other.session?.committed.length, 1);
    await fog.advance(3_700_000);
    await fog.advance(5000);
    assert.deepEqual([await attemptStates(fog.database, job), other.held.size], [[], 0]);
    assert.equal(other.session?.committed.length, 0);
  },

  async 'with a tolerance, numbers that are near agree, and the first of them is accepted'({ open }) {
    const numbers = [1, 1.005, 7].map((value) => Buffer.from(JSON.stringify({ value })));
    const blobs = new Map([RIGHT, wrong(0), wrong(1)].map((digest, at) => [digest, numbers[at] as Uint8Array]));
    const fog = await open({ blobs });
    await stranger(fog, () => wrong(1));
    const near = [await stranger(fog), await stranger(fog, () => wrong(0))];
    const tolerance = { absolute: 0.01 };
    const job = await submitVerified(fog, { mode: 'replicate', compare: { tolerance } });
    await fog.settle();
    for (let round = 0; round < 3; round += 1) await fog.advance(1000);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.ok([RIGHT, wrong(0)].includes((await acceptedOutput(fog, job)) ?? ''));
    for (const agent of near) assert.equal((await trustOf(fog, agent))?.valid, 1);
    assert.deepEqual((await attemptStates(fog.database, job)).sort(), ['confirmed', 'invalid', 'valid']);
  },

  async 'a coordinator that dies between commit and reveal goes on'({ open, crash }) {
    const fog = await open();
    const agents = [await stranger(fog), await stranger(fog)];
    for (const agent of agents) agent.onReveal = () => undefined;
    const job = await submitVerified(fog);
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), ['committed', 'committed']);
    const again = await crash(fog);
    for (const agent of agents) {
      agent.onReveal = (name) => queueMicrotask(() => agent.reveal(name, RIGHT));
      await agent.connect();
    }
    await again.settle();
    assert.equal((await jobRow(again.database, job)).state, 'completed');
    assert.equal(await acceptedOutput(again, job), RIGHT);
  },

  async 'a question that is lost is asked again'({ open }) {
    const fog = await open();
    const agents = [await stranger(fog), await stranger(fog)];
    const [first] = agents;
    let asked = 0;
    const answer = first?.onReveal ?? null;
    if (first) {
      first.onReveal = (name) => {
        asked += 1;
        if (asked > 1) answer?.(name);
      };
    }
    const job = await submitVerified(fog);
    await fog.settle();
    await fog.advance(5000);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },

  async 'another node cannot claim an attempt'({ open }) {
    const fog = await open();
    const agents = [await stranger(fog), await stranger(fog)];
    for (const agent of agents) agent.onLease = () => undefined;
    const thief = await stranger(fog);
    thief.onLease = () => undefined;
    const job = await submitVerified(fog);
    await fog.settle();
    const holder = fog.agents.find((agent) => agent.held.size > 0 && agent !== thief);
    const [name] = holder?.attempts ?? [];
    assert.ok(name !== undefined);
    const before = await attemptStates(fog.database, job);
    thief.commit(name, wrong(1));
    thief.reveal(name, wrong(1));
    thief.succeed(name, outputsOf(wrong(1)));
    await fog.settle();
    assert.deepEqual(await attemptStates(fog.database, job), before);
  },

  async 'cancelling a verified job ends its replicas, waiting ones too'({ open }) {
    const fog = await open();
    await stranger(fog);
    const slow = await stranger(fog);
    slow.onLease = () => undefined;
    const job = await submitVerified(fog, { mode: 'replicate', quorum: 3 }, { count: 2 });
    await fog.settle();
    await fog.jobs.close(job, 'cancelled', 'alice');
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'cancelled');
    await fog.advance(LONG);
    for (const agent of fog.agents) assert.equal(agent.held.size, 0);
  },
});
