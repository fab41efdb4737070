/** A coordinator that was away judges nobody by that time, and a submitter does not decide how soon a node is blamed. */
import assert from 'node:assert/strict';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { deployed, get, service, willing } from '../deployments/deployment-scene.ts';
import { onBothDatabases, type Scene } from './both-databases.ts';
import type { Fog } from './fog-harness.ts';
import { attemptStates, jobRow } from './invariants.ts';
import { RIGHT, stranger, submitVerified, trustOf } from './strangers.ts';

const LOST_AFTER = 60_000;
const HOUR = 3_600_000;

/** It is stopped as for an upgrade, and started after a while. */
async function replaced(fog: Fog, { crash }: Scene, awayMilliseconds: number): Promise<Fog> {
  await fog.nodes.stop();
  fog.clock.now += awayMilliseconds;
  return await crash(fog);
}

/** A job whose replicas have all committed, and are asked for results that nobody shows. */
async function committed(fog: Fog, spec = {}) {
  const agents = [await stranger(fog), await stranger(fog)];
  for (const agent of agents) agent.onReveal = () => undefined;
  const job = await submitVerified(fog, { mode: 'replicate' }, spec);
  await fog.settle();
  assert.deepEqual(await attemptStates(fog.database, job), ['committed', 'committed']);
  return { job, agents };
}

await onBothDatabases('outages', {
  async 'after a planned stop nodes have their time to reconnect, whatever they had committed to'(scene) {
    const fog = await scene.open();
    const { job, agents } = await committed(fog);
    const again = await replaced(fog, scene, HOUR);
    await again.advance(1000);
    await again.advance(LOST_AFTER);
    assert.deepEqual(await attemptStates(again.database, job), ['committed', 'committed']);
    for (const agent of agents) {
      agent.onReveal = (name) => queueMicrotask(() => agent.reveal(name, RIGHT));
      await agent.connect();
    }
    await again.settle();
    assert.equal((await jobRow(again.database, job)).state, 'completed');
    for (const agent of agents) assert.equal((await trustOf(again, agent))?.withheld, 0);
  },

  async 'what runs on a node that reconnects after a planned stop is not replaced; on one that does not, it is'(scene) {
    const fog = await scene.open();
    const agents = [await fog.connected(), await fog.connected()];
    const job = await fog.submit({ spec: { count: 2 } });
    await fog.settle();
    const again = await replaced(fog, scene, HOUR);
    await again.advance(DISPATCH_LIMITS.reconnectMilliseconds / 2);
    const [back] = agents;
    await back?.connect();
    await again.advance(DISPATCH_LIMITS.reconnectMilliseconds / 2 + LOST_AFTER - 1);
    const rows = await again.database.read.selectFrom('attempts').select(['state', 'node_id']).execute();
    assert.deepEqual([rows.length, rows.filter((row) => row.state === 'lost').length], [2, 0]);
    assert.equal(
      (await again.database.read.selectFrom('nodes').where('state', '=', 'lost').selectAll().execute()).length,
      0,
    );
    await again.advance(1);
    assert.equal(back?.held.size, 2, `${job} goes on there`);
  },

  async 'the replicas of a service stay where they are through a planned stop'(scene) {
    const fog = await scene.open();
    const agents = [await willing(fog, { name: 'a' }), await willing(fog, { name: 'b' })];
    const { revisions } = await deployed(fog, service());
    const job = revisions[0]?.job ?? '';
    const again = await replaced(fog, scene, HOUR);
    await agents[0]?.connect();
    for (let second = 0; second < 15; second += 1) await again.advance(1000);
    await agents[1]?.connect();
    await again.settle();
    for (const partition of [0, 1]) assert.deepEqual(await attemptStates(again.database, job, partition), ['running']);
    assert.equal((await get(again)).state, 'stable');
  },

  async 'who could not show its result while nobody asked for it has the whole time for it again'(scene) {
    const fog = await scene.open();
    const { job, agents } = await committed(fog);
    const again = await replaced(fog, scene, LOST_AFTER + DISPATCH_LIMITS.revealMilliseconds + HOUR);
    for (const agent of agents) await agent.connect();
    await again.advance(1000);
    await again.advance(LOST_AFTER + DISPATCH_LIMITS.revealMilliseconds - 2000);
    assert.deepEqual(await attemptStates(again.database, job), ['committed', 'committed']);
    await again.advance(DISPATCH_LIMITS.reconnectMilliseconds + 1000);
    for (const agent of agents) assert.equal((await trustOf(again, agent))?.withheld, 1);
  },

  async 'a round that was due while nobody listened waits for the commitments that nodes bring along'(scene) {
    const fog = await scene.open();
    const agents = [await stranger(fog), await stranger(fog)];
    const [first, second] = agents;
    assert.ok(first !== undefined && second !== undefined);
    second.onLease = () => undefined;
    const job = await submitVerified(fog);
    await fog.settle();
    const again = await replaced(fog, scene, 24 * HOUR);
    await first.connect();
    await again.advance(1000);
    const [name] = second.attempts;
    assert.ok(name !== undefined);
    second.commit(name, RIGHT);
    await second.connect();
    await again.settle();
    assert.equal((await jobRow(again.database, job)).state, 'completed');
    assert.equal((await attemptStates(again.database, job)).length, 2);
  },

  async 'a submitter with no patience at all has no node blamed for a blip'({ open }) {
    const fog = await open();
    const { job, agents } = await committed(fog, { disconnect: { lostAfter: '1ms' } });
    const [first] = agents;
    await first?.disconnect();
    await fog.advance(1000);
    await fog.advance(DISPATCH_LIMITS.committedSilenceMilliseconds - 1001);
    assert.deepEqual(await attemptStates(fog.database, job), ['committed', 'committed']);
    for (const agent of agents) {
      agent.onReveal = (name) => queueMicrotask(() => agent.reveal(name, RIGHT));
    }
    await first?.connect();
    await fog.advance(0);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    for (const agent of agents) assert.equal((await trustOf(fog, agent))?.withheld, 0);
  },

  async 'only what has not been committed to is lost after lostAfter'({ open }) {
    const fog = await open();
    const quick = await stranger(fog);
    const slow = await stranger(fog);
    slow.onLease = () => undefined;
    const job = await submitVerified(fog, { mode: 'replicate' }, { disconnect: { lostAfter: '1s' } });
    await fog.settle();
    await quick.disconnect();
    await slow.disconnect();
    await fog.advance(1000);
    assert.deepEqual((await attemptStates(fog.database, job)).sort(), ['committed', 'lost']);
    await fog.advance(DISPATCH_LIMITS.committedSilenceMilliseconds);
    assert.equal((await trustOf(fog, quick))?.withheld, 1);
    assert.equal(await trustOf(fog, slow), null);
  },
});
