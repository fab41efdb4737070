/** That nobody may take a task is believed only when it was so for a whole patience, and somebody looked. */
import assert from 'node:assert/strict';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { onBothDatabases } from './both-databases.ts';
import type { Fog } from './fog-harness.ts';
import { jobRow, taskRow } from './invariants.ts';
import {
  acceptedOutput,
  failing,
  honest,
  passing,
  RIGHT,
  recordOf,
  stranger,
  submitVerified,
  wrong,
} from './strangers.ts';

const MINUTE = 60_000;

/** A task that waits for a trusted node, and the trusted node, which is busy with something else. */
async function adjudicating(fog: Fog) {
  const trusted = await stranger(fog, honest, { trusted: true, capacity: { slots: 1 } });
  const { onLease } = trusted;
  trusted.onLease = () => undefined;
  await fog.submit();
  await fog.settle();
  assert.equal(trusted.held.size, 1);
  trusted.onLease = onLease;
  for (let which = 0; which < 2; which += 1) await stranger(fog, () => wrong(which));
  const job = await submitVerified(fog, { mode: 'replicate', maxReplicas: 2 });
  await fog.settle();
  assert.equal((await recordOf(fog, job))?.state.phase, 'adjudicating');
  return { job, trusted };
}

/** The trusted node has time at last. */
async function decided(fog: Fog, { job, trusted }: Awaited<ReturnType<typeof adjudicating>>): Promise<void> {
  assert.notEqual((await taskRow(fog.database, job)).state, 'failed');
  for (const name of trusted.attempts) trusted.succeed(name);
  await fog.settle();
  assert.equal(await acceptedOutput(fog, job), RIGHT);
}

await onBothDatabases('nobody may take it', {
  async 'a trusted node that is busy and blinks at the wrong moment is waited for'({ open }) {
    const fog = await open();
    const scene = await adjudicating(fog);
    for (const connected of [9_500, 109_000, 299_000, 9_000]) {
      await passing(fog, connected);
      await scene.trusted.disconnect();
      await fog.advance(1000);
      await scene.trusted.connect();
    }
    await passing(fog, MINUTE);
    await decided(fog, scene);
  },

  async 'a coordinator that has just started concludes nothing from not having seen a node yet'({ open, crash }) {
    const before = await open();
    const scene = await adjudicating(before);
    await passing(before, 2 * MINUTE);
    before.clock.now += 10 * MINUTE;
    const fog = await crash(before);
    await fog.advance(1000);
    await passing(fog, 30_000);
    await scene.trusted.connect();
    await decided(fog, scene);
  },

  async 'nor does one from what another has seen before it'({ open, crash }) {
    const before = await open();
    const scene = await adjudicating(before);
    await scene.trusted.disconnect();
    await passing(before, 2 * MINUTE);
    const fog = await crash(before);
    await passing(fog, 2 * MINUTE);
    await scene.trusted.connect();
    await decided(fog, scene);
  },

  async 'the word of one node that the program fails does not stand because the others have to reconnect'({
    open,
    crash,
  }) {
    const before = await open();
    const liar = await stranger(before, failing);
    const others = [await stranger(before, honest), await stranger(before, honest)];
    for (const { id } of others) await before.nodes.cordon(id, true, 'root');
    const job = await submitVerified(before);
    await before.settle();
    await before.advance(1000);
    before.clock.now += 10 * MINUTE;
    const fog = await crash(before);
    await liar.connect();
    await fog.advance(1000);
    await passing(fog, 20_000);
    for (const agent of others) {
      await agent.connect();
      await fog.nodes.cordon(agent.id, false, 'root');
    }
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.equal((await taskRow(fog.database, job)).job_failures, 0);
  },

  async 'the time of a coordinator that stood still does not count'({ open }) {
    const fog = await open();
    const scene = await adjudicating(fog);
    await scene.trusted.disconnect();
    await passing(fog, MINUTE);
    await fog.advance(60 * MINUTE);
    await scene.trusted.connect();
    await decided(fog, scene);
  },

  async 'where nobody comes for the whole patience, the task fails, and not much later'({ open }) {
    const fog = await open();
    const { job, trusted } = await adjudicating(fog);
    await trusted.disconnect();
    const { adjudicatorPatienceMilliseconds: patience, placeLookMilliseconds: look } = DISPATCH_LIMITS;
    await passing(fog, patience - look);
    assert.equal((await taskRow(fog.database, job)).state, 'queued');
    await passing(fog, 3 * look);
    assert.equal(JSON.parse((await taskRow(fog.database, job)).failure ?? '{}').reason, 'inconclusive');
  },
});
